/* MPI's side of the ranks, for ranks.c and for the dump, whose HDF5 needs a communicator. */
#ifndef FG_MPI_COMMUNICATORS_H
#define FG_MPI_COMMUNICATORS_H

#include <mpi.h>

struct fg_communicators {
    MPI_Comm world, node; /* all ranks; those that share memory */
};

#endif
