/* Which tokens a token sees: as the model's own attention does; those before it (a model's sliding window
 * stays); or all positions that were given so far (so the whole prompt must be given at once). */
#ifndef FG_MODEL_MASK_H
#define FG_MODEL_MASK_H

typedef enum fg_mask { FG_MASK_NATIVE, FG_MASK_CAUSAL, FG_MASK_NONE } fg_mask;

#endif
