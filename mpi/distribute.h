/* Distributing the items of a plan: shards to nodes by bytes, items within a node to the next free rank,
 * largest first: a counter in memory that the node's ranks share, from which each takes the next item.
 *
 * Network file systems tear pages that two clients write; so the files of one shard are written from one node
 * only.
 */
#ifndef FG_MPI_DISTRIBUTE_H
#define FG_MPI_DISTRIBUTE_H

#include "copy/copier.h"
#include "ranks.h"
#include "report/progress.h"

/* Which node writes each shard: entry s is a node index. By the bytes of the shard's chosen checksum blocks
 * (NULL: all). Deterministic. Newly allocated, one entry a shard. */
fg_status fg_distribute_shards(const fg_plan *plan, int nodes, const uint64_t *first_block,
                               const bool *blocks, uint32_t **node_of, fg_error *err);

/* What is done with an item. `progress` and `progress_context` are to be handed to fg_copier_run or called
 * directly. */
typedef struct fg_item_task {
    fg_status (*carry_out)(void *context, const fg_work_item *item, fg_copy_progress progress,
                           void *progress_context, fg_error *err);
    void *context;
    const char *what; /* "writing": for the progress bar */
    fg_progress_style style;
    const uint64_t *first_block; /* as fg_digest_blocks gives it */
    const bool *blocks;          /* the checksum blocks that the items consist of; NULL: all */
} fg_item_task;

/* Collective. Every item of these is carried out once, by one of the ranks; a failure anywhere stops all
 * and reaches every rank. */
fg_status fg_distribute(const fg_ranks *ranks, const fg_plan *plan, const fg_item_task *task, fg_error *err);

#endif
