#include "base/error_json.h"

#include <string.h>

#include "base/visible_text.h"

/* A part of a message; NULL: it has none. */
typedef struct part {
    const char *text;
    size_t length;
} part;

typedef struct parts {
    part file, key, found, expected;
} parts;

static part between(const char *begin, const char *end) {
    return (part){.text = begin, .length = (size_t)(end - begin)};
}

/* Where ": " or the text ends. */
static const char *segment_end(const char *text) {
    const char *end = strstr(text, ": ");
    return end ? end : text + strlen(text);
}

/* A path has a slash or a suffix, and no spaces unless it has slashes. */
static bool is_file(part p) {
    bool slash = memchr(p.text, '/', p.length) != NULL, space = memchr(p.text, ' ', p.length) != NULL;
    const char *dot = memchr(p.text, '.', p.length);
    return p.text[0] != '-' && (slash || (!space && dot && dot > p.text && dot + 1 < p.text + p.length));
}

/* What is between two texts; none unless both are there, in this order. */
static part enclosed(const char *text, const char *before, const char *behind) {
    const char *begin = strstr(text, before);
    const char *end = begin ? strstr(begin + strlen(before), behind) : NULL;
    return end ? between(begin + strlen(before), end) : (part){0};
}

/* "key "NAME"", "tensor "NAME"", or what is between the file and ": found". */
static part find_key(const char *text, part file) {
    static const char *const kinds[] = {"key \"", "tensor \""};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        part key = enclosed(text, kinds[i], "\"");
        if (key.text) return key;
    }
    const char *begin = file.text ? file.text + file.length + strlen(": ") : text,
               *end = strstr(begin, ": found ");
    return end ? between(begin, end) : (part){0};
}

/* "found X, expected Y", "= X: expected Y", "is X, expected Y". */
static parts cut(const char *text) {
    static const char *const ways[][2] = {
        {"found ", ", expected "}, {" = ", ": expected "}, {" is ", ", expected "}};
    parts cut = {0};
    const char *end = segment_end(text);
    if (*end && is_file(between(text, end))) cut.file = between(text, end);
    cut.key = find_key(text, cut.file);
    for (size_t i = 0; !cut.found.text && i < sizeof ways / sizeof *ways; i++) {
        cut.found = enclosed(text, ways[i][0], ways[i][1]);
        if (!cut.found.text) continue;
        const char *expected = cut.found.text + cut.found.length + strlen(ways[i][1]);
        cut.expected = between(expected, expected + strlen(expected));
    }
    return cut;
}

static void put_string(part p, FILE *out) {
    if (!p.text) {
        fputs("null", out);
        return;
    }
    putc('"', out);
    for (size_t i = 0; i < p.length; i++) {
        unsigned char c = (unsigned char)p.text[i];
        if (c < ' ')
            fprintf(out, "\\u%04x", c);
        else
            fprintf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    putc('"', out);
}

static void put(const char *key, part value, FILE *out) {
    fprintf(out, ",\n  \"%s\": ", key);
    put_string(value, out);
}

static part whole(const char *text) {
    return text[0] ? between(text, text + strlen(text)) : (part){0};
}

void fg_error_json(const fg_error *err, FILE *out) {
    fg_error shown = *err; /* valid UTF-8 */
    fg_visible_in_place(shown.text, sizeof shown.text, FG_VISIBLE_LINES);
    fg_visible_in_place(shown.where, sizeof shown.where, FG_VISIBLE_LINE);
    fg_visible_in_place(shown.hint, sizeof shown.hint, FG_VISIBLE_LINES);
    const parts p = cut(shown.text);
    fprintf(out, "{\n  \"status\": \"error\",\n  \"exit\": %d", shown.status);
    put("what", whole(shown.text), out);
    put("file", p.file, out);
    put("key", p.key, out);
    put("found", p.found, out);
    put("expected", p.expected, out);
    put("while", whole(shown.where), out);
    put("hint", whole(shown.hint), out);
    fprintf(out, ",\n  \"rank\": %d\n}\n", shown.rank);
    fflush(out);
}
