/* Walking over JSON text without building values: for files of many megabytes of which little is wanted
 * (a vocabulary takes several times its text as values), and for what has an entry for each tensor.
 *
 * Invariant: reads stay inside the text and the NUL that ends it, whatever it holds; depth is bounded. What
 * is skipped is only checked for brackets and quotes that match.
 *
 * A walk: enter an object or array, then for each member fg_json_scan_next, and consume its value (enter it,
 * read it, or skip it).
 *
 * Plain JSON, as programs write it, is read in place: strings of printable ASCII without escapes, whole
 * numbers of 0 or more. These functions say false for anything else; the caller then leaves the text to
 * base/json.h, which reads it after all, or says what is wrong.
 */
#ifndef FG_BASE_JSON_SCAN_H
#define FG_BASE_JSON_SCAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

enum { FG_JSON_SCAN_DEPTH = 64 };

/* Start from {.name = ..., .text = ..., .length = ...}. */
typedef struct fg_json_scan {
    const char *name; /* for messages */
    const char *text; /* borrowed; text[length] is NUL */
    size_t length;
    size_t at;  /* the next byte to look at */
    bool fresh; /* an object or array was entered and nothing of it consumed */
} fg_json_scan;

/* Bytes of the text, from `begin` on. */
typedef struct fg_json_span {
    size_t begin, length;
} fg_json_span;

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

/* Passes white space, then this byte if it comes next. */
bool fg_json_plain_accept(fg_json_scan *scan, char wanted);
/* The string that comes next. Its closing quote is behind it. */
bool fg_json_plain_string(fg_json_scan *scan, fg_json_span *string);
/* The same for the key of an object's member, with the colon. */
bool fg_json_plain_key(fg_json_scan *scan, fg_json_span *key);
/* Passes over an object of strings and counts them. */
bool fg_json_plain_strings(fg_json_scan *scan, size_t *count);
/* The integer that comes next, of at most 18 digits; false, and the scan stays, if it is anything else. */
bool fg_json_plain_integer(fg_json_scan *scan, int64_t *value);
/* "[n, n, ...]": at most `most` of them, each small enough for any sum of two. */
bool fg_json_plain_numbers(fg_json_scan *scan, uint64_t *numbers, uint32_t most, uint32_t *count);
/* How many bytes at the beginning of `text` are in a string as they are. */
size_t fg_json_plain_length(const char *text);

/* The line (from 1) where the value at `path` begins in a JSON text that ends in NUL; 0 if not found. */
unsigned fg_json_line(const char *text, size_t length, const char *path);

#endif
