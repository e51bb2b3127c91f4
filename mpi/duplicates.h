/* What a source stores more than once, compared: parameters that several ranks of a training run each held
 * whole. One of the copies counts; another that differs tells that the run was not healthy.
 */
#ifndef FG_MPI_DUPLICATES_H
#define FG_MPI_DUPLICATES_H

#include "format/assembly.h"
#include "ranks.h"
#include "report/progress.h"

/* Collective; the work is spread over the ranks, each holds a few MiB. `assembly` (rank 0; NULL elsewhere)
 * has the copies; one that differs is a warning that names it, its files and how many of its numbers differ.
 * `facts` (rank 0) gets "duplicates": {"compared", "bytes", "differ": [{"name", "files", "numbers", "of"}]}.
 */
fg_status fg_duplicates_check(const fg_ranks *ranks, const fg_assembly *assembly, fg_progress_style style,
                              json_t *facts, fg_error *err);

#endif
