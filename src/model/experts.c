#include "model/experts.h"

#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "base/checked.h"

enum { ROUTER_SCALE, EXPERT_SCALE };
enum { ROUTER_NORM = FG_MLP_NORMS }; /* behind the two of all experts together */

/* ---- settings ---- */

static uint64_t routed(const fg_experts *s) {
    return s->experts - s->shared_experts;
}

fg_status fg_experts_check(const fg_experts *s, fg_error *err) {
    FG_CALL(fg_hyperparameters_check_count(s->experts, "experts", err));
    if (s->shared_experts > s->experts)
        return fg_fail(err, FG_ERR_INPUT, "config: %" PRIu64 " shared experts, of %" PRIu64 " experts",
                       s->shared_experts, s->experts);
    if (s->experts_per_token > routed(s))
        return fg_fail(err, FG_ERR_INPUT, "config: %" PRIu64 " experts per token, of %" PRIu64 " experts%s",
                       s->experts_per_token, routed(s), s->shared_experts ? " that are not shared" : "");
    if (!s->experts_per_token) return fg_fail(err, FG_ERR_INPUT, "config: experts, but 0 experts per token");
    FG_CALL(fg_hyperparameters_check_epsilon(s->router_norm.epsilon, err));
    return fg_mlp_norms_check(&s->norms, err);
}

/* ---- weights ---- */

uint64_t fg_experts_matrices(const fg_experts *s) {
    return 1 + s->experts * FG_MLP_MATRICES;
}

static fg_matrix *matrices_of(const fg_experts_weights *weights, uint64_t expert) {
    return weights->matrices + 1 + expert * FG_MLP_MATRICES;
}

static fg_status bind_router(const fg_binder *binder, const fg_experts *s, const fg_experts_weights *weights,
                             fg_error *err) {
    uint64_t hidden = binder->hidden;
    FG_CALL(fg_bind_matrix(binder, "experts.router", routed(s), hidden, weights->matrices, err));
    FG_CALL(fg_norm_bind(binder, "experts.router_norm", &s->router_norm, hidden, &weights->norms[ROUTER_NORM],
                         err));
    if (s->router_scale)
        FG_CALL(fg_bind_vector(binder, "experts.router_scale", hidden, &weights->vectors[ROUTER_SCALE], err));
    if (!s->expert_scale) return FG_OK;
    return fg_bind_vector(binder, "experts.scale", s->experts, &weights->vectors[EXPERT_SCALE], err);
}

fg_status fg_experts_bind(fg_binder *binder, const fg_experts *s, const fg_experts_weights *weights,
                          fg_error *err) {
    static const fg_mlp_roles roles = {"experts.gate", "experts.up", "experts.first", "experts.down"};
    binder->experts = s->experts;
    FG_CALL(bind_router(binder, s, weights, err));
    for (binder->expert = 0; binder->expert < s->experts; binder->expert++)
        FG_CALL(
            fg_mlp_bind(binder, &s->each, binder->hidden, &roles, matrices_of(weights, binder->expert), err));
    return FG_OK;
}

/* ---- choosing ---- */

/* Scores of one token become the weights of its experts, 0 for those that it does not go through. `chosen`
 * has room for `all` numbers. */
static void weigh(float *scores, uint64_t all, uint64_t count, float *chosen) {
    float largest = 0;
    double sum = 0;
    for (uint64_t e = 0; e < all; e++) chosen[e] = 0;
    for (uint64_t k = 0; k < count; k++) {
        uint64_t best = all;
        for (uint64_t e = 0; e < all; e++) {
            if (chosen[e] == 0 && (best == all || scores[e] > scores[best])) best = e;
        }
        if (k == 0) largest = scores[best];
        chosen[best] = 1;
    }
    for (uint64_t e = 0; e < all; e++) {
        scores[e] = chosen[e] != 0 ? expf(scores[e] - largest) : 0;
        sum += scores[e];
    }
    for (uint64_t e = 0; e < all; e++) scores[e] = (float)(scores[e] / sum);
}

/* What the router decides. All owned. */
typedef struct routing {
    float *weights;   /* [count, experts that are not shared] */
    float *room;      /* [experts that are not shared] */
    float *scales;    /* [experts] */
    uint64_t *tokens; /* [count]: those of one expert, */
    float *shares;    /* [count]: and its weight in each */
} routing;

static void free_routing(routing *r) {
    fg_free(r->weights);
    fg_free(r->room);
    fg_free(r->scales);
    fg_free(r->tokens);
    fg_free(r->shares);
}

/* What the router's matrix is multiplied with: `input` itself if there is nothing to do. */
static fg_status scale_input(const fg_block_call *call, const fg_experts *s,
                             const fg_experts_weights *weights, const fg_real **input, fg_error *err) {
    fg_workspace *w = call->work;
    const fg_device *d = w->device;
    const fg_heads shape = {call->count, 1, call->hidden, call->hidden};
    const fg_real *scale;
    *input = call->input;
    if (!s->router_norm.kind && !s->router_scale && s->router_input_scale == 1) return FG_OK;
    FG_CALL(fg_scratch_fit(w, &w->states[2], call->count, call->hidden, err));
    fg_real *scaled = w->states[2].values;
    d->clear(w->state, scaled, call->count * call->hidden);
    d->add(w->state, scaled, 0, call->input, 0, 1, call->count * call->hidden);
    if (s->router_norm.kind)
        FG_CALL(fg_norm_run(w, &weights->norms[ROUTER_NORM], scaled, &shape, scaled, err));
    if (s->router_scale) {
        FG_CALL(fg_vector_read(w, &weights->vectors[ROUTER_SCALE], call->hidden, &scale, err));
        for (uint64_t t = 0; t < call->count; t++)
            d->multiply(w->state, scaled + t * call->hidden, scale, call->hidden);
    }
    if (s->router_input_scale != 1)
        d->scale(w->state, scaled, call->count * call->hidden, (float)s->router_input_scale);
    *input = scaled;
    return FG_OK;
}

static fg_status read_scales(const fg_block_call *call, const fg_experts *s,
                             const fg_experts_weights *weights, float *scales, fg_error *err) {
    fg_workspace *w = call->work;
    const fg_real *values;
    for (uint64_t e = 0; e < s->experts; e++) scales[e] = 1;
    if (!s->expert_scale) return FG_OK;
    FG_CALL(fg_vector_read(w, &weights->vectors[EXPERT_SCALE], s->experts, &values, err));
    return w->device->get(w->state, values, s->experts, scales, err);
}

static fg_status decide(const fg_block_call *call, const fg_experts *s, const fg_experts_weights *weights,
                        routing *r, fg_error *err) {
    fg_status status = FG_OK;
    fg_workspace *w = call->work;
    const fg_real *input;
    uint64_t count = call->count, all = routed(s);
    FG_NEW(r->weights, count * all);
    FG_NEW(r->room, all);
    FG_NEW(r->scales, s->experts);
    FG_NEW(r->tokens, count);
    FG_NEW(r->shares, count);
    FG_TRY(read_scales(call, s, weights, r->scales, err));
    FG_TRY(scale_input(call, s, weights, &input, err));
    FG_TRY(fg_scratch_fit(w, &w->scores, count, all, err));
    FG_TRY(fg_linear_whole(w, weights->matrices, input, count, w->scores.values, err));
    FG_TRY(w->device->get(w->state, w->scores.values, count * all, r->weights, err));
    for (uint64_t t = 0; t < count; t++) weigh(r->weights + t * all, all, s->experts_per_token, r->room);
done:
    return status;
}

/* The tokens that go through an expert. */
static uint64_t list_tokens(const fg_experts *s, const routing *r, uint64_t count, uint64_t expert) {
    uint64_t listed = 0, all = routed(s);
    for (uint64_t t = 0; t < count; t++) {
        float weight = expert < all ? r->weights[t * all + expert] : 1;
        if (weight == 0) continue;
        r->tokens[listed] = t;
        r->shares[listed++] = weight * r->scales[expert];
    }
    return listed;
}

/* ---- running ---- */

static fg_status run_tile(const fg_block_call *call, const fg_experts *s, const fg_experts_weights *weights,
                          fg_real *output, fg_error *err) {
    fg_status status = FG_OK;
    fg_workspace *w = call->work;
    const fg_device *d = w->device;
    uint64_t hidden = call->hidden;
    routing r = {0};
    FG_TRY(decide(call, s, weights, &r, err));
    FG_TRY(fg_scratch_fit(w, &w->states[2], call->count, hidden, err));
    FG_TRY(fg_scratch_fit(w, &w->states[3], call->count, hidden, err));
    fg_real *inputs = w->states[2].values, *outputs = w->states[3].values;
    d->clear(w->state, output, call->count * hidden);
    for (uint64_t e = 0; e < s->experts; e++) {
        uint64_t count = list_tokens(s, &r, call->count, e);
        if (!count) continue;
        weights->chosen[e] += count;
        d->gather(w->state, call->input, hidden, r.tokens, count, inputs);
        FG_TRY(fg_mlp_norm_run(call, &weights->norms[FG_MLP_INPUT_NORM], inputs, count, err));
        FG_TRY(fg_mlp_run(w, &s->each, matrices_of(weights, e), inputs, count, outputs, err));
        d->scatter(w->state, outputs, hidden, r.tokens, r.shares, count, output);
    }
    FG_TRY(fg_mlp_norm_run(call, &weights->norms[FG_MLP_OUTPUT_NORM], output, call->count, err));
done:
    free_routing(&r);
    return status;
}

/* How many tokens an expert has in a product is a matter of one tile. */
fg_status fg_experts_run(const fg_block_call *call, const fg_experts *s, const fg_experts_weights *weights,
                         fg_real *output, fg_error *err) {
    for (uint64_t at = 0; at < call->count; at += FG_TILE) {
        fg_block_call tile = *call;
        tile.count = fg_min(FG_TILE, call->count - at);
        tile.input = call->input + at * call->hidden;
        FG_CALL(run_tile(&tile, s, weights, output + at * call->hidden, err));
    }
    return FG_OK;
}

/* ---- experts as a block's MLP ---- */

typedef struct settings_of_block {
    fg_experts all;
} settings_of_block;

static const fg_hyperparameter rows[] = {
    FG_MLP_ROWS,
    FG_MLP_NORM_ROWS(settings_of_block, all.norms, ""),
    FG_EXPERTS_ROWS(settings_of_block, all),
};

static fg_status check(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    const settings_of_block *s = settings;
    (void)source;
    return fg_experts_check(&s->all, err);
}

fg_status fg_experts_count(fg_sublayer_weights *weights, const fg_experts *s, fg_error *err) {
    FG_CALL_NEW(weights->chosen, fg_alloc(s->experts, sizeof *weights->chosen, err));
    weights->expert_count = s->experts;
    return FG_OK;
}

static fg_experts_weights weights_of(const fg_sublayer_weights *weights) {
    return (fg_experts_weights){.matrices = weights->matrices,
                                .vectors = weights->vectors,
                                .norms = weights->norms,
                                .chosen = weights->chosen};
}

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const settings_of_block *s = settings;
    FG_CALL(fg_sublayer_weights_make(weights, fg_experts_matrices(&s->all), FG_EXPERTS_VECTORS,
                                     FG_EXPERTS_NORMS, err));
    FG_CALL(fg_experts_count(weights, &s->all, err));
    const fg_experts_weights own = weights_of(weights);
    FG_CALL(fg_mlp_norms_bind(binder, &s->all.norms, "mlp.input_norm", "mlp.output_norm", own.norms, err));
    return fg_experts_bind(binder, &s->all, &own, err);
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    const settings_of_block *s = call->settings;
    const fg_experts_weights own = weights_of(call->weights);
    return fg_experts_run(call, &s->all, &own, call->output, err);
}

static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    const settings_of_block *s = settings;
    (void)positions;
    return tokens * fg_mlp_scratch(&s->all.each);
}

const fg_sublayer_kind fg_experts_kind = {
    .word = "experts",
    .settings_size = sizeof(settings_of_block),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .read = check,
    .bind = bind,
    .run = run,
    .scratch = scratch,
    .states = 2,
};
