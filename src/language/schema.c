#include "language/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest_name.h"
#include "language/template.h"
#include "store/tensors.h"

enum { WHERE = 800 };

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
    COUNT = 1 << 11,       /* an integer of 0 or more */
    VARIANTS = 1 << 12,    /* a list of texts and objects, not empty */
    ANY = 1 << 13,
};

static bool is_text(const json_t *value) {
    return json_string_length(value) > 0;
}

static bool is_expression(const json_t *value) {
    return json_is_string(value) || json_is_integer(value);
}

static bool is_variant(const json_t *value) {
    return is_text(value) || json_is_object(value);
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
    if (json_integer_value(value) > 0 || (json_is_integer(value) && !json_integer_value(value)))
        forms |= COUNT;
    if (json_is_object(value)) forms |= OBJECT;
    if (json_object_size(value)) forms |= MEMBERS;
    if (json_array_size(value))
        forms |= ITEMS | (each(value, is_text) ? TEXTS : 0) | (each(value, is_variant) ? VARIANTS : 0);
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
    {'k', TEXT, "a message"},
    {'i', COUNT, "an integer of 0 or more"},
    {'u', YES | TEXT, "true, or a string"},
    {'y', TEXT | OBJECT, "an object, or the name of one"},
    {'w', TEXT | OBJECT | VARIANTS, "a string, an object, or a list of them"},
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
    fg_error said = {0};
    va_list arguments;
    va_start(arguments, format);
    fg_fail_list(&said, FG_ERR_INPUT, format, arguments);
    va_end(arguments);
    if (at->label && key)
        fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\": %s", key, said.text);
    else
        fg_layers_fail(at->layers, at->parent, at->label ? at->label : key, err, "%s", said.text);
    return fg_fail_quoting(err, &said);
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

/* Expressions in a member of such a kind. `where` is for the message. */
static fg_status check_expressions(const json_t *value, char letter, const char *key, const char *where,
                                   fg_error *err) {
    if (letter == 'k') {
        fg_expression *condition = NULL;
        fg_status status = fg_expression_parse(&condition, key, where, err);
        fg_expression_free(&condition);
        return status;
    }
    return strchr("exXEv", letter) ? fg_template_check(value, letter != 'v', where, err) : FG_OK;
}

static fg_status check_content(const json_t *value, char letter, const char *key, const fg_schema_place *at,
                               const char *where, fg_error *err) {
    if (strchr("qQ", letter)) return check_conditions(value, key, at, where, err);
    return check_expressions(value, letter, key, where, err);
}

fg_status fg_schema_check_member(const json_t *value, char letter, const char *key, const fg_schema_place *at,
                                 fg_error *err) {
    char where[WHERE];
    if (at->removes && json_is_null(value)) return FG_OK;
    if (!fg_schema_is(value, letter))
        return fg_schema_fail(at, key, err, "found %s, expected %s", fg_json_kind(value),
                              find_kind(letter)->expected);
    fg_error unsaid = {0};
    fg_status status = check_content(value, letter, key, at, "", &unsaid);
    if (status == FG_OK) return FG_OK;
    if (status != FG_ERR_INPUT) {
        *err = unsaid;
        return status;
    }
    /* To find a line is a walk over the file's text: only for a message. */
    const char *member = at->label ? at->label : key;
    const fg_source_file *file = fg_layers_find(at->layers, at->parent, member);
    snprintf(where, sizeof where, "%s:%u: %s%s%s", file->path, fg_source_file_line(file, at->parent, member),
             at->parent, *at->parent ? "/" : "", member);
    return check_content(value, letter, key, at, where, err);
}

static fg_status fail_unknown(const char *key, const fg_schema_place *at, const fg_nearest_name *nearest,
                              fg_error *err) {
    if (at->label)
        fg_layers_fail(at->layers, at->parent, at->label, err, "unknown key \"%s\"", key);
    else
        fg_layers_fail(at->layers, at->parent, key, err, "unknown key");
    if (nearest->best) fg_hint(err, "did you mean \"%s\"?", nearest->best);
    return FG_ERR_INPUT;
}

static void try_names(fg_nearest_name *nearest, const char *(*name_at)(size_t i)) {
    for (size_t i = 0; name_at && name_at(i); i++) fg_nearest_name_try(nearest, name_at(i));
}

fg_status fg_schema_unknown(const char *key, const char *(*name_at)(size_t i), const fg_schema_place *at,
                            fg_error *err) {
    fg_nearest_name nearest = fg_nearest_name_begin(key);
    try_names(&nearest, name_at);
    return fail_unknown(key, at, &nearest, err);
}

void fg_schema_suggest(const char *typed, const char *(*name_at)(size_t i), fg_error *err) {
    fg_nearest_name nearest = fg_nearest_name_begin(typed);
    try_names(&nearest, name_at);
    if (nearest.best) fg_hint(err, "did you mean \"%s\"?", nearest.best);
}

static bool is_row_of(const fg_member_row *row, const char *key) {
    size_t length = strlen(row->key);
    if (row->key[length - 1] == '*') return strncmp(row->key, key, length - 1) == 0;
    return strcmp(row->key, key) == 0;
}

/* The row of a member; NULL: it has none. */
static const fg_member_row *find_row(const fg_schema_level *level, const char *key) {
    const fg_member_row *row = level->rows, *end = level->rows + level->count;
    while (row < end && !is_row_of(row, key)) row++;
    if (row == end) return NULL;
    if (strcmp(row->key, "*") != 0 || !level->name_at) return row;
    size_t i = 0;
    while (level->name_at(i) && strcmp(level->name_at(i), key) != 0) i++;
    return level->name_at(i) ? row : NULL;
}

static fg_status fail_without_row(const fg_schema_level *level, const char *key, const fg_schema_place *at,
                                  fg_error *err) {
    fg_nearest_name nearest = fg_nearest_name_begin(key);
    for (size_t i = 0; i < level->count; i++) fg_nearest_name_try(&nearest, level->rows[i].key);
    try_names(&nearest, level->name_at);
    return fail_unknown(key, at, &nearest, err);
}

static fg_status check_level(const json_t *object, const fg_schema_level *level, const fg_schema_place *at,
                             bool complete, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(object, key, value) {
        const fg_member_row *row = find_row(level, key);
        if (!row) FG_CALL(fail_without_row(level, key, at, err));
        FG_CALL(fg_schema_check_member(value, row->kind, key, at, err));
    }
    for (size_t i = 0; i < level->count && complete; i++) {
        const fg_member_row *row = &level->rows[i];
        if (row->needed && !json_object_get(object, row->key))
            FG_CALL(fg_schema_fail(at, row->key, err, "is missing"));
    }
    return FG_OK;
}

fg_status fg_schema_check(const json_t *object, const fg_member_row *rows, size_t count,
                          const fg_schema_place *at, bool complete, fg_error *err) {
    return check_level(object, &(fg_schema_level){.rows = rows, .count = count}, at, complete, err);
}

/* ---- levels ---- */

static fg_status check_below(const json_t *value, const char *rest, const fg_schema_level *level,
                             const fg_schema_place *at, fg_error *err);

/* The value of one member, or item. */
static fg_status check_inside(const json_t *value, const char *key, const char *rest,
                              const fg_schema_level *level, const fg_schema_place *outer, fg_error *err) {
    char path[WHERE];
    fg_schema_place at = *outer;
    at.parent = path;
    if (!json_is_object(value) && !json_is_array(value)) return FG_OK;
    if (snprintf(path, sizeof path, "%s%s%s", outer->parent, *outer->parent ? "/" : "", key) >= WHERE)
        return fg_schema_fail(outer, key, err, "its path is too long");
    return check_below(value, rest, level, &at, err);
}

/* What is at `rest`, as in level->path, below a value. */
static fg_status check_below(const json_t *value, const char *rest, const fg_schema_level *level,
                             const fg_schema_place *at, fg_error *err) {
    size_t length = strcspn(rest, "/");
    const char *next = rest + length + (rest[length] == '/');
    bool any = length == 1 && *rest == '*';
    char number[24];
    json_t *inner;
    FG_JSON_EACH(value, i, inner) {
        snprintf(number, sizeof number, "%zu", i);
        if (json_is_object(inner)) FG_CALL(check_inside(inner, number, rest, level, at, err));
    }
    if (!length) return json_is_object(value) ? check_level(value, level, at, !at->removes, err) : FG_OK;
    FG_JSON_MEMBERS(value, key, inner) {
        if (any || (strlen(key) == length && strncmp(key, rest, length) == 0))
            FG_CALL(check_inside(inner, key, next, level, at, err));
    }
    return FG_OK;
}

fg_status fg_schema_check_levels(const json_t *object, const fg_schema_level *levels, size_t count,
                                 const fg_schema_place *at, fg_error *err) {
    const char *outer = levels[0].path;
    size_t length = strlen(outer);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(levels[i].path, outer, length) != 0) continue;
        const char *rest = levels[i].path + length;
        FG_CALL(check_below(object, rest + (*rest == '/'), &levels[i], at, err));
    }
    return FG_OK;
}
