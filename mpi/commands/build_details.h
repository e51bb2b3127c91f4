/* What this fgconv was built from and what it runs with, as --version -v prints it:
 *
 *   {"version", "commit", "compiler", "build_type", "mpi", "hdf5", "jansson", "pcre2", "libyaml", "openblas",
 *    "openblas_kernels", "cuda_module"}
 *
 * All are strings, or null: "commit" outside of a checkout, "cuda_module" (a path) without a module.
 * Versions of libraries are those that are loaded, not those of the build.
 */
#ifndef FG_MPI_COMMANDS_BUILD_DETAILS_H
#define FG_MPI_COMMANDS_BUILD_DETAILS_H

#include "commands/run.h"

fg_status fg_build_details_print(const fg_run *run, fg_error *err);

#endif
