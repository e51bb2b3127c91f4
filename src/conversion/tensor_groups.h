/* The map of tensors for people: outputs of a plan that differ only in numbers inside of their names are one
 * group, "layers.{0..79}.mlp.up_proj.weight", with what they are made of and how.
 */
#ifndef FG_CONVERSION_TENSOR_GROUPS_H
#define FG_CONVERSION_TENSOR_GROUPS_H

#include "base/json.h"
#include "plan/plan.h"

/* The part "map" of the report: groups in the order of their first tensors. `places`, unless NULL, gets for
 * each output which of them it is in. */
fg_status fg_tensor_groups_report(const fg_plan *plan, uint32_t *places, json_t *report, fg_error *err);

#endif
