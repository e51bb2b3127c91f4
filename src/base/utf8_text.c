#include "base/utf8_text.h"

int32_t fg_utf8_next(const char **at, const char *end) {
    const unsigned char *here = (const unsigned char *)*at, *stop = (const unsigned char *)end;
    unsigned lead = *here++;
    *at = (const char *)here;
    if (lead < 0x80) return (int32_t)lead;
    if (lead < 0xc2 || lead > 0xf4) return FG_UTF8_INVALID;
    unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    /* The second byte's range excludes longer forms of what is shorter, surrogates and what is too large. */
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    int32_t code = (int32_t)(lead & (0x3fu >> more));
    for (; more; more--, low = 0x80, high = 0xbf) {
        if (here == stop || *here < low || *here > high) return FG_UTF8_INVALID;
        code = code << 6 | (*here++ & 0x3f);
        *at = (const char *)here;
    }
    return code;
}

bool fg_utf8_valid(const char *bytes, size_t length) {
    const char *end = bytes + length;
    for (const char *at = bytes; at < end;) {
        if ((unsigned char)*at < 0x80)
            at++;
        else if (fg_utf8_next(&at, end) == FG_UTF8_INVALID)
            return false;
    }
    return true;
}

size_t fg_utf8_put(uint32_t code, char buffer[FG_UTF8_MOST]) {
    if (code < 0x80) {
        buffer[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; code >>= 6) buffer[i] = (char)(0x80 | (code & 0x3f));
    buffer[0] = (char)(code | 0xf00u >> size);
    return size;
}

fg_status fg_utf8_replace_invalid(const char *bytes, size_t length, fg_buffer *text, fg_error *err) {
    const char *end = bytes + length, *good = bytes;
    fg_status status = FG_OK;
    for (const char *at = bytes; at < end;) {
        const char *here = at;
        if (fg_utf8_next(&at, end) != FG_UTF8_INVALID) continue;
        FG_TRY(fg_buffer_add(text, good, (size_t)(here - good), err));
        FG_TRY(fg_buffer_add(text, "\xef\xbf\xbd", 3, err));
        good = at;
    }
    if (end > good) status = fg_buffer_add(text, good, (size_t)(end - good), err);
done:
    return status;
}
