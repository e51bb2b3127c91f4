/* Kinds of blocks: a configuration describes all blocks at once, or gives descriptions names and says by a
 * pattern which block is of which. Inside of model/, and for lint.
 *
 * Invariant: sizes are at least 1, epsilons are not negative, there are at most 65536 blocks.
 */
#ifndef FG_MODEL_BLOCK_KINDS_H
#define FG_MODEL_BLOCK_KINDS_H

#include "model/model_settings.h"
#include "model/sublayer_kind.h"

/* What blocks of one description have in common. */
typedef struct fg_block_kind {
    json_t *config; /* owned; the description */
    const fg_norm_kind *norm;
    double epsilon;
    const fg_sublayer_kind *sublayers[FG_SUB_COUNT];
    void *settings[FG_SUB_COUNT]; /* owned; those of the sublayers, each as its kind has them */
} fg_block_kind;

/* Start from zeros. */
typedef struct fg_block_kinds {
    fg_block_kind *items; /* owned */
    size_t count;
} fg_block_kinds;

/* Reads the kinds of a model's blocks. `kind_of`, owned by the caller, gets the kind of each of
 * model->blocks blocks. */
fg_status fg_block_kinds_read(fg_block_kinds *kinds, const fg_model_settings *model,
                              fg_hyperparameters_source source, uint32_t **kind_of, fg_error *err);
void fg_block_kinds_free(fg_block_kinds *kinds);

/* Whether "config" may have an entry of that name: for the model, blocks, or any kind of mixer or MLP. */
bool fg_hyperparameters_is_role(const char *name);

#endif
