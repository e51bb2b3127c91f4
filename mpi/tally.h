/* What all ranks have done, counted for a display on rank 0.
 *
 * Ranks of a node count in memory that they share. The first rank of each other node sends its node's count
 * to rank 0 now and then, and never waits for it to arrive: the display may lag, no rank does.
 */
#ifndef FG_MPI_TALLY_H
#define FG_MPI_TALLY_H

#include "ranks.h"

typedef struct fg_tally {
    const fg_ranks *ranks; /* borrowed */
    bool counts;
    fg_node_memory memory;      /* the node's count */
    struct fg_reports *reports; /* owned; from the other nodes */
    double sent;                /* when */
} fg_tally;

/* Collective. Counts only if rank 0 `shows` it. To be closed in any case. */
fg_status fg_tally_open(fg_tally *tally, const fg_ranks *ranks, bool shows, fg_error *err);
/* Not collective. Returns what rank 0 knows to be done by all ranks; on others nothing of meaning. */
uint64_t fg_tally_add(fg_tally *tally, uint64_t amount);
/* Collective, after an agreement. */
void fg_tally_close(fg_tally *tally);

#endif
