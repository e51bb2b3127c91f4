/* Name rules of a drafted converter: one for each module, where those of the nearest family do not do.
 */
#ifndef FG_DRAFT_DRAFT_NAMES_H
#define FG_DRAFT_DRAFT_NAMES_H

#include "language/converter.h"

/* Adds "to_TARGET" and "to_hf" to a converter that extends `nearest`, unless its rules give each tensor that
 * is new in `tensors` the name that `targets` has, and none of its tensors goes (null). */
fg_status fg_draft_names(const fg_converter *nearest, const json_t *tensors, const json_t *targets,
                         json_t *document, fg_error *err);

#endif
