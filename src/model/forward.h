/* A bound model (a checkpoint's names and config keys bound to roles) and its forward pass in float32.
 *
 * The binding comes from converters/models/TYPE.json and shares nothing with the converters: names and keys
 * are written down a second time there, so that a mistake in a rule cannot hide itself. Weights are brought
 * into one canonical layout (query, key, value, gate, up, down, each as HF has it) panel by panel before they
 * are multiplied, whether a store holds them alone, packed with others or transposed, so that two stores of
 * the same model take the same sums in the same order: equal weights give bit-equal results.
 *
 * Memory: weights are converted to float32 in panels of at most 1 MiB. With the number of tokens grow only
 * what the caller gives (hidden states, logits), keys and values of one block or the cache, and the scores of
 * one head and tile (model/tile.h).
 * Hidden states are row-major float32 [tokens, hidden]. A model is used by one thread (BLAS may use more
 * inside).
 */
#ifndef FG_MODEL_FORWARD_H
#define FG_MODEL_FORWARD_H

#include "base/json.h"
#include "device/device.h"
#include "format/checkpoint.h"
#include "model/sublayer.h"
#include "model/tile.h"
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

/* Says at which position a sequence ends that the next calls give in pieces: rotary embeddings that depend on
 * the length (dynamic, longrope) are then those of a model that is given all of it at once. A call beyond it,
 * and each call if nothing is said (0), is a sequence up to its own last token. */
void fg_model_set_length(fg_model *model, uint64_t tokens);

/* Tokens that a token of the block sees, itself included: its sliding window; 0: all before it. */
uint64_t fg_model_window(const fg_model *model, uint64_t block);
/* The longest of all blocks; 0: none has one. */
uint64_t fg_model_longest_window(const fg_model *model);
/* The name of a mixer that the block holds and never runs, from 0; borrowed; NULL: behind the last. */
const char *fg_model_idle_mixer(const fg_model *model, uint64_t block, size_t index);
/* How many tokens each expert of the block got in the calls so far, borrowed; `count` experts, NULL and 0: it
 * has none. */
const uint64_t *fg_model_experts_chosen(const fg_model *model, uint64_t block, size_t *count);

/* KV cache of every `step`-th block from `first` on, for `capacity` positions. */
typedef struct fg_cache fg_cache;
fg_status fg_cache_new(fg_cache **cache, const fg_model *model, uint64_t first, uint64_t step,
                       uint64_t capacity, fg_error *err);
void fg_cache_free(fg_cache **cache);
/* What such a cache takes of a block; UINT64_MAX when that is beyond counting. */
uint64_t fg_cache_bytes(const fg_model *model, uint64_t block, uint64_t capacity);

/* Rows of the embedding (scaled where the model does): hidden [count, hidden]. A token id beyond the
 * vocabulary is FG_ERR_USAGE. */
fg_status fg_model_embed(fg_model *model, const uint32_t *tokens, uint64_t count, float *hidden,
                         fg_error *err);

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
 * caches none. A device with memory of its own keeps what it has room for, whatever is said here. */
void fg_model_cache_weights(fg_model *model, uint64_t bytes);
/* Such a device loads the weights of a block now, as far as it has room. */
fg_status fg_model_preload(fg_model *model, uint64_t block, fg_error *err);
/* Whether several processes can compute this model together: the device's memory is the host's. */
bool fg_model_can_share_rows(const fg_model *model);
/* The processes that do (model/row_sharing.h), borrowed: they make the same calls of all functions but
 * fg_model_logits. NULL, the default: this one computes all. */
struct fg_row_sharing;
void fg_model_share_rows(fg_model *model, const struct fg_row_sharing *sharing);
/* About what a call needs besides hidden states, cache and logits, if it ends at so many positions: of the
 * host's memory. */
uint64_t fg_model_scratch_bytes(const fg_model *model, uint64_t positions);
/* The weights of a block as float32 take this many bytes. */
uint64_t fg_model_block_bytes(const fg_model *model, uint64_t block);

#endif
