#include "language/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "language/template.h"
#include "store/tensors.h"

enum { WHERE = 800, MESSAGE = 400 };

/* ---- kinds ---- */

static bool is_text(const json_t *value) {
    return json_string_length(value) > 0;
}

static bool is_texts(const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        if (!is_text(item)) return false;
    }
    return json_array_size(value) > 0;
}

static bool is_text_or_texts(const json_t *value) {
    return is_text(value) || is_texts(value);
}

static bool is_name_or_names(const json_t *value) {
    return json_is_string(value) || is_texts(value);
}

static bool is_object(const json_t *value) {
    return json_is_object(value);
}

static bool has_members(const json_t *value) {
    return json_object_size(value) > 0;
}

static bool is_list(const json_t *value) {
    return json_is_array(value);
}

static bool has_items(const json_t *value) {
    return json_array_size(value) > 0;
}

static bool is_flag(const json_t *value) {
    return json_is_boolean(value);
}

static bool is_true(const json_t *value) {
    return json_is_true(value);
}

static bool is_order(const json_t *value) {
    unsigned seen = 0;
    size_t i, count = json_array_size(value);
    json_t *item;
    if (count > FG_MAX_DIMS) return false;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        json_int_t d = json_is_integer(item) ? json_integer_value(item) : -1;
        if (d < 0 || d >= (json_int_t)count || seen & 1U << d) return false;
        seen |= 1U << d;
    }
    return seen != 0;
}

static bool is_text_or_object(const json_t *value) {
    return is_text(value) || has_members(value);
}

static bool is_text_or_items(const json_t *value) {
    return is_text(value) || has_items(value);
}

static bool is_expressions(const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        if (!json_is_string(item) && !json_is_integer(item)) return false;
    }
    return json_is_array(value);
}

static bool is_condition(const json_t *value) {
    return json_array_size(value) == 2 && json_is_string(json_array_get(value, 0)) &&
           json_is_string(json_array_get(value, 1));
}

static bool is_condition_list(const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        if (!is_condition(item)) return false;
    }
    return json_is_array(value);
}

static bool is_conditions(const json_t *value) {
    const char *name;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, name, item) {
        if (!is_condition(item)) return false;
    }
    return json_is_object(value) || is_condition_list(value);
}

static bool is_any(const json_t *value) {
    return value != NULL;
}

static const struct schema_kind {
    char letter;
    bool (*holds)(const json_t *value);
    const char *expected;
} kinds[] = {
    {'s', is_text, "a string with something in it"},
    {'m', is_text_or_texts, "a string, or a list of them"},
    {'n', is_texts, "a list of strings"},
    {'h', is_name_or_names, "a string, or a list of them"},
    {'o', is_object, "an object"},
    {'D', has_members, "sections by name"},
    {'a', is_list, "a list"},
    {'l', has_items, "a list with something in it"},
    {'b', is_flag, "true or false"},
    {'t', is_true, "true"},
    {'d', is_order, "an order of dimensions, such as [1, 0]"},
    {'c', is_text_or_object, "a section, or sections by name"},
    {'r', is_text_or_items, "a section, or a list of [name, section] and [name, section, condition]"},
    {'e', is_text, "an expression"},
    {'x', is_expressions, "a list of expressions"},
    {'q', is_conditions, "a list of [expression, message]"},
    {'Q', is_condition_list, "a list of [expression, message]"},
    {'X', is_object, "an object of expressions"},
    {'E', is_any, NULL},
    {'v', is_any, NULL},
};

static const struct schema_kind *find_kind(char letter) {
    const struct schema_kind *kind = kinds;
    while (kind->letter != letter) kind++;
    return kind;
}

bool fg_schema_is(const json_t *value, char kind) {
    return find_kind(kind)->holds(value);
}

/* ---- members ---- */

static fg_status fail(const fg_schema_place *at, const char *key, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static fg_status fail(const fg_schema_place *at, const char *key, fg_error *err, const char *format, ...) {
    char message[MESSAGE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (at->label) return fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\": %s", key, message);
    return fg_layers_fail(at->layers, at->parent, key, err, "%s", message);
}

/* The conditions' expressions. */
static fg_status check_conditions(const json_t *conditions, const char *where, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    const char *name;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)conditions, i, item)
        FG_TRY(fg_template_check(json_array_get(item, 0), true, where, err));
    json_object_foreach((json_t *)(uintptr_t)conditions, name, item)
        FG_TRY(fg_template_check(json_array_get(item, 0), true, where, err));
done:
    return status;
}

fg_status fg_schema_check_member(const json_t *value, char letter, const char *key, const fg_schema_place *at,
                                 fg_error *err) {
    char where[WHERE];
    const struct schema_kind *kind = find_kind(letter);
    if (!kind->holds(value))
        return fail(at, key, err, "found %s, expected %s", fg_json_kind(value), kind->expected);
    const char *member = at->label ? at->label : key;
    const fg_source_file *file = fg_layers_find(at->layers, at->parent, member);
    snprintf(where, sizeof where, "%s:%u: %s%s%s", file->path, fg_source_file_line(file, at->parent, member),
             at->parent, *at->parent ? "/" : "", member);
    if (strchr("qQ", letter)) return check_conditions(value, where, err);
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
    fg_status status = FG_OK;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        size_t row = 0;
        while (row < count && !is_row_of(&rows[row], key)) row++;
        if (row == count) FG_TRY(fg_schema_unknown(key, at, err));
        FG_TRY(fg_schema_check_member(value, rows[row].kind, key, at, err));
    }
    for (size_t row = 0; row < count && complete; row++) {
        if (rows[row].needed && !json_object_get(object, rows[row].key))
            FG_TRY(fail(at, rows[row].key, err, "is missing"));
    }
done:
    return status;
}
