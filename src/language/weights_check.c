#include "language/weights_check.h"

#include <stdio.h>

#include "language/schema.h"

enum { PARENT = 300 };

static const fg_member_row rule_rows[] = {
    {"hf", 'h', false},         {"fast_llm", 's', false},
    {"shape", 'E', false},      {"fast_llm_shape", 'E', false},
    {"each", 'E', false},       {"repeat", 'E', false},
    {"if", 'E', false},         {"tied_if", 'E', false},
    {"tied_to", 's', false},    {"of", 's', false},
    {"permute", 'd', false},    {"with", 'X', false},
    {"vocabulary", 't', false}, {"other", 'l', false},
};
static const fg_member_row layout_rows[] = {{"hf", 'h', false}, {"shape", 'E', false}, {"each", 'E', false}};

static bool names_a_shape(const json_t *object) {
    return json_object_get(object, "hf") && json_is_array(json_object_get(object, "shape"));
}

/* A name, or an object with "hf" and "shape". */
static fg_status check_layouts(const fg_schema_place *at, const json_t *layouts, fg_error *err) {
    json_t *layout;
    FG_JSON_EACH(layouts, i, layout) {
        if (json_string_length(layout)) continue;
        if (!names_a_shape(layout))
            FG_CALL(fg_schema_fail(at, "other", err,
                                   "layout %zu: expected a name, or an object with \"hf\" and \"shape\"", i));
        FG_CALL(fg_schema_check(layout, FG_ROWS(layout_rows), at, false, err));
    }
    return FG_OK;
}

static fg_status check_rule(const fg_section *section, const fg_layers *layers, const char *label,
                            const json_t *rule, fg_error *err) {
    char parent[PARENT];
    const fg_schema_place at = {.layers = layers, .parent = parent, .label = label};
    const char *of = json_string_value(json_object_get(rule, "of"));
    snprintf(parent, sizeof parent, "sections/%s/weights", section->name);
    if (!json_is_object(rule))
        FG_CALL(fg_schema_fail(&at, NULL, err, "found %s, expected an object", fg_json_kind(rule)));
    FG_CALL(fg_schema_check(rule, FG_ROWS(rule_rows), &at, false, err));
    FG_CALL(check_layouts(&at, json_object_get(rule, "other"), err));
    const fg_declaration *d = of ? fg_section_find(section, of) : NULL;
    if (of && (!d || !d->choice_count))
        FG_CALL(fg_schema_fail(&at, "of", err, "\"%s\" leads to no section", of));
    if (of && json_is_array(json_object_get(rule, "hf")))
        FG_CALL(fg_schema_fail(&at, "hf", err, "found an array, expected one prefix"));
    if (!of && !names_a_shape(rule))
        FG_CALL(fg_schema_fail(&at, NULL, err, "a tensor needs \"hf\" and \"shape\""));
    const json_t *order = json_object_get(rule, "permute");
    if (order && json_array_size(order) != json_array_size(json_object_get(rule, "shape")))
        FG_CALL(fg_schema_fail(&at, NULL, err, "\"permute\" and \"shape\" differ in length"));
    return FG_OK;
}

fg_status fg_weights_check(const fg_declarations *declarations, const fg_layers *layers, fg_error *err) {
    json_t *rule;
    for (size_t i = 0; i < declarations->count; i++) {
        const fg_section *section = &declarations->sections[i];
        FG_JSON_MEMBERS(section->weights, label, rule) FG_CALL(check_rule(section, layers, label, rule, err));
    }
    return FG_OK;
}
