/* The load-time check of the "weights" of sections, which mapping/ makes tensor maps from. */
#ifndef FG_LANGUAGE_WEIGHTS_CHECK_H
#define FG_LANGUAGE_WEIGHTS_CHECK_H

#include "language/declaration.h"

/* FG_ERR_INPUT with file, line and rule: unknown members, expressions that do not parse, labels that lead to
 * no section. */
fg_status fg_weights_check(const fg_declarations *declarations, const fg_layers *layers, fg_error *err);

#endif
