/* An MLP that every token goes through next to experts: output = norm(mlp(x) + experts(x)), x the norm of the
 * input where there is one. Both have norms of their own, and one activation.
 */
#include "base/checked.h"
#include "model/experts.h"

typedef struct both {
    fg_dense dense;
    fg_experts experts;
    fg_mlp_norms norms;
} both;

/* The rows of an MLP are those of the dense one; "expert_size" is the intermediate size of each expert. */
static const fg_hyperparameter rows[] = {
    FG_MLP_ROWS,
    FG_EXPERTS_ROW("expert_size", SIZE, both, experts.each.intermediate_size),
    FG_MLP_NORM_ROWS(both, norms, ""),
    FG_MLP_NORM_ROWS(both, dense.norms, "dense_"),
    FG_MLP_NORM_ROWS(both, experts.norms, "experts_"),
    FG_EXPERTS_ROWS(both, experts),
};

static fg_status check(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    both *s = settings;
    (void)source;
    if (!s->experts.each.intermediate_size)
        return fg_fail(err, FG_ERR_INPUT, "models/: no config entry \"expert_size\"");
    s->experts.each.gated = s->dense.mlp.gated;
    s->experts.each.activation = s->dense.mlp.activation;
    FG_CALL(fg_mlp_norms_check(&s->norms, err));
    FG_CALL(fg_mlp_norms_check(&s->dense.norms, err));
    return fg_experts_check(&s->experts, err);
}

/* ---- weights: of the dense MLP, then of the experts ---- */

enum {
    OWN = 0,
    DENSE = OWN + FG_MLP_NORMS,
    EXPERTS = DENSE + FG_MLP_NORMS,
    NORMS = EXPERTS + FG_EXPERTS_NORMS
};

static fg_experts_weights experts_of(const fg_sublayer_weights *weights) {
    return (fg_experts_weights){.matrices = weights->matrices + FG_MLP_MATRICES,
                                .vectors = weights->vectors,
                                .norms = weights->norms + EXPERTS,
                                .chosen = weights->chosen};
}

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const both *s = settings;
    FG_CALL(fg_sublayer_weights_make(weights, FG_MLP_MATRICES + fg_experts_matrices(&s->experts),
                                     FG_EXPERTS_VECTORS, NORMS, err));
    FG_CALL(fg_experts_count(weights, &s->experts, err));
    fg_norm *norms = weights->norms;
    const fg_experts_weights experts = experts_of(weights);
    FG_CALL(fg_mlp_norms_bind(binder, &s->norms, "mlp.input_norm", "mlp.output_norm", norms + OWN, err));
    FG_CALL(fg_mlp_norms_bind(binder, &s->dense.norms, "dense.input_norm", "dense.output_norm", norms + DENSE,
                              err));
    FG_CALL(fg_mlp_norms_bind(binder, &s->experts.norms, "experts.input_norm", "experts.output_norm",
                              experts.norms, err));
    FG_CALL(fg_dense_bind(binder, &s->dense, weights->matrices, err));
    return fg_experts_bind(binder, &s->experts, &experts, err);
}

/* ---- running ---- */

static fg_status run(const fg_block_call *call, fg_error *err) {
    fg_workspace *w = call->work;
    const both *s = call->settings;
    const fg_norm *norms = call->weights->norms;
    const fg_experts_weights experts = experts_of(call->weights);
    fg_block_call own = *call;
    FG_CALL(fg_mlp_norm_input(call, &norms[OWN + FG_MLP_INPUT_NORM], &w->states[5], &own.input, err));
    FG_CALL(fg_dense_run(&own, &s->dense, call->weights->matrices, norms + DENSE, err));
    FG_CALL(fg_scratch_fit(w, &w->states[4], call->count, call->hidden, err));
    FG_CALL(fg_experts_run(&own, &s->experts, &experts, w->states[4].values, err));
    w->device->add(w->state, call->output, 0, w->states[4].values, 0, 1, call->count * call->hidden);
    return fg_mlp_norm_run(call, &norms[OWN + FG_MLP_OUTPUT_NORM], call->output, call->count, err);
}

static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    const both *s = settings;
    (void)positions;
    return tokens * fg_max(fg_mlp_scratch(&s->dense.mlp), fg_mlp_scratch(&s->experts.each));
}

const fg_sublayer_kind fg_dense_and_experts_kind = {
    .word = "dense_and_experts",
    .settings_size = sizeof(both),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .read = check,
    .bind = bind,
    .run = run,
    .scratch = scratch,
    .states = 4,
};
