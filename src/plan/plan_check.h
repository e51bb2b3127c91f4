/* The checks of a plan: that its invariant (plan/plan.h) holds. */
#ifndef FG_PLAN_PLAN_CHECK_H
#define FG_PLAN_PLAN_CHECK_H

#include "plan/plan.h"

/* What is wrong is FG_ERR_INPUT naming the tensor (a missing or left-over tensor), or FG_ERR_BUG. */
fg_status fg_plan_check(const fg_plan *plan, fg_error *err);
/* The cheap part of it, for a plan that was sent: shapes and pieces lie inside what they refer to. */
fg_status fg_plan_check_bounds(const fg_plan *plan, fg_error *err);

#endif
