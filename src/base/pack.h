/* Numbers and names as bytes, for what is sent between ranks: a number has 7 bits a byte, the lowest first,
 * and the eighth bit says that more follow (LEB128); a name has its length in front.
 *
 * Invariant: reading stays inside the bytes. What is damaged is FG_ERR_BUG that names it.
 */
#ifndef FG_BASE_PACK_H
#define FG_BASE_PACK_H

#include <stdint.h>

#include "base/buffer.h"

fg_status fg_pack_number(fg_buffer *out, uint64_t number, fg_error *err);
fg_status fg_pack_numbers(fg_buffer *out, const uint64_t *numbers, size_t count, fg_error *err);
fg_status fg_pack_name(fg_buffer *out, const char *name, fg_error *err);

/* Start from {.what = "a plan", .at = ..., .end = ..., .err = ...}; free with fg_buffer_free(&name). */
typedef struct fg_unpacker {
    const char *what; /* for messages */
    const unsigned char *at, *end;
    fg_buffer name; /* the last one that was read */
    fg_error *err;
} fg_unpacker;

fg_status fg_unpack_damaged(const fg_unpacker *from, const char *why);
/* The next number, at most `limit`. */
fg_status fg_unpack_number(fg_unpacker *from, uint64_t limit, uint64_t *number);
/* A count of things that take at least one byte each: not more than the bytes that are left. */
fg_status fg_unpack_count(fg_unpacker *from, uint64_t *count);
fg_status fg_unpack_numbers(fg_unpacker *from, size_t count, uint64_t *numbers);
/* The next name, without NUL inside. Borrowed, until the next one is read. */
fg_status fg_unpack_name(fg_unpacker *from, const char **name);
/* Nothing may be left. */
fg_status fg_unpack_end(const fg_unpacker *from);

#endif
