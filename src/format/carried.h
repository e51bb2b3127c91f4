/* Settings that a format has no place for: an array of {"key", "value", "reason"}, as
 * fg_translation.left_out. A format with a carried_path keeps them in its document. In the directory of
 * any other format, those of such a format lie in a file of their own, {"about", SCHEMA: the array}, and
 * come back when the model is converted to it again.
 */
#ifndef FG_FORMAT_CARRIED_H
#define FG_FORMAT_CARRIED_H

#include "format/format.h"

#define FG_CARRIED_FILE "fgconv_carried.json"

/* A copy sorted by key, so that the order of the source's keys does not matter. A new reference. */
fg_status fg_carried_sort(const json_t *settings, json_t **sorted, fg_error *err);
/* The settings of `format` in the file of a directory, a new reference; NULL: it has none. FG_ERR_INPUT:
 * they cannot be read. */
fg_status fg_carried_read(const char *directory, const fg_format *format, json_t **settings, fg_error *err);
/* The content of the file for these settings of `format`, a new reference. */
fg_status fg_carried_document(const fg_format *format, const json_t *settings, json_t **document,
                              fg_error *err);

#endif
