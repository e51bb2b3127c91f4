#include "base/json_scan.h"

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
    while (s->at < s->length && s->text[s->at] && strchr(" \t\r\n", s->text[s->at])) s->at++;
    return s->at < s->length ? s->text[s->at] : '\0';
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
    size_t end;
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
    fg_status status = FG_OK;
    char next = fg_json_scan_peek(s);
    *more = next != (key ? '}' : ']');
    if (*more && !s->fresh) {
        if (next != ',') FG_TRY(unexpected(s, key ? "\",\" or \"}\"" : "\",\" or \"]\"", err));
        s->at++;
    }
    if (!*more) s->at++;
    s->fresh = false;
    if (!*more || !key) goto done;
    FG_TRY(fg_json_scan_string(s, key, err));
    if (fg_json_scan_peek(s) != ':') FG_TRY(unexpected(s, "\":\"", err));
    s->at++;
done:
    return status;
}

/* Passes over an object or array by counting brackets. */
static fg_status skip_nested(fg_json_scan *s, fg_error *err) {
    fg_status status = FG_OK;
    char open[FG_JSON_SCAN_DEPTH];
    size_t depth = 0, end;
    bool escapes;
    do {
        char c = s->at < s->length ? s->text[s->at] : '\0';
        if (c == '"') {
            FG_TRY(end_of_string(s, s->at, &end, &escapes, err));
            s->at = end;
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == FG_JSON_SCAN_DEPTH) FG_TRY(unexpected(s, "nothing nested so deep", err));
            open[depth++] = c;
        } else if (depth && (c == '}' || c == ']')) {
            if (open[--depth] != (c == '}' ? '{' : '[')) FG_TRY(unexpected(s, "the other bracket", err));
        } else if (s->at >= s->length) {
            FG_TRY(unexpected(s, "a closing bracket", err));
        }
        s->at++;
    } while (depth);
done:
    return status;
}

fg_status fg_json_scan_skip(fg_json_scan *s, fg_error *err) {
    fg_status status = FG_OK;
    size_t end = s->at;
    bool escapes;
    char next = fg_json_scan_peek(s);
    if (next == '{' || next == '[') {
        FG_TRY(skip_nested(s, err));
    } else if (next == '"') {
        FG_TRY(end_of_string(s, s->at, &end, &escapes, err));
        s->at = end;
    } else {
        for (end = s->at; end < s->length && s->text[end] && !strchr(",]}{[\": \t\r\n", s->text[end]);) end++;
        if (end == s->at) FG_TRY(unexpected(s, "a value", err));
        s->at = end;
    }
    s->fresh = false;
done:
    return status;
}

fg_status fg_json_scan_value(fg_json_scan *s, json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    *value = NULL;
    fg_json_scan_peek(s);
    size_t begin = s->at;
    FG_TRY(fg_json_scan_skip(s, err));
    FG_TRY(fg_json_load(s->text + begin, s->at - begin,
                        JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, value, NULL, err));
    if (*value) goto done;
    s->at = begin;
    status = unexpected(s, "a value without errors inside", err);
done:
    return status;
}
