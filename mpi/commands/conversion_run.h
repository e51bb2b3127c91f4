/* A conversion as commands run it (convert, update, finalize, update-vocab): planned on rank 0, written and
 * proved by all ranks, published by rank 0. They differ in their kind, by which fg_conversion_prepare
 * decides.
 */
#ifndef FG_MPI_COMMANDS_CONVERSION_RUN_H
#define FG_MPI_COMMANDS_CONVERSION_RUN_H

#include "commands/run.h"

/* Collective. */
fg_status fg_run_conversion(const fg_run *run, fg_conversion_kind kind, fg_error *err);
/* The kind that the report of a conversion names as its command. */
fg_conversion_kind fg_conversion_kind_of(const char *command);

#endif
