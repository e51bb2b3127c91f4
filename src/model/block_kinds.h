/* Kinds of blocks: a configuration describes all blocks at once, or gives descriptions names and says by a
 * pattern which block is of which, or has lists and intervals that tell one layer from another. Inside of
 * model/, and for lint.
 *
 * Invariant: sizes are at least 1, epsilons are not negative, there are at most 65536 blocks.
 */
#ifndef FG_MODEL_BLOCK_KINDS_H
#define FG_MODEL_BLOCK_KINDS_H

#include "model/model_settings.h"
#include "model/sublayer_kind.h"

/* A half of a block: x += norm_behind(sublayer(norm_before(x))), each norm where there is one. */
typedef struct fg_half {
    fg_norm_settings before, behind;
    const fg_sublayer_kind *sublayer;
    void *settings; /* owned; as the sublayer has them */
} fg_half;

/* What blocks of one description have in common. */
typedef struct fg_block_kind {
    json_t *config;        /* owned; the description */
    json_t *side;          /* owned; the SIDE (model/spec.h) of blocks of this kind; NULL: the model's */
    fg_norm_settings norm; /* the halves' unless they have their own */
    fg_half halves[FG_SUB_COUNT];
    double residual_multiplier; /* of what a half adds */
    bool output_scale;          /* the block's output is multiplied by a weight of one number */
} fg_block_kind;

/* Start from zeros. */
typedef struct fg_block_kinds {
    fg_block_kind *items; /* owned */
    size_t count, capacity;
} fg_block_kinds;

/* Reads the kinds of `blocks` blocks, as "blocks" of source.declared says (model/spec.h). Values may refer to
 * sizes of `outer`. `kind_of`, owned by the caller, gets the kind of each block. */
fg_status fg_block_kinds_read(fg_block_kinds *kinds, const fg_hyperparameters *outer, uint64_t blocks,
                              fg_hyperparameters_source source, uint32_t **kind_of, fg_error *err);
void fg_block_kinds_free(fg_block_kinds *kinds);

/* What a description says of any block, as a table; `kind` may be NULL. */
fg_hyperparameters fg_block_kind_table(const fg_block_kind *kind, const fg_hyperparameters *model);

#endif
