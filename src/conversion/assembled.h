/* A source whose files hold vectors that the model's tensors were cut into (format/assembly.h): how they are
 * put together, and how that joins the plan of a conversion.
 *
 * Invariant: the steps of a route are planned over the model's tensors, as for any other source; then the
 * plan that puts them together is composed with that one, so that the destination is written right from the
 * vectors.
 */
#ifndef FG_CONVERSION_ASSEMBLED_H
#define FG_CONVERSION_ASSEMBLED_H

#include "conversion/recipe.h"
#include "format/assembly.h"
#include "format/checkpoint.h"
#include "language/catalogue.h"

/* Empty for other sources. */
typedef struct fg_assembled {
    fg_assembly assembly;
    fg_plan steps;     /* owned; the conversion's plan over the model's tensors: it knows their names */
    fg_dtype *rounded; /* owned; what it rounds each of them to; NULL: it casts nothing */
} fg_assembled;

/* "older" or "newer"; NULL: by values. */
const char *fg_parameter_order_name(fg_parameter_order order);

/* The assembly of an opened checkpoint (with its tensors) of a format that has one. `parameter_order`: such a
 * name, another is FG_ERR_USAGE, or NULL. The configuration is completed by the format's classes first; what
 * they do not know is FG_ERR_INPUT. */
fg_status fg_assemble_checkpoint(const fg_checkpoint *checkpoint, fg_catalogue *catalogue,
                                 const char *parameter_order, fg_assembly *assembly, fg_error *err);

/* The same for a configuration that a converter completed. `tensors`: the vectors. */
fg_status fg_assembled_begin(const fg_checkpoint *checkpoint, const fg_tensors *tensors,
                             const json_t *completed, const char *parameter_order, fg_assembled *assembled,
                             fg_error *err);
/* `plan`, made over the model's tensors, becomes one that reads the vectors. */
fg_status fg_assembled_join(fg_assembled *assembled, fg_plan *plan, fg_error *err);
void fg_assembled_free(fg_assembled *assembled);

#endif
