/* The output head, split over the vocabulary: each rank computes the logits of its rows. For a proof it
 * compares them, and all-reduces join the comparison; for a generation they say which token comes next. */
#ifndef FG_MPI_HEAD_H
#define FG_MPI_HEAD_H

#include "model/compare.h"
#include "pipeline.h"
#include "tokens/sample.h"

/* Collective, after fg_pipeline_run. Compares model b's logits with model a's over the columns that both
 * have, for every prediction head, as one sequence of tokens; writes both to the pipeline's dump if there is
 * one (a and b are then 0 and 1). Every rank gets the result. */
fg_status fg_head_compare(fg_pipeline *pipeline, unsigned a, unsigned b, fg_comparison *result,
                          fg_error *err);
/* Logits that this rank holds at once for it, in bytes. */
uint64_t fg_head_compare_bytes(const fg_pipeline *pipeline);

/* Collective, after fg_pipeline_advance. What each of the pipeline's models takes as the next token, of the
 * ids below `vocab`, on every rank; `draw` counts the tokens. FG_ERR_DIFFER if a model has no finite
 * logit. */
fg_status fg_head_next(fg_pipeline *pipeline, uint64_t vocab, const fg_sampling *sampling, uint64_t draw,
                       uint32_t tokens[FG_PAIR_MODELS], fg_error *err);

#endif
