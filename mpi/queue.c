#include "queue.h"

#include <stdatomic.h>

enum {
    APART = 128
}; /* bytes: no two fields on one cache line, wherever the window begins (MPI aligns it to 8) */

/* Lives in the memory of the node's first rank. Zeros are its beginning. */
struct fg_board {
    atomic_uint_fast64_t next;
    char apart[APART];
    atomic_uint_fast64_t bytes;
    char apart_too[APART];
    atomic_bool raised;
};

fg_status fg_queue_open(fg_queue *queue, const fg_ranks *ranks, fg_error *err) {
    fg_status status = fg_node_memory_open(ranks, sizeof *queue->board, &queue->memory, err);
    queue->board = queue->memory.bytes;
    return status;
}

uint64_t fg_queue_take(fg_queue *queue) {
    return atomic_fetch_add(&queue->board->next, 1);
}

void fg_queue_done(fg_queue *queue, uint64_t bytes) {
    atomic_fetch_add(&queue->board->bytes, bytes);
}

uint64_t fg_queue_bytes(const fg_queue *queue) {
    return atomic_load(&queue->board->bytes);
}

void fg_queue_raise(fg_queue *queue) {
    atomic_store(&queue->board->raised, true);
}

bool fg_queue_raised(const fg_queue *queue) {
    return atomic_load(&queue->board->raised);
}

void fg_queue_close(fg_queue *queue) {
    fg_node_memory_close(&queue->memory);
}
