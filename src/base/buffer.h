/* Text that grows. Start from `fg_buffer text = {0}`; free with fg_buffer_free. `data` is always terminated
 * once something was added; NULL before. */
#ifndef FG_BASE_BUFFER_H
#define FG_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fg_buffer {
    char *data; /* owned */
    size_t length;
    size_t capacity;
    size_t limit; /* more bytes are FG_ERR_INPUT: for text whose growth a file decides; 0: any number */
} fg_buffer;

fg_status fg_buffer_add(fg_buffer *text, const void *bytes, size_t length, fg_error *err);
fg_status fg_buffer_printf(fg_buffer *text, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a text or a number in digits alone, several times as fast: what is written once a tensor. */
fg_status fg_buffer_put(fg_buffer *text, const char *more, fg_error *err);
fg_status fg_buffer_put_u64(fg_buffer *text, uint64_t number, fg_error *err);
void fg_buffer_clear(fg_buffer *text); /* length 0, memory kept */
void fg_buffer_free(fg_buffer *text);

/* A number of bytes for people: "5.9 GB", "96 MB" (powers of 1000). `buffer` has at least 24 bytes; it is
 * returned. */
const char *fg_bytes_text(uint64_t bytes, char *buffer);

enum { FG_REAL_TEXT = 40 };
/* A finite number in the fewest digits that read back the same, as Python writes it: "0.1", "1.0", "1e-05".
 * `buffer` is returned. */
const char *fg_real_text(double value, char buffer[FG_REAL_TEXT]);

/* For qsort of an array of texts: bytewise. */
int fg_by_name(const void *a, const void *b);

/* Whether `name` ends in / starts with the other. */
bool fg_ends_with(const char *name, const char *end);
bool fg_starts_with(const char *name, const char *start);

#endif
