/* Values in which texts that begin with "= " are expressions, at any depth. */
#ifndef FG_LANGUAGE_TEMPLATE_H
#define FG_LANGUAGE_TEMPLATE_H

#include "language/expression.h"

/* FG_ERR_INPUT for an expression in a value that does not parse; `every`: each text is one. `where` is for
 * the message. */
fg_status fg_template_check(const json_t *value, bool every, const char *where, fg_error *err);
/* A copy of `value` in which each expression is replaced by what it evaluates to. New reference. */
fg_status fg_template_value(const json_t *value, const fg_scope *scope, const char *where, json_t **result,
                            fg_error *err);

#endif
