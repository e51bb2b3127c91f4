/* Runs this program on several processes (--ranks): starts mpirun and stays with it. It sets what people
 * would otherwise have to know: more ranks than cores, no binding to cores, root, how soon a lost node is
 * noticed (slurm/open-mpi.env), and a session directory for this run alone. What the user has set stays.
 *
 * Signals pass to mpirun; its exit code is that of the rank that failed first. Of what mpirun prints only
 * what is news passes (launcher_text.h).
 */
#ifndef FG_MPI_MPIRUN_H
#define FG_MPI_MPIRUN_H

#include <stdint.h>

#include "base/error.h"

/* Its processes find in this variable the numbers of our streams that are terminals, "12". */
#define FG_TERMINALS_VARIABLE "FGCONV_TERMINALS"

/* Each process gets `argv`. *code: how the run ended, as the exit code of a process. FG_ERR_USAGE: there is
 * no mpirun. */
fg_status fg_mpirun(uint64_t ranks, char **argv, int *code, fg_error *err);

#endif
