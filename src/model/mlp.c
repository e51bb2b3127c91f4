/* Feed-forward parts of a block. Gated: down(activation(gate x) * up x); else down(activation(first x)).
 *
 * Experts: a router gives each token a score for each of several such MLPs; the few experts with the largest
 * scores (of equals the first) are run, whose outputs are added, weighted by the softmax over these scores.
 */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "model/model.h"

enum { FIRST, UP, DOWN, MATRICES }; /* of one MLP; the gate is the first where there is one */

/* ---- one MLP ---- */

/* Roles of the weights. */
typedef struct roles {
    const char *gate, *up, *first, *down;
} roles;

static fg_status bind_one(const fg_binder *binder, const fg_hyperparameters *s, const roles *r, fg_matrix *m,
                          fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_bind_linear(binder, s->gated ? r->gate : r->first, s->first_bias, s->intermediate_size,
                          s->hidden, &m[FIRST], err));
    if (s->gated)
        FG_TRY(fg_bind_linear(binder, r->up, s->first_bias, s->intermediate_size, s->hidden, &m[UP], err));
    FG_TRY(fg_bind_linear(binder, r->down, s->down_bias, s->hidden, s->intermediate_size, &m[DOWN], err));
done:
    return status;
}

static fg_status run_one(fg_model *model, const fg_block_kind *kind, fg_matrix *m, const float *input,
                         uint64_t count, float *output, fg_error *err) {
    fg_status status = FG_OK;
    uint64_t intermediate_size = m[FIRST].rows;
    FG_TRY(fg_scratch_fit(&model->states[0], count, intermediate_size, err));
    FG_TRY(fg_scratch_fit(&model->states[1], count, intermediate_size, err));
    float *first = model->states[0].values, *up = model->states[1].values;
    FG_TRY(fg_linear_whole(model, &m[FIRST], input, count, first, err));
    kind->activation->apply(first, count * intermediate_size);
    if (kind->settings.gated) {
        FG_TRY(fg_linear_whole(model, &m[UP], input, count, up, err));
        for (uint64_t i = 0; i < count * intermediate_size; i++) first[i] *= up[i];
    }
    FG_TRY(fg_linear_whole(model, &m[DOWN], first, count, output, err));
done:
    return status;
}

fg_status fg_mlp_bind(fg_binder *binder, fg_block *block, fg_error *err) {
    static const roles r = {"mlp.gate", "mlp.up", "mlp.first", "mlp.down"};
    fg_status status = FG_OK;
    FG_TRY(fg_sublayer_weights_make(&block->mlp, MATRICES, 0, err));
    FG_TRY(bind_one(binder, &block->kind->settings, &r, block->mlp.matrices, err));
done:
    return status;
}

fg_status fg_mlp_run(const fg_block_call *call, fg_error *err) {
    return run_one(call->model, call->block->kind, call->block->mlp.matrices, call->input, call->count,
                   call->output, err);
}

/* ---- experts: the router's matrix, then theirs ---- */

fg_status fg_experts_bind(fg_binder *binder, fg_block *block, fg_error *err) {
    static const roles r = {"experts.gate", "experts.up", "experts.first", "experts.down"};
    fg_status status = FG_OK;
    const fg_hyperparameters *s = &block->kind->settings;
    if (!s->experts_per_token) FG_FAIL(err, FG_ERR_INPUT, "config: experts, but 0 experts per token");
    FG_TRY(fg_sublayer_weights_make(&block->mlp, 1 + s->experts * MATRICES, 0, err));
    fg_matrix *m = block->mlp.matrices;
    FG_TRY(fg_bind_matrix(binder, "experts.router", s->experts, s->hidden, m, err));
    for (binder->expert = 0; binder->expert < s->experts; binder->expert++)
        FG_TRY(bind_one(binder, s, &r, m + 1 + binder->expert * MATRICES, err));
done:
    return status;
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

/* The tokens that go through an expert, side by side. */
static uint64_t gather(const fg_block_call *call, const float *weights, uint64_t experts, uint64_t hidden,
                       float *inputs) {
    uint64_t count = 0;
    for (uint64_t t = 0; t < call->count; t++) {
        if (weights[t * experts] == 0) continue;
        memcpy(inputs + count++ * hidden, call->input + t * hidden, hidden * sizeof *inputs);
    }
    return count;
}

static void scatter(const fg_block_call *call, const float *weights, uint64_t experts, uint64_t hidden,
                    const float *outputs) {
    for (uint64_t t = 0; t < call->count; t++) {
        float weight = weights[t * experts], *to = call->output + t * hidden;
        if (weight == 0) continue;
        for (uint64_t i = 0; i < hidden; i++) to[i] += weight * outputs[i];
        outputs += hidden;
    }
}

fg_status fg_experts_run(const fg_block_call *call, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = call->model;
    const fg_hyperparameters *s = &call->block->kind->settings;
    fg_matrix *m = call->block->mlp.matrices;
    uint64_t hidden = s->hidden;
    FG_TRY(fg_scratch_fit(&model->scores, call->count + 1, s->experts, err));
    FG_TRY(fg_scratch_fit(&model->states[2], call->count, hidden, err));
    FG_TRY(fg_scratch_fit(&model->states[3], call->count, hidden, err));
    float *weights = model->scores.values, *inputs = model->states[2].values,
          *outputs = model->states[3].values;
    FG_TRY(fg_linear_whole(model, m, call->input, call->count, weights, err));
    for (uint64_t t = 0; t < call->count; t++)
        weigh(weights + t * s->experts, s->experts, s->experts_per_token, weights + call->count * s->experts);
    memset(call->output, 0, call->count * hidden * sizeof *call->output);
    for (uint64_t e = 0; e < s->experts; e++) {
        uint64_t count = gather(call, weights + e, s->experts, hidden, inputs);
        if (!count) continue;
        FG_TRY(run_one(model, call->block->kind, m + 1 + e * MATRICES, inputs, count, outputs, err));
        scatter(call, weights + e, s->experts, hidden, outputs);
    }
done:
    return status;
}
