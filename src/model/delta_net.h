/* What mixers with a delta rule have in common: queries, keys and values, each with a short convolution; a
 * state [key_size, value_size] for each head that decays, and is corrected by what it does not yet know of a
 * key's value; a gated norm, norm(o) * activation(gate), and the output's projection. Which steps the decay
 * takes, and what the gate is, is the kind's.
 *
 * Queries and keys become x / sqrt(sum(x^2) + 1e-6), queries also times key_size ^ -0.5. A step decays by
 * exp(-exp(a_log) * softplus(step + dt_bias)); there is one for a head, or for each channel of its keys.
 *
 * The fixed part of the cache: the windows of queries, keys and values, then the states [heads, key_size,
 * value_size].
 */
#ifndef FG_MODEL_DELTA_NET_H
#define FG_MODEL_DELTA_NET_H

#include "model/mlp.h"
#include "model/short_convolution.h"
#include "model/sublayer_kind.h"

/* Settings; a kind's begin with them. */
typedef struct fg_delta_net {
    uint64_t heads, key_heads; /* those of values; several share one of queries and keys */
    uint64_t key_size, value_size;
    bool query_bias, key_bias, value_bias, beta_bias, output_bias;
    fg_short_convolution convolution;
    fg_norm_settings norm;           /* of a head's values */
    const fg_activation *activation; /* of the gate */
} fg_delta_net;

enum {
    FG_DELTA_QUERY,
    FG_DELTA_KEY,
    FG_DELTA_VALUE,
    FG_DELTA_QUERY_CONVOLUTION,
    FG_DELTA_KEY_CONVOLUTION,
    FG_DELTA_VALUE_CONVOLUTION,
    FG_DELTA_BETA,
    FG_DELTA_OUTPUT,
    FG_DELTA_MATRICES /* those of a kind's own follow */
};

/* heads is a multiple of key_heads, the norm's epsilon is not negative. */
fg_status fg_delta_net_check(const fg_delta_net *net, fg_error *err);
/* Makes room for `own` more matrices, and binds the weights whose roles are "PREFIX.query" and so on. `steps`
 * is that of a head: 1 or key_size. */
fg_status fg_delta_net_bind(const fg_binder *binder, const char *prefix, const fg_delta_net *net, size_t own,
                            uint64_t steps, fg_sublayer_weights *weights, fg_error *err);
fg_cache_size fg_delta_net_cache_size(const fg_delta_net *net);
/* Numbers for a token, those of make_steps and make_gate not counted. */
uint64_t fg_delta_net_scratch(const fg_delta_net *net, uint64_t steps);

/* What a kind adds. Both may use states[3] of the workspace. */
typedef struct fg_delta_parts {
    uint64_t steps;
    /* to [count, heads, steps], before the bias */
    fg_status (*make_steps)(const fg_block_call *call, fg_real *to, fg_error *err);
    /* to [count, heads, value_size], before the activation */
    fg_status (*make_gate)(const fg_block_call *call, fg_real *to, fg_error *err);
} fg_delta_parts;

/* Runs a call whose settings begin with an fg_delta_net. */
fg_status fg_delta_net_run(const fg_block_call *call, const fg_delta_parts *parts, fg_error *err);

#endif
