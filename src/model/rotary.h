/* Rotary embeddings: pairs of elements of a head are rotated by position * the frequency of the pair
 * (model/rotary_kinds.h). The first `size` elements of a head are rotated; a pair is an element of their
 * first half and one of their second or, interleaved, two neighbours.
 *
 * Invariant: angles, cosines and sines are float32 as in the reference implementation. They are tables of the
 * host, whatever the device.
 */
#ifndef FG_MODEL_ROTARY_H
#define FG_MODEL_ROTARY_H

#include "model/hyperparameters.h"
#include "model/rotary_kinds.h"
#include "model/workspace.h"

/* Start from zeros. */
typedef struct fg_rotary {
    fg_rotary_settings settings;
    bool interleaved;
    float *frequencies; /* owned; [pairs]; where they do not depend on the length */
    float scale;        /* then: of cosines and sines */
} fg_rotary;

/* Where tokens are: one behind the other from `first` on, of a sequence of `length`; or, with `columns`,
 * patches of an image that has so many in a row. */
typedef struct fg_positions {
    uint64_t first, length, columns;
} fg_positions;

/* "rotary" of what `source` declares (model/hyperparameters.h). */
fg_status fg_rotary_read(fg_rotary *rotary, const fg_hyperparameters_source *source, uint64_t head_size,
                         fg_error *err);
void fg_rotary_free(fg_rotary *rotary);
/* The names of "numbers", from 0; NULL behind the last. */
const char *fg_rotary_number_at(size_t index);

/* Rotates the vectors of `shape` in place. FG_ERR_INPUT: axial embeddings of a text. */
fg_status fg_rotary_apply(fg_workspace *w, const fg_rotary *rotary, fg_positions positions, fg_real *values,
                          const fg_heads *shape, fg_error *err);

#endif
