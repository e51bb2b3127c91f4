#include "model/norm.h"

#include "base/alloc.h"
#include "base/named_row.h"

static void rms(const fg_workspace *w, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                float epsilon, fg_real *to) {
    w->device->rms_norm(w->state, from, shape, weight, epsilon, to);
}

static void layer(const fg_workspace *w, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                  float epsilon, fg_real *to) {
    w->device->layer_norm(w->state, from, shape, weight, epsilon, to);
}

static const fg_norm_kind norms[] = {
    {.word = "rms", .apply = rms, .weight = true},
    {.word = "rms_plus_one", .apply = rms, .weight = true, .shift = 1},
    {.word = "fixed_rms", .apply = rms},
    {.word = "layer", .apply = layer, .weight = true, .bias = true},
    {.word = "layer_plus_one", .apply = layer, .weight = true, .bias = true, .shift = 1},
};

const void *fg_norm_find(const char *word) {
    return FG_NAMED_ROW(norms, word);
}

fg_status fg_norm_bind(const fg_binder *binder, const char *role, const fg_norm_settings *settings,
                       uint64_t size, fg_norm *norm, fg_error *err) {
    fg_status status = FG_OK;
    const fg_norm_kind *kind = settings->kind;
    char *bias = NULL;
    norm->settings = *settings;
    if (!kind) return FG_OK;
    if (kind->weight) FG_TRY(fg_bind_vector(binder, role, size, &norm->weight, err));
    if (!kind->bias) goto done;
    FG_TRY_NEW(bias, fg_strformat(err, "%s.bias", role));
    FG_TRY(fg_bind_vector(binder, bias, size, &norm->bias, err));
done:
    fg_free(bias);
    return status;
}

void fg_norm_free(fg_norm *norm) {
    fg_free(norm->weight.name);
    fg_free(norm->bias.name);
    *norm = (fg_norm){0};
}

/* The same vector to each head. */
static fg_status add_bias(fg_workspace *w, const fg_norm *norm, const fg_heads *shape, fg_real *to,
                          fg_error *err) {
    const fg_real *bias;
    FG_CALL(fg_vector_read(w, &norm->bias, shape->size, &bias, err));
    for (uint64_t h = 0; h < shape->heads; h++)
        w->device->add(w->state, to + h * shape->size, shape->stride, bias, 0, shape->tokens, shape->size);
    return FG_OK;
}

/* A weight that is stored as its distance from another number is shifted in memory of its own. */
static fg_status weight_of(fg_workspace *w, const fg_norm *norm, uint64_t size, const fg_real **weight,
                           fg_error *err) {
    float shift = norm->settings.kind->shift;
    if (shift == 0) return fg_vector_read(w, &norm->weight, size, weight, err);
    FG_CALL(fg_scratch_fit(w, &w->vector, 1, size, err));
    FG_CALL(fg_vector_load(w, &norm->weight, size, w->vector.values, err));
    w->device->shift(w->state, w->vector.values, size, shift);
    *weight = w->vector.values;
    return FG_OK;
}

fg_status fg_norm_run(fg_workspace *w, const fg_norm *norm, const fg_real *from, const fg_heads *shape,
                      fg_real *to, fg_error *err) {
    const fg_norm_kind *kind = norm->settings.kind;
    const fg_real *weight = NULL;
    if (kind->weight) FG_CALL(weight_of(w, norm, shape->size, &weight, err));
    kind->apply(w, from, shape, weight, (float)norm->settings.epsilon, to);
    return kind->bias ? add_bias(w, norm, shape, to, err) : FG_OK;
}
