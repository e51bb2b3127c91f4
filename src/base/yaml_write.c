/* Writing YAML. A string is plain only where it cannot be read as anything else; else it is quoted,
 * and whatever is not printable ASCII is escaped. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/utf8_text.h"
#include "base/yaml.h"
#include "base/yaml_scalar.h"

enum {
    STEP = 2,
    LONGEST_KEY = 160, /* bytes, of which escapes make 6 characters each: readers want a ":" within 1024 */
};

typedef struct yaml_writer {
    fg_buffer *text;
    unsigned depth;
    fg_error *err;
} yaml_writer;

static fg_status put_text(const yaml_writer *w, const char *bytes) {
    return fg_buffer_put(w->text, bytes, w->err);
}

/* ---- scalars ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_plain(const char *bytes, size_t length) {
    static const char others[] = "0123456789_./- ";
    if (!length || !is_letter(bytes[0]) || bytes[length - 1] == ' ') return false;
    if (length == 1 && strchr("ynYN", bytes[0])) return false; /* not PyYAML's words, but others' */
    for (size_t i = 0; i < length; i++) {
        if (!is_letter(bytes[i]) && (!bytes[i] || !strchr(others, bytes[i]))) return false;
    }
    return true;
}

/* Whether it is read as a string without quotes. */
static fg_status stays_string(const yaml_writer *w, const char *bytes, size_t length, bool *stays) {
    *stays = false;
    if (!is_plain(bytes, length)) return FG_OK;
    json_t *read = fg_yaml_scalar(bytes, length);
    if (!read) return fg_fail(w->err, FG_ERR_MEMORY, "out of memory while writing YAML");
    *stays = json_is_string(read);
    json_decref(read);
    return FG_OK;
}

static bool is_printable(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] < ' ' || bytes[i] > '~') return false;
    }
    return true;
}

static fg_status put_single_quoted(const yaml_writer *w, const char *bytes, size_t length) {
    fg_error *err = w->err;
    FG_CALL(put_text(w, "'"));
    for (size_t i = 0; i < length; i++) {
        FG_CALL(fg_buffer_add(w->text, bytes + i, 1, err));
        if (bytes[i] == '\'') FG_CALL(put_text(w, "'"));
    }
    return put_text(w, "'");
}

static fg_status put_double_quoted(const yaml_writer *w, const char *bytes, size_t size) {
    fg_error *err = w->err;
    FG_CALL(put_text(w, "\""));
    for (const char *at = bytes, *end = bytes + size; at < end;) {
        uint32_t code = (uint32_t)fg_utf8_next(&at, end); /* jansson's strings are valid */
        if (code == '\n')
            FG_CALL(put_text(w, "\\n"));
        else if (code == '"' || code == '\\')
            FG_CALL(fg_buffer_printf(w->text, err, "\\%c", (int)code));
        else if (code >= ' ' && code <= '~')
            FG_CALL(fg_buffer_add(w->text, at - 1, 1, err));
        else
            FG_CALL(fg_buffer_printf(w->text, err, code < 0x10000 ? "\\u%04" PRIX32 : "\\U%08" PRIX32, code));
    }
    return put_text(w, "\"");
}

static fg_status put_string(const yaml_writer *w, const char *bytes, size_t length) {
    fg_error *err = w->err;
    bool plain;
    FG_CALL(stays_string(w, bytes, length, &plain));
    if (plain)
        FG_CALL(fg_buffer_add(w->text, bytes, length, err));
    else if (is_printable(bytes, length))
        FG_CALL(put_single_quoted(w, bytes, length));
    else
        FG_CALL(put_double_quoted(w, bytes, length));
    return FG_OK;
}

/* With a point in any case: without one YAML 1.1 sees no real. */
static fg_status put_real(const yaml_writer *w, double value) {
    char digits[FG_REAL_TEXT];
    if (!isfinite(value)) return fg_fail(w->err, FG_ERR_BUG, "not a finite number: %g", value);
    fg_real_text(value, digits);
    size_t whole = strcspn(digits, ".e");
    if (digits[whole] != 'e') return put_text(w, digits);
    return fg_buffer_printf(w->text, w->err, "%.*s.0%s", (int)whole, digits, digits + whole);
}

/* All but strings and reals, collections without members too, as JSON has it. */
static fg_status put_scalar(const yaml_writer *w, const json_t *value) {
    if (json_is_string(value)) return put_string(w, json_string_value(value), json_string_length(value));
    if (json_is_real(value)) return put_real(w, json_real_value(value));
    return fg_json_write(value, FG_JSON_COMPACT, w->text, w->err);
}

/* ---- collections: each ends its last line ---- */

static bool is_collection(const json_t *value) {
    return json_array_size(value) || json_object_size(value);
}

static fg_status put_collection(yaml_writer *w, const json_t *value, size_t indent);

static fg_status put_indent(const yaml_writer *w, size_t indent) {
    return fg_buffer_printf(w->text, w->err, "%*s", (int)indent, "");
}

static fg_status put_item(yaml_writer *w, const json_t *item, size_t indent) {
    fg_error *err = w->err;
    FG_CALL(put_text(w, "- "));
    if (is_collection(item)) return put_collection(w, item, indent + STEP);
    FG_CALL(put_scalar(w, item));
    return put_text(w, "\n");
}

static fg_status put_key(const yaml_writer *w, const char *key, size_t indent) {
    fg_error *err = w->err;
    bool is_long = strlen(key) > LONGEST_KEY; /* in bytes: an escape has more characters */
    if (is_long) FG_CALL(put_text(w, "? "));
    FG_CALL(put_string(w, key, strlen(key)));
    if (is_long) {
        FG_CALL(put_text(w, "\n"));
        FG_CALL(put_indent(w, indent));
    }
    return put_text(w, ":");
}

static fg_status put_member(yaml_writer *w, const char *key, const json_t *value, size_t indent) {
    fg_error *err = w->err;
    FG_CALL(put_key(w, key, indent));
    if (!is_collection(value)) {
        FG_CALL(put_text(w, " "));
        FG_CALL(put_scalar(w, value));
        FG_CALL(put_text(w, "\n"));
        return FG_OK;
    }
    FG_CALL(put_text(w, "\n"));
    if (json_is_object(value)) indent += STEP; /* lists begin below their key */
    FG_CALL(put_indent(w, indent));
    return put_collection(w, value, indent);
}

static fg_status put_object(yaml_writer *w, const json_t *object, size_t indent) {
    fg_status status = FG_OK;
    fg_error *err = w->err;
    const char **keys = NULL;
    size_t count = 0;
    json_t *value;
    FG_NEW(keys, json_object_size(object));
    FG_JSON_MEMBERS(object, key, value) keys[count++] = key;
    if (count) qsort(keys, count, sizeof *keys, fg_by_name);
    for (size_t i = 0; i < count; i++) {
        if (i) FG_TRY(put_indent(w, indent));
        FG_TRY(put_member(w, keys[i], json_object_get(object, keys[i]), indent));
    }
done:
    fg_free(keys);
    return status;
}

/* Items or members, the first on the current line, the others at `indent`. */
static fg_status put_collection(yaml_writer *w, const json_t *value, size_t indent) {
    fg_error *err = w->err;
    if (++w->depth > FG_YAML_DEPTH)
        return fg_fail(err, FG_ERR_INPUT, "a value that is nested deeper than %d cannot be written as YAML",
                       FG_YAML_DEPTH);
    if (json_is_object(value)) FG_CALL(put_object(w, value, indent));
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i) FG_CALL(put_indent(w, indent));
        FG_CALL(put_item(w, json_array_get(value, i), indent));
    }
    w->depth--;
    return FG_OK;
}

fg_status fg_yaml_write(const json_t *value, fg_buffer *out, fg_error *err) {
    yaml_writer w = {.text = out, .err = err};
    if (is_collection(value)) return put_collection(&w, value, 0);
    FG_CALL(put_scalar(&w, value));
    return put_text(&w, "\n");
}
