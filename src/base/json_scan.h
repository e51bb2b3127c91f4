/* Walking over JSON text without building values: for files of many megabytes of which little is wanted
 * (a vocabulary takes several times its text as values).
 *
 * Invariant: reads stay inside the text whatever it holds; depth is bounded. What is skipped is only checked
 * for brackets and quotes that match.
 *
 * A walk: enter an object or array, then for each member fg_json_scan_next, and consume its value (enter it,
 * read it, or skip it).
 */
#ifndef FG_BASE_JSON_SCAN_H
#define FG_BASE_JSON_SCAN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

enum { FG_JSON_SCAN_DEPTH = 64 };

/* Start from {.name = ..., .text = ..., .length = ...}. */
typedef struct fg_json_scan {
    const char *name; /* for messages */
    const char *text; /* borrowed */
    size_t length;
    size_t at;  /* the next byte to look at */
    bool fresh; /* an object or array was entered and nothing of it consumed */
} fg_json_scan;

/* The first byte of the value that comes next: '{', '[', '"', a digit ...; 0 at the end of the text. */
char fg_json_scan_peek(fg_json_scan *scan);
/* Enters the object ('{') or array ('[') that comes next. FG_ERR_INPUT if something else does. */
fg_status fg_json_scan_enter(fg_json_scan *scan, char bracket, fg_error *err);
/* Whether there is another member; if not, the closing bracket is consumed. `key` gets the key of an
 * object's member; NULL for arrays. */
fg_status fg_json_scan_next(fg_json_scan *scan, fg_buffer *key, bool *more, fg_error *err);
/* The string that comes next, its escapes resolved, in place of what `out` holds. */
fg_status fg_json_scan_string(fg_json_scan *scan, fg_buffer *out, fg_error *err);
/* The value that comes next, as a value. New reference. */
fg_status fg_json_scan_value(fg_json_scan *scan, json_t **value, fg_error *err);
/* Passes over the value that comes next. */
fg_status fg_json_scan_skip(fg_json_scan *scan, fg_error *err);

#endif
