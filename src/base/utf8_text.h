/* Characters of UTF-8 text: the one decoder.
 *
 * Invariant: fg_utf8_next never reads past `end` and always moves on.
 */
#ifndef FG_BASE_UTF8_TEXT_H
#define FG_BASE_UTF8_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum { FG_UTF8_INVALID = -1, FG_UTF8_MOST = 4 }; /* bytes of the longest character */

/* The code point at *at (which is before `end`), moving *at behind it. FG_UTF8_INVALID for bytes that are no
 * character; *at then moves behind the longest run that begins one (one byte at least), as Unicode advises
 * and Python and Rust do. */
int32_t fg_utf8_next(const char **at, const char *end);

/* Whether all of it is UTF-8: shortest forms only, no surrogates, at most U+10FFFF. */
bool fg_utf8_valid(const char *bytes, size_t length);

/* Bytes of the character that begins with `lead`, in text that is known to be valid. */
static inline size_t fg_utf8_size(char lead) {
    unsigned char byte = (unsigned char)lead;
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/* Writes the character into `buffer` and returns its bytes. `code` is a code point that is no surrogate. */
size_t fg_utf8_put(uint32_t code, char buffer[FG_UTF8_MOST]);

/* Appends the text with U+FFFD for each run of invalid bytes, as Python's bytes.decode("utf-8",
 * errors="replace") makes it. */
fg_status fg_utf8_replace_invalid(const char *bytes, size_t length, fg_buffer *text, fg_error *err);

#endif
