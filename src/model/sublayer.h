/* The two halves of a block, and the masks of attention: words that callers of the forward pass and the kinds
 * of mixers and MLPs share. */
#ifndef FG_MODEL_SUBLAYER_H
#define FG_MODEL_SUBLAYER_H

#include <stdint.h>

typedef enum fg_sublayer { FG_SUB_MIXER = 0, FG_SUB_MLP = 1, FG_SUB_COUNT } fg_sublayer;

/* Which tokens a token sees: as the model's own attention does; those before it (a model's sliding window
 * stays); or all positions that were given so far (so the whole prompt must be given at once). */
typedef enum fg_mask { FG_MASK_NATIVE, FG_MASK_CAUSAL, FG_MASK_NONE } fg_mask;

/* Where the two halves of a block can be looked at: called after the mixer and after the MLP with what each
 * ADDS to the residual stream ([count, hidden]), for some tokens after the other: those at [position,
 * position + count). */
typedef struct fg_probe {
    void (*visit)(void *context, uint64_t block, fg_sublayer sublayer, uint64_t position, uint64_t count,
                  const float *values);
    void *context;
} fg_probe;

#endif
