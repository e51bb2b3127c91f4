#include "launcher.h"

#include <stddef.h>
#include <stdlib.h>

/* Where launchers leave rank and size. PMIx has no variable for the size; srun, when it offers PMIx, leaves
 * its own. */
static const struct {
    const char *rank, *size;
} variables[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, /* mpirun of Open MPI */
    {"PMIX_RANK", "SLURM_STEP_NUM_TASKS"},            /* srun --mpi=pmix, prterun */
    {"PMI_RANK", "PMI_SIZE"},                         /* srun --mpi=pmi2, mpiexec of others */
};

static int number(const char *variable) {
    const char *text = getenv(variable);
    return text ? (int)strtol(text, NULL, 10) : 0;
}

/* A batch script has SLURM_NTASKS and SLURM_PROCID too, without srun: only a step has
 * SLURM_STEP_NUM_TASKS. */
fg_launch fg_launch_read(void) {
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        if (getenv(variables[i].rank))
            return (fg_launch){.rank = number(variables[i].rank), .size = number(variables[i].size)};
    }
    int tasks = number("SLURM_STEP_NUM_TASKS");
    return (fg_launch){.size = 1, .unrelated = tasks > 1 ? tasks : 0};
}
