/* Checks of the model code that a converter emits, without a model: on a small configuration, and on it with
 * each flag on and off. */
#ifndef FG_LINT_LINT_CODE_H
#define FG_LINT_LINT_CODE_H

#include "language/converter.h"

/* Adds what is wrong to `wrong`, "; " between. `sample`: a configuration of hf, or NULL: the one that the
 * declaration's "example" gives. A converter without code passes. */
fg_status fg_lint_code(const fg_converter *converter, const json_t *sample, fg_buffer *wrong, fg_error *err);

#endif
