/* One MLP: gated, down(activation(gate x) * up x); else down(activation(first x)), and norms of its own. A
 * block has one, or experts that are each one, or both.
 *
 * Invariant: tokens do not meet in it, so experts may be given any of them.
 */
#ifndef FG_MODEL_MLP_H
#define FG_MODEL_MLP_H

#include "model/sublayer_kind.h"

typedef struct fg_mlp {
    uint64_t intermediate_size;
    bool gated, first_bias, down_bias; /* first: gate and up, or first */
    const fg_activation *activation;
} fg_mlp;

const void *fg_activation_find(const char *word); /* an fg_activation; NULL: unknown */

/* Rows of a table for an fg_mlp that begins a struct. */
#define FG_MLP_ROWS                                                                                          \
    FG_SIZE_ROW(fg_mlp, intermediate_size, 1, true, 0), FG_FLAG_ROW(fg_mlp, gated, false, 0),                \
        FG_FLAG_ROW(fg_mlp, first_bias, false, 0), FG_FLAG_ROW(fg_mlp, down_bias, false, 0),                 \
        FG_KIND_ROW(fg_mlp, activation, true, fg_activation_find)

/* Roles of the weights; gate and up where there is a gate, else first. */
typedef struct fg_mlp_roles {
    const char *gate, *up, *first, *down;
} fg_mlp_roles;

enum { FG_MLP_MATRICES = 3 };

/* Binds `matrices` [FG_MLP_MATRICES] of an MLP that makes vectors of size `output` of hidden states. */
fg_status fg_mlp_bind(const fg_binder *binder, const fg_mlp *mlp, uint64_t output, const fg_mlp_roles *roles,
                      fg_matrix *matrices, fg_error *err);
/* output [count, output size] of input [count, hidden]; uses states 0 and 1 of the workspace. */
fg_status fg_mlp_run(fg_workspace *w, const fg_mlp *mlp, fg_matrix *matrices, const fg_real *input,
                     uint64_t count, fg_real *output, fg_error *err);
/* Numbers that it needs for a token besides input and output. */
uint64_t fg_mlp_scratch(const fg_mlp *mlp);

/* ---- norms of its own ---- */

/* Of what goes into an MLP, or all experts together, and of what comes out. */
typedef struct fg_mlp_norms {
    fg_norm_settings input, output;
} fg_mlp_norms;

/* Rows for a member of struct `of`; `prefix` begins their names. */
#define FG_MLP_NORM_ROWS(of, member, prefix)                                                                 \
    FG_NORM_ROWS(of, prefix "input_norm", prefix "input_epsilon", member.input, false),                      \
        FG_NORM_ROWS(of, prefix "output_norm", prefix "output_epsilon", member.output, false)

enum { FG_MLP_INPUT_NORM, FG_MLP_OUTPUT_NORM, FG_MLP_NORMS };

fg_status fg_mlp_norms_check(const fg_mlp_norms *norms, fg_error *err);
/* Binds `norms` [FG_MLP_NORMS] of hidden states. */
fg_status fg_mlp_norms_bind(const fg_binder *binder, const fg_mlp_norms *settings, const char *input_role,
                            const char *output_role, fg_norm *norms, fg_error *err);
/* What an MLP computes with: call->input or, if there is such a norm, its norm in `room`. */
fg_status fg_mlp_norm_input(const fg_block_call *call, const fg_norm *norm, fg_scratch *room,
                            const fg_real **input, fg_error *err);
/* `values` [count, hidden] in place, if there is such a norm. */
fg_status fg_mlp_norm_run(const fg_block_call *call, const fg_norm *norm, fg_real *values, uint64_t count,
                          fg_error *err);

/* ---- an MLP that every token goes through ---- */

typedef struct fg_dense {
    fg_mlp mlp;
    fg_mlp_norms norms;
} fg_dense;

/* Binds `matrices` [FG_MLP_MATRICES]. */
fg_status fg_dense_bind(const fg_binder *binder, const fg_dense *dense, fg_matrix *matrices, fg_error *err);
/* output [count, hidden] of call->input, with `norms` [FG_MLP_NORMS]; uses states 0 to 2 of the workspace. */
fg_status fg_dense_run(const fg_block_call *call, const fg_dense *dense, fg_matrix *matrices,
                       const fg_norm *norms, fg_error *err);

#endif
