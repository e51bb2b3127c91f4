#include "tokenizer/pattern_translate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/unicode_table.h"

enum { NAME = 8, SHOWN = 40, EXPRESSION_LIMIT = 64 << 10, REPEAT_LIMIT = 1000 };

/* White_Space; inside a class. PCRE2's own \s has U+180E besides. */
#define SPACES                                                                                               \
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{"     \
    "3000}"
/* For the same in a negated class: everything else. */
#define NO_SPACES                                                                                            \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"                 \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

typedef struct translator {
    const char *begin, *at, *end;
    const char *where;
    fg_buffer *out;
    fg_error *err;
} translator;

static fg_status unknown(const translator *t, const char *from, const char *what) {
    size_t length = (size_t)(t->end - from);
    return fg_fail(t->err, FG_ERR_INPUT, "%s: %s in the pattern at byte %zu, \"%.*s\", is not supported",
                   t->where, what, (size_t)(from - t->begin), (int)(length < SHOWN ? length : SHOWN), from);
}

static fg_status put_text(translator *t, const char *text) {
    return fg_buffer_add(t->out, text, strlen(text), t->err);
}

static fg_status copy(translator *t, size_t count) {
    fg_status status = fg_buffer_add(t->out, t->at, count, t->err);
    t->at += count;
    return status;
}

static bool next_is(const translator *t, const char *text) {
    size_t length = strlen(text);
    return (size_t)(t->end - t->at) >= length && memcmp(t->at, text, length) == 0;
}

fg_status fg_pattern_code_set(const char *name, fg_buffer *out, fg_error *err) {
    const fg_code_set *set = fg_code_set_find(name);
    for (size_t i = 0; i < set->count; i++)
        FG_CALL(fg_buffer_printf(out, err, "\\x{%x}-\\x{%x}", set->ranges[i].first, set->ranges[i].last));
    return FG_OK;
}

/* The letters of a category that ASCII has: PCRE2 looks these up in a table instead of asking for the
 * property. */
static const char *ascii_of(const char *category) {
    static const char *const known[][2] = {
        {"L", "A-Za-z"}, {"Lu", "A-Z"}, {"Ll", "a-z"}, {"N", "0-9"}, {"Nd", "0-9"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(category, known[i][0]) == 0) return known[i][1];
    }
    return "";
}

static bool is_category(const char *name) {
    return *name >= 'A' && *name <= 'Z' && fg_code_set_find(name);
}

/* \p{L}, \P{L}, \p{^L}; `in_class` says that the items are in a class already. */
static fg_status property(translator *t, bool in_class) {
    fg_error *err = t->err;
    const char *from = t->at, *name = t->at + 3, *close;
    char category[NAME];
    if (t->end - t->at < 5 || t->at[2] != '{' || !(close = memchr(name, '}', (size_t)(t->end - name))))
        return unknown(t, from, "this property");
    bool negated = t->at[1] == 'P';
    if (*name == '^') {
        negated = !negated;
        name++;
    }
    size_t length = (size_t)(close - name);
    if (length >= NAME) return unknown(t, from, "this property");
    memcpy(category, name, length);
    category[length] = '\0';
    if (!is_category(category)) return unknown(t, from, "this property");
    if (negated && in_class) return unknown(t, from, "a negated property in a class");
    if (!in_class) FG_CALL(put_text(t, negated ? "[^" : "["));
    FG_CALL(fg_buffer_printf(t->out, err, "%s\\p{%s}", ascii_of(category), category));
    FG_CALL(fg_pattern_code_set(category, t->out, err));
    if (!in_class) FG_CALL(put_text(t, "]"));
    t->at = close + 1;
    return FG_OK;
}

/* \d and \D: decimal numbers. */
static fg_status decimal(translator *t, bool in_class, bool negated) {
    fg_error *err = t->err;
    if (negated && in_class) return unknown(t, t->at, "\\D in a class");
    if (!in_class) FG_CALL(put_text(t, negated ? "[^" : "["));
    FG_CALL(put_text(t, "0-9\\p{Nd}"));
    FG_CALL(fg_pattern_code_set("Nd", t->out, err));
    if (!in_class) FG_CALL(put_text(t, "]"));
    t->at += 2;
    return FG_OK;
}

static fg_status space(translator *t, bool in_class, bool negated) {
    t->at += 2;
    if (in_class) return put_text(t, negated ? NO_SPACES : SPACES);
    return put_text(t, negated ? "[^" SPACES "]" : "[" SPACES "]");
}

/* Escapes that mean the same in PCRE2: of some letters, and of punctuation. */
static bool is_shared(char c) {
    return c && strchr("rntf!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL;
}

static fg_status escape(translator *t, bool in_class) {
    if (t->end - t->at < 2) return unknown(t, t->at, "a backslash at the end");
    char c = t->at[1];
    switch (c) {
    case 'p':
    case 'P':
        return property(t, in_class);
    case 's':
    case 'S':
        return space(t, in_class, c == 'S');
    case 'd':
    case 'D':
        return decimal(t, in_class, c == 'D');
    case 'v':
        t->at += 2;
        return put_text(t, "\\x0b");
    case 'A':
    case 'z':
        return in_class ? unknown(t, t->at, "this escape") : copy(t, 2);
    default:
        return is_shared(c) ? copy(t, 2) : unknown(t, t->at, "this escape");
    }
}

static fg_status class(translator *t) {
    fg_error *err = t->err;
    const char *from = t->at;
    FG_CALL(copy(t, 1));
    if (next_is(t, "^")) FG_CALL(copy(t, 1));
    for (bool first = true;; first = false) {
        if (t->at == t->end) return unknown(t, from, "a class without an end");
        if (*t->at == ']' && !first) break;
        if (*t->at == '[' || *t->at == ']' || next_is(t, "&&"))
            return unknown(t, t->at, "a class in a class");
        FG_CALL(*t->at == '\\' ? escape(t, true) : copy(t, 1));
    }
    return copy(t, 1);
}

static fg_status group(translator *t) {
    static const char *const known[] = {"(?:",  "(?i:", "(?-i:", "(?=",  "(?!",
                                        "(?<=", "(?<!", "(?>",   "(?i)", "(?-i)"};
    if (next_is(t, "(*")) return unknown(t, t->at, "this verb");
    if (!next_is(t, "(?")) return copy(t, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (next_is(t, known[i])) return copy(t, strlen(known[i]));
    }
    return unknown(t, t->at, "this group");
}

static fg_status quantifier(translator *t) {
    fg_error *err = t->err;
    if (*t->at == '{') {
        const char *from = t->at, *close = memchr(from, '}', (size_t)(t->end - from));
        size_t inside = close ? (size_t)(close - from - 1) : 0;
        if (!inside || strspn(from + 1, "0123456789,") != inside || from[1] == ',')
            return unknown(t, from, "this brace");
        for (const char *number = from + 1; number < close; number += strcspn(number, ",}") + 1) {
            if (strtoul(number, NULL, 10) > REPEAT_LIMIT) return unknown(t, from, "so many repeats");
        }
        FG_CALL(copy(t, inside + 2));
        if (next_is(t, "+")) return unknown(t, from, "a + behind braces");
    } else {
        FG_CALL(copy(t, 1));
    }
    if (next_is(t, "?") || next_is(t, "+")) FG_CALL(copy(t, 1));
    return FG_OK;
}

static fg_status item(translator *t) {
    switch (*t->at) {
    case '\\':
        return escape(t, false);
    case '[':
        return class(t);
    case '(':
        return group(t);
    case '?':
    case '*':
    case '+':
    case '{':
        return quantifier(t);
    case '\0':
        return unknown(t, t->at, "a NUL");
    default:
        return copy(t, 1);
    }
}

fg_status fg_pattern_translate(const char *expression, size_t length, const char *where, fg_buffer *out,
                               fg_error *err) {
    translator t = {expression, expression, expression + length, where, out, err};
    if (length > EXPRESSION_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: a pattern of %zu bytes is longer than the %d that are read",
                       where, length, EXPRESSION_LIMIT);
    fg_status status = FG_OK;
    while (status == FG_OK && t.at < t.end) status = item(&t);
    return status;
}
