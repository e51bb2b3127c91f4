/* What the environment says about a launcher (mpirun, srun): whether this process is one of several. Known
 * before MPI starts.
 *
 * Invariant: a process that no launcher started, or that it started alone, has size 1 and never starts MPI.
 * So several such processes share nothing: Open MPI's directory in /tmp is made and removed by all of a
 * user's processes at once, and some fail there (open-mpi/ompi#8510).
 */
#ifndef FG_MPI_LAUNCHER_H
#define FG_MPI_LAUNCHER_H

typedef struct fg_launch {
    int rank;
    int size;      /* 0: there is a launcher, and MPI knows how many processes it started */
    int unrelated; /* processes that srun started without MPI, each with size 1; 0: none */
} fg_launch;

fg_launch fg_launch_read(void);

#endif
