/* Grouped-query attention: softmax(q k * size ^ -power) v, head h of the queries with head h / (heads /
 * kv_heads) of keys and values.
 *
 * Keys (normed and rotated) and values of a position lie side by side in the memory: [position, 2, kv_heads *
 * size].
 */
#include <cblas.h>
#include <limits.h>
#include <math.h>

#include "base/checked.h"
#include "model/model.h"

enum { QUERY, KEY, VALUE, OUTPUT, MATRICES };
enum { QUERY_NORM, KEY_NORM, VECTORS };

fg_status fg_attention_bind(fg_binder *binder, fg_block *block, fg_error *err) {
    fg_status status = FG_OK;
    const fg_hyperparameters *s = &block->kind->settings;
    uint64_t width = s->heads * s->head_size, kv_width = s->kv_heads * s->head_size;
    FG_TRY(fg_sublayer_weights_make(&block->mixer, MATRICES, VECTORS, err));
    fg_matrix *m = block->mixer.matrices;
    fg_vector *v = block->mixer.vectors;
    FG_TRY(fg_bind_linear(binder, "attention.query", s->query_bias, width, s->hidden, &m[QUERY], err));
    FG_TRY(fg_bind_linear(binder, "attention.key", s->key_bias, kv_width, s->hidden, &m[KEY], err));
    FG_TRY(fg_bind_linear(binder, "attention.value", s->value_bias, kv_width, s->hidden, &m[VALUE], err));
    FG_TRY(fg_bind_linear(binder, "attention.output", s->output_bias, s->hidden, width, &m[OUTPUT], err));
    if (block->kind->query_norm)
        FG_TRY(fg_bind_vector(binder, "attention.query_norm", s->head_size, &v[QUERY_NORM], err));
    if (block->kind->key_norm)
        FG_TRY(fg_bind_vector(binder, "attention.key_norm", s->head_size, &v[KEY_NORM], err));
done:
    return status;
}

uint64_t fg_attention_per_position(const fg_model *model, const fg_block *block) {
    (void)model;
    return 2 * block->kind->settings.kv_heads * block->kind->settings.head_size;
}

/* Which keys [*first, *end) the query at `position` sees, of those at [0, known). */
static void visible(const fg_block_call *call, uint64_t position, uint64_t known, uint64_t *first,
                    uint64_t *end) {
    const fg_hyperparameters *s = &call->block->kind->settings;
    fg_mask mask = call->model->mask;
    bool all = mask == FG_MASK_NONE || (mask == FG_MASK_NATIVE && !s->causal);
    *first = !all && s->window && position + 1 > s->window ? position + 1 - s->window : 0;
    *end = all ? known : position + 1;
}

static float score_scale(const fg_hyperparameters *s) {
    if (s->softmax_scale_power == 0.5) return 1.0f / sqrtf((float)s->head_size);
    return (float)pow((double)s->head_size, -s->softmax_scale_power);
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
static fg_status attend(const fg_block_call *call, float *queries, fg_error *err) {
    fg_model *model = call->model;
    const fg_hyperparameters *s = &call->block->kind->settings;
    uint64_t width = s->heads * s->head_size, kv_width = s->kv_heads * s->head_size,
             known = call->position + call->count;
    uint64_t oldest, unused; /* keys before the first query's window are not touched */
    visible(call, call->position, known, &oldest, &unused);
    uint64_t keys = known - oldest;
    fg_status status = FG_OK;
    if (keys > INT_MAX || 2 * kv_width > INT_MAX || width > INT_MAX)
        FG_FAIL(err, FG_ERR_MEMORY, "attention over too many positions");
    FG_TRY(fg_scratch_fit(&model->scores, call->count, keys, err));
    FG_TRY(fg_scratch_fit(&model->states[1], call->count, s->head_size, err));
    float *scores = model->scores.values, *gathered = model->states[1].values, scale = score_scale(s);
    blasint count = (blasint)call->count, size = (blasint)s->head_size, n = (blasint)keys,
            apart = (blasint)(2 * kv_width);
    for (uint64_t h = 0; h < s->heads; h++) {
        float *query = queries + h * s->head_size;
        const float *key =
            call->memory->values + oldest * 2 * kv_width + h / (s->heads / s->kv_heads) * s->head_size;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, n, size, scale, query, (blasint)width,
                    key, apart, 0.0f, scores, n);
        for (uint64_t t = 0; t < call->count; t++) {
            uint64_t first, end;
            visible(call, call->position + t, known, &first, &end);
            softmax(scores + t * keys, keys, first - oldest, end - oldest);
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, size, n, 1.0f, scores, n,
                    key + kv_width, apart, 0.0f, gathered, size);
        for (uint64_t t = 0; t < call->count; t++) {
            for (uint64_t i = 0; i < s->head_size; i++) query[t * width + i] = gathered[t * s->head_size + i];
        }
    }
done:
    return status;
}

/* Norms (where there is one) and turns heads; `stride` floats from token to token. */
static fg_status rotate_heads(const fg_block_call *call, const fg_norm_kind *norm, const fg_vector *weight,
                              double epsilon, float *values, uint64_t heads, uint64_t stride, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = call->model;
    uint64_t size = call->block->kind->settings.head_size;
    if (norm) FG_TRY(fg_norm_read(model, weight, size, err));
    for (uint64_t t = 0; norm && t < call->count; t++) {
        float *token = values + t * stride;
        norm->apply(token, model->norm_values.values, (float)epsilon, heads, size, token);
    }
    fg_rotary_apply(model, values, call->count, heads, stride);
done:
    return status;
}

fg_status fg_attention_run(const fg_block_call *call, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = call->model;
    const fg_block_kind *kind = call->block->kind;
    const fg_hyperparameters *s = &kind->settings;
    fg_matrix *m = call->block->mixer.matrices;
    const fg_vector *v = call->block->mixer.vectors;
    uint64_t width = m[QUERY].rows, kv_width = m[KEY].rows;
    FG_TRY(fg_scratch_fit(&model->states[0], call->count, width, err));
    FG_TRY(fg_rotary_prepare(model, kind, call->position, call->count, err));
    float *queries = model->states[0].values, *keys = call->memory->values + call->position * 2 * kv_width,
          *values = keys + kv_width;
    FG_TRY(fg_linear_whole(model, &m[QUERY], call->input, call->count, queries, err));
    FG_TRY(fg_linear(model, &m[KEY], 0, kv_width, call->input, call->count, keys, 2 * kv_width, err));
    FG_TRY(fg_linear(model, &m[VALUE], 0, kv_width, call->input, call->count, values, 2 * kv_width, err));
    FG_TRY(rotate_heads(call, kind->query_norm, &v[QUERY_NORM], s->query_epsilon, queries, s->heads, width,
                        err));
    FG_TRY(rotate_heads(call, kind->key_norm, &v[KEY_NORM], s->key_epsilon, keys, s->kv_heads, 2 * kv_width,
                        err));
    FG_TRY(attend(call, queries, err));
    FG_TRY(fg_linear_whole(model, &m[OUTPUT], queries, call->count, call->output, err));
done:
    return status;
}
