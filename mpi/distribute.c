#include "distribute.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"

typedef struct by_size {
    uint64_t bytes;
    size_t shard;
} by_size;

static int largest_first(const void *a, const void *b) {
    const by_size *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->shard < y->shard ? -1 : x->shard > y->shard;
}

fg_status fg_distribute_shards(const fg_plan *plan, int nodes, uint32_t **node_of, fg_error *err) {
    fg_status status = FG_OK;
    by_size *order = NULL;
    uint64_t *load = NULL;
    *node_of = NULL;
    FG_NEW(*node_of, plan->shard_count + 1);
    FG_NEW(order, plan->shard_count + 1);
    FG_NEW(load, (size_t)nodes);
    for (size_t s = 0; s < plan->shard_count; s++)
        order[s] = (by_size){.bytes = plan->shard_bytes[s], .shard = s};
    qsort(order, plan->shard_count, sizeof *order, largest_first);
    for (size_t i = 0; i < plan->shard_count; i++) {
        uint32_t lightest = 0;
        for (uint32_t n = 1; n < (uint32_t)nodes; n++) {
            if (load[n] < load[lightest]) lightest = n;
        }
        (*node_of)[order[i].shard] = lightest;
        load[lightest] += order[i].bytes;
    }
done:
    fg_free(order);
    fg_free(load);
    if (status != FG_OK) {
        fg_free(*node_of);
        *node_of = NULL;
    }
    return status;
}

/* ---- the queue of a node ---- */

enum {
    APART = 128
}; /* bytes: no two fields on one cache line, wherever the window begins (MPI aligns it to 8) */

/* In memory that the ranks of a node share. Zeros are its beginning. */
typedef struct board {
    atomic_uint_fast64_t next; /* item that nobody has taken */
    char apart[APART];
    atomic_uint_fast64_t bytes; /* that the node has done */
    char apart_too[APART];
    atomic_bool
        raised; /* a rank failed: the others see it before their next item and within their current one */
} board;

typedef struct worker {
    const fg_ranks *ranks;
    board *board;
    fg_progress progress;
    bool shows;
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
    uint64_t before = atomic_fetch_add(&w->board->bytes, bytes);
    if (w->shows) fg_progress_update(&w->progress, before + bytes);
    return !told_to_stop(w);
}

static uint64_t total_bytes(const fg_work *work) {
    uint64_t total = 0;
    for (size_t i = 0; i < work->count; i++) total += work->items[i].bytes;
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

fg_status fg_distribute(const fg_ranks *ranks, const fg_plan *plan, const fg_item_task *task, fg_error *err) {
    fg_work work = {0};
    fg_node_memory memory;
    uint32_t *node_of = NULL;
    worker w = {.ranks = ranks, .shows = ranks->rank == 0 && task->style != FG_PROGRESS_NONE};
    fg_status status = fg_node_memory_open(ranks, sizeof *w.board, &memory, err);
    if (status != FG_OK) goto done;
    w.board = memory.bytes;
    status = fg_distribute_shards(plan, ranks->node_count, &node_of, err);
    if (status == FG_OK)
        status = fg_work_split(plan, node_of, (uint32_t)ranks->node_index, FG_WORK_ITEM_BYTES, &work, err);
    if (w.shows) fg_progress_begin(&w.progress, task->what, total_bytes(&work), task->style);
    if (status == FG_OK) status = work_off(&work, task, &w, err);
    if (status != FG_OK) tell_to_stop(&w);
    fg_ranks_clear_stops(ranks, status != FG_OK);
    if (w.shows) fg_progress_end(&w.progress, atomic_load(&w.board->bytes));
    status = fg_ranks_agree(ranks, err);
done:
    fg_node_memory_close(&memory);
    fg_work_free(&work);
    fg_free(node_of);
    return status;
}
