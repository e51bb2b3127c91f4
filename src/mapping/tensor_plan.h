/* The plan of a conversion, from a tensor map and the source's tensor table.
 *
 * Coverage of tensors: each tensor of the map must be there with the shape that it says; each source tensor
 * must be used, or dropped by a rule that names it; each output is filled once.
 */
#ifndef FG_MAPPING_TENSOR_PLAN_H
#define FG_MAPPING_TENSOR_PLAN_H

#include "mapping/tensor_map.h"
#include "plan/rows.h"

/* Where names may be missing or unexpected (`fgconv update --no-strict`), as the source calls them: arrays
 * of names, owned by the caller; NULL where they are not needed. */
typedef struct fg_tensor_gaps {
    json_t *missing, *unexpected;
} fg_tensor_gaps;

/* What else a plan depends on; all borrowed. */
typedef struct fg_tensor_plan_options {
    fg_dtype
        cast; /* FG_DTYPE_NONE keeps each tensor's own type; else floats get it and integers are refused */
    const fg_row_edits *rows; /* what rows of the vocabulary's tensors become; NULL or empty: they stay */
    /* Gets the names of tensors that are missing, which the plan then does not make, and of those that no
     * rule covers, which it drops; NULL: both are refused. */
    const fg_tensor_gaps *gaps;
} fg_tensor_plan_options;

/* Import goes from hf to the target. The parts of one tensor of the target must have one dtype unless
 * there is a cast. A tied tensor is written under both names if the target is one that has it twice, and
 * left out otherwise; when the source holds both, their bytes are compared here (streamed) and a
 * difference is FG_ERR_INPUT. Takes the source table over into the plan, and the map's names (both are left
 * empty, on failure too; the plan is then empty): together they would not fit where the plan alone does. The
 * plan is checked (fg_plan_check). Outputs are in the order of the map. */
fg_status fg_tensor_plan(fg_tensor_map *map, fg_direction direction, fg_tensors *source,
                         const fg_tensor_plan_options *options, fg_plan *plan, fg_error *err);

/* The name of the float type that most bytes of the outputs have ("bfloat16"); NULL for a plan without
 * floats. */
const char *fg_plan_main_dtype(const fg_plan *plan);

#endif
