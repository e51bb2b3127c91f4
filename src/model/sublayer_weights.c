#include "model/sublayer_weights.h"

#include "base/alloc.h"

fg_status fg_sublayer_weights_make(fg_sublayer_weights *weights, size_t matrices, size_t vectors,
                                   size_t norms, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(weights->matrices, matrices);
    weights->matrix_count = matrices;
    FG_NEW(weights->vectors, vectors);
    weights->vector_count = vectors;
    FG_NEW(weights->norms, norms);
    weights->norm_count = norms;
done:
    return status;
}

void fg_sublayer_weights_forget(fg_workspace *w, fg_sublayer_weights *weights) {
    for (size_t i = 0; i < weights->matrix_count; i++) fg_matrix_forget(w, &weights->matrices[i]);
}

fg_status fg_sublayer_weights_preload(fg_workspace *w, fg_sublayer_weights *weights, fg_error *err) {
    for (size_t i = 0; i < weights->matrix_count; i++) {
        if (weights->matrices[i].name) FG_CALL(fg_matrix_preload(w, &weights->matrices[i], err));
    }
    return FG_OK;
}

void fg_sublayer_weights_free(fg_workspace *w, fg_sublayer_weights *weights) {
    for (size_t i = 0; i < weights->matrix_count; i++) fg_matrix_free(w, &weights->matrices[i]);
    for (size_t i = 0; i < weights->vector_count; i++) fg_free(weights->vectors[i].name);
    for (size_t i = 0; i < weights->norm_count; i++) fg_norm_free(&weights->norms[i]);
    fg_free(weights->matrices);
    fg_free(weights->vectors);
    fg_free(weights->norms);
    fg_free(weights->chosen);
}

uint64_t fg_sublayer_weights_bytes(const fg_sublayer_weights *weights) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < weights->matrix_count; i++)
        bytes += weights->matrices[i].rows * weights->matrices[i].columns * sizeof(float);
    return bytes;
}
