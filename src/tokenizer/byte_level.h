/* The alphabet of byte-level tokenizers: each byte is written as a visible character. */
#ifndef FG_TOKENIZER_BYTE_LEVEL_H
#define FG_TOKENIZER_BYTE_LEVEL_H

#include "base/buffer.h"

/* Appends each byte's character. */
fg_status fg_byte_level_write(const char *bytes, size_t length, fg_buffer *out, fg_error *err);
/* Appends the bytes that the characters stand for; a text with another character is appended as it is. */
fg_status fg_byte_level_read(const char *text, size_t length, fg_buffer *out, fg_error *err);

#endif
