#include "base/error_json.h"

#include <string.h>

#include "base/visible_text.h"

static void put_string(const char *text, FILE *out) {
    putc('"', out);
    for (size_t i = 0; text[i]; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ')
            fprintf(out, "\\u%04x", c);
        else
            fprintf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    putc('"', out);
}

/* An empty text is null. */
static void put(const char *key, const char *text, FILE *out) {
    fprintf(out, ",\n  \"%s\": ", key);
    if (*text)
        put_string(text, out);
    else
        fputs("null", out);
}

/* A part of the text, as valid UTF-8 in one line. */
static void put_part(const char *key, char *text, size_t size, FILE *out) {
    fg_visible_in_place(text, size, FG_VISIBLE_LINE);
    put(key, text, out);
}

void fg_error_json(const fg_error *err, FILE *out) {
    fg_error shown = *err;
    fg_visible_in_place(shown.text, sizeof shown.text, FG_VISIBLE_LINES);
    fg_visible_in_place(shown.hint, sizeof shown.hint, FG_VISIBLE_LINES);
    fprintf(out, "{\n  \"status\": \"error\",\n  \"exit\": %d,\n  \"what\": ", shown.status);
    put_string(shown.text, out);
    put_part("file", shown.file, sizeof shown.file, out);
    put_part("key", shown.key, sizeof shown.key, out);
    put_part("found", shown.found, sizeof shown.found, out);
    put_part("expected", shown.expected, sizeof shown.expected, out);
    put_part("while", shown.where, sizeof shown.where, out);
    put("hint", shown.hint, out);
    fprintf(out, ",\n  \"rank\": %d\n}\n", shown.rank);
    fflush(out);
}
