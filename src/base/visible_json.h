/* A document for people: what base/visible_text.h says of texts, for all strings and keys of a JSON value. */
#ifndef FG_BASE_VISIBLE_JSON_H
#define FG_BASE_VISIBLE_JSON_H

#include "base/json.h"

/* A copy in which each string and each key is a part of a line. Keys that become equal count as one. New
 * reference. */
fg_status fg_visible_json(const json_t *value, json_t **visible, fg_error *err);

#endif
