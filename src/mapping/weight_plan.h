/* The plan of a conversion whose converter has "weights" (convert/tensor_map.h). */
#ifndef FG_MAPPING_WEIGHT_PLAN_H
#define FG_MAPPING_WEIGHT_PLAN_H

#include "mapping/tensor_map.h"
#include "mapping/tensor_plan.h"

/* As fg_tensor_plan, which it is for such converters; `target` is fg_translation.target. The parts of one
 * tensor of the target must have one dtype unless `cast` gives one. A tied tensor is on neither side; a
 * source that holds it nevertheless must hold the same bytes as its partner. */
fg_status fg_weight_plan(const fg_converter *converter, fg_direction direction, fg_tensors *source,
                         const json_t *target, fg_dtype cast, const fg_row_edits *rows, fg_plan *plan,
                         fg_error *err);

#endif
