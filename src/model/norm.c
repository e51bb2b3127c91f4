#include "model/norm.h"

#include <string.h>

static void rms(const fg_workspace *w, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                float epsilon, fg_real *to) {
    w->device->rms_norm(w->state, from, shape, weight, epsilon, to);
}

static const fg_norm_kind norms[] = {{"rms", rms}};

const void *fg_norm_find(const char *word) {
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
        if (strcmp(norms[i].word, word) == 0) return &norms[i];
    }
    return NULL;
}

fg_status fg_norm_run(fg_workspace *w, const fg_norm_kind *norm, const fg_vector *weight, double epsilon,
                      const fg_real *from, const fg_heads *shape, fg_real *to, fg_error *err) {
    const fg_real *values;
    fg_status status = fg_vector_read(w, weight, shape->size, &values, err);
    if (status == FG_OK) norm->apply(w, from, shape, values, (float)epsilon, to);
    return status;
}
