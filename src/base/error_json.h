/* An error as one JSON object, for programs (--json): {"status": "error", "exit": 3, "what": ..., "file":
 * ..., "key": ..., "found": ..., "expected": ..., "while": ..., "hint": ..., "rank": ...}.
 *
 * file, key, found and expected are null where the message does not say them (base/error_fields.h). Allocates
 * nothing: memory may be what is missing.
 */
#ifndef FG_BASE_ERROR_JSON_H
#define FG_BASE_ERROR_JSON_H

#include <stdio.h>

#include "base/error.h"

/* Prints it and a newline; what does not arrive is lost. */
void fg_error_json(const fg_error *err, FILE *out);

#endif
