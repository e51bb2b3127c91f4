/* What the environment says about a launcher (mpirun, srun): whether this process is one of several. Known
 * before MPI starts.
 *
 * Invariant: a process that no launcher started, or that it started alone, has size 1 and never starts MPI.
 * So several such processes share nothing: Open MPI's directory in /tmp is made and removed by all of a
 * user's processes at once, and some fail there (open-mpi/ompi#8510). Variables of a launcher that
 * has ended (in a shell that mpirun started, in a saved environment) count for nothing: MPI_Init would end
 * the process.
 */
#ifndef FG_MPI_LAUNCHER_H
#define FG_MPI_LAUNCHER_H

#include <stdbool.h>

typedef struct fg_launch {
    int rank;
    int size;              /* 0: there is a launcher, and MPI knows how many processes it started */
    bool watched;          /* of size 1, and started by a launcher: it ends with that */
    int unrelated;         /* processes that srun started without MPI, each with size 1; 0: none */
    const char *left_over; /* a variable of a launcher that is gone; NULL: none */
    bool ours;             /* the launcher was started by fgconv (mpirun.h) */
    /* Whether what is printed reaches a terminal: of a rank, what its launcher prints. */
    bool stdout_terminal, stderr_terminal;
} fg_launch;

fg_launch fg_launch_read(void);
/* Whether that terminal is to show colours: not with NO_COLOR. */
bool fg_launch_colours(bool terminal);

#endif
