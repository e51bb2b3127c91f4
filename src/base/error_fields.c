#include "base/error_fields.h"

#include <stdio.h>
#include <string.h>

/* Of a longer format nothing is said. */
enum { FORMAT = 800 };

/* A part of a format; `end` NULL: there is none. */
typedef struct span {
    const char *begin, *end;
} span;

static const char *end_of(const char *text) {
    return text + strlen(text);
}

/* Where `literal` is within [begin, end), or NULL. */
static const char *find(const char *begin, const char *end, const char *literal) {
    const char *at = strstr(begin, literal);
    return at && at + strlen(literal) <= end ? at : NULL;
}

static const char *find_last(const char *begin, const char *end, const char *literal) {
    const char *last = NULL;
    for (const char *at = find(begin, end, literal); at; at = find(at + 1, end, literal)) last = at;
    return last;
}

static bool starts_with(const char *text, const char *literal) {
    return strncmp(text, literal, strlen(literal)) == 0;
}

/* The end of a conversion, such as %s, %.*s or %llu. */
static const char *conversion_end(const char *percent) {
    const char *at = percent + 1;
    at += strspn(at, "0123456789.*-+ #");
    at += strspn(at, "hljztL");
    return *at ? at + 1 : at;
}

/* What is behind `before`, up to `behind` or the end of the format. */
static span enclosed(const char *format, const char *before, const char *behind) {
    const char *begin = strstr(format, before);
    if (!begin) return (span){0};
    begin += strlen(before);
    const char *end = strstr(begin, behind);
    return end ? (span){begin, end} : (span){0};
}

/* ---- file ---- */

/* Of "OPTION FILE: ...". */
static const char option_and_file[] = "%s %s: ";

/* What leads to ": " or ":LINE", if it is an argument, or begins with the name of a folder. */
static span find_file(const char *format) {
    const char *end = strstr(format, ": "), *line = strstr(format, ":%");
    if (starts_with(format, option_and_file)) return (span){strchr(format, ' ') + 1, end};
    if (line && (!end || line < end)) end = line;
    if (!end || (format[0] != '%' && !starts_with(format, "models/"))) return (span){0};
    return (span){format, end};
}

/* ---- key ---- */

/* "--atol" of "option --atol: ..." and of "--atol and --profile ...". */
static span find_option(const char *format) {
    static const char *const words[] = {"unknown option ", "option "};
    bool leads = format[0] == '-' || starts_with(format, option_and_file);
    const char *begin = leads ? format : strstr(format, "the option --");
    if (begin && begin != format) begin += strlen("the option ");
    for (size_t i = 0; !begin && i < sizeof words / sizeof *words; i++)
        if (starts_with(format, words[i])) begin = format + strlen(words[i]);
    return begin ? (span){begin, begin + strcspn(begin, " :,")} : (span){0};
}

static span without_quotes(span key) {
    const char *inner = key.begin + 1;
    bool quoted =
        key.end - key.begin > 2 && *key.begin == '"' && key.end[-1] == '"' && !find(inner, key.end - 1, "\"");
    return quoted ? (span){inner, key.end - 1} : key;
}

static span find_key(const char *format, span file) {
    static const char *const kinds[] = {"key \"", "tensor \""}, *const ends[] = {": found ", ": expected "};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        span key = enclosed(format, kinds[i], "\"");
        if (key.end) return key;
    }
    const char *tensor = strstr(format, "tensor %");
    if (tensor) return (span){tensor + strlen("tensor "), conversion_end(strchr(tensor, '%'))};
    span option = find_option(format);
    if (option.end) return option;
    const char *begin = file.end ? file.end + strcspn(file.end, " ") : format;
    if (file.end && *begin) begin++;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *end = strstr(begin, ends[i]);
        if (end) return without_quotes((span){begin, end});
    }
    return (span){0};
}

/* ---- found and expected ---- */

/* What is before `end`, behind the last of the words that say that something was found. */
static span find_found(const char *format, const char *end) {
    static const char *const words[] = {"found shape ", "found the id ", "found ", " = ",     " has dtype ",
                                        " has the id ", " says ",        " has ",  " holds ", " is "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = find_last(format, end, words[i]);
        if (at) return (span){at + strlen(words[i]), end};
    }
    const char *segment = find_last(format, end, ": ");
    return segment ? (span){segment + 2, end} : (span){0};
}

/* Without what was expected: "key "NAME" = X: ...", or "found X" to the next comma. */
static span find_found_alone(const char *format) {
    span value = enclosed(format, "\" = ", ": ");
    if (value.end) return value;
    const char *begin = strstr(format, ", found ");
    if (!begin) begin = strstr(format, ": found ");
    if (!begin) return value;
    begin += strlen(", found ");
    return (span){begin, begin + strcspn(begin, ",;")};
}

/* Where what was expected ends, and an explanation begins. */
static const char *expected_end(const char *begin) {
    static const char *const words[] = {" (", "; ", ", as ", " as in ", " from the config"};
    const char *end = end_of(begin);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = find(begin, end, words[i]);
        if (at) end = at;
    }
    return end;
}

static void find_comparison(const char *format, span *found, span *expected) {
    const char *comma = strstr(format, ", expected "), *colon = strstr(format, ": expected ");
    const char *begin = comma ? comma : colon;
    if (begin)
        *expected = (span){begin + strlen(", expected "), expected_end(begin + strlen(", expected "))};
    else if (starts_with(format, "expected "))
        *expected = (span){format + strlen("expected "), expected_end(format + strlen("expected "))};
    *found = comma ? find_found(format, comma) : find_found_alone(format);
}

/* ---- what the parts are with their arguments ---- */

/* The number of bytes that the format prints up to `end`. */
__attribute__((format(printf, 1, 0))) static size_t printed(const char *format, const char *end,
                                                            va_list arguments) {
    char part[FORMAT];
    va_list copy;
    va_copy(copy, arguments);
    snprintf(part, sizeof part, "%.*s", (int)(end - format), format);
    int length = vsnprintf(NULL, 0, part, copy);
    va_end(copy);
    return length > 0 ? (size_t)length : 0;
}

__attribute__((format(printf, 5, 0))) static void take(span part, const char *text, char *field, size_t size,
                                                       const char *format, va_list arguments) {
    if (!part.end) return;
    size_t begin = printed(format, part.begin, arguments), end = printed(format, part.end, arguments);
    size_t length = strlen(text);
    if (end > length) end = length;
    if (begin >= end) return;
    snprintf(field, size, "%.*s", (int)(end - begin), text + begin);
}

/* What leads may be a place: of "FILE: PLACE" the file is meant, "line 3" has none. */
static void cut_to_file(char *file) {
    char *place = strstr(file, ": ");
    if (place) *place = '\0';
    if (strchr(file, ' ') && !strchr(file, '/')) *file = '\0';
}

void fg_error_fields_read(fg_error *err, const char *format, va_list arguments) {
    if (strlen(format) >= FORMAT) return;
    span found = {0}, expected = {0}, file = find_file(format), key = find_key(format, file);
    find_comparison(format, &found, &expected);
    take(file, err->text, err->file, sizeof err->file, format, arguments);
    take(key, err->text, err->key, sizeof err->key, format, arguments);
    take(found, err->text, err->found, sizeof err->found, format, arguments);
    take(expected, err->text, err->expected, sizeof err->expected, format, arguments);
    cut_to_file(err->file);
}
