#include "base/json_plain.h"

size_t fg_json_plain_length(const char *text) {
    const char *at = text;
    while (*at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\') at++;
    return (size_t)(at - text);
}

bool fg_json_plain_accept(fg_json_plain *s, char wanted) {
    while (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r') s->at++;
    if (*s->at != wanted) return false;
    s->at++;
    return true;
}

bool fg_json_plain_string(fg_json_plain *s, char **begin, size_t *length) {
    if (!fg_json_plain_accept(s, '"')) return false;
    *begin = s->at;
    *length = fg_json_plain_length(s->at);
    s->at += *length;
    if (*s->at != '"') return false;
    s->at++;
    return true;
}

bool fg_json_plain_key(fg_json_plain *s, char **begin, size_t *length) {
    return fg_json_plain_string(s, begin, length) && fg_json_plain_accept(s, ':');
}

bool fg_json_plain_strings(fg_json_plain *s, size_t *count) {
    char *text;
    size_t length;
    *count = 0;
    if (!fg_json_plain_accept(s, '{')) return false;
    if (fg_json_plain_accept(s, '}')) return true;
    do {
        if (!fg_json_plain_key(s, &text, &length) || !fg_json_plain_string(s, &text, &length)) return false;
        ++*count;
    } while (fg_json_plain_accept(s, ','));
    return fg_json_plain_accept(s, '}');
}

bool fg_json_plain_numbers(fg_json_plain *s, uint64_t *numbers, uint32_t most, uint32_t *count) {
    enum { DIGITS = 18 };
    if (!fg_json_plain_accept(s, '[')) return false;
    for (*count = 0; !fg_json_plain_accept(s, ']'); (*count)++) {
        if (*count == most || (*count && !fg_json_plain_accept(s, ','))) return false;
        fg_json_plain_accept(s, ' ');
        const char *begin = s->at;
        uint64_t value = 0;
        while (*s->at >= '0' && *s->at <= '9' && s->at - begin < DIGITS)
            value = value * 10 + (uint64_t)(*s->at++ - '0');
        if (s->at == begin || (*begin == '0' && s->at - begin > 1)) return false;
        numbers[*count] = value;
    }
    return true;
}
