#include "ranks.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "report/progress.h"

/* MPI counts with int; larger blocks go in parts. */
static const size_t PART = (size_t)1 << 30;

/* Seconds in MPI_Finalize after which no answer of the launcher has come (PMIx waits 2 s), and those that a
 * launcher has then. */
static const double UNANSWERED = 1.9;
enum { STAY = 20 };

static fg_status failed(fg_error *err, const char *call) {
    return fg_fail(err, FG_ERR_SYSTEM, "MPI: %s failed", call);
}

/* Nodes are numbered in the order of their lowest world rank. */
static fg_status find_nodes(fg_ranks *ranks, fg_error *err) {
    if (MPI_Comm_split_type(ranks->world, MPI_COMM_TYPE_SHARED, ranks->rank, MPI_INFO_NULL, &ranks->node))
        return failed(err, "MPI_Comm_split_type");
    MPI_Comm_rank(ranks->node, &ranks->node_rank);
    MPI_Comm_size(ranks->node, &ranks->node_size);
    int leader = ranks->node_rank == 0, before = 0;
    MPI_Exscan(&leader, &before, 1, MPI_INT, MPI_SUM, ranks->world);
    ranks->node_index = ranks->rank == 0 ? 0 : before;
    MPI_Bcast(&ranks->node_index, 1, MPI_INT, 0, ranks->node);
    MPI_Allreduce(&leader, &ranks->node_count, 1, MPI_INT, MPI_SUM, ranks->world);
    return FG_OK;
}

/* Settings that make MPI_Init quick; whatever the user has set stays. hwloc asks ten X displays for graphics cards, which waits for
 * name servers where "localhost" is unknown (measured: up to 10 s). On one machine Open MPI's shared memory does, and looking for
 * network hardware takes most of the rest (0.24 s, 0.03 s without). A process that nothing launched would start a daemon for
 * processes that it might spawn (0.15 s), and spawns none. */
static void start_quickly(void) {
    const char *size = getenv("OMPI_COMM_WORLD_SIZE"), *local = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    bool one_node = fg_ranks_launched() ? size && local && strcmp(size, local) == 0 : true;
    if (!fg_ranks_launched()) setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    setenv("HWLOC_COMPONENTS", "-gl,-opencl,-cuda,-nvml,-rsmi,-levelzero", 0);
    if (!one_node) return;
    setenv("OMPI_MCA_pml", "ob1", 0);
    setenv("OMPI_MCA_btl", "self,vader", 0);
}

fg_status fg_ranks_start(fg_ranks *ranks, int *argc, char ***argv, fg_error *err) {
    int provided;
    *ranks = (fg_ranks){.node = MPI_COMM_NULL, .world = MPI_COMM_WORLD};
    start_quickly();
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided)) return failed(err, "MPI_Init_thread");
    MPI_Comm_rank(ranks->world, &ranks->rank);
    MPI_Comm_size(ranks->world, &ranks->size);
    return find_nodes(ranks, err);
}

/* A rank tells the launcher that it ends in order, waits 2 s for the answer and leaves without one. A launcher
 * that was held up for so long (by a disk, a debugger, memory) may learn of its exit first, take it for a crash
 * and return 1 for a run that went well. So a rank that left without an answer stays a while. */
void fg_ranks_stop(fg_ranks *ranks) {
    if (ranks->node != MPI_COMM_NULL) MPI_Comm_free(&ranks->node);
    MPI_Barrier(ranks->world);
    double began = fg_seconds();
    MPI_Finalize();
    if (fg_ranks_launched() && fg_seconds() - began > UNANSWERED) sleep(STAY);
}

bool fg_ranks_launched(void) {
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

fg_status fg_ranks_agree(const fg_ranks *ranks, fg_error *err) {
    fg_alloc_check(err);
    int mine = err->status == FG_OK ? INT_MAX : ranks->rank, first;
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, ranks->world);
    if (first == INT_MAX) return FG_OK;
    if (first == ranks->rank) err->rank = ranks->rank;
    MPI_Bcast(err, (int)sizeof *err, MPI_BYTE, first, ranks->world);
    return (fg_status)err->status;
}

void fg_ranks_share(const fg_ranks *ranks, void *bytes, size_t size) {
    for (size_t at = 0; at < size; at += PART)
        MPI_Bcast((char *)bytes + at, (int)fg_min(PART, size - at), MPI_BYTE, 0, ranks->world);
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

static void reduce_u64(const fg_ranks *ranks, uint64_t *values, size_t count, MPI_Op op) {
    size_t part = PART / sizeof *values;
    for (size_t at = 0; at < count; at += part)
        MPI_Allreduce(MPI_IN_PLACE, values + at, (int)fg_min(part, count - at), MPI_UINT64_T, op,
                      ranks->world);
}

void fg_ranks_sum_u64(const fg_ranks *ranks, uint64_t *values, size_t count) {
    reduce_u64(ranks, values, count, MPI_SUM);
}

void fg_ranks_max_u64(const fg_ranks *ranks, uint64_t *values, size_t count) {
    reduce_u64(ranks, values, count, MPI_MAX);
}
