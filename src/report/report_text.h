/* Parts of the printed summary: labelled lines, counted nouns, and reading a report that may lack
 * anything.
 *
 * Invariant: a key of another type counts as missing, and what is missing is not printed.
 */
#ifndef FG_REPORT_REPORT_TEXT_H
#define FG_REPORT_REPORT_TEXT_H

#include <stdbool.h>

#include "base/json.h"

/* "  label     text\n"; the label may be "". */
fg_status fg_report_line(fg_buffer *out, const char *label, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The value at a path; false if there is no number / no count of 0 or more. */
bool fg_report_number(const json_t *report, const char *path, double *value);
bool fg_report_count(const json_t *report, const char *path, uint64_t *value);
/* The string at a path, or `otherwise`. Borrowed. */
const char *fg_report_string(const json_t *report, const char *path, const char *otherwise);

/* A part of the model, as the report names it, for people: "the feed-forward layer" for "mlp"; NULL for
 * NULL. */
const char *fg_report_part(const char *part);

enum { FG_REPORT_WORDS = 320 };

/* "1 tensor", "272 tensors", in `buffer` (FG_REPORT_WORDS bytes), which is returned. */
const char *fg_report_counted(uint64_t count, const char *noun, char *buffer);
/* "models/smol (hf, llama)" for report[side], "source" or "destination". */
const char *fg_report_side(const json_t *report, const char *side, char *buffer);
/* "bfloat16 and float32", the names of report[side].dtypes, most bytes first; "" if there are none. */
const char *fg_report_dtypes(const json_t *report, const char *side, char *buffer);
/* A line for each side whose weights are those of a training checkpoint: which, and why that one. */
fg_status fg_report_weights(const json_t *report, fg_buffer *out, fg_error *err);
/* The first strings of an array, or `key` of its objects, with ", " between and "and N more" when they do not
 * fit. */
const char *fg_report_names(const json_t *array, const char *key, char *buffer);
/* Adds a line about the model code of the destination, if it is of a format that has code. */
fg_status fg_report_code(const json_t *report, fg_buffer *out, fg_error *err);
/* "0.84 s", "2 min 05 s" */
const char *fg_report_duration(double seconds, char *buffer);

#endif
