#include "language/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "language/template.h"
#include "store/tensors.h"

enum { WHERE = 800, MESSAGE = 400 };

/* ---- kinds ---- */

/* Forms that a value may have. */
enum {
    TEXT = 1 << 0,  /* a string with something in it */
    EMPTY = 1 << 1, /* any string */
    TEXTS = 1 << 2, /* a list of TEXT, not empty */
    LIST = 1 << 3,
    ITEMS = 1 << 4, /* a list, not empty */
    OBJECT = 1 << 5,
    MEMBERS = 1 << 6, /* an object, not empty */
    FLAG = 1 << 7,
    YES = 1 << 8,
    ORDER = 1 << 9,        /* each number below the length of the list once */
    EXPRESSIONS = 1 << 10, /* a list of strings and integers */
    ANY = 1 << 11,
};

static bool is_text(const json_t *value) {
    return json_string_length(value) > 0;
}

static bool is_expression(const json_t *value) {
    return json_is_string(value) || json_is_integer(value);
}

static bool each(const json_t *values, bool (*holds)(const json_t *value)) {
    json_t *item;
    FG_JSON_EACH(values, i, item) {
        if (!holds(item)) return false;
    }
    return true;
}

static bool is_order(const json_t *value) {
    unsigned seen = 0;
    size_t count = json_array_size(value);
    json_t *item;
    if (count > FG_MAX_DIMS) return false;
    FG_JSON_EACH(value, i, item) {
        json_int_t d = json_is_integer(item) ? json_integer_value(item) : -1;
        if (d < 0 || d >= (json_int_t)count || seen & 1U << d) return false;
        seen |= 1U << d;
    }
    return seen != 0;
}

/* The forms that a value has. */
static unsigned forms_of(const json_t *value) {
    unsigned forms = ANY;
    if (json_is_string(value)) forms |= EMPTY;
    if (is_text(value)) forms |= TEXT;
    if (json_is_boolean(value)) forms |= FLAG;
    if (json_is_true(value)) forms |= YES;
    if (json_is_object(value)) forms |= OBJECT;
    if (json_object_size(value)) forms |= MEMBERS;
    if (json_array_size(value)) forms |= ITEMS | (each(value, is_text) ? TEXTS : 0);
    if (!json_is_array(value)) return forms;
    return forms | LIST | (each(value, is_expression) ? EXPRESSIONS : 0) | (is_order(value) ? ORDER : 0);
}

static const struct schema_kind {
    char letter;
    unsigned forms; /* one of these */
    const char *expected;
} kinds[] = {
    {'s', TEXT, "a string with something in it"},
    {'m', TEXT | TEXTS, "a string, or a list of them"},
    {'n', TEXTS, "a list of strings"},
    {'h', EMPTY | TEXTS, "a string, or a list of them"},
    {'o', OBJECT, "an object"},
    {'D', MEMBERS, "sections by name"},
    {'a', LIST, "a list"},
    {'l', ITEMS, "a list with something in it"},
    {'b', FLAG, "true or false"},
    {'t', YES, "true"},
    {'d', ORDER, "an order of dimensions, such as [1, 0]"},
    {'c', TEXT | MEMBERS, "a section, or sections by name"},
    {'r', TEXT | ITEMS, "a section, or a list of [name, section] and [name, section, condition]"},
    {'e', TEXT, "an expression"},
    {'x', EXPRESSIONS, "a list of expressions"},
    {'q', LIST | OBJECT, "a list of [expression, message]"},
    {'Q', LIST, "a list of [expression, message]"},
    {'X', OBJECT, "an object of expressions"},
    {'E', ANY, ""},
    {'v', ANY, ""},
};

static const struct schema_kind *find_kind(char letter) {
    const struct schema_kind *kind = kinds;
    while (kind->letter != letter) kind++;
    return kind;
}

bool fg_schema_is(const json_t *value, char kind) {
    return (find_kind(kind)->forms & forms_of(value)) != 0;
}

/* ---- members ---- */

fg_status fg_schema_fail(const fg_schema_place *at, const char *key, fg_error *err, const char *format, ...) {
    char message[MESSAGE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!at->label) return fg_layers_fail(at->layers, at->parent, key, err, "%s", message);
    if (!key) return fg_layers_fail(at->layers, at->parent, at->label, err, "%s", message);
    return fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\": %s", key, message);
}

/* One of the conditions at `key`: [expression, message]. `name` is its name or number. */
static fg_status check_condition(const json_t *condition, const char *name, const char *key,
                                 const fg_schema_place *at, const char *where, fg_error *err) {
    char entry[2 * WHERE];
    if (json_array_size(condition) != 2 || !json_is_string(json_array_get(condition, 0)) ||
        !json_is_string(json_array_get(condition, 1)))
        return fg_schema_fail(at, key, err, "entry %s: expected [expression, message]", name);
    snprintf(entry, sizeof entry, "%s/%s", where, name);
    return fg_template_check(json_array_get(condition, 0), true, entry, err);
}

static fg_status check_conditions(const json_t *conditions, const char *key, const fg_schema_place *at,
                                  const char *where, fg_error *err) {
    char number[24];
    json_t *item;
    FG_JSON_EACH(conditions, i, item) {
        snprintf(number, sizeof number, "%zu", i);
        FG_CALL(check_condition(item, number, key, at, where, err));
    }
    FG_JSON_MEMBERS(conditions, name, item) FG_CALL(check_condition(item, name, key, at, where, err));
    return FG_OK;
}

fg_status fg_schema_check_member(const json_t *value, char letter, const char *key, const fg_schema_place *at,
                                 fg_error *err) {
    char where[WHERE];
    if (!fg_schema_is(value, letter))
        return fg_schema_fail(at, key, err, "found %s, expected %s", fg_json_kind(value),
                              find_kind(letter)->expected);
    const char *member = at->label ? at->label : key;
    const fg_source_file *file = fg_layers_find(at->layers, at->parent, member);
    snprintf(where, sizeof where, "%s:%u: %s%s%s", file->path, fg_source_file_line(file, at->parent, member),
             at->parent, *at->parent ? "/" : "", member);
    if (strchr("qQ", letter)) return check_conditions(value, key, at, where, err);
    return strchr("exXEv", letter) ? fg_template_check(value, letter != 'v', where, err) : FG_OK;
}

fg_status fg_schema_unknown(const char *key, const fg_schema_place *at, fg_error *err) {
    if (at->label) return fg_layers_fail(at->layers, at->parent, at->label, err, "unknown key \"%s\"", key);
    return fg_layers_fail(at->layers, at->parent, key, err, "unknown key");
}

static bool is_row_of(const fg_member_row *row, const char *key) {
    size_t length = strlen(row->key);
    if (row->key[length - 1] == '*') return strncmp(row->key, key, length - 1) == 0;
    return strcmp(row->key, key) == 0;
}

fg_status fg_schema_check(const json_t *object, const fg_member_row *rows, size_t count,
                          const fg_schema_place *at, bool complete, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(object, key, value) {
        size_t row = 0;
        while (row < count && !is_row_of(&rows[row], key)) row++;
        if (row == count) FG_CALL(fg_schema_unknown(key, at, err));
        FG_CALL(fg_schema_check_member(value, rows[row].kind, key, at, err));
    }
    for (size_t row = 0; row < count && complete; row++) {
        if (rows[row].needed && !json_object_get(object, rows[row].key))
            FG_CALL(fg_schema_fail(at, rows[row].key, err, "is missing"));
    }
    return FG_OK;
}
