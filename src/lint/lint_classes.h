/* The static half of lint for converters whose target has classes: checks of a section that need no
 * configuration. */
#ifndef FG_LINT_LINT_CLASSES_H
#define FG_LINT_LINT_CLASSES_H

#include "language/classes.h"
#include "language/declaration.h"

/* Each section that the root leads to: every architecture field of its class is claimed, down to the leaves;
 * each declaration's field exists; an ignored architecture field has a proof that nothing is lost (nothing of
 * the architecture below it, values that it must have, an "export_if" or "export_warn" that names it); the
 * values of "optional" and "omit" are the field's default; a value that is carried over has a "type" that
 * fits the field's. Sections that the root does not lead to are lint errors too. They are appended to
 * `wrong`, "; " between. */
fg_status fg_lint_classes(const fg_declarations *declarations, const fg_classes *classes, fg_buffer *wrong,
                          fg_error *err);

#endif
