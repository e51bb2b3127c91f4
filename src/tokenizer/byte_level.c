#include "tokenizer/byte_level.h"

#include "base/utf8_text.h"

enum { FIRST_FREE = 256, HIDDEN = 68, BUFFER = 512 };

/* Bytes that are no visible Latin-1 character have the characters from U+0100 on, in order. */
static bool is_visible(unsigned byte) {
    return (byte > ' ' && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
}

static uint32_t character_of(unsigned byte) {
    if (is_visible(byte)) return byte;
    if (byte <= ' ') return FIRST_FREE + byte;
    return byte == 0xad ? FIRST_FREE + HIDDEN - 1 : FIRST_FREE + ' ' + 1 + (byte - 0x7f);
}

/* FG_UTF8_INVALID for a character that encodes no byte. */
static int byte_of(int32_t code) {
    if (code < 0 || code >= FIRST_FREE + HIDDEN) return FG_UTF8_INVALID;
    if (code < FIRST_FREE) return is_visible((unsigned)code) ? code : FG_UTF8_INVALID;
    if (code <= FIRST_FREE + ' ') return code - FIRST_FREE;
    return code == FIRST_FREE + HIDDEN - 1 ? 0xad : code - FIRST_FREE - ' ' - 1 + 0x7f;
}

fg_status fg_byte_level_write(const char *bytes, size_t length, fg_buffer *out, fg_error *err) {
    char buffer[BUFFER];
    size_t filled = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte > ' ' && byte < 0x7f)
            buffer[filled++] = (char)byte;
        else
            filled += fg_utf8_put(character_of(byte), buffer + filled);
        if (filled + FG_UTF8_MOST <= BUFFER && i + 1 < length) continue;
        fg_status status = fg_buffer_add(out, buffer, filled, err);
        if (status != FG_OK) return status;
        filled = 0;
    }
    return FG_OK;
}

fg_status fg_byte_level_read(const char *text, size_t length, fg_buffer *out, fg_error *err) {
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        if (byte_of(fg_utf8_next(&at, end)) < 0) return fg_buffer_add(out, text, length, err);
    }
    for (const char *at = text; at < end;) {
        char byte = (char)byte_of(fg_utf8_next(&at, end));
        fg_status status = fg_buffer_add(out, &byte, 1, err);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}
