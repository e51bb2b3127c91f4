#include "base/json_scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

static fg_status unexpected(const fg_json_scan *s, const char *expected, fg_error *err) {
    if (s->at >= s->length)
        return fg_fail(err, FG_ERR_INPUT, "%s: not valid JSON: it ends where %s is expected", s->name,
                       expected);
    size_t line = 1;
    for (size_t i = 0; i < s->at; i++) line += s->text[i] == '\n';
    return fg_fail(err, FG_ERR_INPUT, "%s: line %zu: not valid JSON: expected %s", s->name, line, expected);
}

char fg_json_scan_peek(fg_json_scan *s) {
    const char *at = s->text + s->at;
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
    s->at = (size_t)(at - s->text);
    return *at;
}

fg_status fg_json_scan_enter(fg_json_scan *s, char bracket, fg_error *err) {
    if (fg_json_scan_peek(s) != bracket) return unexpected(s, bracket == '{' ? "an object" : "an array", err);
    s->at++;
    s->fresh = true;
    return FG_OK;
}

/* The end of the string that begins at `at`: behind its closing quote. */
static fg_status end_of_string(const fg_json_scan *s, size_t at, size_t *end, bool *escapes, fg_error *err) {
    *escapes = false;
    for (size_t i = at + 1; i < s->length; i++) {
        if (s->text[i] == '"') {
            *end = i + 1;
            return FG_OK;
        }
        if (s->text[i] != '\\') continue;
        *escapes = true;
        i++;
    }
    return fg_fail(err, FG_ERR_INPUT, "%s: not valid JSON: a string has no end", s->name);
}

fg_status fg_json_scan_string(fg_json_scan *s, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    size_t end = 0;
    bool escapes;
    json_t *value = NULL;
    fg_buffer_clear(out);
    if (fg_json_scan_peek(s) != '"') FG_TRY(unexpected(s, "a string", err));
    FG_TRY(end_of_string(s, s->at, &end, &escapes, err));
    if (escapes) {
        FG_TRY(
            fg_json_load(s->text + s->at, end - s->at, JSON_DECODE_ANY | JSON_ALLOW_NUL, &value, NULL, err));
        if (!value) FG_TRY(unexpected(s, "a string with known escapes", err));
        FG_TRY(fg_buffer_add(out, json_string_value(value), json_string_length(value), err));
    } else {
        FG_TRY(fg_buffer_add(out, s->text + s->at + 1, end - s->at - 2, err));
    }
    s->at = end;
    s->fresh = false;
done:
    json_decref(value);
    return status;
}

fg_status fg_json_scan_next(fg_json_scan *s, fg_buffer *key, bool *more, fg_error *err) {
    char next = fg_json_scan_peek(s);
    *more = next != (key ? '}' : ']');
    if (*more && !s->fresh) {
        if (next != ',') FG_CALL(unexpected(s, key ? "\",\" or \"}\"" : "\",\" or \"]\"", err));
        s->at++;
    }
    if (!*more) s->at++;
    s->fresh = false;
    if (!*more || !key) return FG_OK;
    FG_CALL(fg_json_scan_string(s, key, err));
    if (fg_json_scan_peek(s) != ':') FG_CALL(unexpected(s, "\":\"", err));
    s->at++;
    return FG_OK;
}

/* Passes over an object or array by counting brackets. */
static fg_status skip_nested(fg_json_scan *s, fg_error *err) {
    char open[FG_JSON_SCAN_DEPTH];
    size_t depth = 0, end = 0;
    bool escapes;
    do {
        char c = s->at < s->length ? s->text[s->at] : '\0';
        if (c == '"') {
            FG_CALL(end_of_string(s, s->at, &end, &escapes, err));
            s->at = end;
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == FG_JSON_SCAN_DEPTH) FG_CALL(unexpected(s, "nothing nested so deep", err));
            open[depth++] = c;
        } else if (depth && (c == '}' || c == ']')) {
            if (open[--depth] != (c == '}' ? '{' : '[')) FG_CALL(unexpected(s, "the other bracket", err));
        } else if (s->at >= s->length) {
            FG_CALL(unexpected(s, "a closing bracket", err));
        }
        s->at++;
    } while (depth);
    return FG_OK;
}

/* Whether a number, true, false or null ends before this byte. */
static bool ends_word(char byte) {
    static const bool ends[256] = {
        ['\0'] = true, [','] = true, [':'] = true, ['"'] = true,  ['['] = true,  [']'] = true,
        ['{'] = true,  ['}'] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true};
    return ends[(unsigned char)byte];
}

fg_status fg_json_scan_skip(fg_json_scan *s, fg_error *err) {
    size_t end = s->at;
    bool escapes;
    char next = fg_json_scan_peek(s);
    if (next == '{' || next == '[') {
        FG_CALL(skip_nested(s, err));
    } else if (next == '"') {
        FG_CALL(end_of_string(s, s->at, &end, &escapes, err));
        s->at = end;
    } else {
        for (end = s->at; end < s->length && !ends_word(s->text[end]);) end++;
        if (end == s->at) FG_CALL(unexpected(s, "a value", err));
        s->at = end;
    }
    s->fresh = false;
    return FG_OK;
}

fg_status fg_json_scan_value(fg_json_scan *s, json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    int64_t integer;
    *value = NULL;
    fg_json_scan_peek(s);
    size_t begin = s->at;
    if (fg_json_plain_integer(s, &integer)) {
        s->fresh = false;
        FG_CALL_NEW(*value, json_integer(integer));
        return FG_OK;
    }
    FG_TRY(fg_json_scan_skip(s, err));
    FG_TRY(fg_json_load(s->text + begin, s->at - begin,
                        JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, value, NULL, err));
    if (*value) goto done;
    s->at = begin;
    status = unexpected(s, "a value without errors inside", err);
done:
    return status;
}

/* ---- plain JSON, in place ---- */

size_t fg_json_plain_length(const char *text) {
    const char *at = text;
    while (*at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\') at++;
    return (size_t)(at - text);
}

bool fg_json_plain_accept(fg_json_scan *s, char wanted) {
    if (fg_json_scan_peek(s) != wanted) return false;
    s->at++;
    return true;
}

bool fg_json_plain_string(fg_json_scan *s, fg_json_span *string) {
    if (!fg_json_plain_accept(s, '"')) return false;
    *string = (fg_json_span){.begin = s->at, .length = fg_json_plain_length(s->text + s->at)};
    s->at += string->length;
    return s->text[s->at] == '"' && ++s->at;
}

bool fg_json_plain_key(fg_json_scan *s, fg_json_span *key) {
    return fg_json_plain_string(s, key) && fg_json_plain_accept(s, ':');
}

bool fg_json_plain_strings(fg_json_scan *s, size_t *count) {
    fg_json_span text;
    *count = 0;
    if (!fg_json_plain_accept(s, '{')) return false;
    if (fg_json_plain_accept(s, '}')) return true;
    do {
        if (!fg_json_plain_key(s, &text) || !fg_json_plain_string(s, &text)) return false;
        ++*count;
    } while (fg_json_plain_accept(s, ','));
    return fg_json_plain_accept(s, '}');
}

bool fg_json_plain_integer(fg_json_scan *s, int64_t *value) {
    enum { DIGITS = 18 };
    fg_json_scan_peek(s);
    const char *begin = s->text + s->at, *at = begin;
    for (*value = 0; *at >= '0' && *at <= '9' && at - begin < DIGITS; at++)
        *value = *value * 10 + (*at - '0');
    if (at == begin || (*begin == '0' && at - begin > 1) || !ends_word(*at)) return false;
    s->at += (size_t)(at - begin);
    return true;
}

bool fg_json_plain_numbers(fg_json_scan *s, uint64_t *numbers, uint32_t most, uint32_t *count) {
    int64_t value;
    if (!fg_json_plain_accept(s, '[')) return false;
    for (*count = 0; !fg_json_plain_accept(s, ']'); (*count)++) {
        if (*count == most || (*count && !fg_json_plain_accept(s, ','))) return false;
        if (!fg_json_plain_integer(s, &value)) return false;
        numbers[*count] = (uint64_t)value;
    }
    return true;
}

/* ---- places ---- */

/* Goes to the member of this key, or number, of the value that comes next; false if there is none. */
static bool enter_member(fg_json_scan *s, const char *segment, size_t length) {
    bool object = fg_json_scan_peek(s) == '{', more, found = false;
    size_t wanted = strtoul(segment, NULL, 10);
    fg_buffer key = {0};
    fg_status status = fg_json_scan_enter(s, object ? '{' : '[', NULL);
    for (size_t i = 0; status == FG_OK && !found; i++) {
        status = fg_json_scan_next(s, object ? &key : NULL, &more, NULL);
        if (status != FG_OK || !more) break;
        found = object ? key.length == length && memcmp(key.data, segment, length) == 0 : i == wanted;
        if (!found) status = fg_json_scan_skip(s, NULL);
    }
    fg_buffer_free(&key);
    return found;
}

unsigned fg_json_line(const char *text, size_t length, const char *path) {
    fg_json_scan s = {.name = path, .text = text, .length = length};
    unsigned line = 1;
    for (size_t size; *path; path += size + (path[size] == '/')) {
        size = strcspn(path, "/");
        if (!enter_member(&s, path, size)) return 0;
    }
    fg_json_scan_peek(&s);
    for (size_t i = 0; i < s.at; i++) line += text[i] == '\n';
    return line;
}
