/* Norms over the last dimension, by the words of converters/models. */
#ifndef FG_MODEL_NORM_H
#define FG_MODEL_NORM_H

#include "model/matrix.h"

/* `to` may be `from`. */
typedef struct fg_norm_kind {
    const char *word;
    void (*apply)(const fg_workspace *w, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                  float epsilon, fg_real *to);
} fg_norm_kind;

const void *fg_norm_find(const char *word); /* an fg_norm_kind; NULL: unknown */

/* Reads the weight [shape->size] and norms each vector. */
fg_status fg_norm_run(fg_workspace *w, const fg_norm_kind *norm, const fg_vector *weight, double epsilon,
                      const fg_real *from, const fg_heads *shape, fg_real *to, fg_error *err);

#endif
