/* ByteFallback, a decoder: runs of the tokens "<0x00>" to "<0xFF>" become the text of these bytes. */
#include <string.h>

#include "base/utf8_text.h"
#include "tokenizer/component.h"

enum { BYTE_TOKEN = 6 }; /* "<0x0A>" */
#define REPLACEMENT "\xef\xbf\xbd"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "<0x0A>", or -1. Rust's number reader, HF's, also takes a sign. */
static int byte_of(const char *token, size_t length) {
    if (length != BYTE_TOKEN || memcmp(token, "<0x", 3) != 0 || token[5] != '>') return -1;
    int low = hex_digit(token[4]), high = token[3] == '+' ? 0 : hex_digit(token[3]);
    return low < 0 || high < 0 ? -1 : high << 4 | low;
}

/* A run of bytes: their text, or one U+FFFD for each when they make none. */
static fg_status add_bytes(const fg_buffer *bytes, fg_spans *out, fg_error *err) {
    if (!bytes->length) return FG_OK;
    if (fg_utf8_valid(bytes->data, bytes->length)) return fg_spans_add(out, bytes->data, bytes->length, err);
    for (size_t i = 0; i < bytes->length; i++) FG_CALL(fg_spans_add(out, REPLACEMENT, 3, err));
    return FG_OK;
}

static fg_status byte_fallback(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    (void)settings;
    fg_buffer bytes = {0};
    for (size_t i = 0; i < tokens->count; i++) {
        const char *text = fg_spans_text(tokens, i);
        size_t length = tokens->pieces[i].length;
        int byte = byte_of(text, length);
        if (byte >= 0) {
            FG_TRY(fg_buffer_add(&bytes, &(char){(char)byte}, 1, err));
            continue;
        }
        FG_TRY(add_bytes(&bytes, out, err));
        fg_buffer_clear(&bytes);
        FG_TRY(fg_spans_add(out, text, length, err));
    }
    FG_TRY(add_bytes(&bytes, out, err));
done:
    fg_buffer_free(&bytes);
    return status;
}

const fg_component_kind fg_byte_fallback = {
    .family = FG_DECODER, .type = "ByteFallback", .keys = "type", .decode = byte_fallback};
