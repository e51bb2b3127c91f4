#include "ranks.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/clock.h"
#include "communicators.h"
#include "patience.h"
#include "report/progress.h"

/* MPI counts with int; larger blocks go in parts of so many bytes. */
static const size_t PART = (size_t)1 << 30;

/* Seconds in MPI_Finalize after which no answer of the launcher has come (PMIx waits 2 s), and those that a
 * launcher has then. */
static const double UNANSWERED = 1.9;
enum { STAY = 20 };

enum { TAG_BYTES = 70, TAG_STOP = 71, TAG_REPORT = 72 };

/* ---- calls that fail ---- */

bool fg_ranks_failed(const fg_ranks *ranks) {
    return ranks->mpi && ranks->mpi->failure.status != FG_OK;
}

/* No call is made in a run of one process, nor after a failure. */
static bool is_silent(const fg_ranks *ranks) {
    return !ranks->mpi || fg_ranks_failed(ranks);
}

/* What a call to MPI gave, and what it was made for. */
static void check(const fg_ranks *ranks, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void check(const fg_ranks *ranks, int code, const char *format, ...) {
    struct fg_communicators *mpi = ranks->mpi;
    char text[MPI_MAX_ERROR_STRING] = "", action[128];
    int length;
    if (mpi->fail_after && --mpi->fail_after == 0) code = MPI_ERR_OTHER;
    if (code == MPI_SUCCESS || fg_ranks_failed(ranks)) return;
    MPI_Error_string(code, text, &length);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(action, sizeof action, format, arguments);
    va_end(arguments);
    fg_fail(&mpi->failure, FG_ERR_SYSTEM, "MPI: %s", text);
    fg_where(&mpi->failure, "%s", action);
    fg_hint(&mpi->failure, "look at what mpirun prints: a process or the network between machines failed");
    mpi->failure.rank = ranks->rank;
}

/* A larger message may come in pieces, each only while both ranks look: in a container without the right to
 * read another process's memory, 32 KiB at a time. With sleeps of a millisecond 8 MiB take 120 ms instead of
 * 4, so large messages get short ones. They wait for nothing else: what may be late is told by a small one
 * before. */
enum { SMALL_MESSAGE = 256 << 10 };
static const double SHORT_SLEEP = 20e-6; /* seconds */

/* Waits until what a call of so many bytes began is done, and gives its code. */
static int finish(int code, MPI_Request *request, size_t bytes) {
    fg_patience patience = {.longest_sleep = bytes > SMALL_MESSAGE ? SHORT_SLEEP : 0};
    int done = 0;
    while (code == MPI_SUCCESS && !done) {
        code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (code == MPI_SUCCESS && !done) fg_patience_wait(&patience);
    }
    return code;
}

/* The failure, unless `err` holds an earlier one. */
static fg_status status_of(const fg_ranks *ranks, fg_error *err) {
    if (err->status == FG_OK && fg_ranks_failed(ranks)) *err = ranks->mpi->failure;
    return (fg_status)err->status;
}

/* ---- beginning and end ---- */

static void one_process(fg_ranks *ranks) {
    *ranks = (fg_ranks){.size = 1, .node_size = 1, .node_count = 1};
}

/* Nodes are numbered in the order of their lowest world rank. */
static fg_status find_nodes(fg_ranks *ranks, fg_error *err) {
    struct fg_communicators *mpi = ranks->mpi;
    static const char action[] = "finding out which ranks share memory";
    int code = MPI_Comm_split_type(mpi->world, MPI_COMM_TYPE_SHARED, ranks->rank, MPI_INFO_NULL, &mpi->node);
    check(ranks, code, "%s", action);
    if (fg_ranks_failed(ranks)) return status_of(ranks, err);
    MPI_Comm_set_errhandler(mpi->node, MPI_ERRORS_RETURN);
    MPI_Comm_rank(mpi->node, &ranks->node_rank);
    MPI_Comm_size(mpi->node, &ranks->node_size);
    int leader = ranks->node_rank == 0, before = 0;
    code = MPI_Exscan(&leader, &before, 1, MPI_INT, MPI_SUM, mpi->world);
    ranks->node_index = ranks->rank == 0 ? 0 : before;
    if (!code) code = MPI_Bcast(&ranks->node_index, 1, MPI_INT, 0, mpi->node);
    if (!code) code = MPI_Allreduce(&leader, &ranks->node_count, 1, MPI_INT, MPI_SUM, mpi->world);
    check(ranks, code, "%s", action);
    return status_of(ranks, err);
}

/* Settings of Open MPI; whatever the user has set stays. A rank that waits yields its core to one that works
 * (48 ranks on 2 cores: 7 s, 103 s without). The others make MPI_Init quick: hwloc asks ten X displays for
 * graphics cards, which waits for name servers where "localhost" is unknown (measured: up to 10 s). On one
 * machine Open MPI's shared memory does, and looking for network hardware takes most of the rest (0.24 s,
 * 0.03 s without); of windows, UCX complains where it may not have the messages. */
static void set_up_open_mpi(void) {
    const char *size = getenv("OMPI_COMM_WORLD_SIZE"), *local = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    setenv("HWLOC_COMPONENTS", FG_HWLOC_COMPONENTS, 0);
    setenv("HOME", FG_NO_HOME, 0);
    if (!size || !local || strcmp(size, local) != 0) return;
    setenv("OMPI_MCA_pml", "ob1", 0);
    setenv("OMPI_MCA_btl", "self,vader", 0);
    setenv("OMPI_MCA_osc", "^ucx", 0);
}

static size_t number_of_test(const char *variable) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* Parts of no bytes would never end, and larger ones than MPI can count would be cut. */
static size_t part_size(void) {
    size_t wanted = number_of_test("FGCONV_MPI_PART");
    return wanted && wanted < PART ? wanted : PART;
}

/* "Open MPI v4.1.4, package: ..." or, of MPICH, lines of which the first has a tab in it. */
const char *fg_ranks_library(char text[FG_RANKS_LIBRARY]) {
    char all[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length;
    size_t used = 0;
    MPI_Get_library_version(all, &length);
    for (const char *at = all; *at && !strchr(",\n", *at) && used < FG_RANKS_LIBRARY - 1; at++) {
        bool space = *at == ' ' || *at == '\t';
        if (!space || (used && text[used - 1] != ' ')) text[used++] = space ? ' ' : *at;
    }
    text[used] = '\0';
    return text;
}

fg_status fg_ranks_start(fg_ranks *ranks, const fg_launch *launch, int *argc, char ***argv, fg_error *err) {
    int provided;
    one_process(ranks);
    if (launch->size == 1) return FG_OK;
    ranks->mpi = fg_alloc(1, sizeof *ranks->mpi, err);
    if (!ranks->mpi) return FG_ERR_MEMORY;
    *ranks->mpi = (struct fg_communicators){.world = MPI_COMM_WORLD,
                                            .node = MPI_COMM_NULL,
                                            .part = part_size(),
                                            .fail_after = number_of_test("FGCONV_FAIL_MPI")};
    set_up_open_mpi();
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided))
        return fg_fail(err, FG_ERR_SYSTEM, "MPI: MPI_Init_thread failed");
    MPI_Comm_set_errhandler(ranks->mpi->world, MPI_ERRORS_RETURN);
    MPI_Comm_rank(ranks->mpi->world, &ranks->rank);
    MPI_Comm_size(ranks->mpi->world, &ranks->size);
    return find_nodes(ranks, err);
}

/* A rank tells the launcher that it ends in order, waits 2 s for the answer and leaves without one. A
 * launcher that was held up for so long (by a disk, a debugger, memory) may learn of its exit first, take it
 * for a crash and return 1 for a run that went well. So a rank that left without an answer stays a while. */
void fg_ranks_stop(fg_ranks *ranks) {
    if (!ranks->mpi) return;
    if (fg_ranks_failed(ranks)) MPI_Abort(ranks->mpi->world, ranks->mpi->failure.status);
    if (ranks->mpi->node != MPI_COMM_NULL) MPI_Comm_free(&ranks->mpi->node);
    MPI_Request request;
    finish(MPI_Ibarrier(ranks->mpi->world, &request), &request, 0);
    fg_free(ranks->mpi);
    ranks->mpi = NULL;
    double began = fg_clock_seconds();
    MPI_Finalize();
    if (fg_clock_seconds() - began > UNANSWERED) sleep(STAY);
}

/* ---- agreement ---- */

fg_status fg_ranks_agree(const fg_ranks *ranks, fg_error *err) {
    fg_alloc_check(err);
    int mine = err->status == FG_OK ? INT_MAX : ranks->rank, first = INT_MAX;
    if (is_silent(ranks)) return status_of(ranks, err);
    MPI_Request request;
    check(
        ranks,
        finish(MPI_Iallreduce(&mine, &first, 1, MPI_INT, MPI_MIN, ranks->mpi->world, &request), &request, 0),
        "asking the other ranks whether they failed");
    if (first == ranks->rank) err->rank = ranks->rank;
    if (first != INT_MAX) fg_ranks_share_from(ranks, first, err, sizeof *err);
    return status_of(ranks, err);
}

/* ---- from one to all, from all to one ---- */

void fg_ranks_share_from(const fg_ranks *ranks, int root, void *bytes, size_t size) {
    MPI_Request request;
    for (size_t at = 0; at < size && !is_silent(ranks); at += ranks->mpi->part)
        check(ranks,
              finish(MPI_Ibcast((char *)bytes + at, (int)fg_min(ranks->mpi->part, size - at), MPI_BYTE, root,
                                ranks->mpi->world, &request),
                     &request, size),
              "sharing %zu bytes of rank %d", size, root);
}

void fg_ranks_share(const fg_ranks *ranks, void *bytes, size_t size) {
    fg_ranks_share_from(ranks, 0, bytes, size);
}

fg_status fg_ranks_share_text(const fg_ranks *ranks, fg_buffer *text, fg_error *err) {
    uint64_t length = text->length;
    FG_CALL(fg_ranks_agree(ranks, err));
    fg_ranks_share(ranks, &length, sizeof length);
    if (ranks->rank != 0) {
        fg_buffer_free(text);
        text->data = fg_alloc(length + 1, 1, err);
        if (text->data) *text = (fg_buffer){.data = text->data, .length = length, .capacity = length + 1};
    }
    FG_CALL(fg_ranks_agree(ranks, err));
    fg_ranks_share(ranks, text->data, length);
    return status_of(ranks, err);
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
    size_t part = is_silent(ranks) ? 0 : ranks->mpi->part / sizeof *values;
    MPI_Request request;
    for (size_t at = 0; at < count && !is_silent(ranks); at += part)
        check(ranks,
              finish(MPI_Iallreduce(MPI_IN_PLACE, values + at, (int)fg_min(part, count - at), MPI_UINT64_T,
                                    op, ranks->mpi->world, &request),
                     &request, count * sizeof *values),
              "joining %zu numbers of each rank", count);
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
        status = status_of(ranks, err);
    }
    fg_free(received);
    return status;
}

/* ---- from one to another ---- */

void fg_ranks_send(const fg_ranks *ranks, int to, const void *bytes, size_t size) {
    MPI_Request request;
    for (size_t at = 0; at < size && !is_silent(ranks); at += ranks->mpi->part)
        check(ranks,
              finish(MPI_Isend((const char *)bytes + at, (int)fg_min(ranks->mpi->part, size - at), MPI_BYTE,
                               to, TAG_BYTES, ranks->mpi->world, &request),
                     &request, size),
              "sending %zu bytes to rank %d", size, to);
}

void fg_ranks_receive(const fg_ranks *ranks, int from, void *bytes, size_t size) {
    MPI_Request request;
    for (size_t at = 0; at < size && !is_silent(ranks); at += ranks->mpi->part)
        check(ranks,
              finish(MPI_Irecv((char *)bytes + at, (int)fg_min(ranks->mpi->part, size - at), MPI_BYTE, from,
                               TAG_BYTES, ranks->mpi->world, &request),
                     &request, size),
              "receiving %zu bytes from rank %d", size, from);
}

/* Parts of messages that are on their way. */
struct fg_sends {
    const fg_ranks *ranks;
    size_t count;
    MPI_Request *requests; /* owned */
};

fg_status fg_sends_new(const fg_ranks *ranks, size_t messages, size_t size, struct fg_sends **sends,
                       fg_error *err) {
    size_t parts = ranks->mpi ? size / ranks->mpi->part + 1 : 0;
    FG_CALL_NEW(*sends, fg_alloc(1, sizeof **sends, err));
    (*sends)->ranks = ranks;
    FG_CALL_NEW((*sends)->requests, fg_alloc(messages * parts, sizeof *(*sends)->requests, err));
    return FG_OK;
}

void fg_sends_free(struct fg_sends *sends) {
    if (sends) fg_free(sends->requests);
    fg_free(sends);
}

void fg_sends_begin(struct fg_sends *sends, int to, const void *bytes, size_t size) {
    const fg_ranks *ranks = sends->ranks;
    for (size_t at = 0; at < size && !is_silent(ranks); at += ranks->mpi->part) {
        MPI_Request *request = sends->requests + sends->count++;
        int code = MPI_Isend((const char *)bytes + at, (int)fg_min(ranks->mpi->part, size - at), MPI_BYTE, to,
                             TAG_BYTES, ranks->mpi->world, request);
        check(ranks, code, "sending %zu bytes to rank %d", size, to);
    }
}

void fg_sends_finish(struct fg_sends *sends) {
    for (size_t i = 0; i < sends->count && !is_silent(sends->ranks); i++)
        check(sends->ranks, finish(MPI_SUCCESS, &sends->requests[i], 0), "sending to another rank");
    sends->count = 0;
}

/* What has begun may need its rank to look after it; a rank that waits for something else does so now and
 * then. */
void fg_ranks_look_after(const fg_ranks *ranks) {
    int waiting;
    if (is_silent(ranks)) return;
    MPI_Iprobe(MPI_ANY_SOURCE, TAG_STOP, ranks->mpi->world, &waiting, MPI_STATUS_IGNORE);
}

/* ---- some of the ranks ---- */

struct fg_ranks_group {
    const fg_ranks *ranks;
    MPI_Comm members;
    int *counts, *places; /* owned; of what each member gives */
};

fg_status fg_ranks_group_open(const fg_ranks *ranks, unsigned number, unsigned member, unsigned members,
                              struct fg_ranks_group **group, fg_error *err) {
    struct fg_ranks_group *made = *group = fg_alloc(1, sizeof *made, err);
    if (made) {
        *made = (struct fg_ranks_group){.ranks = ranks, .members = MPI_COMM_NULL};
        made->counts = fg_alloc(members, sizeof *made->counts, err);
        made->places = fg_alloc(members, sizeof *made->places, err);
    }
    FG_CALL(fg_ranks_agree(ranks, err));
    check(ranks, MPI_Comm_split(ranks->mpi->world, (int)number, (int)member, &made->members),
          "dividing the ranks into groups");
    if (!fg_ranks_failed(ranks)) MPI_Comm_set_errhandler(made->members, MPI_ERRORS_RETURN);
    return status_of(ranks, err);
}

fg_status fg_ranks_group_agree(struct fg_ranks_group *group, bool good, bool *all_good, fg_error *err) {
    const fg_ranks *ranks = group->ranks;
    int mine = good, all = 0;
    MPI_Request request;
    if (!is_silent(ranks))
        check(ranks,
              finish(MPI_Iallreduce(&mine, &all, 1, MPI_INT, MPI_MIN, group->members, &request), &request, 0),
              "asking the ranks of a group whether they failed");
    *all_good = all;
    return status_of(ranks, err);
}

fg_status fg_ranks_group_gather(struct fg_ranks_group *group, const uint64_t *counts, unsigned members,
                                uint64_t slot, float *slots, fg_error *err) {
    const fg_ranks *ranks = group->ranks;
    MPI_Request request;
    for (unsigned m = 0; m < members; m++) {
        group->counts[m] = (int)counts[m];
        group->places[m] = (int)(m * slot);
    }
    if (!is_silent(ranks))
        check(ranks,
              finish(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, slots, group->counts, group->places,
                                     MPI_FLOAT, group->members, &request),
                     &request, 0),
              "sharing rows with the ranks of a group");
    return status_of(ranks, err);
}

void fg_ranks_group_close(struct fg_ranks_group **group) {
    struct fg_ranks_group *g = *group;
    if (!g) return;
    if (g->members != MPI_COMM_NULL && !fg_ranks_failed(g->ranks)) MPI_Comm_free(&g->members);
    fg_free(g->counts);
    fg_free(g->places);
    fg_free(g);
    *group = NULL;
}

void fg_ranks_call_stop(const fg_ranks *ranks) {
    for (int r = 0; r < ranks->size && !is_silent(ranks); r++) {
        if (r == ranks->rank) continue;
        check(ranks, MPI_Send(NULL, 0, MPI_BYTE, r, TAG_STOP, ranks->mpi->world), "telling rank %d to stop",
              r);
    }
}

bool fg_ranks_stop_called(const fg_ranks *ranks) {
    int waiting = 0;
    if (ranks->node_count > 1 && !is_silent(ranks))
        check(ranks, MPI_Iprobe(MPI_ANY_SOURCE, TAG_STOP, ranks->mpi->world, &waiting, MPI_STATUS_IGNORE),
              "asking whether another rank stopped");
    return waiting || fg_ranks_failed(ranks);
}

void fg_ranks_clear_stops(const fg_ranks *ranks, bool called) {
    uint64_t calls = called;
    fg_ranks_sum_u64(ranks, &calls, 1);
    for (uint64_t i = called; i < calls && !is_silent(ranks); i++)
        check(ranks,
              MPI_Recv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, TAG_STOP, ranks->mpi->world, MPI_STATUS_IGNORE),
              "receiving the news that a rank stopped");
}

/* ---- numbers of other nodes ---- */

typedef struct node_report {
    uint64_t node, number;
} node_report;

struct fg_reports {
    const fg_ranks *ranks;
    uint64_t count; /* sent, or received */
    node_report mine;
    MPI_Request request; /* of what is on its way */
    uint64_t last[];     /* rank 0's; [node_count] */
};

fg_status fg_reports_new(const fg_ranks *ranks, struct fg_reports **reports, fg_error *err) {
    size_t nodes = (size_t)ranks->node_count;
    FG_CALL_NEW(*reports, fg_alloc(1, sizeof **reports + nodes * sizeof(uint64_t), err));
    (*reports)->ranks = ranks;
    (*reports)->mine.node = (uint64_t)ranks->node_index;
    (*reports)->request = MPI_REQUEST_NULL;
    return FG_OK;
}

void fg_reports_send(struct fg_reports *reports, uint64_t number) {
    const fg_ranks *ranks = reports->ranks;
    int done = 0;
    if (is_silent(ranks)) return;
    check(ranks, MPI_Test(&reports->request, &done, MPI_STATUS_IGNORE), "sending a count to rank 0");
    if (!done || is_silent(ranks)) return;
    reports->mine.number = number;
    reports->count++;
    check(ranks,
          MPI_Isend(&reports->mine, sizeof reports->mine, MPI_BYTE, 0, TAG_REPORT, ranks->mpi->world,
                    &reports->request),
          "sending a count to rank 0");
}

static void receive_report(struct fg_reports *reports) {
    const fg_ranks *ranks = reports->ranks;
    node_report came = {0};
    check(ranks,
          MPI_Recv(&came, sizeof came, MPI_BYTE, MPI_ANY_SOURCE, TAG_REPORT, ranks->mpi->world,
                   MPI_STATUS_IGNORE),
          "receiving the count of another node");
    reports->last[came.node] = came.number;
    reports->count++;
}

uint64_t fg_reports_sum(struct fg_reports *reports) {
    const fg_ranks *ranks = reports->ranks;
    uint64_t sum = 0;
    int waiting = 1;
    while (!is_silent(ranks)) {
        check(ranks, MPI_Iprobe(MPI_ANY_SOURCE, TAG_REPORT, ranks->mpi->world, &waiting, MPI_STATUS_IGNORE),
              "asking for the counts of other nodes");
        if (!waiting || is_silent(ranks)) break;
        receive_report(reports);
    }
    for (int n = 0; n < ranks->node_count; n++) sum += reports->last[n];
    return sum;
}

void fg_reports_finish(struct fg_reports *reports) {
    const fg_ranks *ranks = reports->ranks;
    uint64_t sent = ranks->rank == 0 ? 0 : reports->count;
    fg_ranks_sum_u64(ranks, &sent, 1);
    while (ranks->rank == 0 && reports->count < sent && !is_silent(ranks)) receive_report(reports);
    if (!is_silent(ranks))
        check(ranks, finish(MPI_SUCCESS, &reports->request, 0), "sending a count to rank 0");
}

/* ---- memory of a node ---- */

struct fg_node_window {
    MPI_Win window;
    const fg_ranks *ranks;
};

static void open_window(const fg_ranks *ranks, size_t size, fg_node_memory *memory) {
    void *mine;
    int unit;
    MPI_Aint bytes = ranks->node_rank == 0 ? (MPI_Aint)size : 0;
    MPI_Win *window = &memory->window->window;
    memory->window->ranks = ranks;
    int code = MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, ranks->mpi->node, &mine, window);
    if (!code) MPI_Win_set_errhandler(*window, MPI_ERRORS_RETURN);
    if (!code) code = MPI_Win_shared_query(*window, 0, &bytes, &unit, &memory->bytes);
    if (!code && ranks->node_rank == 0) memset(memory->bytes, 0, size);
    if (!code) code = MPI_Barrier(ranks->mpi->node);
    check(ranks, code, "getting %zu bytes of memory that the ranks of a machine share", size);
}

fg_status fg_node_memory_open(const fg_ranks *ranks, size_t size, fg_node_memory *memory, fg_error *err) {
    *memory = (fg_node_memory){0};
    if (!ranks->mpi) {
        memory->bytes = fg_alloc(size, 1, err);
        return (fg_status)err->status;
    }
    memory->window = fg_alloc(1, sizeof *memory->window, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status != FG_OK) return status;
    open_window(ranks, size, memory);
    return status_of(ranks, err);
}

void fg_node_memory_close(fg_node_memory *memory) {
    if (!memory->window) {
        fg_free(memory->bytes);
    } else if (memory->bytes && !fg_ranks_failed(memory->window->ranks)) {
        MPI_Win_free(&memory->window->window);
    }
    fg_free(memory->window);
    *memory = (fg_node_memory){0};
}
