/* Grouped-query attention: softmax(cap(q k * scale)) v, head h of the queries with head h / (heads /
 * kv_heads) of keys and values. The scale is head_size ^ -softmax_scale_power, or a number of its own.
 *
 * Queries and keys may be normed, each head or all heads of a token as one vector, and are then rotated.
 * Values may be normed, head by head; they may be what the key projection gives, before norm and rotation.
 *
 * Keys and values of a position lie side by side in the cache: [position, 2, kv_heads * size]. Scores are
 * those of one head and one tile of queries, so that memory grows with the keys alone.
 */
#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "base/checked.h"
#include "model/norm.h"
#include "model/rotary.h"
#include "model/row_sharing.h"
#include "model/sublayer_kind.h"

enum { QUERY, KEY, VALUE, OUTPUT, MATRICES };
enum { QUERY_NORM, KEY_NORM, VALUE_NORM, NORMS };

/* ---- settings ---- */

typedef struct attention {
    uint64_t heads, kv_heads, head_size;
    uint64_t window;            /* keys that a query sees, itself included; 0: all before it */
    double softmax_scale_power; /* scores are multiplied by head_size ^ -softmax_scale_power, */
    double score_scale;         /* or by this; not a number: not given */
    double score_softcap;       /* then they become cap * tanh(score / cap); 0: they stay */
    bool causal;                /* false: a token sees those after it, too */
    bool keys_as_values;        /* values are what the key matrix makes, as it is before the norm of keys */
    bool norm_all_heads;        /* of queries and keys: all heads are one vector */
    bool query_bias, key_bias, value_bias, output_bias;
    fg_norm_settings query_norm, key_norm, value_norm;
    fg_rotary rotary;
} attention;

static const fg_hyperparameter rows[] = {
    FG_SIZE_ROW(attention, heads, 1, true, 0),
    FG_SIZE_ROW(attention, kv_heads, 1, true, 0),
    FG_SIZE_ROW(attention, head_size, 1, true, 0),
    FG_SIZE_ROW(attention, window, 0, false, 0),
    FG_NORM_ROWS(attention, "query_norm", "query_epsilon", query_norm, false),
    FG_NORM_ROWS(attention, "key_norm", "key_epsilon", key_norm, false),
    FG_NORM_ROWS(attention, "value_norm", "value_epsilon", value_norm, false),
    FG_NUMBER_ROW(attention, softmax_scale_power, false, 0.5),
    FG_NUMBER_ROW(attention, score_scale, false, NAN),
    FG_NUMBER_ROW(attention, score_softcap, false, 0),
    FG_FLAG_ROW(attention, keys_as_values, false, 0),
    FG_FLAG_ROW(attention, norm_all_heads, false, 0),
    {.name = "rotary_interleaved",
     .type = FG_HYPERPARAMETER_FLAG,
     .offset = offsetof(attention, rotary.interleaved)},
    FG_FLAG_ROW(attention, causal, false, 1),
    FG_FLAG_ROW(attention, query_bias, false, 0),
    FG_FLAG_ROW(attention, key_bias, false, 0),
    FG_FLAG_ROW(attention, value_bias, false, 0),
    FG_FLAG_ROW(attention, output_bias, false, 0),
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
    if (s->score_softcap < 0)
        return fg_fail(err, FG_ERR_INPUT, "config: the soft cap of attention scores is negative: %g",
                       s->score_softcap);
    FG_CALL(fg_hyperparameters_check_epsilon(s->query_norm.epsilon, err));
    FG_CALL(fg_hyperparameters_check_epsilon(s->key_norm.epsilon, err));
    return fg_hyperparameters_check_epsilon(s->value_norm.epsilon, err);
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

static uint64_t window(const void *settings) {
    const attention *s = settings;
    return s->window;
}

/* Queries; the scores of one head and tile. */
static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    const attention *s = settings;
    return tokens * s->heads * s->head_size + FG_TILE * positions;
}

/* ---- weights ---- */

static fg_status bind_norms(fg_binder *binder, const attention *s, fg_norm *n, fg_error *err) {
    uint64_t size = s->head_size, queries = s->norm_all_heads ? s->heads * size : size,
             keys = s->norm_all_heads ? s->kv_heads * size : size;
    FG_CALL(fg_norm_bind(binder, "attention.query_norm", &s->query_norm, queries, &n[QUERY_NORM], err));
    FG_CALL(fg_norm_bind(binder, "attention.key_norm", &s->key_norm, keys, &n[KEY_NORM], err));
    return fg_norm_bind(binder, "attention.value_norm", &s->value_norm, size, &n[VALUE_NORM], err);
}

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const attention *s = settings;
    uint64_t width = s->heads * s->head_size, kv_width = s->kv_heads * s->head_size, hidden = binder->hidden;
    FG_CALL(fg_sublayer_weights_make(weights, MATRICES, 0, NORMS, err));
    fg_matrix *m = weights->matrices;
    FG_CALL(fg_bind_linear(binder, "attention.query", s->query_bias, width, hidden, &m[QUERY], err));
    FG_CALL(fg_bind_linear(binder, "attention.key", s->key_bias, kv_width, hidden, &m[KEY], err));
    if (!s->keys_as_values)
        FG_CALL(fg_bind_linear(binder, "attention.value", s->value_bias, kv_width, hidden, &m[VALUE], err));
    FG_CALL(fg_bind_linear(binder, "attention.output", s->output_bias, hidden, width, &m[OUTPUT], err));
    return bind_norms(binder, s, weights->norms, err);
}

/* ---- running ---- */

static float score_scale(const attention *s) {
    if (!isnan(s->score_scale)) return (float)s->score_scale;
    if (s->softmax_scale_power == 0.5) return 1.0f / sqrtf((float)s->head_size);
    return (float)pow((double)s->head_size, -s->softmax_scale_power);
}

/* The queries of one tile: those of the tokens at [position, position + count), and the keys that they see:
 * those at [oldest, oldest + keys). */
typedef struct query_tile {
    uint64_t position, count, oldest, keys;
    fg_real *queries; /* [count, heads * size] */
} query_tile;

static query_tile tile_of(const fg_block_call *call, uint64_t at, fg_real *queries) {
    const attention *s = call->settings;
    query_tile t = {.position = call->position + at, .count = fg_min(FG_TILE, call->count - at)};
    uint64_t end = call->sees_ahead ? call->given : t.position + t.count;
    t.queries = queries + at * s->heads * s->head_size;
    if (!call->sees_ahead && s->window && t.position + 1 > s->window)
        t.oldest = t.position + 1 - s->window; /* keys before the first query's window are not touched */
    t.keys = end - t.oldest;
    return t;
}

/* All heads, or one. What a head gathers takes the place of its queries. */
static void attend_heads(const fg_block_call *call, const query_tile *t, uint64_t first, uint64_t count) {
    fg_workspace *w = call->work;
    const attention *s = call->settings;
    uint64_t apart = 2 * s->kv_heads * s->head_size;
    uint64_t kv_head = first / (s->heads / s->kv_heads), kv_heads = count == s->heads ? s->kv_heads : 1;
    const fg_real *key = call->cache->positions + t->oldest * apart + kv_head * s->head_size;
    const fg_band band = {.end = t->position + 1 - t->oldest, .width = s->window};
    const fg_attention_tile tile = {.count = t->count,
                                    .heads = count,
                                    .kv_heads = kv_heads,
                                    .size = s->head_size,
                                    .keys = t->keys,
                                    .scale = score_scale(s),
                                    .softcap = (float)s->score_softcap,
                                    .band = call->sees_ahead ? NULL : &band,
                                    .queries = t->queries + first * s->head_size,
                                    .stride = s->heads * s->head_size,
                                    .key = key,
                                    .value = key + apart / 2,
                                    .keys_stride = apart,
                                    .scores = w->scores.values};
    w->device->attend(w->state, &tile);
}

static void attend_tile(const fg_block_call *call, const query_tile *t, const fg_row_part *heads) {
    const attention *s = call->settings;
    if (call->work->device->heads_at_once) {
        attend_heads(call, t, 0, s->heads);
        return;
    }
    for (uint64_t h = heads->first; h < heads->first + heads->count; h++) attend_heads(call, t, h, 1);
}

/* Products of queries and keys above which the members of a model share its heads: for fewer, giving each
 * other the results takes longer than computing all of them. */
static const uint64_t SHARED_PRODUCTS = 1 << 18;

static bool shares_heads(const fg_block_call *call) {
    const attention *s = call->settings;
    return fg_row_is_shared(call->work) &&
           call->count * call->given >= SHARED_PRODUCTS / (s->heads * s->head_size);
}

/* Queries [count, heads * size] become what each head gathers, in place. */
static fg_status attend(const fg_block_call *call, fg_real *queries, fg_error *err) {
    fg_workspace *w = call->work;
    const attention *s = call->settings;
    if (call->given > INT_MAX || 2 * s->kv_heads * s->head_size > INT_MAX ||
        s->heads * s->head_size > INT_MAX)
        return fg_fail(err, FG_ERR_MEMORY, "attention over too many positions");
    uint64_t width = s->heads * s->head_size;
    bool shared = shares_heads(call);
    fg_row_part heads = {.count = s->heads};
    if (shared) heads = fg_row_part_mine(w, s->heads, 1);
    for (uint64_t at = 0; at < call->count; at += FG_TILE) {
        const query_tile tile = tile_of(call, at, queries);
        uint64_t at_once = w->device->heads_at_once ? s->heads : 1;
        FG_CALL(fg_scratch_fit(w, &w->scores, at_once * tile.count, tile.keys, err));
        attend_tile(call, &tile, &heads);
    }
    return shared ? fg_row_join(w, call->count, width, s->head_size, queries, width, err) : FG_OK;
}

/* Norms (where there is one) and rotates heads of queries or keys; `stride` numbers from token to token. */
static fg_status rotate_heads(const fg_block_call *call, const fg_norm *norm, fg_real *values, uint64_t heads,
                              uint64_t stride, fg_error *err) {
    const attention *s = call->settings;
    const fg_heads shape = {call->count, heads, s->head_size, stride},
                   one = {call->count, 1, heads * s->head_size, stride};
    if (norm->settings.kind)
        FG_CALL(fg_norm_run(call->work, norm, values, s->norm_all_heads ? &one : &shape, values, err));
    const fg_positions positions = {call->position, call->length, call->columns};
    return fg_rotary_apply(call->work, &s->rotary, positions, values, &shape, err);
}

/* Keys and values of the tokens, into the cache: [count, 2, kv_heads * size]. */
static fg_status fill(const fg_block_call *call, fg_error *err) {
    fg_workspace *w = call->work;
    const attention *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    const fg_norm *n = call->weights->norms;
    uint64_t count = call->count, width = s->kv_heads * s->head_size, apart = 2 * width;
    fg_real *keys = call->cache->positions + call->position * apart, *values = keys + width;
    const fg_heads shape = {count, s->kv_heads, s->head_size, apart};
    if (s->keys_as_values) w->device->clear(w->state, keys, count * apart);
    FG_CALL(fg_linear_shared(w, &m[KEY], call->input, count, keys, apart, err));
    if (s->keys_as_values)
        w->device->add(w->state, values, apart, keys, apart, count, width);
    else
        FG_CALL(fg_linear_shared(w, &m[VALUE], call->input, count, values, apart, err));
    if (s->value_norm.kind) FG_CALL(fg_norm_run(w, &n[VALUE_NORM], values, &shape, values, err));
    return rotate_heads(call, &n[KEY_NORM], keys, s->kv_heads, apart, err);
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    fg_workspace *w = call->work;
    const attention *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    uint64_t count = call->count, width = m[QUERY].rows;
    FG_CALL(fg_scratch_fit(w, &w->states[0], count, width, err));
    fg_real *queries = w->states[0].values;
    FG_CALL(fg_linear_whole(w, &m[QUERY], call->input, count, queries, err));
    FG_CALL(rotate_heads(call, &call->weights->norms[QUERY_NORM], queries, s->heads, width, err));
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
    .fill = fill,
    .run = run,
    .cache_size = cache_size,
    .sees_ahead = sees_ahead,
    .window = window,
    .scratch = scratch,
};
