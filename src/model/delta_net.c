#include "model/delta_net.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/checked.h"

enum { A_LOG, DT_BIAS, VECTORS };
enum { ROLE = 64 };
static const double SUM_EPSILON = 1e-6; /* next to the sum of squares of a query or key */

/* ---- settings ---- */

static uint64_t key_width(const fg_delta_net *s) {
    return s->key_heads * s->key_size;
}

static uint64_t value_width(const fg_delta_net *s) {
    return s->heads * s->value_size;
}

fg_status fg_delta_net_check(const fg_delta_net *s, fg_error *err) {
    if (s->heads % s->key_heads)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: %" PRIu64 " value heads cannot share %" PRIu64 " key heads evenly", s->heads,
                       s->key_heads);
    return fg_hyperparameters_check_epsilon(s->norm.epsilon, err);
}

static uint64_t windows(const fg_delta_net *s) {
    return fg_short_convolution_window(&s->convolution, 2 * key_width(s) + value_width(s));
}

fg_cache_size fg_delta_net_cache_size(const fg_delta_net *s) {
    return (fg_cache_size){.fixed = windows(s) + s->heads * s->key_size * s->value_size};
}

/* Before a convolution the largest of queries, keys and values, after it all; beta and steps; what the heads
 * give. */
uint64_t fg_delta_net_scratch(const fg_delta_net *s, uint64_t steps) {
    return fg_max(key_width(s), value_width(s)) + 2 * key_width(s) + 2 * value_width(s) +
           s->heads * (1 + steps);
}

/* ---- weights ---- */

typedef struct delta_binding {
    const fg_binder *binder;
    const char *prefix;
    const fg_delta_net *net;
} delta_binding;

static const char *role_of(const delta_binding *b, const char *name, char role[ROLE]) {
    snprintf(role, ROLE, "%s.%s", b->prefix, name);
    return role;
}

static fg_status bind_linear(const delta_binding *b, const char *name, bool biased, uint64_t rows,
                             uint64_t columns, fg_matrix *matrix, fg_error *err) {
    char role[ROLE];
    return fg_bind_linear(b->binder, role_of(b, name, role), biased, rows, columns, matrix, err);
}

static fg_status bind_convolution(const delta_binding *b, const char *name, uint64_t channels,
                                  fg_matrix *matrix, fg_error *err) {
    char role[ROLE];
    return fg_short_convolution_bind(b->binder, role_of(b, name, role), &b->net->convolution, channels,
                                     matrix, err);
}

static fg_status bind_vector(const delta_binding *b, const char *name, uint64_t size, fg_vector *vector,
                             fg_error *err) {
    char role[ROLE];
    return fg_bind_vector(b->binder, role_of(b, name, role), size, vector, err);
}

fg_status fg_delta_net_bind(const fg_binder *binder, const char *prefix, const fg_delta_net *s, size_t own,
                            uint64_t steps, fg_sublayer_weights *weights, fg_error *err) {
    const delta_binding b = {binder, prefix, s};
    char role[ROLE];
    uint64_t hidden = binder->hidden, key = key_width(s), value = value_width(s);
    FG_CALL(fg_sublayer_weights_make(weights, FG_DELTA_MATRICES + own, VECTORS, 1, err));
    fg_matrix *m = weights->matrices;
    fg_vector *v = weights->vectors;
    FG_CALL(bind_linear(&b, "query", s->query_bias, key, hidden, &m[FG_DELTA_QUERY], err));
    FG_CALL(bind_linear(&b, "key", s->key_bias, key, hidden, &m[FG_DELTA_KEY], err));
    FG_CALL(bind_linear(&b, "value", s->value_bias, value, hidden, &m[FG_DELTA_VALUE], err));
    FG_CALL(bind_convolution(&b, "query_convolution", key, &m[FG_DELTA_QUERY_CONVOLUTION], err));
    FG_CALL(bind_convolution(&b, "key_convolution", key, &m[FG_DELTA_KEY_CONVOLUTION], err));
    FG_CALL(bind_convolution(&b, "value_convolution", value, &m[FG_DELTA_VALUE_CONVOLUTION], err));
    FG_CALL(bind_linear(&b, "beta", s->beta_bias, s->heads, hidden, &m[FG_DELTA_BETA], err));
    FG_CALL(bind_linear(&b, "output", s->output_bias, hidden, value, &m[FG_DELTA_OUTPUT], err));
    FG_CALL(bind_vector(&b, "a_log", s->heads, &v[A_LOG], err));
    FG_CALL(bind_vector(&b, "dt_bias", s->heads * steps, &v[DT_BIAS], err));
    return fg_norm_bind(binder, role_of(&b, "norm", role), &s->norm, s->value_size, weights->norms, err);
}

/* ---- running ---- */

/* What the rule is given, side by side in states[1]. */
typedef struct delta_given {
    fg_real *query, *key; /* [count, key_heads, key_size] */
    fg_real *value;       /* [count, heads, value_size] */
    fg_real *beta;        /* [count, heads] */
    fg_real *step;        /* [count, heads, steps] */
} delta_given;

static fg_status make_room(const fg_block_call *call, uint64_t steps, delta_given *to, fg_error *err) {
    fg_workspace *w = call->work;
    const fg_delta_net *s = call->settings;
    uint64_t count = call->count, key = key_width(s), value = value_width(s);
    FG_CALL(fg_scratch_fit(w, &w->states[0], count, fg_max(key, value), err));
    FG_CALL(fg_scratch_fit(w, &w->states[1], count, 2 * key + value + s->heads * (1 + steps), err));
    FG_CALL(fg_scratch_fit(w, &w->states[2], count, value, err));
    to->query = w->states[1].values;
    to->key = to->query + count * key;
    to->value = to->key + count * key;
    to->beta = to->value + count * value;
    to->step = to->beta + count * s->heads;
    return FG_OK;
}

/* A projection, convolved; its window lies `before` channels behind the first. */
static fg_status project(const fg_block_call *call, int matrix, int convolution, uint64_t before, fg_real *to,
                         fg_error *err) {
    fg_workspace *w = call->work;
    const fg_delta_net *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    fg_real *window = call->cache->fixed + fg_short_convolution_window(&s->convolution, before);
    FG_CALL(fg_linear_whole(w, &m[matrix], call->input, call->count, w->states[0].values, err));
    return fg_short_convolution_run(w, &s->convolution, &m[convolution], w->states[0].values, call->count,
                                    window, to, err);
}

/* x / sqrt(sum(x^2) + epsilon) = x / sqrt(mean(x^2) + epsilon / size) * size ^ -0.5; and times `scale`. */
static void normalize(const fg_block_call *call, fg_real *values, double scale) {
    const fg_delta_net *s = call->settings;
    fg_workspace *w = call->work;
    uint64_t width = key_width(s);
    double size = (double)s->key_size;
    const fg_heads shape = {call->count, s->key_heads, s->key_size, width};
    w->device->rms_norm(w->state, values, &shape, NULL, (float)(SUM_EPSILON / size), values);
    w->device->scale(w->state, values, call->count * width, (float)(scale / sqrt(size)));
}

static fg_status make_given(const fg_block_call *call, const fg_delta_parts *parts, const delta_given *to,
                            fg_error *err) {
    fg_workspace *w = call->work;
    const fg_delta_net *s = call->settings;
    uint64_t count = call->count, width = s->heads * parts->steps, key = key_width(s);
    const fg_real *bias;
    FG_CALL(project(call, FG_DELTA_QUERY, FG_DELTA_QUERY_CONVOLUTION, 0, to->query, err));
    FG_CALL(project(call, FG_DELTA_KEY, FG_DELTA_KEY_CONVOLUTION, key, to->key, err));
    FG_CALL(project(call, FG_DELTA_VALUE, FG_DELTA_VALUE_CONVOLUTION, 2 * key, to->value, err));
    normalize(call, to->query, 1 / sqrt((double)s->key_size));
    normalize(call, to->key, 1);
    FG_CALL(fg_linear_whole(w, &call->weights->matrices[FG_DELTA_BETA], call->input, count, to->beta, err));
    w->device->activate(w->state, FG_ACTIVATION_SIGMOID, to->beta, count * s->heads);
    FG_CALL(parts->make_steps(call, to->step, err));
    FG_CALL(fg_vector_read(w, &call->weights->vectors[DT_BIAS], width, &bias, err));
    w->device->add(w->state, to->step, width, bias, 0, count, width);
    w->device->activate(w->state, FG_ACTIVATION_SOFTPLUS, to->step, count * width);
    return FG_OK;
}

static fg_status apply_rule(const fg_block_call *call, uint64_t steps, const delta_given *given, fg_real *to,
                            fg_error *err) {
    fg_workspace *w = call->work;
    const fg_delta_net *s = call->settings;
    FG_CALL(fg_scratch_fit(w, &w->scores, 1, s->heads, err));
    fg_real *rate = w->scores.values;
    FG_CALL(fg_vector_load(w, &call->weights->vectors[A_LOG], s->heads, rate, err));
    w->device->activate(w->state, FG_ACTIVATION_EXP, rate, s->heads);
    const fg_delta_rule rule = {.tokens = call->count,
                                .heads = s->heads,
                                .key_heads = s->key_heads,
                                .key_size = s->key_size,
                                .value_size = s->value_size,
                                .steps = steps,
                                .query = given->query,
                                .key = given->key,
                                .value = given->value,
                                .beta = given->beta,
                                .step = given->step,
                                .rate = rate,
                                .states = call->cache->fixed + windows(s),
                                .to = to};
    w->device->delta_rule(w->state, &rule);
    return FG_OK;
}

/* norm(values) * activation(gate), in place. */
static fg_status apply_gate(const fg_block_call *call, const fg_delta_parts *parts, fg_real *values,
                            fg_error *err) {
    fg_workspace *w = call->work;
    const fg_delta_net *s = call->settings;
    uint64_t width = value_width(s), numbers = call->count * width;
    const fg_heads shape = {call->count, s->heads, s->value_size, width};
    fg_real *gate = w->states[0].values;
    FG_CALL(parts->make_gate(call, gate, err));
    w->device->activate(w->state, *s->activation, gate, numbers);
    FG_CALL(fg_norm_run(w, call->weights->norms, values, &shape, values, err));
    w->device->multiply(w->state, values, gate, numbers);
    return FG_OK;
}

fg_status fg_delta_net_run(const fg_block_call *call, const fg_delta_parts *parts, fg_error *err) {
    fg_workspace *w = call->work;
    delta_given given;
    FG_CALL(make_room(call, parts->steps, &given, err));
    fg_real *values = w->states[2].values;
    FG_CALL(make_given(call, parts, &given, err));
    FG_CALL(apply_rule(call, parts->steps, &given, values, err));
    FG_CALL(apply_gate(call, parts, values, err));
    return fg_linear_whole(w, &call->weights->matrices[FG_DELTA_OUTPUT], values, call->count, call->output,
                           err);
}
