/* What comes before a command: streams, signals, what OpenBLAS is told, and MPI.
 *
 * Before the constructors of libraries run, this module looks whether there is address space for OpenBLAS,
 * which would wait for it for ever. With too little for a thread on each processor the program begins again
 * with one thread, which is what it computes with; with too little for one it ends with FG_ERR_MEMORY. So it
 * does with a stack that is too small and cannot be made larger.
 */
#ifndef FG_MPI_COMMANDS_START_H
#define FG_MPI_COMMANDS_START_H

#include "launcher.h"
#include "ranks.h"

/* Streams that are closed, and OpenBLAS's kernels. */
void fg_start_process(void);
/* For a command that runs in one process and without MPI. A file above `ulimit -f` is a failed write and does
 * not end the process. Neither does a reader that went away, if the command `writes` more than text. */
void fg_start_alone(bool writes);
/* Collective: signals and MPI. Where MPI cannot start it ends the process, with one message of ours and
 * FG_ERR_SYSTEM. `dump` or NULL: the file of --dump. */
fg_status fg_start_ranks(fg_ranks *ranks, const fg_launch *launch, const char *dump, int *argc, char ***argv,
                         fg_error *err);

#endif
