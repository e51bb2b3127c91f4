/* Choosing among the sections that a declaration leads to. */
#ifndef FG_LANGUAGE_CHOICE_H
#define FG_LANGUAGE_CHOICE_H

#include "language/classes.h"
#include "language/declaration.h"

/* The choice whose class is exactly that of the target's configuration at `path` below `configuration` (of
 * the root's class), and whose condition holds. NULL: there is none. */
fg_status fg_choice_by_class(const fg_classes *classes, const fg_section *root, const json_t *configuration,
                             const fg_declaration *declaration, const char *path, const fg_choice **choice,
                             fg_error *err);

#endif
