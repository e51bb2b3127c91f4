/* MPI's side of the ranks, for ranks.c and for the dump, whose HDF5 needs a communicator. */
#ifndef FG_MPI_COMMUNICATORS_H
#define FG_MPI_COMMUNICATORS_H

#include <mpi.h>
#include <stdint.h>

#include "base/error.h"

struct fg_communicators {
    MPI_Comm world, node; /* all ranks; those that share memory; their calls return errors */
    fg_error failure;     /* the first call to MPI that failed; with a status no more are made */
    size_t part;          /* bytes that a call to MPI takes at most; tests lower it */
    uint64_t fail_after;  /* tests: the call that fails, counted from now; 0: none */
};

#endif
