#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/utf8_text.h"

enum { SEGMENT = 512, INTEGER_DIGITS = 18 };

/* ---- reading ---- */

/* Appends ".0" to integers that 64 bits cannot surely hold, which makes reals of them. */
static fg_status rewrite_large_integers(const char *bytes, size_t length, fg_buffer *out, fg_error *err) {
    size_t copied = 0;
    bool inside = false;
    for (size_t i = 0; i < length; i++) {
        if (inside) {
            if (bytes[i] == '\\')
                i++;
            else if (bytes[i] == '"')
                inside = false;
            continue;
        }
        if (bytes[i] == '"') inside = true;
        if (bytes[i] < '0' || bytes[i] > '9') continue;
        size_t end = i;
        while (end < length && bytes[end] >= '0' && bytes[end] <= '9') end++;
        bool fraction = i > 0 && (bytes[i - 1] == '.' || bytes[i - 1] == 'e' || bytes[i - 1] == 'E' ||
                                  bytes[i - 1] == '+');
        bool integer = end == length || !strchr(".eE", bytes[end]);
        if (end - i > INTEGER_DIGITS && integer && !fraction) {
            FG_CALL(fg_buffer_add(out, bytes + copied, end - copied, err));
            FG_CALL(fg_buffer_add(out, ".0", 2, err));
            copied = end;
        }
        i = end - 1;
    }
    if (copied) FG_CALL(fg_buffer_add(out, bytes + copied, length - copied, err));
    return FG_OK;
}

fg_status fg_json_parse(const char *name, const char *bytes, size_t length, json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer rewritten = {0};
    json_error_t what;
    *value = NULL;
    if (!length) return fg_file_refuse_empty(name, err);
    /* jansson passes over a NUL behind a value, where those who count lines in the text stop at it. */
    const char *nul = length ? memchr(bytes, '\0', length) : NULL;
    if (nul) FG_FAIL(err, FG_ERR_INPUT, "%s: byte %zu: not valid JSON: a NUL", name, (size_t)(nul - bytes));
    FG_TRY(rewrite_large_integers(bytes, length, &rewritten, err));
    if (rewritten.data) {
        bytes = rewritten.data;
        length = rewritten.length;
    }
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3; /* a byte order mark, as some editors leave it */
        length -= 3;
    }
    FG_TRY(fg_json_load(bytes, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, value, &what, err));
    if (*value) goto done;
    fg_fail(err, FG_ERR_INPUT, "%s: line %d, column %d: not valid JSON: %s", name, what.line, what.column,
            what.text);
    fg_about_found(err, "%s", what.text);
    status = fg_about_expected(err, "valid JSON");
done:
    fg_buffer_free(&rewritten);
    return status;
}

fg_status fg_json_read(const char *path, json_t **value, fg_error *err) {
    fg_buffer text = {0};
    *value = NULL;
    fg_status status = fg_file_read_all(path, FG_JSON_LIMIT, &text, err);
    if (status == FG_OK) status = fg_json_parse(path, text.data, text.length, value, err);
    fg_buffer_free(&text);
    return status;
}

fg_status fg_json_read_object(const char *directory, const char *name, json_t **object, fg_error *err) {
    fg_status status = FG_OK;
    fg_path_kind kind;
    char *path = NULL;
    *object = NULL;
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) goto done;
    FG_TRY(fg_json_read(path, object, err));
    if (!json_is_object(*object))
        FG_FAIL(err, FG_ERR_INPUT, "%s: found %s, expected an object", path, fg_json_kind(*object));
done:
    if (status != FG_OK) {
        json_decref(*object);
        *object = NULL;
    }
    fg_free(path);
    return status;
}

/* ---- paths ---- */

/* Cuts the first segment off `path` into `segment`; returns what follows the slash, NULL at the end. */
static const char *cut(const char *path, char *segment) {
    const char *slash = strchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : strlen(path);
    if (length >= SEGMENT) length = SEGMENT - 1;
    memcpy(segment, path, length);
    segment[length] = '\0';
    return slash ? slash + 1 : NULL;
}

static json_t *child(const json_t *value, const char *segment) {
    if (json_is_object(value)) return json_object_get(value, segment);
    if (!json_is_array(value)) return NULL;
    char *end;
    unsigned long index = strtoul(segment, &end, 10);
    return *segment && !*end ? json_array_get(value, index) : NULL;
}

json_t *fg_json_at(const json_t *root, const char *path) {
    char segment[SEGMENT];
    json_t *at = (json_t *)(uintptr_t)root; /* json_object_get gives a mutable child of a const object too */
    for (const char *rest = path; rest && *rest && at;) {
        rest = cut(rest, segment);
        at = child(at, segment);
    }
    return at;
}

fg_status fg_json_set_at(json_t *root, const char *path, json_t *value, fg_error *err) {
    char segment[SEGMENT];
    json_t *at = root;
    for (const char *rest = cut(path, segment); rest && json_is_object(at); rest = cut(rest, segment)) {
        json_t *next = json_object_get(at, segment);
        if (!next) {
            next = json_object();
            if (!next || json_object_set_new(at, segment, next)) {
                json_decref(value);
                return fg_fail(err, FG_ERR_MEMORY, "out of memory while setting %s", path);
            }
        }
        at = next;
    }
    if (!json_is_object(at)) {
        json_decref(value);
        return fg_fail(err, FG_ERR_INPUT, "%s: cannot be set inside %s", path, fg_json_kind(at));
    }
    return fg_json_put(at, segment, value, err);
}

bool fg_json_equal(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) {
        if (json_is_integer(a) && json_is_integer(b)) return json_integer_value(a) == json_integer_value(b);
        return json_number_value(a) == json_number_value(b);
    }
    if (!a || !b || json_typeof(a) != json_typeof(b)) return false;
    if (json_is_array(a)) {
        size_t count = json_array_size(a);
        for (size_t i = 0; i < count; i++) {
            if (!fg_json_equal(json_array_get(a, i), json_array_get(b, i))) return false;
        }
        return count == json_array_size(b);
    }
    if (json_is_object(a)) {
        json_t *value;
        FG_JSON_MEMBERS(a, key, value) {
            if (!fg_json_equal(value, json_object_get(b, key))) return false;
        }
        return json_object_size(a) == json_object_size(b);
    }
    return json_equal(a, b);
}

bool fg_json_contains(const json_t *list, const json_t *value) {
    json_t *item;
    FG_JSON_EACH(list, i, item) {
        if (fg_json_equal(item, value)) return true;
    }
    return false;
}

/* ---- writing ---- */

typedef struct json_writer {
    fg_buffer *text;
    unsigned flags;
    fg_error *err;
} json_writer;

static fg_status put_text(const json_writer *w, const char *bytes) {
    return fg_buffer_add(w->text, bytes, strlen(bytes), w->err);
}

static fg_status put_real(const json_writer *w, double value) {
    char digits[FG_REAL_TEXT];
    if (!isfinite(value)) return fg_fail(w->err, FG_ERR_BUG, "JSON cannot hold the number %g", value);
    if (fabs(value) >= 1e16 && fabs(value) < 1e40 && value == floor(value)) {
        return fg_buffer_printf(w->text, w->err, "%.0f", value); /* it was an integer of many digits */
    }
    return put_text(w, fg_real_text(value, digits));
}

static fg_status put_escape(const json_writer *w, uint32_t code) {
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *n = names; *n; n += 2) {
        if ((uint32_t)(unsigned char)*n == code) return fg_buffer_printf(w->text, w->err, "\\%c", n[1]);
    }
    if (code < 0x10000) return fg_buffer_printf(w->text, w->err, "\\u%04" PRIx32, code);
    code -= 0x10000;
    return fg_buffer_printf(w->text, w->err, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + (code >> 10),
                            0xdc00 + (code & 0x3ff));
}

static fg_status put_string(const json_writer *w, const char *bytes, size_t size) {
    fg_error *err = w->err;
    const char *end = bytes + size, *plain = bytes;
    FG_CALL(put_text(w, "\""));
    for (const char *at = bytes; at < end;) {
        const char *begin = at;
        uint32_t code = (uint32_t)fg_utf8_next(&at, end); /* jansson's strings are valid */
        bool as_is = code >= 0x20 && code != '"' && code != '\\' && (code < 0x80 || w->flags & FG_JSON_UTF8);
        if (as_is) continue;
        FG_CALL(fg_buffer_add(w->text, plain, (size_t)(begin - plain), err));
        FG_CALL(put_escape(w, code));
        plain = at;
    }
    FG_CALL(fg_buffer_add(w->text, plain, (size_t)(end - plain), err));
    return put_text(w, "\"");
}

static fg_status new_line(const json_writer *w, unsigned depth, bool first) {
    if (w->flags & FG_JSON_COMPACT) return first ? FG_OK : put_text(w, " ");
    return fg_buffer_printf(w->text, w->err, "\n%*s", (int)depth * 2, "");
}

static fg_status put_value(const json_writer *w, const json_t *value, unsigned depth);

static fg_status put_object(const json_writer *w, const json_t *object, unsigned depth) {
    fg_status status = FG_OK;
    fg_error *err = w->err;
    const char **keys = NULL;
    size_t count = 0;
    json_t *value;
    FG_NEW(keys, json_object_size(object) + 1);
    FG_JSON_MEMBERS(object, key, value) keys[count++] = key;
    if (w->flags & FG_JSON_SORTED) qsort(keys, count, sizeof *keys, fg_by_name);
    FG_TRY(put_text(w, "{"));
    for (size_t i = 0; i < count; i++) {
        if (i) FG_TRY(put_text(w, ","));
        FG_TRY(new_line(w, depth + 1, i == 0));
        FG_TRY(put_string(w, keys[i], strlen(keys[i])));
        FG_TRY(put_text(w, ": "));
        FG_TRY(put_value(w, json_object_get(object, keys[i]), depth + 1));
    }
    if (count && !(w->flags & FG_JSON_COMPACT)) FG_TRY(new_line(w, depth, false));
    FG_TRY(put_text(w, "}"));
done:
    fg_free(keys);
    return status;
}

static fg_status put_array(const json_writer *w, const json_t *array, unsigned depth) {
    fg_error *err = w->err;
    size_t count = json_array_size(array);
    FG_CALL(put_text(w, "["));
    for (size_t i = 0; i < count; i++) {
        if (i) FG_CALL(put_text(w, ","));
        FG_CALL(new_line(w, depth + 1, i == 0));
        FG_CALL(put_value(w, json_array_get(array, i), depth + 1));
    }
    if (count && !(w->flags & FG_JSON_COMPACT)) FG_CALL(new_line(w, depth, false));
    return put_text(w, "]");
}

static fg_status put_value(const json_writer *w, const json_t *value, unsigned depth) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return put_object(w, value, depth);
    case JSON_ARRAY:
        return put_array(w, value, depth);
    case JSON_STRING:
        return put_string(w, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return fg_buffer_printf(w->text, w->err, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL:
        return put_real(w, json_real_value(value));
    case JSON_TRUE:
        return put_text(w, "true");
    case JSON_FALSE:
        return put_text(w, "false");
    case JSON_NULL:
        return put_text(w, "null");
    }
    return fg_fail(w->err, FG_ERR_BUG, "a JSON value of unknown kind");
}

fg_status fg_json_write(const json_t *value, unsigned flags, fg_buffer *text, fg_error *err) {
    json_writer w = {.text = text, .flags = flags, .err = err};
    return put_value(&w, value, 0);
}

fg_status fg_json_write_line(const json_t *value, unsigned flags, fg_buffer *text, fg_error *err) {
    FG_CALL(fg_json_write(value, flags, text, err));
    return fg_buffer_add(text, "\n", 1, err);
}

const char *fg_json_brief(const json_t *value, char *buffer, size_t size) {
    if (!value) {
        snprintf(buffer, size, "(absent)");
        return buffer;
    }
    fg_buffer text = {0};
    if (fg_json_write(value, FG_JSON_COMPACT | FG_JSON_UTF8, &text, NULL) != FG_OK) {
        snprintf(buffer, size, "(%s)", fg_json_kind(value));
    } else if (text.length < size) {
        memcpy(buffer, text.data, text.length + 1);
    } else {
        snprintf(buffer, size, "%.*s...", (int)size - 4, text.data);
    }
    fg_buffer_free(&text);
    return buffer;
}

const char *fg_json_kind(const json_t *value) {
    static const char *const names[] = {"an object",     "an array", "a string", "an integer",
                                        "a real number", "true",     "false",    "null"};
    return value ? names[json_typeof(value)] : "nothing";
}

/* ---- members as C values ---- */

static fg_status wrong(const json_t *value, const char *key, const char *file, const char *expected,
                       fg_error *err) {
    char brief[80];
    return fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\": found %s, expected %s", file, key,
                   fg_json_brief(value, brief, sizeof brief), expected);
}

fg_status fg_json_get_u64(const json_t *object, const char *key, const char *file, uint64_t *value,
                          fg_error *err) {
    const json_t *found = json_object_get(object, key);
    if (!found) return FG_OK;
    if (!json_is_integer(found) || json_integer_value(found) < 0)
        return wrong(found, key, file, "an integer of 0 or more", err);
    *value = (uint64_t)json_integer_value(found);
    return FG_OK;
}

fg_status fg_json_get_string(const json_t *object, const char *key, const char *file, const char **value,
                             fg_error *err) {
    const json_t *found = json_object_get(object, key);
    if (!found) return FG_OK;
    if (!json_is_string(found)) return wrong(found, key, file, "a string", err);
    *value = json_string_value(found);
    return FG_OK;
}
