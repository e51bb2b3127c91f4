/* Whether bytes are UTF-8. */
#ifndef FG_LANGUAGE_UTF8_H
#define FG_LANGUAGE_UTF8_H

#include <stdbool.h>

/* Shortest forms only, no surrogates, at most U+10FFFF. */
static inline bool fg_utf8_valid(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        unsigned char lead = *at++;
        if (lead < 0x80) continue;
        if (lead < 0xc2 || lead > 0xf4) return false;
        unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        for (; more; more--, at++, low = 0x80, high = 0xbf) {
            if (*at < low || *at > high) return false;
        }
    }
    return true;
}

#endif
