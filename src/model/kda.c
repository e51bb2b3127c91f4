/* Kimi delta attention: a delta rule whose decay is a number for each head and channel of its keys. Decay and
 * gate come from projections through a vector of the size of one head, up(down(x)). */
#include "model/delta_net.h"

enum { STEP_DOWN = FG_DELTA_MATRICES, STEP_UP, GATE_DOWN, GATE_UP, MATRICES };

/* ---- settings ---- */

typedef struct kda {
    fg_delta_net net;
    bool step_down_bias, step_up_bias, gate_down_bias, gate_up_bias;
} kda;

static const fg_hyperparameter rows[] = {
    FG_SIZE_ROW_AS("kda.heads", kda, net.heads, 1, true, 0),
    FG_SIZE_ROW_AS("kda.head_size", kda, net.key_size, 1, true, 0),
    FG_FLAG_ROW_AS("kda.query_bias", kda, net.query_bias, false, 0),
    FG_FLAG_ROW_AS("kda.key_bias", kda, net.key_bias, false, 0),
    FG_FLAG_ROW_AS("kda.value_bias", kda, net.value_bias, false, 0),
    FG_FLAG_ROW_AS("kda.step_down_bias", kda, step_down_bias, false, 0),
    FG_FLAG_ROW_AS("kda.step_up_bias", kda, step_up_bias, false, 0),
    FG_FLAG_ROW_AS("kda.gate_down_bias", kda, gate_down_bias, false, 0),
    FG_FLAG_ROW_AS("kda.gate_up_bias", kda, gate_up_bias, false, 0),
    FG_FLAG_ROW_AS("kda.beta_bias", kda, net.beta_bias, false, 0),
    FG_FLAG_ROW_AS("kda.output_bias", kda, net.output_bias, false, 0),
    FG_SIZE_ROW_AS("kda.kernel_size", kda, net.convolution.kernel_size, 1, true, 0),
    FG_FLAG_ROW_AS("kda.convolution_bias", kda, net.convolution.bias, false, 0),
    FG_KIND_ROW_AS("kda.convolution_activation", kda, net.convolution.activation, true, fg_activation_find),
    FG_NORM_ROWS(kda, "kda.norm", "kda.norm_epsilon", net.norm, true),
    FG_KIND_ROW_AS("kda.norm_activation", kda, net.activation, true, fg_activation_find),
};

static fg_status read_settings(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    kda *s = settings;
    (void)source;
    s->net.key_heads = s->net.heads;
    s->net.value_size = s->net.key_size;
    return fg_delta_net_check(&s->net, err);
}

static fg_cache_size cache_size(const void *settings) {
    return fg_delta_net_cache_size(settings);
}

static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    const kda *s = settings;
    (void)positions;
    return tokens * (fg_delta_net_scratch(&s->net, s->net.key_size) + s->net.key_size);
}

/* ---- weights ---- */

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const kda *s = settings;
    uint64_t size = s->net.key_size, all = s->net.heads * size, hidden = binder->hidden;
    FG_CALL(fg_delta_net_bind(binder, "kda", &s->net, MATRICES - FG_DELTA_MATRICES, size, weights, err));
    fg_matrix *m = weights->matrices;
    FG_CALL(fg_bind_linear(binder, "kda.step_down", s->step_down_bias, size, hidden, &m[STEP_DOWN], err));
    FG_CALL(fg_bind_linear(binder, "kda.step_up", s->step_up_bias, all, size, &m[STEP_UP], err));
    FG_CALL(fg_bind_linear(binder, "kda.gate_down", s->gate_down_bias, size, hidden, &m[GATE_DOWN], err));
    return fg_bind_linear(binder, "kda.gate_up", s->gate_up_bias, all, size, &m[GATE_UP], err);
}

/* ---- running ---- */

static fg_status down_and_up(const fg_block_call *call, int down, int up, fg_real *to, fg_error *err) {
    fg_workspace *w = call->work;
    const kda *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    FG_CALL(fg_scratch_fit(w, &w->states[3], call->count, s->net.key_size, err));
    FG_CALL(fg_linear_whole(w, &m[down], call->input, call->count, w->states[3].values, err));
    return fg_linear_whole(w, &m[up], w->states[3].values, call->count, to, err);
}

static fg_status make_steps(const fg_block_call *call, fg_real *to, fg_error *err) {
    return down_and_up(call, STEP_DOWN, STEP_UP, to, err);
}

static fg_status make_gate(const fg_block_call *call, fg_real *to, fg_error *err) {
    return down_and_up(call, GATE_DOWN, GATE_UP, to, err);
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    const kda *s = call->settings;
    const fg_delta_parts parts = {.steps = s->net.key_size, .make_steps = make_steps, .make_gate = make_gate};
    return fg_delta_net_run(call, &parts, err);
}

const fg_sublayer_kind fg_kda = {
    .word = "kda",
    .settings_size = sizeof(kda),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .read = read_settings,
    .bind = bind,
    .run = run,
    .cache_size = cache_size,
    .scratch = scratch,
};
