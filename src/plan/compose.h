/* Plans compose: what two conversions in a row would do, as one plan, so that the source is read once and the
 * destination written once, with nothing between on disk.
 */
#ifndef FG_PLAN_COMPOSE_H
#define FG_PLAN_COMPOSE_H

#include "plan/plan.h"

/* The outputs of a plan, in their order, as the table of source tensors of the next step's plan. They lie in
 * no real file: the table can be planned over, not read. `where` is called the file in messages; `tensors` is
 * an empty table. */
fg_status fg_plan_outputs(const fg_plan *plan, const char *where, fg_tensors *tensors, fg_error *err);

/* `second` was planned over fg_plan_outputs(first); afterwards it reads first's source tensors directly. What
 * second drops, and so uses of a source tensor nothing, is dropped. `first` is left empty, on failure too.
 * FG_ERR_INPUT if the layouts of the two cannot be joined piece by piece. The result is checked
 * (fg_plan_check). */
fg_status fg_plan_compose(fg_plan *first, fg_plan *second, fg_error *err);

#endif
