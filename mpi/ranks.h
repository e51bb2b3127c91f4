/* The processes of one run: who is where, how they agree, how rank 0 shares its decisions.
 *
 * Invariant: every function that is marked collective is called by all ranks in the same order, whatever
 * failed before: a rank that failed calls fg_ranks_agree with its error and then follows the others out.
 * Nobody waits for ever.
 */
#ifndef FG_MPI_RANKS_H
#define FG_MPI_RANKS_H

#include <mpi.h>

#include "base/buffer.h"
#include "base/error.h"

typedef struct fg_ranks {
    MPI_Comm world, node; /* all ranks; those that share memory */
    int rank, size;
    int node_rank, node_size;
    int node_index, node_count; /* nodes are numbered by their lowest rank */
} fg_ranks;

/* Collective. Starts MPI (funneled: one thread makes the calls) and finds out the nodes. */
fg_status fg_ranks_start(fg_ranks *ranks, int *argc, char ***argv, fg_error *err);
/* Collective. */
void fg_ranks_stop(fg_ranks *ranks);

/* Whether the environment says that a launcher (mpirun, srun) started this process with others. */
bool fg_ranks_launched(void);

/* Collective. Afterwards every rank holds the same error: that of the lowest rank that failed, with its
 * number, or none. Returns its status. */
fg_status fg_ranks_agree(const fg_ranks *ranks, fg_error *err);

/* Collective. Rank 0's text (any size) reaches all; the others' is replaced. Ends in an agreement. */
fg_status fg_ranks_share_text(const fg_ranks *ranks, fg_buffer *text, fg_error *err);

/* Collective. Rank 0's bytes, of a size that all know. */
void fg_ranks_share(const fg_ranks *ranks, void *bytes, size_t size);

/* Collective. Element-wise sum / maximum over all ranks, on every rank. */
void fg_ranks_sum_u64(const fg_ranks *ranks, uint64_t *values, size_t count);
void fg_ranks_max_u64(const fg_ranks *ranks, uint64_t *values, size_t count);

#endif
