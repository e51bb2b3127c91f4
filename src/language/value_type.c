#include "language/value_type.h"

#include <string.h>

#include "base/buffer.h"

static bool is_from(const json_t *value, double least) {
    return json_is_number(value) && json_number_value(value) >= least;
}

/* Whether it is a list of values of one type. */
static bool is_list_of(const json_t *value, json_type type) {
    json_t *item;
    FG_JSON_EACH(value, i, item) {
        if (json_typeof(item) != type) return false;
    }
    return json_is_array(value);
}

enum { COUNT, SIZE, NUMBER, TEXTS, POSITIVE, PROBABILITY, FLAG, TEXT, IDS, OBJECT, TYPES };

static const struct value_type {
    const char *name, *expected;
} types[TYPES] = {
    [COUNT] = {"count", "an integer of 1 or more"},
    [SIZE] = {"size", "an integer of 0 or more"},
    [NUMBER] = {"number", "a number"},
    [TEXTS] = {"texts", "a list of strings"},
    [POSITIVE] = {"positive", "a number above 0"},
    [PROBABILITY] = {"probability", "a number from 0 to below 1"},
    [FLAG] = {"flag", "true or false"},
    [TEXT] = {"text", "a string"},
    [IDS] = {"ids", "a token id, a list of them, or null"},
    [OBJECT] = {"object", "an object"},
};

static bool holds(int type, const json_t *value) {
    const bool is[TYPES] = {
        [COUNT] = json_is_integer(value) && is_from(value, 1),
        [SIZE] = json_is_integer(value) && is_from(value, 0),
        [NUMBER] = json_is_number(value),
        [TEXTS] = is_list_of(value, JSON_STRING),
        [POSITIVE] = is_from(value, 0) && json_number_value(value) != 0,
        [PROBABILITY] = is_from(value, 0) && json_number_value(value) < 1,
        [FLAG] = json_is_boolean(value),
        [TEXT] = json_is_string(value),
        [IDS] = json_is_null(value) || json_is_integer(value) || is_list_of(value, JSON_INTEGER),
        [OBJECT] = json_is_object(value),
    };
    return is[type];
}

/* TYPES if there is no such type; "count?" also takes null. */
static int find_type(const char *type, bool *nullable) {
    size_t length = strlen(type);
    int i = 0;
    *nullable = fg_ends_with(type, "?");
    length -= *nullable;
    while (i < TYPES && (strlen(types[i].name) != length || strncmp(types[i].name, type, length) != 0)) i++;
    return i;
}

bool fg_type_known(const char *type) {
    bool nullable;
    return find_type(type, &nullable) != TYPES;
}

const char *fg_type_mismatch(const char *type, const json_t *value) {
    bool nullable;
    int row = find_type(type, &nullable);
    if (row == TYPES || holds(row, value) || (nullable && json_is_null(value))) return NULL;
    return types[row].expected;
}
