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

/* Whether a conversion or words without a space: spaces within a conversion's argument count for nothing. */
static bool is_one_word(span part) {
    return part.end > part.begin && !memchr(part.begin, ' ', (size_t)(part.end - part.begin));
}

/* ---- file ---- */

/* Of "OPTION FILE: ...". */
static const char option_and_file[] = "%s %s: ";

/* Options whose value is a file, in "--OPTION FILE: ...". */
static const char *const file_options[] = {
    "--dump %s: ", "--report %s: ", "--html %s: ", "--hf-base %s: ", "--image %s: "};

/* What may follow a file that leads a sentence: "FILE is empty". */
static const char *const verbs[] = {" is ",       " was ",    " exists ",     " already ",
                                    " does not ", " has no ", ", which rank "};

static const char *verb_after_file(const char *format) {
    const char *end = conversion_end(format);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (starts_with(end, verbs[i])) return end;
    return NULL;
}

static span find_option_file(const char *format) {
    for (size_t i = 0; i < sizeof file_options / sizeof *file_options; i++)
        if (starts_with(format, file_options[i]))
            return (span){strchr(format, ' ') + 1, strstr(format, ": ")};
    return (span){0};
}

/* What leads to ": " or ":LINE", if it is an argument or ends with one or with the name of a JSON file; or to
 * the verb of the sentence. */
static span find_file(const char *format) {
    if (starts_with(format, option_and_file)) return (span){strchr(format, ' ') + 1, strstr(format, ": ")};
    if (format[0] == '-') return find_option_file(format);
    const char *end = strstr(format, ": "), *line = strstr(format, ":%"), *space = strchr(format, ' ');
    if (line && (!end || line < end)) end = line;
    if (end && space && space < end) end = NULL;
    if (format[0] == '%' && !end && space)
        end = format[2] == '/' ? space : starts_with(format, "%s") ? verb_after_file(format) : NULL;
    bool names_file = format[0] == '%' || starts_with(format, "models/") ||
                      (end && end - format > 5 && strncmp(end - 5, ".json", 5) == 0);
    return end && names_file ? (span){format, end} : (span){0};
}

/* ---- key ---- */

/* "--atol" of "option --atol: ..." and of "--atol and --profile ...". */
static span find_option(const char *format) {
    static const char *const words[] = {"unknown option ", "option ", "the environment variable "};
    bool leads = format[0] == '-' || starts_with(format, option_and_file);
    const char *begin = leads ? format : strstr(format, "the option --");
    if (begin && begin != format) begin += strlen("the option ");
    for (size_t i = 0; !begin && i < sizeof words / sizeof *words; i++)
        if (starts_with(format, words[i])) begin = format + strlen(words[i]);
    return begin ? (span){begin, begin + strcspn(begin, " :,")} : (span){0};
}

/* What is named by its kind: key "KEY". */
static span find_kind(const char *format, const char *const *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        span key = enclosed(format, kinds[i], "\"");
        if (key.end) return key;
    }
    return (span){0};
}

/* The first or the last thing in quotes within [begin, end). */
static span find_quoted(const char *begin, const char *end, bool last) {
    span quoted = {0};
    for (const char *at = begin; at < end && (at = memchr(at, '"', (size_t)(end - at)));) {
        const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
        if (!close) break;
        quoted = (span){at + 1, close};
        if (!last) break;
        at = close + 1;
    }
    return quoted;
}

/* A place within a file, "model: "vocab"": the last part that is in quotes, or the first one. */
static span find_place(const char *begin, const char *end) {
    if (begin >= end) return (span){0};
    span quoted = find_quoted(begin, end, end[-1] == '"'), piece = {begin, find(begin, end, ": ")};
    if (quoted.end) return quoted;
    if (!piece.end) piece.end = end;
    return is_one_word(piece) ? piece : (span){0};
}

/* Where what is said about a file begins: behind "FILE: " or "FILE:LINE: ". */
static const char *behind_file(const char *format, span file) {
    if (!file.end) return format;
    const char *end = strstr(file.end, ": ");
    return end ? end + 2 : end_of(format);
}

/* The key is the place that leads to ": found", to ": expected", or else to the next ": ". */
static span find_leading_place(const char *format, span file) {
    static const char *const ends[] = {": found ", ": expected "};
    const char *begin = behind_file(format, file);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *end = strstr(begin, ends[i]);
        if (end) return find_place(begin, end);
    }
    if (*begin == '"') {
        const char *close = strchr(begin + 1, '"');
        return close ? (span){begin + 1, close} : (span){0};
    }
    span piece = {begin, strstr(begin, ": ")};
    if (!file.end || !piece.end || !is_one_word(piece)) return (span){0};
    const char *next = piece.end + 2, *close = *next == '"' ? strchr(next + 1, '"') : NULL;
    return close && close[1] == ':' ? (span){next + 1, close} : piece;
}

static span find_key(const char *format, span file) {
    static const char *const first[] = {"key \"", "tensor \""}, *const later[] = {
                                                                    "tensors \"",  "token \"",
                                                                    "entry \"",    "the weight \"",
                                                                    "the file \"", "mixer \"",
                                                                    "name \""};
    span key = find_kind(format, first, sizeof first / sizeof *first);
    if (key.end) return key;
    const char *tensor = strstr(format, "tensor %");
    if (tensor) return (span){tensor + strlen("tensor "), conversion_end(strchr(tensor, '%'))};
    key = find_option(format);
    if (!key.end) key = find_kind(format, later, sizeof later / sizeof *later);
    return key.end ? key : find_leading_place(format, file);
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

/* "%s: ... X is not supported": X, behind the last ": " or behind "the type". */
static span find_unsupported(const char *format) {
    const char *end = strstr(format, " is not supported");
    if (!end) return (span){0};
    const char *begin = find_last(format, end, ": "), *type = find_last(format, end, "the type ");
    if (type) return (span){type + strlen("the type "), end};
    span value = {begin ? begin + 2 : format, end};
    return begin && is_one_word(value) ? value : (span){0};
}

/* X of "--OPTION X: ...", unless it is a file. */
static span find_option_value(const char *format) {
    const char *space = strchr(format, ' ');
    if (!space || space[1] != '%' || find_option_file(format).end) return (span){0};
    return conversion_end(space + 1)[0] == ':' ? (span){space + 1, conversion_end(space + 1)} : (span){0};
}

/* Without what was expected: "key "NAME" = X: ...", or "found X" to the next comma. */
static span find_found_alone(const char *format) {
    span value = enclosed(format, "\" = ", ": ");
    if (value.end) return value;
    const char *begin = strstr(format, ", found ");
    if (!begin) begin = strstr(format, ": found ");
    if (!begin) begin = strstr(format, "; found ");
    if (!begin && format[0] == '-') return find_option_value(format);
    if (!begin) return find_unsupported(format);
    begin += strlen(", found ");
    if (starts_with(begin, "also ")) begin += strlen("also ");
    const char *end = strstr(begin, " (");
    span found = {begin, begin + strcspn(begin, ",;")};
    return end && end < found.end ? (span){begin, end} : found;
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

/* What is expected, said in other words: "needs a value: X", "needs X, found", "known are X". */
static span find_expected_otherwise(const char *format) {
    static const char *const lists[] = {"needs a value: ", "known are: ", "known are ", "there are: "},
                             *const needs[] = {" needs ", " takes "};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const char *begin = strstr(format, lists[i]);
        if (begin) return (span){begin + strlen(lists[i]), end_of(format)};
    }
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        span part = enclosed(format, needs[i], ", found");
        if (part.end) return part;
    }
    return enclosed(format, "only ", " is supported");
}

/* "FILE: 9 dimensions, at most 8 are supported" */
static bool find_limit(const char *format, span *found, span *expected) {
    const char *comma = strstr(format, ", at most "), *end = comma ? strstr(comma, " are ") : NULL;
    if (!end) return false;
    *expected = (span){comma + 2, end};
    *found = find_found(format, comma);
    return true;
}

static void find_comparison(const char *format, span *found, span *expected) {
    const char *comma = strstr(format, ", expected "), *colon = strstr(format, ": expected ");
    const char *begin = comma ? comma : colon;
    if (find_limit(format, found, expected)) return;
    if (begin)
        *expected = (span){begin + strlen(", expected "), expected_end(begin + strlen(", expected "))};
    else if (starts_with(format, "expected "))
        *expected = (span){format + strlen("expected "), expected_end(format + strlen("expected "))};
    else
        *expected = find_expected_otherwise(format);
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

/* What leads may be a place: of "FILE: PLACE" the file is meant, and the place is the key if there is none;
 * "line 3" has none. */
static void part_file(fg_error *err) {
    char *place = strstr(err->file, ": ");
    if (place) {
        if (!err->key[0] && !strchr(place + 2, ' ')) snprintf(err->key, sizeof err->key, "%s", place + 2);
        *place = '\0';
    }
    if (strchr(err->file, ' ') && !strchr(err->file, '/')) err->file[0] = '\0';
}

void fg_error_fields_read(fg_error *err, const char *format, va_list arguments) {
    if (strlen(format) >= FORMAT) return;
    span found = {0}, expected = {0}, file = find_file(format), key = find_key(format, file);
    find_comparison(format, &found, &expected);
    take(file, err->text, err->file, sizeof err->file, format, arguments);
    take(key, err->text, err->key, sizeof err->key, format, arguments);
    take(found, err->text, err->found, sizeof err->found, format, arguments);
    take(expected, err->text, err->expected, sizeof err->expected, format, arguments);
    part_file(err);
}
