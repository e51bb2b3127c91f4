/* Lint of claims of objects: what they may hold is said leaf by leaf, and what the file itself writes into
 * them is among it. */
#ifndef FG_LINT_LINT_CLAIMS_H
#define FG_LINT_LINT_CLAIMS_H

#include "base/buffer.h"
#include "language/declaration.h"

/* Adds a line for each declaration that is wrong, "; " between. */
fg_status fg_lint_claims(const fg_declarations *declarations, fg_buffer *wrong, fg_error *err);

#endif
