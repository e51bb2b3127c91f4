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

/* How a run ended. */
typedef struct fg_mpirun_end {
    int code;       /* as the exit code of a process */
    char what[256]; /* what stopped it, as stderr has it; "": rank 0 has ended in order, or said why not */
} fg_mpirun_end;

/* Each process gets `argv`. FG_ERR_USAGE: there is no mpirun. */
fg_status fg_mpirun(uint64_t ranks, char **argv, fg_mpirun_end *end, fg_error *err);

#endif
