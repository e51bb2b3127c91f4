/* The work queue of a node: a counter in memory that its ranks share, from which each takes the next item.
 *
 * Invariant: every item is taken by exactly one rank. A rank that fails raises a flag that the others of the
 * node see before their next item and within their current one.
 */
#ifndef FG_MPI_QUEUE_H
#define FG_MPI_QUEUE_H

#include "ranks.h"

typedef struct fg_queue {
    fg_node_memory memory;
    struct fg_board *board; /* in it */
} fg_queue;

fg_status fg_queue_open(fg_queue *queue, const fg_ranks *ranks, fg_error *err); /* collective */
uint64_t fg_queue_take(fg_queue *queue);                                        /* 0, 1, 2, ... */
void fg_queue_done(fg_queue *queue, uint64_t bytes); /* adds to what the node has done */
uint64_t fg_queue_bytes(const fg_queue *queue);
void fg_queue_raise(fg_queue *queue); /* something failed: stop */
bool fg_queue_raised(const fg_queue *queue);
void fg_queue_close(fg_queue *queue); /* collective over the node */

#endif
