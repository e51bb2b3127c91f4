/* A checkpoint whose files do not hold the model's tensors but vectors that they were cut into: what it takes
 * to put them together, as plans. Nothing is read but headers, and a few norms where their values decide.
 *
 * Invariant: `plan` passes fg_plan_check, and composes (plan/compose.h) with the plan of a conversion that
 * was planned over its outputs.
 */
#ifndef FG_FORMAT_ASSEMBLY_H
#define FG_FORMAT_ASSEMBLY_H

#include "base/json.h"
#include "plan/plan.h"

/* In which order the vectors hold the parameters. Programs of different age differ in it, and no file says
 * which it was. */
typedef enum fg_parameter_order {
    FG_ORDER_BY_VALUES, /* that in which the norms look like norms, if the orders differ for this model */
    FG_ORDER_OLDER,
    FG_ORDER_NEWER,
} fg_parameter_order;

typedef struct fg_assembly_options {
    fg_parameter_order parameter_order;
} fg_assembly_options;

/* Start from zeros. */
typedef struct fg_assembly {
    /* Owned. Sources: the checkpoint's vectors; outputs: the model's tensors, with the names, shapes and
     * dtypes that the schema's converters know. */
    fg_plan plan;
    /* Owned; what is stored more than once. Output i of `originals` is where the plan takes something from,
     * output i of `copies` another place that holds it; both have the same name, shape and dtype. The name
     * says which copy it is: "decoder.0.norm_1.weight on tensor rank 1". Sources as those of the plan; those
     * that neither uses are not listed as dropped. */
    fg_plan originals, copies;
    json_t *facts; /* owned; an object for reports and inspect; its members are the format's to say */
} fg_assembly;

void fg_assembly_free(fg_assembly *assembly);

#endif
