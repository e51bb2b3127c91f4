/* Grouped-query attention: softmax(q k * size ^ -power) v, head h of the queries with head h / (heads /
 * kv_heads) of keys and values.
 *
 * Keys (normed and rotated) and values of a position lie side by side in the cache: [position, 2, kv_heads *
 * size].
 */
#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "model/norm.h"
#include "model/rotary.h"
#include "model/sublayer_kind.h"

enum { QUERY, KEY, VALUE, OUTPUT, MATRICES };
enum { QUERY_NORM, KEY_NORM, VECTORS };

/* ---- settings ---- */

typedef struct attention {
    uint64_t heads, kv_heads, head_size;
    uint64_t window;            /* keys that a query sees, itself included; 0: all before it */
    double softmax_scale_power; /* scores are multiplied by head_size ^ -softmax_scale_power */
    bool causal;                /* false: a token sees those after it, too */
    bool query_bias, key_bias, value_bias, output_bias;
    double query_epsilon, key_epsilon;
    const fg_norm_kind *query_norm, *key_norm; /* NULL: none */
    fg_rotary rotary;
} attention;

static const fg_hyperparameter rows[] = {
    FG_SIZE_ROW(attention, heads, 1, true, 0),
    FG_SIZE_ROW(attention, kv_heads, 1, true, 0),
    FG_SIZE_ROW(attention, head_size, 1, true, 0),
    FG_SIZE_ROW(attention, window, 0, false, 0),
    FG_NUMBER_ROW(attention, query_epsilon, false, 0),
    FG_NUMBER_ROW(attention, key_epsilon, false, 0),
    FG_NUMBER_ROW(attention, softmax_scale_power, false, 0.5),
    FG_FLAG_ROW(attention, causal, false, 1),
    FG_FLAG_ROW(attention, query_bias, false, 0),
    FG_FLAG_ROW(attention, key_bias, false, 0),
    FG_FLAG_ROW(attention, value_bias, false, 0),
    FG_FLAG_ROW(attention, output_bias, false, 0),
    FG_KIND_ROW(attention, query_norm, false, fg_norm_find),
    FG_KIND_ROW(attention, key_norm, false, fg_norm_find),
};

/* heads is a multiple of kv_heads, head_size is even. */
static fg_status check(const attention *s, fg_error *err) {
    if (s->heads % s->kv_heads)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: %" PRIu64 " attention heads cannot share %" PRIu64 " key-value heads evenly",
                       s->heads, s->kv_heads);
    if (s->head_size % 2)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: head size %" PRIu64 " is odd, but rotary embeddings rotate pairs",
                       s->head_size);
    if (s->window && !s->causal)
        return fg_fail(err, FG_ERR_INPUT, "config: a window of %" PRIu64 " in attention that is not causal",
                       s->window);
    FG_CALL(fg_hyperparameters_check_epsilon(s->query_epsilon, err));
    return fg_hyperparameters_check_epsilon(s->key_epsilon, err);
}

static fg_status read_settings(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    attention *s = settings;
    fg_status status = check(s, err);
    return status == FG_OK ? fg_rotary_read(&s->rotary, source, s->head_size, err) : status;
}

static void release(void *settings) {
    attention *s = settings;
    fg_rotary_free(&s->rotary);
}

static fg_cache_size cache_size(const void *settings) {
    const attention *s = settings;
    return (fg_cache_size){.per_position = 2 * s->kv_heads * s->head_size};
}

static bool sees_ahead(const void *settings) {
    const attention *s = settings;
    return !s->causal;
}

/* Queries, keys and values, and the scores of one head. */
static uint64_t scratch(const void *settings, uint64_t tokens) {
    const attention *s = settings;
    return (s->heads + 2 * s->kv_heads) * s->head_size + tokens;
}

/* ---- weights ---- */

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const attention *s = settings;
    uint64_t width = s->heads * s->head_size, kv_width = s->kv_heads * s->head_size, hidden = binder->hidden;
    FG_CALL(fg_sublayer_weights_make(weights, MATRICES, VECTORS, err));
    fg_matrix *m = weights->matrices;
    fg_vector *v = weights->vectors;
    FG_CALL(fg_bind_linear(binder, "attention.query", s->query_bias, width, hidden, &m[QUERY], err));
    FG_CALL(fg_bind_linear(binder, "attention.key", s->key_bias, kv_width, hidden, &m[KEY], err));
    FG_CALL(fg_bind_linear(binder, "attention.value", s->value_bias, kv_width, hidden, &m[VALUE], err));
    FG_CALL(fg_bind_linear(binder, "attention.output", s->output_bias, hidden, width, &m[OUTPUT], err));
    if (s->query_norm)
        FG_CALL(fg_bind_vector(binder, "attention.query_norm", s->head_size, &v[QUERY_NORM], err));
    if (s->key_norm) FG_CALL(fg_bind_vector(binder, "attention.key_norm", s->head_size, &v[KEY_NORM], err));
    return FG_OK;
}

/* ---- running ---- */

static bool sees_all(const fg_block_call *call) {
    const attention *s = call->settings;
    return call->mask == FG_MASK_NONE || (call->mask == FG_MASK_NATIVE && !s->causal);
}

static float score_scale(const attention *s) {
    if (s->softmax_scale_power == 0.5) return 1.0f / sqrtf((float)s->head_size);
    return (float)pow((double)s->head_size, -s->softmax_scale_power);
}

/* Queries [count, heads * size] become what each head gathers, in place. */
static fg_status attend(const fg_block_call *call, fg_real *queries, fg_error *err) {
    fg_workspace *w = call->work;
    const attention *s = call->settings;
    uint64_t width = s->heads * s->head_size, apart = 2 * s->kv_heads * s->head_size,
             known = call->position + call->count, oldest = 0;
    bool all = sees_all(call);
    if (!all && s->window && call->position + 1 > s->window)
        oldest = call->position + 1 - s->window; /* keys before the first query's window are not touched */
    uint64_t keys = known - oldest;
    const fg_band band = {.end = call->position + 1 - oldest, .width = s->window};
    if (keys > INT_MAX || apart > INT_MAX || width > INT_MAX)
        return fg_fail(err, FG_ERR_MEMORY, "attention over too many positions");
    FG_CALL(fg_scratch_fit(w, &w->scores, call->count, keys, err));
    for (uint64_t h = 0; h < s->heads; h++) {
        fg_real *query = queries + h * s->head_size;
        const fg_real *key =
            call->cache->positions + oldest * apart + h / (s->heads / s->kv_heads) * s->head_size;
        const fg_gemm scores = {.rows = call->count,
                                .columns = keys,
                                .inner = s->head_size,
                                .scale = score_scale(s),
                                .a = query,
                                .a_stride = width,
                                .b = key,
                                .b_stride = apart,
                                .b_transposed = true,
                                .to = w->scores.values,
                                .to_stride = keys};
        const fg_gemm gathered = {.rows = call->count,
                                  .columns = s->head_size,
                                  .inner = keys,
                                  .scale = 1,
                                  .a = w->scores.values,
                                  .a_stride = keys,
                                  .b = key + apart / 2,
                                  .b_stride = apart,
                                  .to = query,
                                  .to_stride = width};
        w->device->gemm(w->state, &scores);
        w->device->softmax(w->state, w->scores.values, call->count, keys, all ? NULL : &band);
        w->device->gemm(w->state, &gathered);
    }
    return FG_OK;
}

/* Norms (where there is one) and rotates heads; `stride` numbers from token to token. */
static fg_status rotate_heads(const fg_block_call *call, const fg_norm_kind *norm, const fg_vector *weight,
                              double epsilon, fg_real *values, uint64_t heads, uint64_t stride,
                              fg_error *err) {
    const attention *s = call->settings;
    const fg_heads shape = {call->count, heads, s->head_size, stride};
    if (norm) FG_CALL(fg_norm_run(call->work, norm, weight, epsilon, values, &shape, values, err));
    return fg_rotary_apply(call->work, &s->rotary, call->position, values, &shape, err);
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    fg_workspace *w = call->work;
    const attention *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    const fg_vector *v = call->weights->vectors;
    uint64_t count = call->count, width = m[QUERY].rows, kv_width = m[KEY].rows, apart = 2 * kv_width;
    FG_CALL(fg_scratch_fit(w, &w->states[0], count, width, err));
    fg_real *queries = w->states[0].values, *keys = call->cache->positions + call->position * apart;
    FG_CALL(fg_linear_whole(w, &m[QUERY], call->input, count, queries, err));
    FG_CALL(fg_linear(w, &m[KEY], 0, kv_width, call->input, count, keys, apart, err));
    FG_CALL(fg_linear(w, &m[VALUE], 0, kv_width, call->input, count, keys + kv_width, apart, err));
    FG_CALL(
        rotate_heads(call, s->query_norm, &v[QUERY_NORM], s->query_epsilon, queries, s->heads, width, err));
    FG_CALL(rotate_heads(call, s->key_norm, &v[KEY_NORM], s->key_epsilon, keys, s->kv_heads, apart, err));
    FG_CALL(attend(call, queries, err));
    return fg_linear_whole(w, &m[OUTPUT], queries, count, call->output, err);
}

const fg_sublayer_kind fg_attention = {
    .word = "attention",
    .settings_size = sizeof(attention),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .read = read_settings,
    .release = release,
    .bind = bind,
    .run = run,
    .cache_size = cache_size,
    .sees_ahead = sees_ahead,
    .scratch = scratch,
};
