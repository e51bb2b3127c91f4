/* Feed-forward parts of a block. Gated: down(activation(gate x) * up x); else down(activation(first x)).
 *
 * Experts: a router gives each token a score for each of several such MLPs; the few experts with the largest
 * scores (of equals the first) are run, whose outputs are added, weighted by the softmax over these scores.
 * Which experts run is decided on the host.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/sublayer_kind.h"

enum { FIRST, UP, DOWN, MATRICES }; /* of one MLP; the gate is the first where there is one */

/* ---- settings ---- */

typedef struct activation_kind {
    const char *word;
    fg_activation activation;
} activation_kind;

static const activation_kind activations[] = {
    {"silu", FG_ACTIVATION_SILU},           {"gelu", FG_ACTIVATION_GELU},
    {"gelu_tanh", FG_ACTIVATION_GELU_TANH}, {"relu", FG_ACTIVATION_RELU},
    {"relu2", FG_ACTIVATION_RELU2},         {"sigmoid", FG_ACTIVATION_SIGMOID},
    {"identity", FG_ACTIVATION_IDENTITY},
};

static const void *find_activation(const char *word) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(activations[i].word, word) == 0) return &activations[i];
    }
    return NULL;
}

typedef struct mlp {
    uint64_t intermediate_size;
    uint64_t experts, experts_per_token; /* of which a token goes through `experts_per_token` */
    bool gated, first_bias, down_bias;   /* first: gate and up, or first */
    const activation_kind *activation;
} mlp;

#define ONE_MLP                                                                                              \
    FG_SIZE_ROW(mlp, intermediate_size, 1, true, 0), FG_FLAG_ROW(mlp, gated, false, 0),                      \
        FG_FLAG_ROW(mlp, first_bias, false, 0), FG_FLAG_ROW(mlp, down_bias, false, 0),                       \
        FG_KIND_ROW(mlp, activation, true, find_activation)
static const fg_hyperparameter rows[] = {ONE_MLP};
static const fg_hyperparameter expert_rows[] = {
    ONE_MLP,
    FG_SIZE_ROW(mlp, experts, 0, false, 0),
    FG_SIZE_ROW(mlp, experts_per_token, 0, false, 0),
};
#undef ONE_MLP

static fg_status check_experts(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    const mlp *s = settings;
    (void)source;
    if (s->experts_per_token > s->experts)
        return fg_fail(err, FG_ERR_INPUT, "config: %" PRIu64 " experts per token, of %" PRIu64 " experts",
                       s->experts_per_token, s->experts);
    FG_CALL(fg_hyperparameters_check_count(s->experts, "experts", err));
    if (!s->experts_per_token) return fg_fail(err, FG_ERR_INPUT, "config: experts, but 0 experts per token");
    return FG_OK;
}

static uint64_t scratch(const void *settings, uint64_t tokens) {
    const mlp *s = settings;
    (void)tokens;
    return 2 * s->intermediate_size;
}

/* ---- one MLP ---- */

/* Roles of the weights. */
typedef struct roles {
    const char *gate, *up, *first, *down;
} roles;

static fg_status bind_one(const fg_binder *binder, const mlp *s, const roles *r, fg_matrix *m,
                          fg_error *err) {
    uint64_t size = s->intermediate_size, hidden = binder->hidden;
    FG_CALL(
        fg_bind_linear(binder, s->gated ? r->gate : r->first, s->first_bias, size, hidden, &m[FIRST], err));
    if (s->gated) FG_CALL(fg_bind_linear(binder, r->up, s->first_bias, size, hidden, &m[UP], err));
    return fg_bind_linear(binder, r->down, s->down_bias, hidden, size, &m[DOWN], err);
}

static fg_status run_one(fg_workspace *w, const mlp *s, fg_matrix *m, const fg_real *input, uint64_t count,
                         fg_real *output, fg_error *err) {
    uint64_t size = s->intermediate_size;
    FG_CALL(fg_scratch_fit(w, &w->states[0], count, size, err));
    fg_real *first = w->states[0].values;
    FG_CALL(fg_linear_whole(w, &m[FIRST], input, count, first, err));
    w->device->activate(w->state, s->activation->activation, first, count * size);
    if (s->gated) {
        FG_CALL(fg_scratch_fit(w, &w->states[1], count, size, err));
        FG_CALL(fg_linear_whole(w, &m[UP], input, count, w->states[1].values, err));
        w->device->multiply(w->state, first, w->states[1].values, count * size);
    }
    return fg_linear_whole(w, &m[DOWN], first, count, output, err);
}

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    static const roles r = {"mlp.gate", "mlp.up", "mlp.first", "mlp.down"};
    FG_CALL(fg_sublayer_weights_make(weights, MATRICES, 0, err));
    return bind_one(binder, settings, &r, weights->matrices, err);
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    return run_one(call->work, call->settings, call->weights->matrices, call->input, call->count,
                   call->output, err);
}

const fg_sublayer_kind fg_dense = {
    .word = "dense",
    .settings_size = sizeof(mlp),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .bind = bind,
    .run = run,
    .scratch = scratch,
};

/* ---- experts: the router's matrix, then theirs ---- */

static fg_status bind_experts(fg_binder *binder, const void *settings, fg_sublayer_weights *weights,
                              fg_error *err) {
    static const roles r = {"experts.gate", "experts.up", "experts.first", "experts.down"};
    const mlp *s = settings;
    FG_CALL(fg_sublayer_weights_make(weights, 1 + s->experts * MATRICES, 0, err));
    fg_matrix *m = weights->matrices;
    binder->experts = s->experts;
    FG_CALL(fg_bind_matrix(binder, "experts.router", s->experts, binder->hidden, m, err));
    for (binder->expert = 0; binder->expert < s->experts; binder->expert++)
        FG_CALL(bind_one(binder, s, &r, m + 1 + binder->expert * MATRICES, err));
    return FG_OK;
}

/* Scores of one token become the weights of its experts, 0 for those that it does not go through. `chosen`
 * has room for `count` numbers. */
static void weigh(float *scores, uint64_t experts, uint64_t count, float *chosen) {
    float largest = 0;
    double sum = 0;
    for (uint64_t e = 0; e < experts; e++) chosen[e] = 0;
    for (uint64_t k = 0; k < count; k++) {
        uint64_t best = experts;
        for (uint64_t e = 0; e < experts; e++) {
            if (chosen[e] == 0 && (best == experts || scores[e] > scores[best])) best = e;
        }
        if (k == 0) largest = scores[best];
        chosen[best] = 1;
    }
    for (uint64_t e = 0; e < experts; e++) {
        scores[e] = chosen[e] != 0 ? expf(scores[e] - largest) : 0;
        sum += scores[e];
    }
    for (uint64_t e = 0; e < experts; e++) scores[e] = (float)(scores[e] / sum);
}

/* What the router decides. All owned. */
typedef struct routing {
    float *weights;   /* [count + 1, experts]; the last row is room */
    uint64_t *tokens; /* [count]: those of one expert, */
    float *shares;    /* [count]: and its weight in each */
} routing;

static fg_status decide(const fg_block_call *call, routing *r, fg_error *err) {
    fg_status status = FG_OK;
    fg_workspace *w = call->work;
    const mlp *s = call->settings;
    uint64_t count = call->count, experts = s->experts;
    FG_NEW(r->weights, (count + 1) * experts);
    FG_NEW(r->tokens, count);
    FG_NEW(r->shares, count);
    FG_TRY(fg_scratch_fit(w, &w->scores, count, experts, err));
    FG_TRY(fg_linear_whole(w, call->weights->matrices, call->input, count, w->scores.values, err));
    FG_TRY(w->device->get(w->state, w->scores.values, count * experts, r->weights, err));
    for (uint64_t t = 0; t < count; t++)
        weigh(r->weights + t * experts, experts, s->experts_per_token, r->weights + count * experts);
done:
    return status;
}

/* The tokens that go through an expert. */
static uint64_t list_tokens(const routing *r, uint64_t count, uint64_t expert, uint64_t experts) {
    uint64_t listed = 0;
    for (uint64_t t = 0; t < count; t++) {
        float weight = r->weights[t * experts + expert];
        if (weight == 0) continue;
        r->tokens[listed] = t;
        r->shares[listed++] = weight;
    }
    return listed;
}

static fg_status run_experts(const fg_block_call *call, fg_error *err) {
    fg_status status = FG_OK;
    fg_workspace *w = call->work;
    const fg_device *d = w->device;
    const mlp *s = call->settings;
    uint64_t hidden = call->hidden;
    routing r = {0};
    FG_TRY(decide(call, &r, err));
    FG_TRY(fg_scratch_fit(w, &w->states[2], call->count, hidden, err));
    FG_TRY(fg_scratch_fit(w, &w->states[3], call->count, hidden, err));
    fg_real *inputs = w->states[2].values, *outputs = w->states[3].values;
    d->clear(w->state, call->output, call->count * hidden);
    for (uint64_t e = 0; e < s->experts; e++) {
        uint64_t count = list_tokens(&r, call->count, e, s->experts);
        if (!count) continue;
        d->gather(w->state, call->input, hidden, r.tokens, count, inputs);
        FG_TRY(run_one(w, s, call->weights->matrices + 1 + e * MATRICES, inputs, count, outputs, err));
        d->scatter(w->state, outputs, hidden, r.tokens, r.shares, count, call->output);
    }
done:
    fg_free(r.weights);
    fg_free(r.tokens);
    fg_free(r.shares);
    return status;
}

const fg_sublayer_kind fg_experts = {
    .word = "experts",
    .settings_size = sizeof(mlp),
    .rows = expert_rows,
    .row_count = sizeof expert_rows / sizeof *expert_rows,
    .read = check_experts,
    .bind = bind_experts,
    .run = run_experts,
    .scratch = scratch,
};
