/* Mamba with grouped heads: a selective scan over a state of fixed size.
 *
 * Heads have as many channels as their state has numbers; several share the x and b of one group. x is
 * repeated for the heads of a group before its short convolution, which then has weights for each head, or
 * after it. The bias of dt is added twice: by the linear layer, and by the scan. The output is
 * (scan + d x) * silu(z).
 *
 * The fixed part of the cache: the convolution's window, then the states [inner_size, state_size].
 */
#include <inttypes.h>

#include "model/mlp.h"
#include "model/short_convolution.h"
#include "model/sublayer_kind.h"

enum { Z, X, B, C, DT_IN, DT, CONVOLUTION, A_LOG, OUTPUT, MATRICES };
enum { D, VECTORS };

/* ---- settings ---- */

typedef struct mamba {
    uint64_t state_size;
    uint64_t inner_size, group_size; /* channels of all heads, and of all groups */
    uint64_t dt_rank;
    bool repeat_first; /* x is repeated before the convolution */
    bool in_bias, dt_in_bias, dt_bias, output_bias;
    fg_short_convolution convolution;
} mamba;

static const fg_hyperparameter rows[] = {
    FG_SIZE_ROW_AS("mamba.state_size", mamba, state_size, 1, true, 0),
    FG_SIZE_ROW_AS("mamba.inner_size", mamba, inner_size, 1, true, 0),
    FG_SIZE_ROW_AS("mamba.group_size", mamba, group_size, 1, true, 0),
    FG_SIZE_ROW_AS("mamba.dt_rank", mamba, dt_rank, 1, true, 0),
    FG_FLAG_ROW_AS("mamba.repeat_first", mamba, repeat_first, true, 0),
    FG_FLAG_ROW_AS("mamba.in_bias", mamba, in_bias, true, 0),
    FG_FLAG_ROW_AS("mamba.dt_in_bias", mamba, dt_in_bias, true, 0),
    FG_FLAG_ROW_AS("mamba.dt_bias", mamba, dt_bias, true, 0),
    FG_FLAG_ROW_AS("mamba.output_bias", mamba, output_bias, true, 0),
    FG_SIZE_ROW_AS("mamba.kernel_size", mamba, convolution.kernel_size, 1, true, 0),
    FG_FLAG_ROW_AS("mamba.convolution_bias", mamba, convolution.bias, true, 0),
    FG_KIND_ROW_AS("mamba.convolution_activation", mamba, convolution.activation, true, fg_activation_find),
};

static uint64_t heads_of(const mamba *s) {
    return s->inner_size / s->state_size;
}

static uint64_t groups_of(const mamba *s) {
    return s->group_size / s->state_size;
}

static uint64_t convolved_channels(const mamba *s) {
    return s->repeat_first ? s->inner_size : s->group_size;
}

static fg_status check(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    const mamba *s = settings;
    (void)source;
    if (s->inner_size % s->state_size || s->group_size % s->state_size || heads_of(s) % groups_of(s))
        return fg_fail(err, FG_ERR_INPUT,
                       "config: mamba: %" PRIu64 " inner channels and %" PRIu64 " of x and b are no heads of "
                       "%" PRIu64 " that share groups evenly",
                       s->inner_size, s->group_size, s->state_size);
    return FG_OK;
}

static fg_cache_size cache_size(const void *settings) {
    const mamba *s = settings;
    return (fg_cache_size){.fixed = fg_short_convolution_window(&s->convolution, convolved_channels(s)) +
                                    s->inner_size * s->state_size};
}

/* x before the convolution, in it and after it; dt, b and c; z takes the place of x. */
static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    const mamba *s = settings;
    (void)positions;
    return tokens * (4 * s->inner_size + 2 * s->group_size + s->dt_rank);
}

/* ---- weights ---- */

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const mamba *s = settings;
    uint64_t hidden = binder->hidden, inner = s->inner_size, group = s->group_size;
    FG_CALL(fg_sublayer_weights_make(weights, MATRICES, VECTORS, 0, err));
    fg_matrix *m = weights->matrices;
    FG_CALL(fg_bind_linear(binder, "mamba.z", s->in_bias, inner, hidden, &m[Z], err));
    FG_CALL(fg_bind_linear(binder, "mamba.x", s->in_bias, group, hidden, &m[X], err));
    FG_CALL(fg_bind_linear(binder, "mamba.b", s->in_bias, group, hidden, &m[B], err));
    FG_CALL(fg_bind_linear(binder, "mamba.c", s->in_bias, inner, hidden, &m[C], err));
    FG_CALL(fg_bind_linear(binder, "mamba.dt_in", s->dt_in_bias, s->dt_rank, hidden, &m[DT_IN], err));
    FG_CALL(fg_bind_linear(binder, "mamba.dt", s->dt_bias, inner, s->dt_rank, &m[DT], err));
    FG_CALL(fg_short_convolution_bind(binder, "mamba.convolution", &s->convolution, convolved_channels(s),
                                      &m[CONVOLUTION], err));
    FG_CALL(fg_bind_matrix(binder, "mamba.a_log", inner, s->state_size, &m[A_LOG], err));
    FG_CALL(fg_bind_linear(binder, "mamba.output", s->output_bias, hidden, inner, &m[OUTPUT], err));
    return fg_bind_vector(binder, "mamba.d", inner, &weights->vectors[D], err);
}

/* ---- running ---- */

/* What the scan is given, side by side in states[1]. */
typedef struct scanned {
    fg_real *x, *dt, *c; /* [count, inner_size] */
    fg_real *b;          /* [count, group_size] */
} scanned;

static fg_status make_room(const fg_block_call *call, scanned *to, fg_error *err) {
    fg_workspace *w = call->work;
    const mamba *s = call->settings;
    uint64_t inner = call->count * s->inner_size;
    FG_CALL(fg_scratch_fit(w, &w->states[0], call->count, s->group_size, err));
    FG_CALL(fg_scratch_fit(w, &w->states[1], call->count, 3 * s->inner_size + s->group_size, err));
    FG_CALL(fg_scratch_fit(w, &w->states[2], call->count, s->inner_size, err));
    FG_CALL(fg_scratch_fit(w, &w->states[3], call->count, s->dt_rank, err));
    fg_real *all = w->states[1].values;
    *to = (scanned){.x = all, .dt = all + inner, .c = all + 2 * inner, .b = all + 3 * inner};
    return FG_OK;
}

/* The projection of x, repeated for the heads and convolved, in either order. */
static fg_status make_x(const fg_block_call *call, fg_real *to, fg_error *err) {
    fg_workspace *w = call->work;
    const mamba *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    uint64_t times = heads_of(s) / groups_of(s);
    const fg_heads groups = {call->count, groups_of(s), s->state_size, s->group_size};
    fg_real *x = w->states[0].values, *between = w->states[2].values, *window = call->cache->fixed;
    FG_CALL(fg_linear_whole(w, &m[X], call->input, call->count, x, err));
    if (s->repeat_first) {
        w->device->repeat_heads(w->state, x, &groups, times, between);
        return fg_short_convolution_run(w, &s->convolution, &m[CONVOLUTION], between, call->count, window, to,
                                        err);
    }
    FG_CALL(
        fg_short_convolution_run(w, &s->convolution, &m[CONVOLUTION], x, call->count, window, between, err));
    w->device->repeat_heads(w->state, between, &groups, times, to);
    return FG_OK;
}

static fg_status make_dt(const fg_block_call *call, fg_real *to, fg_error *err) {
    fg_workspace *w = call->work;
    const mamba *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    uint64_t inner = s->inner_size;
    const fg_real *bias;
    FG_CALL(fg_linear_whole(w, &m[DT_IN], call->input, call->count, w->states[3].values, err));
    FG_CALL(fg_linear_whole(w, &m[DT], w->states[3].values, call->count, to, err));
    if (s->dt_bias) {
        FG_CALL(fg_vector_read(w, &m[DT].bias, inner, &bias, err));
        w->device->add(w->state, to, inner, bias, 0, call->count, inner);
    }
    w->device->activate(w->state, FG_ACTIVATION_SOFTPLUS, to, call->count * inner);
    return FG_OK;
}

/* x becomes scan + d x. */
static fg_status scan(const fg_block_call *call, const scanned *given, fg_error *err) {
    fg_workspace *w = call->work;
    const mamba *s = call->settings;
    uint64_t inner = s->inner_size;
    const fg_real *skip;
    FG_CALL(fg_scratch_fit(w, &w->scores, inner, s->state_size, err));
    fg_real *rate = w->scores.values;
    FG_CALL(fg_matrix_read(w, &call->weights->matrices[A_LOG], 0, inner, rate, err));
    w->device->activate(w->state, FG_ACTIVATION_EXP, rate, inner * s->state_size);
    FG_CALL(fg_vector_read(w, &call->weights->vectors[D], inner, &skip, err));
    const fg_selective_scan run = {
        .tokens = call->count,
        .heads = heads_of(s),
        .groups = groups_of(s),
        .size = s->state_size,
        .x = given->x,
        .step = given->dt,
        .in = given->b,
        .out = given->c,
        .rate = rate,
        .skip = skip,
        .states = call->cache->fixed + fg_short_convolution_window(&s->convolution, convolved_channels(s)),
        .to = given->x};
    w->device->selective_scan(w->state, &run);
    return FG_OK;
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    fg_workspace *w = call->work;
    const mamba *s = call->settings;
    fg_matrix *m = call->weights->matrices;
    uint64_t count = call->count, numbers = count * s->inner_size;
    scanned given;
    FG_CALL(make_room(call, &given, err));
    FG_CALL(make_x(call, given.x, err));
    FG_CALL(make_dt(call, given.dt, err));
    FG_CALL(fg_linear_whole(w, &m[B], call->input, count, given.b, err));
    FG_CALL(fg_linear_whole(w, &m[C], call->input, count, given.c, err));
    FG_CALL(scan(call, &given, err));
    fg_real *z = w->states[2].values;
    FG_CALL(fg_linear_whole(w, &m[Z], call->input, count, z, err));
    w->device->activate(w->state, FG_ACTIVATION_SILU, z, numbers);
    w->device->multiply(w->state, given.x, z, numbers);
    return fg_linear_whole(w, &m[OUTPUT], given.x, count, call->output, err);
}

const fg_sublayer_kind fg_mamba = {
    .word = "mamba",
    .settings_size = sizeof(mamba),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .read = check,
    .bind = bind,
    .run = run,
    .cache_size = cache_size,
    .scratch = scratch,
};
