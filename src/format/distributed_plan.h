/* From a layout to plans: each parameter as boxes in the vectors of ranks.
 *
 * A piece of a data rank may end anywhere. A box of n dimensions that is cut there becomes at most n boxes on
 * each side (in two dimensions: whole rows and the rest of one), never one a row.
 */
#ifndef FG_FORMAT_DISTRIBUTED_PLAN_H
#define FG_FORMAT_DISTRIBUTED_PLAN_H

#include "format/distributed_layout.h"

/* `vectors` has one tensor a rank, in their order. Outputs are the parameters that are stored, as
 * fg_parameter says; the vectors that nothing is taken from are dropped. The plan is checked. */
fg_status fg_distributed_plan(const fg_distributed_layout *layout, fg_parameter_order order,
                              const fg_tensors *vectors, fg_plan *plan, fg_error *err);
/* What is stored more than once: parameters that tensor parallelism does not divide, on tensor ranks above 0;
 * and the tied stage's copies on other pipeline ranks. As fg_assembly has them; not checked. */
fg_status fg_distributed_copies(const fg_distributed_layout *layout, fg_parameter_order order,
                                const fg_tensors *vectors, fg_plan *originals, fg_plan *copies,
                                fg_error *err);

#endif
