/* Feed-forward parts of a block. Gated: down(activation(gate x) * up x). */
#include <math.h>

#include "model/model.h"

void fg_activation_silu(float *gate, const float *up, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

fg_status fg_gated_mlp_bind(fg_binder *binder, fg_block *block, fg_error *err) {
    fg_status status = FG_OK;
    const fg_settings *s = &binder->model->settings;
    FG_TRY(fg_bind_matrix(binder, "mlp.gate", s->inner, s->hidden, &block->gated.gate, err));
    FG_TRY(fg_bind_matrix(binder, "mlp.up", s->inner, s->hidden, &block->gated.up, err));
    FG_TRY(fg_bind_matrix(binder, "mlp.down", s->hidden, s->inner, &block->gated.down, err));
done:
    return status;
}

fg_status fg_gated_mlp_run(const fg_step *step, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = step->model;
    fg_gated_mlp *mlp = &step->block->gated;
    uint64_t inner = mlp->gate.rows;
    FG_TRY(fg_scratch_fit(&model->states[0], step->count, inner, err));
    FG_TRY(fg_scratch_fit(&model->states[1], step->count, inner, err));
    float *gate = model->states[0].values, *up = model->states[1].values;
    FG_TRY(fg_linear_whole(model, &mlp->gate, step->input, step->count, gate, err));
    FG_TRY(fg_linear_whole(model, &mlp->up, step->input, step->count, up, err));
    model->activation->gate(gate, up, step->count * inner);
    FG_TRY(fg_linear_whole(model, &mlp->down, gate, step->count, step->output, err));
done:
    return status;
}
