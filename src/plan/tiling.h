/* Parts of fg_plan_check: the exact proof that the pieces of one output cover each of its elements once. */
#ifndef FG_PLAN_TILING_H
#define FG_PLAN_TILING_H

#include "plan/plan.h"

/* Where a strided box ends: `start` + the sum of (extent - 1) * stride, in `last`. False on overflow. */
bool fg_box_last(uint32_t dims, const uint64_t *extent, const uint64_t *stride, uint64_t start,
                 uint64_t *last);

/* FG_ERR_BUG names the output and an element that is not covered, or more than once. The pieces' boxes must
 * lie inside the output. */
fg_status fg_tiling_check(const fg_output *output, const fg_piece *pieces, size_t count, fg_error *err);

#endif
