/* The weights of a mixer or an MLP, which says which is where.
 *
 * Invariant: what was bound is freed here, whoever bound it.
 */
#ifndef FG_MODEL_SUBLAYER_WEIGHTS_H
#define FG_MODEL_SUBLAYER_WEIGHTS_H

#include "model/norm.h"

/* Start from zeros. */
typedef struct fg_sublayer_weights {
    fg_matrix *matrices; /* owned, as the others */
    fg_vector *vectors;
    fg_norm *norms;
    size_t matrix_count, vector_count, norm_count;
    uint64_t *chosen; /* of experts: how many tokens each got in all calls so far; NULL: no experts */
    size_t expert_count;
} fg_sublayer_weights;

/* Room for so many, each of zeros. */
fg_status fg_sublayer_weights_make(fg_sublayer_weights *weights, size_t matrices, size_t vectors,
                                   size_t norms, fg_error *err);
void fg_sublayer_weights_forget(fg_workspace *w, fg_sublayer_weights *weights); /* cached panels */
/* Caches those for which there is room. */
fg_status fg_sublayer_weights_preload(fg_workspace *w, fg_sublayer_weights *weights, fg_error *err);
void fg_sublayer_weights_free(fg_workspace *w, fg_sublayer_weights *weights);
uint64_t fg_sublayer_weights_bytes(const fg_sublayer_weights *weights); /* of the matrices, as float32 */

#endif
