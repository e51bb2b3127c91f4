/* The plan of a conversion: that of each step, joined. No weight is read, except two tied tensors that must
 * be equal. */
#ifndef FG_CONVERSION_PLAN_STEPS_H
#define FG_CONVERSION_PLAN_STEPS_H

#include "conversion/assembled.h"
#include "conversion/decisions.h"
#include "mapping/tensor_plan.h"

/* Takes the source's table of tensors over into the plan. `assembled`: zeroed; filled for a source whose
 * files hold vectors. `gaps`: zeroed; gets new arrays with the tensors
 * that an update with --no-strict allowed to be missing or unexpected, else NULL. */
fg_status fg_plan_steps(const fg_decisions *decisions, fg_tensors *tensors, fg_plan *plan,
                        fg_assembled *assembled, fg_tensor_gaps *gaps, fg_error *err);
void fg_tensor_gaps_free(fg_tensor_gaps *gaps);

#endif
