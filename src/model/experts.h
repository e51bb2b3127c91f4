/* Experts: a router gives each token a score for each of several MLPs; the few with the largest scores (of
 * equals the first) are run, whose outputs are added, weighted by the softmax over these scores.
 *
 *   scores = router (norm(x) * router scale * input scale)
 *   weight = softmax over the chosen * expert's scale
 *   output = norm(sum of weight * expert(norm(x)))
 *
 * where the norms and the scales are there as the settings say. Shared experts, the last ones, have no score:
 * each token goes through them, with the weight 1 in place of the softmax.
 *
 * Invariant: which experts run is decided on the host, from numbers of one token alone.
 */
#ifndef FG_MODEL_EXPERTS_H
#define FG_MODEL_EXPERTS_H

#include "model/mlp.h"

typedef struct fg_experts {
    fg_mlp each;
    uint64_t experts;           /* all */
    uint64_t experts_per_token; /* that a token chooses, of those that are not shared */
    uint64_t shared_experts;
    fg_mlp_norms norms; /* of all experts together */
    fg_norm_settings router_norm;
    double router_input_scale;
    bool router_scale; /* there is a weight [hidden] */
    bool expert_scale; /* there is a weight [experts] */
} fg_experts;

#define FG_EXPERTS_ROW(row, kind, of, member)                                                                \
    { .name = row, .type = FG_HYPERPARAMETER_##kind, .offset = offsetof(of, member) }
/* Rows for a member of struct `of`; those of each MLP and the norms are others. */
#define FG_EXPERTS_ROWS(of, member)                                                                          \
    FG_EXPERTS_ROW("experts", SIZE, of, member.experts),                                                     \
        FG_EXPERTS_ROW("experts_per_token", SIZE, of, member.experts_per_token),                             \
        FG_EXPERTS_ROW("shared_experts", SIZE, of, member.shared_experts),                                   \
        FG_EXPERTS_ROW("router_scale", FLAG, of, member.router_scale),                                       \
        FG_EXPERTS_ROW("expert_scale", FLAG, of, member.expert_scale),                                       \
        FG_NORM_ROWS(of, "router_norm", "router_epsilon", member.router_norm, false), {                      \
        .name = "router_input_scale", .type = FG_HYPERPARAMETER_NUMBER,                                      \
        .offset = offsetof(of, member.router_input_scale), .fallback = 1                                     \
    }

fg_status fg_experts_check(const fg_experts *experts, fg_error *err);

/* Where their weights are: matrices [fg_experts_matrices] (the router's, then those of each expert), vectors
 * [FG_EXPERTS_VECTORS], norms [FG_EXPERTS_NORMS]. All borrowed. */
typedef struct fg_experts_weights {
    fg_matrix *matrices;
    fg_vector *vectors;
    fg_norm *norms;
    uint64_t *chosen; /* [experts]; the tokens that went through each are added */
} fg_experts_weights;

enum { FG_EXPERTS_VECTORS = 2, FG_EXPERTS_NORMS = FG_MLP_NORMS + 1 };
uint64_t fg_experts_matrices(const fg_experts *experts);

/* Room for counting the tokens that go through each. */
fg_status fg_experts_count(fg_sublayer_weights *weights, const fg_experts *experts, fg_error *err);
/* All but the norms of all experts together, whose roles the caller knows. */
fg_status fg_experts_bind(fg_binder *binder, const fg_experts *experts, const fg_experts_weights *weights,
                          fg_error *err);
/* output [count, hidden] of call->input; uses states 0 to 3 of the workspace. */
fg_status fg_experts_run(const fg_block_call *call, const fg_experts *experts,
                         const fg_experts_weights *weights, fg_real *output, fg_error *err);

#endif
