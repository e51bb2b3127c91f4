/* A bound model (a checkpoint's names and config keys bound to roles) and its forward pass in float32.
 *
 * The binding comes from converters/models/TYPE.json and shares nothing with the converters: names and keys
 * are written down a second time there, so that a mistake in a rule cannot hide itself. Weights are brought
 * into one canonical layout (query, key, value, gate, up, down, each as HF has it) panel by panel before they
 * are multiplied, whether a store holds them alone, packed with others or transposed, so that two stores of
 * the same model take the same sums in the same order: equal weights give bit-equal results.
 *
 * Memory: weights are converted to float32 in panels of at most 1 MiB; activations are [tokens, hidden].
 * Hidden states are row-major float32 [tokens, hidden]. A model is used by one thread (BLAS may use more
 * inside).
 */
#ifndef FG_MODEL_FORWARD_H
#define FG_MODEL_FORWARD_H

#include "base/json.h"
#include "device/device.h"
#include "format/checkpoint.h"
#include "model/sublayer.h"
#include "model/weight_source.h"

typedef struct fg_model fg_model;

/* A model may have several prediction heads, for the next token and those behind it. Each has a block of
 * its own: head 0 the one after the `trunk` that all share, the others those behind it. All heads' blocks
 * take what the trunk makes. With one head the trunk is all blocks. */
typedef struct fg_model_shape {
    uint64_t hidden, vocab;
    uint64_t blocks; /* all, those of every head too */
    uint64_t trunk;  /* blocks that all heads share */
    uint64_t heads;  /* prediction heads; 1 for a plain language model */
} fg_model_shape;

/* Binds a model that computes with `device`. `spec` is models/TYPE.json as fg_model_spec_read (model/spec.h)
 * gives it, borrowed only during the call; `format` whose names and keys are used, `config` the checkpoint's
 * config.json. Takes over `weights` (closed with the model, and on failure). FG_ERR_INPUT names what is
 * missing, has another shape, or is not supported. All weights of the model are looked up and their shapes
 * checked here. */
fg_status fg_model_bind(fg_model **model, const fg_device *device, const json_t *spec,
                        const fg_format *format, const json_t *config, fg_weight_source weights,
                        fg_error *err);
void fg_model_free(fg_model **model);
fg_model_shape fg_model_shape_of(const fg_model *model);

void fg_model_set_mask(fg_model *model, fg_mask mask);
/* The model's own: causal or none, native if its blocks differ. */
fg_mask fg_model_own_mask(const fg_model *model);
/* Whether a token sees those after it in some block, as the mask is now: then all must be given at once. */
bool fg_model_sees_ahead(const fg_model *model);

/* KV cache of the blocks [first, first + count) for `capacity` positions. */
typedef struct fg_cache fg_cache;
fg_status fg_cache_new(fg_cache **cache, const fg_model *model, uint64_t first, uint64_t count,
                       uint64_t capacity, fg_error *err);
void fg_cache_free(fg_cache **cache);
/* What such a cache takes; UINT64_MAX when that is beyond counting. */
uint64_t fg_cache_bytes(const fg_model *model, uint64_t first, uint64_t count, uint64_t capacity);

/* Rows of the embedding (scaled where the model does): hidden [count, hidden]. A token id beyond the
 * vocabulary is FG_ERR_USAGE. */
fg_status fg_model_embed(fg_model *model, const uint32_t *tokens, uint64_t count, float *hidden,
                         fg_error *err);

/* Where the two halves of a block can be looked at: called after the mixer and after the MLP with what each
 * ADDS to the residual stream ([count, hidden]). */
typedef struct fg_probe {
    void (*visit)(void *context, uint64_t block, fg_sublayer sublayer, const float *values, uint64_t count);
    void *context;
} fg_probe;

/* One block in place on `hidden` [count, hidden], tokens at positions [position, position + count); earlier
 * positions come from `cache`, to which these are added. Without earlier positions (`position` 0) `cache` may
 * be NULL. `probe` may be NULL. */
fg_status fg_model_block(fg_model *model, uint64_t block, fg_cache *cache, uint64_t position, uint64_t count,
                         float *hidden, const fg_probe *probe, fg_error *err);

/* Final norm of prediction head `head`: from hidden (what that head's block makes) to normed, both [count,
 * hidden]. */
fg_status fg_model_final_norm(fg_model *model, uint64_t head, const float *hidden, uint64_t count,
                              float *normed, fg_error *err);
/* Logits of the vocabulary rows [row, row + rows). A tied model multiplies by the embedding; if the store
 * holds a head all the same, those rows of it must be the same numbers, or it is FG_ERR_INPUT. logits [count,
 * rows] (row-major), rows in any number; computed in panels. */
fg_status fg_model_logits(fg_model *model, const float *normed, uint64_t count, uint64_t row, uint64_t rows,
                          float *logits, fg_error *err);

/* Rows of the head that are multiplied at once: slices that begin at multiples of it take the same sums
 * however many there are. */
uint64_t fg_model_head_panel(const fg_model *model);

/* Caches weights as float32, up to `bytes`, for later calls (micro-batches, generation); 0, the default,
 * caches none. */
void fg_model_cache_weights(fg_model *model, uint64_t bytes);
/* About what a call with so many tokens needs besides them. */
uint64_t fg_model_scratch_bytes(const fg_model *model, uint64_t tokens);
/* The weights of blocks [first, first + count) as float32 take this many bytes. */
uint64_t fg_model_block_bytes(const fg_model *model, uint64_t first, uint64_t count);

#endif
