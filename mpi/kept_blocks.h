/* What of an earlier run's shards a run that resumes keeps, on all ranks.
 *
 * Invariant: a block counts as kept only if the journal has it and, unless the journal is trusted, the shard
 * holds bytes with its checksum.
 */
#ifndef FG_MPI_KEPT_BLOCKS_H
#define FG_MPI_KEPT_BLOCKS_H

#include "copy/journal.h"
#include "ranks.h"
#include "report/progress.h"

typedef struct fg_kept_blocks {
    bool journal;              /* this run keeps one; false: nothing else here is set */
    bool trusted;              /* --trust-journal */
    bool resumed;              /* an earlier run's journal is there */
    uint64_t *first_block;     /* owned; as fg_digest_blocks gives it */
    uint64_t blocks;           /* of the plan */
    fg_journal_entry *entries; /* owned; one a block */
    uint64_t bytes;            /* of the kept blocks */
    uint64_t refused;          /* blocks of the journal whose bytes are others */
} fg_kept_blocks;

/* Fills a zeroed struct: nothing is kept yet. */
fg_status fg_kept_blocks_begin(fg_kept_blocks *kept, const fg_plan *plan, fg_error *err);
/* Counts the bytes again, after entries were changed. */
void fg_kept_blocks_count(fg_kept_blocks *kept, const fg_plan *plan);
/* Collective. Rank 0's reaches the others, whose structs are zeroed before. */
fg_status fg_kept_blocks_share(const fg_ranks *ranks, const fg_plan *plan, fg_kept_blocks *kept,
                               fg_error *err);
/* Collective. Computes the checksums of all that is kept, unless it is trusted, and forgets what has another
 * one, with a warning. */
fg_status fg_kept_blocks_check(const fg_ranks *ranks, const fg_plan *plan, const char *partial,
                               fg_progress_style style, fg_kept_blocks *kept, fg_error *err);
/* Adds the values of what is kept. */
void fg_kept_blocks_add_values(const fg_kept_blocks *kept, fg_value_counts *values);
void fg_kept_blocks_free(fg_kept_blocks *kept);

#endif
