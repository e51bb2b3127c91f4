/* The processes of one run: who is where, how they agree, how numbers get from one to another. Every use of
 * MPI but the dump's is in ranks.c, and a run of one process uses none: there, each of these functions is
 * done without it.
 *
 * Invariant: every function that is marked collective is called by all ranks in the same order, whatever
 * failed before: a rank that failed calls fg_ranks_agree with its error and then follows the others out.
 * No rank waits for ever.
 *
 * A call to MPI that fails (a process or the network is gone) returns. From then on its rank makes no other:
 * functions without a status do nothing, each agreement gives the failure (FG_ERR_SYSTEM: what was being
 * done, MPI's own text), and fg_ranks_stop ends the other ranks with MPI_Abort, for they may wait in a call
 * that this rank will not make. Rank 0 then gets SIGTERM, by which it removes what it has written.
 */
#ifndef FG_MPI_RANKS_H
#define FG_MPI_RANKS_H

#include "base/buffer.h"
#include "base/error.h"
#include "launcher.h"

/* What hwloc, with which Open MPI looks at the machine, leaves out: graphics cards. */
#define FG_HWLOC_COMPONENTS "-gl,-opencl,-cuda,-nvml,-rsmi,-levelzero"
/* HOME for a process without it: Open MPI 5 looks there for settings and does not start without. */
#define FG_NO_HOME "/"

typedef struct fg_ranks {
    int rank, size;
    int node_rank, node_size;     /* among those that share memory */
    int node_index, node_count;   /* nodes are numbered by their lowest rank */
    struct fg_communicators *mpi; /* owned; NULL in a run of one process */
} fg_ranks;

/* Collective. Starts MPI (funneled: one thread makes the calls) and finds out the nodes. */
fg_status fg_ranks_start(fg_ranks *ranks, const fg_launch *launch, int *argc, char ***argv, fg_error *err);
enum { FG_RANKS_LIBRARY = 128 };
/* Name and version of the MPI that is loaded, which need not be started; returns `text`. */
const char *fg_ranks_library(char text[FG_RANKS_LIBRARY]);
/* Whether a call to MPI failed on this rank: then it has to print the error itself. */
bool fg_ranks_failed(const fg_ranks *ranks);
/* Collective. */
void fg_ranks_stop(fg_ranks *ranks);

/* Collective. Afterwards every rank holds the same error: that of the lowest rank that failed, with its
 * number, or none. Returns its status. */
fg_status fg_ranks_agree(const fg_ranks *ranks, fg_error *err);

/* Collective. After an agreement rank 0's text (any size) reaches all; the others' is replaced. */
fg_status fg_ranks_share_text(const fg_ranks *ranks, fg_buffer *text, fg_error *err);
/* Collective. The bytes of rank 0, or of rank `root`, of a size that all know. */
void fg_ranks_share(const fg_ranks *ranks, void *bytes, size_t size);
void fg_ranks_share_from(const fg_ranks *ranks, int root, void *bytes, size_t size);
/* Collective. Rank 0 gets sizes[r] bytes of every rank r into `all`, in the order of ranks; others give NULL
 * for `all`. */
void fg_ranks_gather(const fg_ranks *ranks, const void *mine, const size_t *sizes, void *all);

/* Collective. Element-wise sum / maximum over all ranks, on every rank. */
void fg_ranks_sum_u64(const fg_ranks *ranks, uint64_t *values, size_t count);
void fg_ranks_max_u64(const fg_ranks *ranks, uint64_t *values, size_t count);
/* into = into joined with from, `count` values each. */
typedef void (*fg_ranks_join)(void *into, const void *from, size_t count);
/* Collective. The values of all ranks, joined in the order of ranks, on every rank. */
fg_status fg_ranks_reduce(const fg_ranks *ranks, void *values, size_t count, size_t size, fg_ranks_join join,
                          fg_error *err);

/* From one rank to another, which receives the same size. */
void fg_ranks_send(const fg_ranks *ranks, int to, const void *bytes, size_t size);
void fg_ranks_receive(const fg_ranks *ranks, int from, void *bytes, size_t size);
/* Messages on their way, which the other ends receive in the same way. */
struct fg_sends;
/* With room for so many at a time, of so many bytes each. To be freed in any case. */
fg_status fg_sends_new(const fg_ranks *ranks, size_t messages, size_t size, struct fg_sends **sends,
                       fg_error *err);
/* `bytes` stay as they are until it is finished. */
void fg_sends_begin(struct fg_sends *sends, int to, const void *bytes, size_t size);
void fg_sends_finish(struct fg_sends *sends); /* all that have begun */
void fg_sends_free(struct fg_sends *sends);   /* NULL: nothing */
/* While a rank waits for something else than MPI: messages that it has begun to send go on. */
void fg_ranks_look_after(const fg_ranks *ranks);

/* Some of the ranks, which may be on several nodes. */
struct fg_ranks_group;
/* Collective over all ranks: they form the groups `number`, in each of which a rank is `member` of
 * `members`. Only in a run of several processes. To be closed in any case. */
fg_status fg_ranks_group_open(const fg_ranks *ranks, unsigned number, unsigned member, unsigned members,
                              struct fg_ranks_group **group, fg_error *err);
/* Collective over the group. `*all_good`: every member said so. */
fg_status fg_ranks_group_agree(struct fg_ranks_group *group, bool good, bool *all_good, fg_error *err);
/* Collective over the group. Each member's counts[member] numbers, at slots + member * slot, reach the
 * others. */
fg_status fg_ranks_group_gather(struct fg_ranks_group *group, const uint64_t *counts, unsigned members,
                                uint64_t slot, float *slots, fg_error *err);
/* Collective over the group. */
void fg_ranks_group_close(struct fg_ranks_group **group);

/* A rank that failed calls on those of other nodes to stop; they look now and then whether a rank has
 * called. */
void fg_ranks_call_stop(const fg_ranks *ranks);
bool fg_ranks_stop_called(const fg_ranks *ranks);
/* Collective, once the work is over: takes in the calls. `called`: this rank made one. */
void fg_ranks_clear_stops(const fg_ranks *ranks, bool called);

/* A number of each other node, which its first rank sends to rank 0 now and then. */
struct fg_reports;
fg_status fg_reports_new(const fg_ranks *ranks, struct fg_reports **reports, fg_error *err);
/* On such a rank: nothing while the number before is still on its way. */
void fg_reports_send(struct fg_reports *reports, uint64_t number);
/* On rank 0: the last ones that have come, added up. */
uint64_t fg_reports_sum(struct fg_reports *reports);
/* Collective, before they are freed (fg_free): takes in all that were sent. */
void fg_reports_finish(struct fg_reports *reports);

/* Zeroed memory that the ranks of a node share. */
typedef struct fg_node_memory {
    void *bytes;
    struct fg_node_window *window; /* NULL in a run of one process */
} fg_node_memory;
fg_status fg_node_memory_open(const fg_ranks *ranks, size_t size, fg_node_memory *memory,
                              fg_error *err);      /* collective over the node */
void fg_node_memory_close(fg_node_memory *memory); /* collective over the node */

#endif
