#include "ranks.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "communicators.h"
#include "report/progress.h"

/* MPI counts with int; larger blocks go in parts. */
static const size_t PART = (size_t)1 << 30;

/* Seconds in MPI_Finalize after which no answer of the launcher has come (PMIx waits 2 s), and those that a
 * launcher has then. */
static const double UNANSWERED = 1.9;
enum { STAY = 20 };

enum { TAG_BYTES = 70, TAG_STOP = 71 };

static fg_status failed(fg_error *err, const char *call) {
    return fg_fail(err, FG_ERR_SYSTEM, "MPI: %s failed", call);
}

/* ---- beginning and end ---- */

static void one_process(fg_ranks *ranks) {
    *ranks = (fg_ranks){.size = 1, .node_size = 1, .node_count = 1};
}

/* Nodes are numbered in the order of their lowest world rank. */
static fg_status find_nodes(fg_ranks *ranks, fg_error *err) {
    struct fg_communicators *mpi = ranks->mpi;
    if (MPI_Comm_split_type(mpi->world, MPI_COMM_TYPE_SHARED, ranks->rank, MPI_INFO_NULL, &mpi->node))
        return failed(err, "MPI_Comm_split_type");
    MPI_Comm_rank(mpi->node, &ranks->node_rank);
    MPI_Comm_size(mpi->node, &ranks->node_size);
    int leader = ranks->node_rank == 0, before = 0;
    MPI_Exscan(&leader, &before, 1, MPI_INT, MPI_SUM, mpi->world);
    ranks->node_index = ranks->rank == 0 ? 0 : before;
    MPI_Bcast(&ranks->node_index, 1, MPI_INT, 0, mpi->node);
    MPI_Allreduce(&leader, &ranks->node_count, 1, MPI_INT, MPI_SUM, mpi->world);
    return FG_OK;
}

/* Settings that make MPI_Init quick; whatever the user has set stays. hwloc asks ten X displays for graphics
 * cards, which waits for name servers where "localhost" is unknown (measured: up to 10 s). On one machine
 * Open MPI's shared memory does, and looking for network hardware takes most of the rest (0.24 s, 0.03 s
 * without). */
static void start_quickly(void) {
    const char *size = getenv("OMPI_COMM_WORLD_SIZE"), *local = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    setenv("HWLOC_COMPONENTS", "-gl,-opencl,-cuda,-nvml,-rsmi,-levelzero", 0);
    if (!size || !local || strcmp(size, local) != 0) return;
    setenv("OMPI_MCA_pml", "ob1", 0);
    setenv("OMPI_MCA_btl", "self,vader", 0);
}

fg_status fg_ranks_start(fg_ranks *ranks, const fg_launch *launch, int *argc, char ***argv, fg_error *err) {
    int provided;
    one_process(ranks);
    if (launch->size == 1) return FG_OK;
    ranks->mpi = fg_alloc(1, sizeof *ranks->mpi, err);
    if (!ranks->mpi) return FG_ERR_MEMORY;
    *ranks->mpi = (struct fg_communicators){.world = MPI_COMM_WORLD, .node = MPI_COMM_NULL};
    start_quickly();
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided)) return failed(err, "MPI_Init_thread");
    MPI_Comm_rank(ranks->mpi->world, &ranks->rank);
    MPI_Comm_size(ranks->mpi->world, &ranks->size);
    return find_nodes(ranks, err);
}

/* A rank tells the launcher that it ends in order, waits 2 s for the answer and leaves without one. A
 * launcher that was held up for so long (by a disk, a debugger, memory) may learn of its exit first, take it
 * for a crash and return 1 for a run that went well. So a rank that left without an answer stays a while. */
void fg_ranks_stop(fg_ranks *ranks) {
    if (!ranks->mpi) return;
    if (ranks->mpi->node != MPI_COMM_NULL) MPI_Comm_free(&ranks->mpi->node);
    MPI_Barrier(ranks->mpi->world);
    fg_free(ranks->mpi);
    ranks->mpi = NULL;
    double began = fg_seconds();
    MPI_Finalize();
    if (fg_seconds() - began > UNANSWERED) sleep(STAY);
}

/* ---- agreement ---- */

fg_status fg_ranks_agree(const fg_ranks *ranks, fg_error *err) {
    fg_alloc_check(err);
    int mine = err->status == FG_OK ? INT_MAX : ranks->rank, first;
    if (!ranks->mpi) return (fg_status)err->status;
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, ranks->mpi->world);
    if (first == INT_MAX) return FG_OK;
    if (first == ranks->rank) err->rank = ranks->rank;
    fg_ranks_share_from(ranks, first, err, sizeof *err);
    return (fg_status)err->status;
}

/* ---- from one to all, from all to one ---- */

void fg_ranks_share_from(const fg_ranks *ranks, int root, void *bytes, size_t size) {
    if (!ranks->mpi) return;
    for (size_t at = 0; at < size; at += PART)
        MPI_Bcast((char *)bytes + at, (int)fg_min(PART, size - at), MPI_BYTE, root, ranks->mpi->world);
}

void fg_ranks_share(const fg_ranks *ranks, void *bytes, size_t size) {
    fg_ranks_share_from(ranks, 0, bytes, size);
}

fg_status fg_ranks_share_text(const fg_ranks *ranks, fg_buffer *text, fg_error *err) {
    uint64_t length = text->length;
    fg_ranks_share(ranks, &length, sizeof length);
    if (ranks->rank != 0) {
        fg_buffer_free(text);
        text->data = fg_alloc(length + 1, 1, err);
        if (text->data) *text = (fg_buffer){.data = text->data, .length = length, .capacity = length + 1};
    }
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) fg_ranks_share(ranks, text->data, length);
    return status;
}

void fg_ranks_gather(const fg_ranks *ranks, const void *mine, const size_t *sizes, void *all) {
    if (ranks->rank != 0) {
        fg_ranks_send(ranks, 0, mine, sizes[ranks->rank]);
        return;
    }
    char *to = all;
    memcpy(to, mine, sizes[0]);
    for (int r = 1; r < ranks->size; r++) {
        to += sizes[r - 1];
        fg_ranks_receive(ranks, r, to, sizes[r]);
    }
}

static void reduce_u64(const fg_ranks *ranks, uint64_t *values, size_t count, MPI_Op op) {
    size_t part = PART / sizeof *values;
    if (!ranks->mpi) return;
    for (size_t at = 0; at < count; at += part)
        MPI_Allreduce(MPI_IN_PLACE, values + at, (int)fg_min(part, count - at), MPI_UINT64_T, op,
                      ranks->mpi->world);
}

void fg_ranks_sum_u64(const fg_ranks *ranks, uint64_t *values, size_t count) {
    reduce_u64(ranks, values, count, MPI_SUM);
}

void fg_ranks_max_u64(const fg_ranks *ranks, uint64_t *values, size_t count) {
    reduce_u64(ranks, values, count, MPI_MAX);
}

/* A binomial tree: after the step of distance d, every 2 d-th rank holds the join of its own values and those
 * of the next 2 d - 1. */
static void join_to_first(const fg_ranks *ranks, void *values, void *received, size_t count, size_t size,
                          fg_ranks_join join) {
    int rank = ranks->rank;
    for (int distance = 1; distance < ranks->size; distance *= 2) {
        if (rank & distance) {
            fg_ranks_send(ranks, rank - distance, values, count * size);
            return;
        }
        if (rank + distance >= ranks->size) continue;
        fg_ranks_receive(ranks, rank + distance, received, count * size);
        join(values, received, count);
    }
}

fg_status fg_ranks_reduce(const fg_ranks *ranks, void *values, size_t count, size_t size, fg_ranks_join join,
                          fg_error *err) {
    if (!ranks->mpi) return FG_OK;
    void *received = fg_alloc(count, size, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) {
        join_to_first(ranks, values, received, count, size, join);
        fg_ranks_share(ranks, values, count * size);
    }
    fg_free(received);
    return status;
}

/* ---- from one to another ---- */

void fg_ranks_send(const fg_ranks *ranks, int to, const void *bytes, size_t size) {
    for (size_t at = 0; at < size; at += PART)
        MPI_Send((const char *)bytes + at, (int)fg_min(PART, size - at), MPI_BYTE, to, TAG_BYTES,
                 ranks->mpi->world);
}

void fg_ranks_receive(const fg_ranks *ranks, int from, void *bytes, size_t size) {
    for (size_t at = 0; at < size; at += PART)
        MPI_Recv((char *)bytes + at, (int)fg_min(PART, size - at), MPI_BYTE, from, TAG_BYTES,
                 ranks->mpi->world, MPI_STATUS_IGNORE);
}

void fg_ranks_call_stop(const fg_ranks *ranks) {
    for (int r = 0; r < ranks->size; r++) {
        if (r != ranks->rank) MPI_Send(NULL, 0, MPI_BYTE, r, TAG_STOP, ranks->mpi->world);
    }
}

bool fg_ranks_stop_called(const fg_ranks *ranks) {
    int waiting = 0;
    if (ranks->node_count > 1)
        MPI_Iprobe(MPI_ANY_SOURCE, TAG_STOP, ranks->mpi->world, &waiting, MPI_STATUS_IGNORE);
    return waiting != 0;
}

void fg_ranks_clear_stops(const fg_ranks *ranks, bool called) {
    uint64_t calls = called;
    fg_ranks_sum_u64(ranks, &calls, 1);
    for (uint64_t i = called; i < calls; i++)
        MPI_Recv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, TAG_STOP, ranks->mpi->world, MPI_STATUS_IGNORE);
}

/* ---- memory of a node ---- */

struct fg_node_window {
    MPI_Win window;
};

static void open_window(const fg_ranks *ranks, size_t size, fg_node_memory *memory) {
    void *mine;
    int unit;
    MPI_Aint bytes = ranks->node_rank == 0 ? (MPI_Aint)size : 0;
    MPI_Win *window = &memory->window->window;
    MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, ranks->mpi->node, &mine, window);
    MPI_Win_shared_query(*window, 0, &bytes, &unit, &memory->bytes);
    if (ranks->node_rank == 0) memset(memory->bytes, 0, size);
    MPI_Barrier(ranks->mpi->node);
}

fg_status fg_node_memory_open(const fg_ranks *ranks, size_t size, fg_node_memory *memory, fg_error *err) {
    *memory = (fg_node_memory){0};
    if (!ranks->mpi) {
        memory->bytes = fg_alloc(size, 1, err);
        return (fg_status)err->status;
    }
    memory->window = fg_alloc(1, sizeof *memory->window, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) open_window(ranks, size, memory);
    return status;
}

void fg_node_memory_close(fg_node_memory *memory) {
    if (!memory->window) {
        fg_free(memory->bytes);
    } else if (memory->bytes) {
        MPI_Win_free(&memory->window->window);
    }
    fg_free(memory->window);
    *memory = (fg_node_memory){0};
}
