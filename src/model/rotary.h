/* Rotary embeddings: element i of the first half of a head and element i of the second are rotated by
 * position * frequency i.
 *
 * Invariant: frequencies, angles, cosines and sines are float32 as in the reference implementation, operation
 * by operation: at position 100,000 a frequency that is exact to the last bit only would rotate a pair by
 * another angle than the reference does. They are tables of the host, whatever the device.
 */
#ifndef FG_MODEL_ROTARY_H
#define FG_MODEL_ROTARY_H

#include "model/hyperparameters.h"
#include "model/workspace.h"

/* Start from zeros. */
typedef struct fg_rotary {
    uint64_t head_size; /* even */
    float *frequencies; /* owned; [head_size / 2] */
    float scale;        /* of cosines and sines */
} fg_rotary;

/* "rotary" of what `source` declares (model/hyperparameters.h). */
fg_status fg_rotary_read(fg_rotary *rotary, const fg_hyperparameters_source *source, uint64_t head_size,
                         fg_error *err);
void fg_rotary_free(fg_rotary *rotary);

/* Rotates vectors of head_size, whose first token is at `position`, in place. */
fg_status fg_rotary_apply(fg_workspace *w, const fg_rotary *rotary, uint64_t position, fg_real *values,
                          const fg_heads *shape, fg_error *err);

#endif
