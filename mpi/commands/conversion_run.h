/* A conversion as commands run it (convert, update, finalize, update-vocab): planned on rank 0, written and
 * proved by all ranks, published by rank 0. They differ in their kind, by which fg_conversion_prepare
 * decides.
 */
#ifndef FG_MPI_COMMANDS_CONVERSION_RUN_H
#define FG_MPI_COMMANDS_CONVERSION_RUN_H

#include "commands/run.h"
#include "conversion/recipe.h"

/* Collective. */
fg_status fg_run_conversion(const fg_run *run, fg_recipe_kind kind, fg_error *err);

#endif
