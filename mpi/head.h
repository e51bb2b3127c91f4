/* The output head, split over the vocabulary: each rank computes and compares the logits of its rows;
 * all-reduces join the comparison. */
#ifndef FG_MPI_HEAD_H
#define FG_MPI_HEAD_H

#include "model/compare.h"
#include "pipeline.h"

/* Collective, after fg_pipeline_run. Compares model b's logits with model a's over the columns that both
 * have; writes both to the pipeline's dump if there is one (a and b are then 0 and 1). Every rank gets the
 * result. */
fg_status fg_head_compare(fg_pipeline *pipeline, unsigned a, unsigned b, fg_comparison *result,
                          fg_error *err);

#endif
