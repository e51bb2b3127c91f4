/* A stack of blocks: a model's decoder, or the encoder of a vision model, with weights bound.
 *
 *   x += m * behind(mixer(before(x)));  x += m * behind(MLP(before(x)));  x *= output scale
 *
 * where a norm (before, behind), the residual multiplier m and the output scale are there as the block's kind
 * says. Inside of model/.
 *
 * Invariant: all blocks have the stack's hidden size; a block is of one of the stack's kinds.
 */
#ifndef FG_MODEL_STACK_H
#define FG_MODEL_STACK_H

#include "model/block_kinds.h"

typedef struct fg_block_half {
    fg_norm before, behind;
    fg_sublayer_weights weights;
} fg_block_half;

typedef struct fg_block {
    const fg_block_kind *kind;
    fg_block_half halves[FG_SUB_COUNT];
    fg_vector output_scale; /* [1]; mostly without a name */
} fg_block;

/* Start from zeros. */
typedef struct fg_stack {
    uint64_t hidden;
    uint64_t count;
    fg_block_kinds kinds;
    fg_block *blocks;         /* owned */
    fg_scratch normed, added; /* hidden states of one half, for the tokens that it is given at once */
} fg_stack;

/* Reads the kinds of source->declared (a SIDE, model/spec.h) and binds `count` blocks of hidden size
 * binder->hidden. binder->side says how weights are called, binder->blocks how many blocks the configuration
 * describes: further ones are like the last. `outer` as in fg_block_kinds_read. */
fg_status fg_stack_bind(fg_stack *stack, const fg_binder *binder, const fg_hyperparameters_source *source,
                        const fg_hyperparameters *outer, uint64_t count, fg_error *err);
void fg_stack_free(fg_stack *stack, fg_workspace *w);
void fg_stack_forget(fg_stack *stack, fg_workspace *w); /* the cached panels of its weights */
/* Caches the weights of a block for which there is room. */
fg_status fg_stack_preload(fg_stack *stack, fg_workspace *w, uint64_t block, fg_error *err);

/* Runs a block in place on `hidden` [call->count, stack->hidden] of the device. Of `call` the caller gives
 * work, mask, position, count, length and columns, and cache; without earlier positions that may be NULL.
 * `probe` may be NULL. The mixer gets all tokens in pieces, then the MLP does: besides hidden states and
 * cache only the scores of one tile grow with the number of tokens. */
fg_status fg_stack_run(fg_stack *stack, uint64_t block, fg_block_call call, fg_real *hidden,
                       const fg_probe *probe, fg_error *err);

/* What a block's mixer keeps of earlier positions. */
fg_cache_size fg_stack_cache_size(const fg_stack *stack, uint64_t block);
/* Tokens that a token of the block sees, itself included: its sliding window; 0: all before it. */
uint64_t fg_stack_window(const fg_stack *stack, uint64_t block);
/* The weights of a block as float32 take this many bytes. */
uint64_t fg_stack_block_bytes(const fg_stack *stack, uint64_t block);
/* About how many numbers a block needs besides hidden states and cache, for a call that ends at so many
 * positions. */
uint64_t fg_stack_scratch(const fg_stack *stack, uint64_t positions);
/* Causal or none, native if its blocks differ. */
fg_mask fg_stack_own_mask(const fg_stack *stack);

#endif
