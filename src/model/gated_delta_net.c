/* Gated delta net: a delta rule whose decay is one number a head, and a gate with a projection of its own. */
#include "model/delta_net.h"

enum { GATE = FG_DELTA_MATRICES, ALPHA, MATRICES };

/* ---- settings ---- */

typedef struct gated_delta_net {
    fg_delta_net net;
    bool gate_bias, alpha_bias;
} gated_delta_net;

static const fg_hyperparameter rows[] = {
    FG_SIZE_ROW_AS("gdn.value_heads", gated_delta_net, net.heads, 1, true, 0),
    FG_SIZE_ROW_AS("gdn.key_heads", gated_delta_net, net.key_heads, 1, true, 0),
    FG_SIZE_ROW_AS("gdn.key_head_size", gated_delta_net, net.key_size, 1, true, 0),
    FG_SIZE_ROW_AS("gdn.value_head_size", gated_delta_net, net.value_size, 1, true, 0),
    FG_FLAG_ROW_AS("gdn.query_bias", gated_delta_net, net.query_bias, false, 0),
    FG_FLAG_ROW_AS("gdn.key_bias", gated_delta_net, net.key_bias, false, 0),
    FG_FLAG_ROW_AS("gdn.value_bias", gated_delta_net, net.value_bias, false, 0),
    FG_FLAG_ROW_AS("gdn.gate_bias", gated_delta_net, gate_bias, false, 0),
    FG_FLAG_ROW_AS("gdn.beta_bias", gated_delta_net, net.beta_bias, false, 0),
    FG_FLAG_ROW_AS("gdn.alpha_bias", gated_delta_net, alpha_bias, false, 0),
    FG_FLAG_ROW_AS("gdn.output_bias", gated_delta_net, net.output_bias, false, 0),
    FG_SIZE_ROW_AS("gdn.kernel_size", gated_delta_net, net.convolution.kernel_size, 1, true, 0),
    FG_FLAG_ROW_AS("gdn.convolution_bias", gated_delta_net, net.convolution.bias, false, 0),
    FG_KIND_ROW_AS("gdn.convolution_activation", gated_delta_net, net.convolution.activation, true,
                   fg_activation_find),
    FG_NORM_ROWS(gated_delta_net, "gdn.norm", "gdn.norm_epsilon", net.norm, true),
    FG_KIND_ROW_AS("gdn.norm_activation", gated_delta_net, net.activation, true, fg_activation_find),
};

static fg_status check(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    (void)source;
    return fg_delta_net_check(settings, err);
}

static fg_cache_size cache_size(const void *settings) {
    return fg_delta_net_cache_size(settings);
}

static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    (void)positions;
    return tokens * fg_delta_net_scratch(settings, 1);
}

/* ---- weights ---- */

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const gated_delta_net *s = settings;
    const fg_delta_net *net = &s->net;
    FG_CALL(fg_delta_net_bind(binder, "gdn", net, MATRICES - FG_DELTA_MATRICES, 1, weights, err));
    fg_matrix *m = weights->matrices;
    FG_CALL(fg_bind_linear(binder, "gdn.gate", s->gate_bias, net->heads * net->value_size, binder->hidden,
                           &m[GATE], err));
    return fg_bind_linear(binder, "gdn.alpha", s->alpha_bias, net->heads, binder->hidden, &m[ALPHA], err);
}

/* ---- running ---- */

static fg_status make_steps(const fg_block_call *call, fg_real *to, fg_error *err) {
    return fg_linear_whole(call->work, &call->weights->matrices[ALPHA], call->input, call->count, to, err);
}

static fg_status make_gate(const fg_block_call *call, fg_real *to, fg_error *err) {
    return fg_linear_whole(call->work, &call->weights->matrices[GATE], call->input, call->count, to, err);
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    static const fg_delta_parts parts = {.steps = 1, .make_steps = make_steps, .make_gate = make_gate};
    return fg_delta_net_run(call, &parts, err);
}

const fg_sublayer_kind fg_gated_delta_net = {
    .word = "gated_delta_net",
    .settings_size = sizeof(gated_delta_net),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .read = check,
    .bind = bind,
    .run = run,
    .cache_size = cache_size,
    .scratch = scratch,
};
