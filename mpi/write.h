/* Writing the shards of a plan with all ranks. */
#ifndef FG_MPI_WRITE_H
#define FG_MPI_WRITE_H

#include "copy/publish.h"
#include "distribute.h"
#include "kept_blocks.h"

typedef struct fg_write_result {
    uint64_t *digests;     /* owned; one an output, on rank 0 (NULL elsewhere) */
    fg_copy_totals totals; /* of all ranks */
    fg_copy_totals own;    /* of this rank */
    double seconds;        /* copying; with fsync */
    double sync_seconds;   /* of these, fsync on this rank */
} fg_write_result;

/* What is done besides writing. Every rank has the same. */
typedef struct fg_write_task {
    fg_progress_style style;
    bool counts_non_finite; /* result->totals.values.non_finite is wanted */
} fg_write_task;

/* Collective. The shards exist in stage->partial at full size (rank 0 created them); every node must see
 * them. Fills, syncs (if stage->sync) and checksums them. All ranks hold the same plan and stage->partial.
 * What is kept is not written again; if `kept` says so, each rank keeps a journal. */
fg_status fg_write_shards(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage,
                          const fg_kept_blocks *kept, const fg_write_task *task, fg_write_result *result,
                          fg_error *err);

/* Collective. Reads what the plan reads, and counts the values that would be written; nothing is. */
fg_status fg_write_count_values(const fg_ranks *ranks, const fg_plan *plan, fg_progress_style style,
                                fg_value_counts *values, fg_error *err);

/* Collective. Rank 0's plan and stage (names only) reach the others, whose structs are zeroed before. */
fg_status fg_write_share(const fg_ranks *ranks, fg_plan *plan, fg_stage *stage, fg_error *err);

#endif
