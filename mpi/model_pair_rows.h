/* Pairs whose conversion edits rows of the vocabulary (added tokens): the reference gets the rows that their
 * definition asks for, and the candidate's embedding is compared with them. */
#ifndef FG_MPI_MODEL_PAIR_ROWS_H
#define FG_MPI_MODEL_PAIR_ROWS_H

#include "model/added_rows.h"
#include "model_pair.h"

/* Rank 0's edits, to be sent with the rest that ranks need to know; null for none. New reference, NULL: no
 * memory. */
json_t *fg_model_pair_rows_describe(const fg_row_edits *edits);
/* What a description says. */
fg_status fg_model_pair_rows_read(const json_t *described, fg_row_edits *edits, fg_error *err);

/* Changes weights and configuration of the source as pair->edits asks; both stay as they are if there are no
 * edits. `config` gets a new reference either way. `weights` is closed on failure. */
fg_status fg_model_pair_rows_bind(const fg_model_pair *pair, const fg_tensors *source,
                                  fg_weight_source *weights, json_t **config, fg_error *err);

/* Collective. FG_ERR_DIFFER names the first edited row whose embedding is not what was asked for. The head's
 * rows are compared with the logits. */
fg_status fg_model_pair_rows_check(const fg_model_pair *pair, fg_error *err);

#endif
