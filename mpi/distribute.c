#include "distribute.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "tally.h"

fg_status fg_distribute_shards(const fg_plan *plan, int nodes, const uint64_t *first_block,
                               const bool *blocks, uint32_t **node_of, fg_error *err) {
    const fg_work_choice choice = {.first_block = first_block, .blocks = blocks};
    return fg_work_owners(plan, &choice, (uint32_t)nodes, node_of, err);
}

/* ---- the queue of a node ---- */

enum {
    APART = 128
}; /* bytes: no two fields on one cache line, wherever the window begins (MPI aligns it to 8) */

/* In memory that the ranks of a node share. Zeros are its beginning. */
typedef struct board {
    atomic_uint_fast64_t next; /* item that nobody has taken */
    char apart[APART];
    atomic_bool
        raised; /* a rank failed: the others see it before their next item and within their current one */
} board;

typedef struct worker {
    const fg_ranks *ranks;
    board *board;
    fg_tally tally; /* bytes that all ranks have done */
    fg_progress progress;
    bool shows; /* rank 0, if they are shown */
} worker;

/* Ranks of the same node see the raised flag; those of other nodes get a message. */
static void tell_to_stop(const worker *w) {
    atomic_store(&w->board->raised, true);
    fg_ranks_call_stop(w->ranks);
}

static bool told_to_stop(const worker *w) {
    return fg_ranks_stop_called(w->ranks) || atomic_load(&w->board->raised);
}

static bool advance(void *context, uint64_t bytes) {
    worker *w = context;
    uint64_t done = fg_tally_add(&w->tally, bytes);
    if (w->shows) fg_progress_update(&w->progress, done);
    return !told_to_stop(w);
}

/* Of all nodes; the ranks of a node have the same work. Collective. */
static uint64_t total_bytes(const fg_ranks *ranks, const fg_work *work) {
    uint64_t total = 0;
    for (size_t i = 0; ranks->node_rank == 0 && i < work->count; i++) total += work->items[i].bytes;
    fg_ranks_sum_u64(ranks, &total, 1);
    return total;
}

static fg_status work_off(const fg_work *work, const fg_item_task *task, worker *w, fg_error *err) {
    while (!told_to_stop(w)) {
        uint64_t next = atomic_fetch_add(&w->board->next, 1);
        if (next >= work->count) break;
        fg_status status = task->carry_out(task->context, &work->items[next], advance, w, err);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}

/* Nodes take turns. */
static void take_turns(const fg_ranks *ranks, fg_work *work) {
    size_t kept = 0;
    for (size_t i = (size_t)ranks->node_index; i < work->count; i += (size_t)ranks->node_count)
        work->items[kept++] = work->items[i];
    work->count = kept;
}

/* What this node does: the whole of some shards or, of a plan that is not written, some items. */
static fg_status split(const fg_ranks *ranks, const fg_plan *plan, const fg_item_task *task, fg_work *work,
                       fg_error *err) {
    uint32_t *node_of = NULL;
    if (plan->shard_count)
        FG_CALL(
            fg_distribute_shards(plan, ranks->node_count, task->first_block, task->blocks, &node_of, err));
    const fg_work_choice choice = {.owner_of = node_of,
                                   .owner = (uint32_t)ranks->node_index,
                                   .first_block = task->first_block,
                                   .blocks = task->blocks};
    fg_status status = fg_work_split(plan, &choice, FG_WORK_ITEM_BYTES, work, err);
    if (status == FG_OK && !node_of) take_turns(ranks, work);
    fg_free(node_of);
    return status;
}

fg_status fg_distribute(const fg_ranks *ranks, const fg_plan *plan, const fg_item_task *task, fg_error *err) {
    fg_work work = {0};
    fg_node_memory memory;
    worker w = {.ranks = ranks, .shows = ranks->rank == 0 && task->style != FG_PROGRESS_NONE};
    fg_status status = fg_node_memory_open(ranks, sizeof *w.board, &memory, err);
    if (status == FG_OK) status = fg_tally_open(&w.tally, ranks, w.shows, err);
    if (status != FG_OK) goto done;
    w.board = memory.bytes;
    status = split(ranks, plan, task, &work, err);
    uint64_t total = w.tally.counts ? total_bytes(ranks, &work) : 0;
    if (w.shows) fg_progress_begin(&w.progress, task->what, total, task->style);
    if (status == FG_OK) status = work_off(&work, task, &w, err);
    if (status != FG_OK) tell_to_stop(&w);
    fg_ranks_clear_stops(ranks, status != FG_OK);
    status = fg_ranks_agree(ranks, err);
    if (w.shows) fg_progress_end(&w.progress, status == FG_OK ? total : fg_tally_add(&w.tally, 0));
done:
    fg_tally_close(&w.tally);
    fg_node_memory_close(&memory);
    fg_work_free(&work);
    return status;
}
