/* Statistics of the values of tensors, in float32, read once by all ranks.
 *
 * Invariant: the same bits for every number of ranks: blocks are measured by themselves, and joined in the
 * order of the tensor.
 */
#ifndef FG_MPI_TENSOR_STATS_H
#define FG_MPI_TENSOR_STATS_H

#include "plan/plan.h"
#include "ranks.h"
#include "report/progress.h"

/* Start from zeros. What is not finite counts in `nan` or `infinite` alone. */
typedef struct fg_tensor_stats {
    uint64_t finite, zeros, nan, infinite; /* elements */
    double least, most;                    /* of the finite ones; 0 without any */
    double sum, squares;
} fg_tensor_stats;

void fg_tensor_stats_join(fg_tensor_stats *into, const fg_tensor_stats *more);
double fg_tensor_stats_mean(const fg_tensor_stats *stats);
/* The standard deviation, of all elements: divided by their number. */
double fg_tensor_stats_deviation(const fg_tensor_stats *stats);

/* Collective. `stats` gets an entry for each output of the plan, which all ranks hold, on every rank. */
fg_status fg_tensor_stats_measure(const fg_ranks *ranks, const fg_plan *plan, fg_progress_style style,
                                  fg_tensor_stats *stats, fg_error *err);

#endif
