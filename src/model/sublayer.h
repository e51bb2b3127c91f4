/* The two halves of a block, and the masks of attention: words that callers of the forward pass and the kinds
 * of mixers and MLPs share. */
#ifndef FG_MODEL_SUBLAYER_H
#define FG_MODEL_SUBLAYER_H

typedef enum fg_sublayer { FG_SUB_MIXER = 0, FG_SUB_MLP = 1, FG_SUB_COUNT } fg_sublayer;

/* Which tokens a token sees: as the model's own attention does; those before it (a model's sliding window
 * stays); or all positions that were given so far (so the whole prompt must be given at once). */
typedef enum fg_mask { FG_MASK_NATIVE, FG_MASK_CAUSAL, FG_MASK_NONE } fg_mask;

#endif
