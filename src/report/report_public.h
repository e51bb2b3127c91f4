/* A report that others get with a model: without paths of the machine that it was made on. */
#ifndef FG_REPORT_REPORT_PUBLIC_H
#define FG_REPORT_REPORT_PUBLIC_H

#include "base/json.h"

/* A new reference: wherever a path that the report names (arguments, directories, options) is in a text, its
 * last component is left of it. */
fg_status fg_report_public(const json_t *report, json_t **copy, fg_error *err);

#endif
