/* One checkpoint as a conversion would write it in the format of another: what fgconv diff compares across
 * formats. Nothing is written.
 */
#ifndef FG_MPI_COMMANDS_PLANNED_SIDE_H
#define FG_MPI_COMMANDS_PLANNED_SIDE_H

#include "commands/run.h"
#include "format/checkpoint.h"

typedef struct fg_planned_side {
    fg_recipe recipe;
    json_t *report; /* owned; of the other, which may say what its conversion was asked for; or NULL */
    fg_conversion conversion; /* its settings have the configuration, its layout the plan */
} fg_planned_side;

/* The source of the options in the format of `other`, which is opened, with the options of its conversion if
 * it has a report of one. What cannot be converted is FG_ERR_INPUT or FG_ERR_USAGE. Fills a zeroed struct; to
 * be freed whatever comes back. */
fg_status fg_planned_side_open(const fg_run *run, const fg_checkpoint *other, fg_planned_side *planned,
                               fg_error *err);
void fg_planned_side_free(fg_planned_side *planned);

#endif
