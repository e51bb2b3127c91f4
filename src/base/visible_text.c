#include "base/visible_text.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8_text.h"

enum { ESCAPE = 12 }; /* "\u202e", and room */

/* Marks of direction (Unicode's Bidi_Control), line and paragraph separators, and the deprecated format
 * characters. */
static bool is_unseen(int32_t code) {
    return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x206f);
}

/* The text of the character at *at in place of itself, and its length; *at moves on. 0: it stays as it is. */
static size_t escape(const char **at, const char *end, fg_visible_layout layout, char text[ESCAPE]) {
    const unsigned char *here = (const unsigned char *)*at;
    unsigned char byte = *here;
    int32_t code = fg_utf8_next(at, end);
    if (code == FG_UTF8_INVALID) {
        *at = (const char *)here + 1;
        return (size_t)snprintf(text, ESCAPE, "\\x%02x", byte);
    }
    if (code == '\n' || code == '\t') {
        if (layout == FG_VISIBLE_LINES) return 0;
        return (size_t)snprintf(text, ESCAPE, "%s", code == '\n' ? "\\n" : "\\t");
    }
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return (size_t)snprintf(text, ESCAPE, "\\x%02x", (unsigned)code);
    return is_unseen(code) ? (size_t)snprintf(text, ESCAPE, "\\u%04x", (unsigned)code) : 0;
}

bool fg_visible(const char *text) {
    char instead[ESCAPE];
    const char *end = text + strlen(text);
    for (const char *at = text; at < end;) {
        if (escape(&at, end, FG_VISIBLE_LINE, instead)) return false;
    }
    return true;
}

fg_status fg_visible_add(const char *text, size_t length, fg_visible_layout layout, fg_buffer *out,
                         fg_error *err) {
    const char *plain = text;
    char instead[ESCAPE];
    if (!length) return FG_OK; /* text may be NULL */
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        const char *here = at;
        size_t size = escape(&at, end, layout, instead);
        if (!size) continue;
        FG_CALL(fg_buffer_add(out, plain, (size_t)(here - plain), err));
        FG_CALL(fg_buffer_add(out, instead, size, err));
        plain = at;
    }
    return end > plain ? fg_buffer_add(out, plain, (size_t)(end - plain), err) : FG_OK;
}

void fg_visible_in_place(char *text, size_t size, fg_visible_layout layout) {
    char copy[FG_VISIBLE_LIMIT], instead[ESCAPE];
    size_t length = strlen(text), plain = 0, used = 0, room = size < sizeof copy ? size : sizeof copy;
    while (text[plain] >= ' ' && text[plain] < 0x7f) plain++;
    if (plain == length && length < room) return; /* most lines */
    for (const char *at = text, *end = text + length; at < end;) {
        const char *here = at;
        size_t escaped = escape(&at, end, layout, instead), bytes = escaped ? escaped : (size_t)(at - here);
        if (used + bytes >= room) break;
        memcpy(copy + used, escaped ? instead : here, bytes);
        used += bytes;
    }
    memcpy(text, copy, used);
    text[used] = '\0';
}
