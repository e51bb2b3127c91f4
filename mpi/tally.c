#include "tally.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"

/* Between two reports of a node, in seconds. */
static const double REPORTS_APART = 0.1;

fg_status fg_tally_open(fg_tally *tally, const fg_ranks *ranks, bool shows, fg_error *err) {
    *tally = (fg_tally){.ranks = ranks};
    fg_ranks_share(ranks, &shows, sizeof shows);
    if (!shows) return FG_OK;
    FG_CALL(fg_node_memory_open(ranks, sizeof(atomic_uint_fast64_t), &tally->memory, err));
    if (ranks->node_count > 1) fg_reports_new(ranks, &tally->reports, err);
    fg_status status = fg_ranks_agree(ranks, err);
    tally->counts = status == FG_OK;
    return status;
}

uint64_t fg_tally_add(fg_tally *tally, uint64_t amount) {
    if (!tally->counts) return 0;
    uint64_t done = atomic_fetch_add((atomic_uint_fast64_t *)tally->memory.bytes, amount) + amount;
    if (!tally->reports) return done;
    if (tally->ranks->rank == 0) return done + fg_reports_sum(tally->reports);
    double now = fg_clock_seconds();
    if (tally->ranks->node_rank == 0 && now - tally->sent >= REPORTS_APART) {
        fg_reports_send(tally->reports, done);
        tally->sent = now;
    }
    return done;
}

void fg_tally_close(fg_tally *tally) {
    if (tally->counts && tally->reports) fg_reports_finish(tally->reports);
    fg_free(tally->reports);
    fg_node_memory_close(&tally->memory);
}
