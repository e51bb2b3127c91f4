#include "model/mlp.h"

#include "base/named_row.h"

enum { FIRST, UP, DOWN }; /* the gate is the first where there is one */

/* ---- settings ---- */

static const struct activation_row {
    const char *word;
    fg_activation activation;
} activations[] = {
    {"silu", FG_ACTIVATION_SILU},           {"gelu", FG_ACTIVATION_GELU},
    {"gelu_tanh", FG_ACTIVATION_GELU_TANH}, {"relu", FG_ACTIVATION_RELU},
    {"relu2", FG_ACTIVATION_RELU2},         {"sigmoid", FG_ACTIVATION_SIGMOID},
    {"identity", FG_ACTIVATION_IDENTITY},
};

const void *fg_activation_find(const char *word) {
    const struct activation_row *row = FG_NAMED_ROW(activations, word);
    return row ? &row->activation : NULL;
}

uint64_t fg_mlp_scratch(const fg_mlp *mlp) {
    return 2 * mlp->intermediate_size;
}

/* ---- one MLP ---- */

fg_status fg_mlp_bind(const fg_binder *binder, const fg_mlp *mlp, uint64_t output, const fg_mlp_roles *roles,
                      fg_matrix *matrices, fg_error *err) {
    uint64_t size = mlp->intermediate_size, hidden = binder->hidden;
    const char *first = mlp->gated ? roles->gate : roles->first;
    FG_CALL(fg_bind_linear(binder, first, mlp->first_bias, size, hidden, &matrices[FIRST], err));
    if (mlp->gated)
        FG_CALL(fg_bind_linear(binder, roles->up, mlp->first_bias, size, hidden, &matrices[UP], err));
    return fg_bind_linear(binder, roles->down, mlp->down_bias, output, size, &matrices[DOWN], err);
}

/* activation(first) [* up] for the columns of `part`, of rows [count, size]. */
static void activate_part(fg_workspace *w, const fg_mlp *mlp, fg_row_part part, fg_real *first,
                          const fg_real *up, uint64_t count) {
    uint64_t size = mlp->intermediate_size, rows = part.count == size ? 1 : count,
             numbers = part.count == size ? count * size : part.count;
    for (uint64_t r = 0; r < rows; r++) {
        uint64_t at = r * size + part.first;
        w->device->activate(w->state, *mlp->activation, first + at, numbers);
        if (mlp->gated) w->device->multiply(w->state, first + at, up + at, numbers);
    }
}

/* The first matrix and the second have rows of one length, and so the same panels: where rows are shared,
 * the members give each other what the activation makes of both. */
fg_status fg_mlp_run(fg_workspace *w, const fg_mlp *mlp, fg_matrix *matrices, const fg_real *input,
                     uint64_t count, fg_real *output, fg_error *err) {
    uint64_t size = mlp->intermediate_size, panel = fg_matrix_panel_rows(w, &matrices[FIRST]);
    const fg_row_part mine = fg_matrix_part(w, &matrices[FIRST]);
    FG_CALL(fg_scratch_fit(w, &w->states[0], count, size, err));
    fg_real *first = w->states[0].values, *up = NULL;
    FG_CALL(
        fg_linear(w, &matrices[FIRST], mine.first, mine.count, input, count, first + mine.first, size, err));
    if (mlp->gated) {
        FG_CALL(fg_scratch_fit(w, &w->states[1], count, size, err));
        up = w->states[1].values;
        FG_CALL(
            fg_linear(w, &matrices[UP], mine.first, mine.count, input, count, up + mine.first, size, err));
    }
    activate_part(w, mlp, mine, first, up, count);
    if (panel < size) FG_CALL(fg_row_join(w, count, size, panel, first, size, err));
    return fg_linear_whole(w, &matrices[DOWN], first, count, output, err);
}

/* ---- norms of its own ---- */

fg_status fg_mlp_norms_check(const fg_mlp_norms *norms, fg_error *err) {
    FG_CALL(fg_hyperparameters_check_epsilon(norms->input.epsilon, err));
    return fg_hyperparameters_check_epsilon(norms->output.epsilon, err);
}

fg_status fg_mlp_norms_bind(const fg_binder *binder, const fg_mlp_norms *settings, const char *input_role,
                            const char *output_role, fg_norm *norms, fg_error *err) {
    uint64_t hidden = binder->hidden;
    FG_CALL(fg_norm_bind(binder, input_role, &settings->input, hidden, &norms[FG_MLP_INPUT_NORM], err));
    return fg_norm_bind(binder, output_role, &settings->output, hidden, &norms[FG_MLP_OUTPUT_NORM], err);
}

fg_status fg_mlp_norm_input(const fg_block_call *call, const fg_norm *norm, fg_scratch *room,
                            const fg_real **input, fg_error *err) {
    const fg_heads shape = {call->count, 1, call->hidden, call->hidden};
    *input = call->input;
    if (!norm->settings.kind) return FG_OK;
    FG_CALL(fg_scratch_fit(call->work, room, call->count, call->hidden, err));
    *input = room->values;
    return fg_norm_run(call->work, norm, call->input, &shape, room->values, err);
}

fg_status fg_mlp_norm_run(const fg_block_call *call, const fg_norm *norm, fg_real *values, uint64_t count,
                          fg_error *err) {
    const fg_heads shape = {count, 1, call->hidden, call->hidden};
    return norm->settings.kind ? fg_norm_run(call->work, norm, values, &shape, values, err) : FG_OK;
}

/* ---- an MLP that every token goes through ---- */

fg_status fg_dense_bind(const fg_binder *binder, const fg_dense *dense, fg_matrix *matrices, fg_error *err) {
    static const fg_mlp_roles roles = {"mlp.gate", "mlp.up", "mlp.first", "mlp.down"};
    return fg_mlp_bind(binder, &dense->mlp, binder->hidden, &roles, matrices, err);
}

fg_status fg_dense_run(const fg_block_call *call, const fg_dense *dense, fg_matrix *matrices,
                       const fg_norm *norms, fg_error *err) {
    fg_workspace *w = call->work;
    const fg_real *input;
    FG_CALL(fg_mlp_norm_input(call, &norms[FG_MLP_INPUT_NORM], &w->states[2], &input, err));
    FG_CALL(fg_mlp_run(w, &dense->mlp, matrices, input, call->count, call->output, err));
    return fg_mlp_norm_run(call, &norms[FG_MLP_OUTPUT_NORM], call->output, call->count, err);
}

static const fg_hyperparameter rows[] = {FG_MLP_ROWS, FG_MLP_NORM_ROWS(fg_dense, norms, "")};

static fg_status check(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    const fg_dense *s = settings;
    (void)source;
    return fg_mlp_norms_check(&s->norms, err);
}

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const fg_dense *s = settings;
    FG_CALL(fg_sublayer_weights_make(weights, FG_MLP_MATRICES, 0, FG_MLP_NORMS, err));
    FG_CALL(fg_dense_bind(binder, s, weights->matrices, err));
    return fg_mlp_norms_bind(binder, &s->norms, "mlp.input_norm", "mlp.output_norm", weights->norms, err);
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    return fg_dense_run(call, call->settings, call->weights->matrices, call->weights->norms, err);
}

static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    const fg_dense *s = settings;
    (void)positions;
    return tokens * fg_mlp_scratch(&s->mlp);
}

const fg_sublayer_kind fg_dense_kind = {
    .word = "dense",
    .settings_size = sizeof(fg_dense),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .read = check,
    .bind = bind,
    .run = run,
    .scratch = scratch,
};
