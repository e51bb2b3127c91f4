#include "language/value_type.h"

#include <string.h>

#include "base/buffer.h"

static bool is_count(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 1;
}

static bool is_size(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_number(const json_t *value) {
    return json_is_number(value);
}

static bool is_texts(const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        if (!json_is_string(item)) return false;
    }
    return json_is_array(value);
}

static bool is_positive(const json_t *value) {
    return json_is_number(value) && json_number_value(value) > 0;
}

static bool is_probability(const json_t *value) {
    return json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) < 1;
}

static bool is_flag(const json_t *value) {
    return json_is_boolean(value);
}

static bool is_text(const json_t *value) {
    return json_is_string(value);
}

static bool is_ids(const json_t *value) {
    size_t i;
    json_t *item;
    if (json_is_null(value) || json_is_integer(value)) return true;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        if (!json_is_integer(item)) return false;
    }
    return json_is_array(value);
}

static bool is_object(const json_t *value) {
    return json_is_object(value);
}

static const struct fg_type_row {
    const char *name;
    bool (*holds)(const json_t *value);
    const char *expected;
} types[] = {
    {"count", is_count, "an integer of 1 or more"},
    {"size", is_size, "an integer of 0 or more"},
    {"number", is_number, "a number"},
    {"texts", is_texts, "a list of strings"},
    {"positive", is_positive, "a number above 0"},
    {"probability", is_probability, "a number from 0 to below 1"},
    {"flag", is_flag, "true or false"},
    {"text", is_text, "a string"},
    {"ids", is_ids, "a token id, a list of them, or null"},
    {"object", is_object, "an object"},
};

/* "count?" also takes null. */
static const struct fg_type_row *type_row(const char *type, bool *nullable) {
    size_t length = strlen(type);
    *nullable = fg_ends_with(type, "?");
    length -= *nullable;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].name) == length && strncmp(types[i].name, type, length) == 0) return &types[i];
    }
    return NULL;
}

bool fg_type_known(const char *type) {
    bool nullable;
    return type_row(type, &nullable) != NULL;
}

const char *fg_type_mismatch(const char *type, const json_t *value) {
    bool nullable;
    const struct fg_type_row *row = type_row(type, &nullable);
    if (!row || row->holds(value) || (nullable && json_is_null(value))) return NULL;
    return row->expected;
}
