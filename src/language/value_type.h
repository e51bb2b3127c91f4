/* What "type" says of a value: count, size, number, positive, probability, flag, text, texts, ids, object;
 * "?" behind it: or null. */
#ifndef FG_LANGUAGE_VALUE_TYPE_H
#define FG_LANGUAGE_VALUE_TYPE_H

#include "base/json.h"

bool fg_type_known(const char *type);
/* NULL if the value is of the type; else what was expected ("an integer of 1 or more"). */
const char *fg_type_mismatch(const char *type, const json_t *value);

#endif
