/* Reading JSON as programs write it, in place and without values, which a JSON library takes ten times as
 * long for: what has an entry a tensor.
 *
 * Invariant: takes less than JSON, and nothing else: strings of printable ASCII without escapes, whole
 * numbers of 0 or more. Whoever meets anything else (false) leaves the text to base/json.h, which reads it
 * after all, or says what is wrong.
 */
#ifndef FG_BASE_JSON_PLAIN_H
#define FG_BASE_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text ends in NUL, which nothing here passes unless it is asked for. */
typedef struct fg_json_plain {
    char *at; /* the next byte to look at */
} fg_json_plain;

/* How many bytes at the beginning of `text` are in a string as they are. */
size_t fg_json_plain_length(const char *text);
/* Passes white space, then this byte if it comes next. */
bool fg_json_plain_accept(fg_json_plain *scan, char wanted);
/* The string that comes next, where it lies in the text. Not terminated: its closing quote is behind it. */
bool fg_json_plain_string(fg_json_plain *scan, char **begin, size_t *length);
/* The same for the key of an object's member, with the colon. */
bool fg_json_plain_key(fg_json_plain *scan, char **begin, size_t *length);
/* Passes over an object of strings and counts them. */
bool fg_json_plain_strings(fg_json_plain *scan, size_t *count);
/* "[n, n, ...]": at most `most` of them, each small enough for any sum of two. */
bool fg_json_plain_numbers(fg_json_plain *scan, uint64_t *numbers, uint32_t most, uint32_t *count);

#endif
