/* Grouped-query attention: softmax(q k / sqrt(size)) v, head h of the queries with head h / (heads /
 * kv_heads) of keys and values.
 *
 * Keys (normed and turned) and values of a position lie side by side in the memory: [position, 2, kv_heads *
 * size].
 */
#include <cblas.h>
#include <limits.h>
#include <math.h>

#include "base/checked.h"
#include "model/model.h"

fg_status fg_attention_bind(fg_binder *binder, fg_block *block, fg_error *err) {
    fg_status status = FG_OK;
    const fg_settings *s = &binder->model->settings;
    uint64_t width = s->heads * s->head_size, kv_width = s->kv_heads * s->head_size;
    fg_attention *a = &block->attention;
    FG_TRY(fg_bind_matrix(binder, "attention.query", width, s->hidden, &a->query, err));
    FG_TRY(fg_bind_matrix(binder, "attention.key", kv_width, s->hidden, &a->key, err));
    FG_TRY(fg_bind_matrix(binder, "attention.value", kv_width, s->hidden, &a->value, err));
    FG_TRY(fg_bind_matrix(binder, "attention.output", s->hidden, width, &a->output, err));
    if (!binder->model->head_norm) goto done;
    FG_TRY(fg_bind_vector(binder, "attention.query_norm", s->head_size, &a->query_norm, err));
    FG_TRY(fg_bind_vector(binder, "attention.key_norm", s->head_size, &a->key_norm, err));
done:
    return status;
}

uint64_t fg_attention_per_position(const fg_model *model, const fg_block *block) {
    (void)block;
    return 2 * model->settings.kv_heads * model->settings.head_size;
}

/* Which keys [*first, *end) the query at `position` sees, of those at [0, known). */
static void visible(const fg_model *model, uint64_t position, uint64_t known, uint64_t *first,
                    uint64_t *end) {
    uint64_t window = model->settings.window;
    bool all = model->mask == FG_MASK_NONE;
    *first = !all && window && position + 1 > window ? position + 1 - window : 0;
    *end = all ? known : position + 1;
}

/* In place: softmax over [first, end), 0 elsewhere. */
static void softmax(float *scores, uint64_t count, uint64_t first, uint64_t end) {
    float largest = -INFINITY;
    double sum = 0;
    for (uint64_t i = first; i < end; i++) largest = fmaxf(largest, scores[i]);
    for (uint64_t i = first; i < end; i++) {
        scores[i] = expf(scores[i] - largest);
        sum += scores[i];
    }
    float scale = (float)(1.0 / sum);
    for (uint64_t i = first; i < end; i++) scores[i] *= scale;
    for (uint64_t i = 0; i < first; i++) scores[i] = 0;
    for (uint64_t i = end; i < count; i++) scores[i] = 0;
}

/* Queries [count, heads * size] become what each head gathers, in place. */
static fg_status attend(const fg_step *step, float *queries, fg_error *err) {
    fg_model *model = step->model;
    const fg_settings *s = &model->settings;
    uint64_t width = s->heads * s->head_size, kv_width = s->kv_heads * s->head_size,
             known = step->position + step->count;
    uint64_t oldest, unused; /* keys before the first query's window are not touched */
    visible(model, step->position, known, &oldest, &unused);
    uint64_t keys = known - oldest;
    fg_status status = FG_OK;
    if (keys > INT_MAX || 2 * kv_width > INT_MAX || width > INT_MAX)
        FG_TRY(fg_fail(err, FG_ERR_MEMORY, "attention over too many positions"));
    FG_TRY(fg_scratch_fit(&model->scores, step->count, keys, err));
    FG_TRY(fg_scratch_fit(&model->states[1], step->count, s->head_size, err));
    float *scores = model->scores.values, *gathered = model->states[1].values,
          scale = 1.0f / sqrtf((float)s->head_size);
    blasint count = (blasint)step->count, size = (blasint)s->head_size, n = (blasint)keys,
            apart = (blasint)(2 * kv_width);
    for (uint64_t h = 0; h < s->heads; h++) {
        float *query = queries + h * s->head_size;
        const float *key =
            step->memory->values + oldest * 2 * kv_width + h / (s->heads / s->kv_heads) * s->head_size;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, n, size, scale, query, (blasint)width,
                    key, apart, 0.0f, scores, n);
        for (uint64_t t = 0; t < step->count; t++) {
            uint64_t first, end;
            visible(model, step->position + t, known, &first, &end);
            softmax(scores + t * keys, keys, first - oldest, end - oldest);
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, size, n, 1.0f, scores, n,
                    key + kv_width, apart, 0.0f, gathered, size);
        for (uint64_t t = 0; t < step->count; t++) {
            for (uint64_t i = 0; i < s->head_size; i++) query[t * width + i] = gathered[t * s->head_size + i];
        }
    }
done:
    return status;
}

/* Norms (where the model has them) and turns heads; `stride` floats from token to token. */
static fg_status place(const fg_step *step, const fg_vector *norm, float *values, uint64_t heads,
                       uint64_t stride, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = step->model;
    uint64_t size = model->settings.head_size;
    if (norm->name) FG_TRY(fg_norm_read(model, norm, size, err));
    for (uint64_t t = 0; norm->name && t < step->count; t++) {
        float *token = values + t * stride;
        model->head_norm->apply(token, model->norm_values.values, (float)model->settings.epsilon, heads, size,
                                token);
    }
    fg_rotary_turn(model, values, step->count, heads, stride);
done:
    return status;
}

fg_status fg_attention_run(const fg_step *step, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = step->model;
    fg_attention *a = &step->block->attention;
    uint64_t width = a->query.rows, kv_width = a->key.rows;
    FG_TRY(fg_scratch_fit(&model->states[0], step->count, width, err));
    FG_TRY(fg_rotary_prepare(model, step->position, step->count, err));
    float *queries = model->states[0].values, *keys = step->memory->values + step->position * 2 * kv_width,
          *values = keys + kv_width;
    FG_TRY(fg_linear_whole(model, &a->query, step->input, step->count, queries, err));
    FG_TRY(fg_linear(model, &a->key, 0, kv_width, step->input, step->count, keys, 2 * kv_width, err));
    FG_TRY(fg_linear(model, &a->value, 0, kv_width, step->input, step->count, values, 2 * kv_width, err));
    FG_TRY(place(step, &a->query_norm, queries, model->settings.heads, width, err));
    FG_TRY(place(step, &a->key_norm, keys, model->settings.kv_heads, 2 * kv_width, err));
    FG_TRY(attend(step, queries, err));
    FG_TRY(fg_linear_whole(model, &a->output, queries, step->count, step->output, err));
done:
    return status;
}
