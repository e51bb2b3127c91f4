/* Norms over the last dimension: of hidden states, or of heads.
 *
 * Invariant: a norm has the weights that its kind says, each as long as the vectors that it norms.
 */
#ifndef FG_MODEL_NORM_H
#define FG_MODEL_NORM_H

#include "model/hyperparameters.h"
#include "model/weight_lookup.h"

/* Names in converters/models: "rms", x / sqrt(mean(x^2) + epsilon) * weight; "rms_plus_one", with weight + 1;
 * "fixed_rms", without a weight; "layer", (x - mean) / sqrt(variance + epsilon) * weight + bias; and
 * "layer_plus_one". */
typedef struct fg_norm_kind {
    const char *word;
    void (*apply)(const fg_workspace *w, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                  float epsilon, fg_real *to);
    float shift; /* added to the weight */
    bool weight, bias;
} fg_norm_kind;

const void *fg_norm_find(const char *word); /* an fg_norm_kind; NULL: unknown */

/* What a configuration says of a norm. */
typedef struct fg_norm_settings {
    const fg_norm_kind *kind; /* NULL: there is none */
    double epsilon;
} fg_norm_settings;

/* Rows of a table of hyperparameters: a norm's kind, and its epsilon, which is that of the blocks' norms
 * where nothing else is said. */
#define FG_NORM_ROWS(of, kind_row, epsilon_row, member, needed)                                              \
    {.name = kind_row,                                                                                       \
     .type = FG_HYPERPARAMETER_KIND,                                                                         \
     .offset = offsetof(of, member.kind),                                                                    \
     .required = needed,                                                                                     \
     .find = fg_norm_find},                                                                                  \
    {                                                                                                        \
        .name = epsilon_row, .type = FG_HYPERPARAMETER_NUMBER, .offset = offsetof(of, member.epsilon),       \
        .required = needed, .like = "epsilon"                                                                \
    }

/* A norm and its weights. Start from zeros, which is no norm. */
typedef struct fg_norm {
    fg_norm_settings settings;
    fg_vector weight, bias;
} fg_norm;

/* The weight has the role `role`, the bias that and ".bias". Where there is no norm, none is bound. */
fg_status fg_norm_bind(const fg_binder *binder, const char *role, const fg_norm_settings *settings,
                       uint64_t size, fg_norm *norm, fg_error *err);
void fg_norm_free(fg_norm *norm);

/* Reads the weights and norms each vector; there must be a norm. `to` may be `from`. */
fg_status fg_norm_run(fg_workspace *w, const fg_norm *norm, const fg_real *from, const fg_heads *shape,
                      fg_real *to, fg_error *err);

#endif
