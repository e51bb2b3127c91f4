/* The load-time check of the "weights" of sections (part of section_map.h). */
#include <stdio.h>
#include <string.h>

#include "language/converter_check.h"
#include "mapping/section_map.h"
#include "translate/primitive.h"

enum { WHERE = 800, PARENT = 300 };

static fg_status check_expressions(const json_t *value, const char *where, fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    size_t i;
    const char *key;
    json_t *item;
    if (json_is_string(value)) {
        FG_TRY(fg_expression_parse(&expression, json_string_value(value) + (fg_expression_is(value) ? 2 : 0),
                                   where, err));
    }
    json_array_foreach((json_t *)(uintptr_t)value, i, item) FG_TRY(check_expressions(item, where, err));
    json_object_foreach((json_t *)(uintptr_t)value, key, item) FG_TRY(check_expressions(item, where, err));
done:
    fg_expression_free(&expression);
    return status;
}

/* A member of an object: 'e' an expression or several, 's' text, 'h' one name or several, 'o' an order, 'b'
 * true, 'l' layouts, 'd' expressions by name. */
typedef struct member_row {
    const char *name;
    char kind;
} member_row;

static const member_row rule_rows[] = {
    {"hf", 'h'},      {"fast_llm", 's'}, {"shape", 'e'},      {"fast_llm_shape", 'e'}, {"each", 'e'},
    {"repeat", 'e'},  {"if", 'e'},       {"tied_if", 'e'},    {"tied_to", 's'},        {"of", 's'},
    {"permute", 'o'}, {"with", 'd'},     {"vocabulary", 'b'}, {"other", 'l'}};
static const member_row layout_rows[] = {{"hf", 'h'}, {"shape", 'e'}, {"each", 'e'}};

/* The place of a rule, for messages. */
typedef struct rule_place {
    const fg_layers *layers;
    const char *parent, *label;
} rule_place;

static bool is_kind(char kind, const json_t *value) {
    switch (kind) {
    case 's':
        return json_string_length(value) > 0;
    case 'h':
        return json_is_string(value) || fg_strings_are(value);
    case 'o':
        return fg_permutation_is(value);
    case 'b':
        return json_is_true(value);
    case 'l':
        return json_array_size(value) > 0;
    case 'd':
        return json_is_object(value);
    default:
        return true;
    }
}

static fg_status check_members(const rule_place *at, const json_t *object, const member_row *rows,
                               size_t count, fg_error *err) {
    fg_status status = FG_OK;
    char where[WHERE];
    const char *key;
    json_t *value;
    snprintf(where, sizeof where, "%s: %s/%s", fg_layers_find(at->layers, at->parent, at->label)->path,
             at->parent, at->label);
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        size_t row = 0;
        while (row < count && strcmp(rows[row].name, key) != 0) row++;
        if (row == count)
            FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "unknown key \"%s\"", key));
        if (!is_kind(rows[row].kind, value))
            FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\": found %s", key,
                                  fg_json_kind(value)));
        if (rows[row].kind == 'e' || rows[row].kind == 'd') FG_TRY(check_expressions(value, where, err));
    }
done:
    return status;
}

static bool names_a_shape(const json_t *object) {
    return json_object_get(object, "hf") && json_is_array(json_object_get(object, "shape"));
}

/* A name, or an object with "hf" and "shape". */
static fg_status check_layouts(const rule_place *at, const json_t *layouts, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *layout;
    json_array_foreach((json_t *)(uintptr_t)layouts, i, layout) {
        if (json_string_length(layout)) continue;
        if (!names_a_shape(layout))
            FG_TRY(fg_layers_fail(
                at->layers, at->parent, at->label, err,
                "\"other\": layout %zu: expected a name, or an object with \"hf\" and \"shape\"", i));
        FG_TRY(check_members(at, layout, layout_rows, sizeof layout_rows / sizeof *layout_rows, err));
    }
done:
    return status;
}

static fg_status check_rule(const fg_section *section, const fg_layers *layers, const char *label,
                            const json_t *rule, fg_error *err) {
    fg_status status = FG_OK;
    char parent[PARENT];
    const rule_place at = {.layers = layers, .parent = parent, .label = label};
    const char *of = json_string_value(json_object_get(rule, "of"));
    snprintf(parent, sizeof parent, "sections/%s/weights", section->name);
    if (!json_is_object(rule))
        FG_TRY(
            fg_layers_fail(layers, parent, label, err, "found %s, expected an object", fg_json_kind(rule)));
    FG_TRY(check_members(&at, rule, rule_rows, sizeof rule_rows / sizeof *rule_rows, err));
    FG_TRY(check_layouts(&at, json_object_get(rule, "other"), err));
    const fg_declaration *d = of ? fg_section_find(section, of) : NULL;
    if (of && (!d || !d->choice_count))
        FG_TRY(fg_layers_fail(layers, parent, label, err, "\"of\": \"%s\" leads to no section", of));
    if (of && json_is_array(json_object_get(rule, "hf")))
        FG_TRY(fg_layers_fail(layers, parent, label, err, "\"hf\": found an array, expected one prefix"));
    if (!of && !names_a_shape(rule))
        FG_TRY(fg_layers_fail(layers, parent, label, err, "a tensor needs \"hf\" and \"shape\""));
    const json_t *order = json_object_get(rule, "permute");
    if (order && json_array_size(order) != json_array_size(json_object_get(rule, "shape")))
        FG_TRY(fg_layers_fail(layers, parent, label, err, "\"permute\" and \"shape\" differ in length"));
done:
    return status;
}

fg_status fg_tensor_map_check(const fg_declarations *declarations, const fg_layers *layers, fg_error *err) {
    fg_status status = FG_OK;
    const char *label;
    json_t *rule;
    for (size_t i = 0; i < declarations->count; i++) {
        const fg_section *section = &declarations->sections[i];
        json_object_foreach((json_t *)(uintptr_t)section->weights, label, rule)
            FG_TRY(check_rule(section, layers, label, rule, err));
    }
done:
    return status;
}
