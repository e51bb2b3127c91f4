#include "language/converter_check.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "language/converter.h"
#include "language/schema.h"

enum { WHERE = 400 };

/* ---- keys and kinds ---- */

static const fg_member_row top_rows[] = {
    {"format", 's', true},
    {"model_type", 's', true},
    {"extends", 'm', false},
    {"about", 's', false},
    {"abstract", 'b', false},
    {"hf", 'o', false},
    {"code", 'o', false},
    {"unknown_keys", 's', false},
    {"root", 's', true},
    {"sections", 'o', true},
    {"tensors", 'o', false},
    {"drop", 'a', false},
    {"other_names", 'a', false},
    {"tables", 'o', false},
    {"model", 's', false},
    {"defaults", 'o', false},
    {"example", 'o', false},
    {"hf_model_type", 's', false},
    {"unsupported", 'o', false},
    {"options", 'o', false},
    {"migrations", 'a', false},
    {"base_model_prefix", 's', false},
    {"layer_overrides", 'o', false},
    {"to_*", 'o', false},
};
static const fg_member_row hf_rows[] = {{"architectures", 'n', true}};
static const fg_member_row code_rows[] = {
    {"file", 's', true}, {"config_class", 's', true}, {"model_class", 's', true}};
static const fg_member_row direction_rows[] = {{"lists", 'o', false}, {"names", 'a', true}};
/* The first rows are those of every table of templates, the others are of a converter's "tensors" alone. */
static const fg_member_row tensor_rows[] = {
    {"shape", 'x', true},    {"repeat", 'e', false},    {"if", 'e', false},         {"tied_to", 's', false},
    {"tied_if", 'e', false}, {"also_read", 'n', false}, {"vocabulary", 'b', false}, {"split", 'X', false},
};
enum { TEMPLATE_ROWS = 5, TENSOR_ROWS = sizeof tensor_rows / sizeof *tensor_rows };

#define CHECK_MEMBERS(object, rows, path)                                                                    \
    fg_schema_check(object, FG_ROWS(rows), &(fg_schema_place){.layers = layers, .parent = (path)},           \
                    !abstract, err)

/* "split": names of parts are like that of the whole, which is not tied or read by other names. */
static fg_status check_split(const char *template, const json_t *spec, const fg_schema_place *at,
                             fg_error *err) {
    static const char *const others[] = {"tied_to", "also_read", "vocabulary"};
    json_t *rows;
    FG_JSON_MEMBERS(json_object_get(spec, "split"), name, rows) {
        if ((strstr(name, "{i}") != NULL) != (strstr(template, "{i}") != NULL))
            FG_CALL(fg_schema_fail(at, "split", err, "\"{i}\" must be in \"%s\" as in the name of the tensor",
                                   name));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others && json_object_get(spec, "split"); i++) {
        if (json_object_get(spec, others[i]))
            FG_CALL(fg_schema_fail(at, "split", err, "a tensor that is split cannot have \"%s\"", others[i]));
    }
    return FG_OK;
}

static fg_status check_template(const json_t *templates, const char *key, const char *name,
                                const json_t *spec, size_t rows, const fg_layers *layers, bool abstract,
                                fg_error *err) {
    char parent[WHERE];
    if (!json_is_object(spec))
        return fg_layers_fail(layers, key, name, err, "found %s, expected an object", fg_json_kind(spec));
    snprintf(parent, sizeof parent, "%s/%s", key, name);
    FG_CALL(fg_schema_check(spec, tensor_rows, rows, &(fg_schema_place){.layers = layers, .parent = parent},
                            !abstract, err));
    const fg_schema_place at = {.layers = layers, .parent = key, .label = name};
    if ((strstr(name, "{i}") != NULL) != (json_object_get(spec, "repeat") != NULL))
        FG_CALL(fg_schema_fail(&at, NULL, err, "\"{i}\" in the name and \"repeat\" belong together"));
    if (!json_object_get(spec, "tied_to") != !json_object_get(spec, "tied_if"))
        FG_CALL(fg_schema_fail(&at, NULL, err, "\"tied_to\" and \"tied_if\" belong together"));
    FG_CALL(check_split(name, spec, &at, err));
    const char *tied = json_string_value(json_object_get(spec, "tied_to"));
    if (tied && !json_object_get(templates, tied))
        FG_CALL(fg_schema_fail(&at, "tied_to", err, "there is no tensor \"%s\"", tied));
    return FG_OK;
}

/* Pairs of texts whose patterns compile. */
static fg_status check_rules(const json_t *document, const char *key, const char *expected,
                             const fg_layers *layers, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *list = json_object_get(document, key);
    fg_name_rules *rules = NULL;
    json_t *row;
    const fg_source_file *layer = fg_layers_find(layers, "", key);
    FG_JSON_EACH(list, i, row) {
        if (json_array_size(row) != 2 || !fg_schema_is(row, 'n'))
            FG_TRY(fg_layers_fail(layers, "", key, err, "entry %zu: expected %s", i, expected));
    }
    if (json_array_size(list))
        FG_TRY(fg_name_rules_compile(&rules, list, NULL, layer->path, key, &layer->text, err));
done:
    fg_name_rules_free(&rules);
    return status;
}

static fg_status check_templates(const json_t *templates, const char *key, size_t rows,
                                 const fg_layers *layers, bool abstract, fg_error *err) {
    json_t *spec;
    FG_JSON_MEMBERS(templates, name, spec)
        FG_CALL(check_template(templates, key, name, spec, rows, layers, abstract, err));
    return FG_OK;
}

fg_status fg_templates_check(const json_t *templates, const char *key, const fg_layers *layers,
                             fg_error *err) {
    return check_templates(templates, key, TEMPLATE_ROWS, layers, false, err);
}

/* "unsupported": a reason for each setting, in a file that is no converter. */
static fg_status check_unsupported(const json_t *document, const fg_layers *layers, bool abstract,
                                   fg_error *err) {
    const json_t *unsupported = json_object_get(document, "unsupported");
    const fg_schema_place at = {.layers = layers, .parent = "unsupported"};
    json_t *reason;
    if (unsupported && !abstract)
        FG_CALL(fg_layers_fail(layers, "", "unsupported", err, "needs \"abstract\": true"));
    FG_JSON_MEMBERS(unsupported, setting, reason)
        FG_CALL(fg_schema_check_member(reason, 's', setting, &at, err));
    return FG_OK;
}

fg_status fg_converter_check_shape(const json_t *document, const fg_layers *layers, bool abstract,
                                   fg_error *err) {
    json_t *value;
    FG_CALL(CHECK_MEMBERS(document, top_rows, ""));
    const char *format = json_string_value(json_object_get(document, "format"));
    const char *unknown = json_string_value(json_object_get(document, "unknown_keys"));
    if (format && !fg_format_target_find(format))
        FG_CALL(fg_layers_fail(layers, "", "format", err,
                               "\"%s\" is not a format that models can be converted to", format));
    if (unknown && strcmp(unknown, "refuse") != 0 && strcmp(unknown, "warn_if_neutral") != 0)
        FG_CALL(fg_layers_fail(layers, "", "unknown_keys", err,
                               "found \"%s\", expected \"refuse\" or \"warn_if_neutral\"", unknown));
    if (json_object_get(document, "hf"))
        FG_CALL(CHECK_MEMBERS(json_object_get(document, "hf"), hf_rows, "hf"));
    if (json_object_get(document, "code"))
        FG_CALL(CHECK_MEMBERS(json_object_get(document, "code"), code_rows, "code"));
    FG_JSON_MEMBERS(document, key, value) {
        if (!fg_starts_with(key, "to_")) continue;
        bool known = strcmp(key, "to_hf") == 0 || (format && strcmp(key + 3, format) == 0);
        if (!known || !json_is_object(value))
            FG_CALL(fg_layers_fail(layers, "", key, err, "expected an object \"to_hf\" or \"to_%s\"",
                                   format ? format : "..."));
        FG_CALL(CHECK_MEMBERS(value, direction_rows, key));
    }
    FG_CALL(check_unsupported(document, layers, abstract, err));
    FG_CALL(check_rules(document, "drop", "[pattern, reason]", layers, err));
    FG_CALL(check_rules(document, "other_names", "[pattern, replacement]", layers, err));
    return check_templates(json_object_get(document, "tensors"), "tensors", TENSOR_ROWS, layers, abstract,
                           err);
}

/* ---- names ---- */

typedef struct names_check {
    const json_t *document;
    const fg_layers *layers;
    fg_name_rules *const *rules;
    fg_map seen;  /* target name -> index of the tensor that gave it */
    char **names; /* owned; keys of `seen` */
    size_t count, capacity;
} names_check;

/* The template with {i} replaced: one digit and two, as layers have. */
static char *with_index(const char *template, const char *index, fg_error *err) {
    const char *at = strstr(template, "{i}");
    return at ? fg_strformat(err, "%.*s%s%s", (int)(at - template), template, index, at + 3)
              : fg_strdup(template, err);
}

static fg_status rename_or_fail(const names_check *c, fg_direction direction, const char *template,
                                const char *name, fg_buffer *out, fg_error *err) {
    bool matched = false;
    fg_status status = fg_name_rules_apply(c->rules[direction], name, out, &matched, err);
    if (status != FG_OK || matched) return status;
    return fg_layers_fail(c->layers, "tensors", template, err, "no rule matches the %s name \"%s\"",
                          direction == FG_IMPORT ? "hf" : "target", name);
}

static fg_status expect_back(const names_check *c, const char *template, const char *target, const char *name,
                             fg_error *err) {
    fg_buffer back = {0};
    fg_status status = rename_or_fail(c, FG_EXPORT, template, target, &back, err);
    if (status == FG_OK && strcmp(back.data, name) != 0)
        status = fg_layers_fail(c->layers, "tensors", template, err,
                                "\"%s\" comes back from \"%s\" as \"%s\"", name, target, back.data);
    fg_buffer_free(&back);
    return status;
}

static fg_status note_target(names_check *c, const char *template, const char *target, fg_error *err) {
    if (fg_map_get(&c->seen, target) != FG_MAP_NONE)
        FG_CALL(fg_layers_fail(c->layers, "tensors", template, err, "two tensors get the target name \"%s\"",
                               target));
    FG_CALL(fg_grow(&c->names, c->count, &c->capacity, sizeof *c->names, err));
    FG_CALL_NEW(c->names[c->count], fg_strdup(target, err));
    c->count++;
    return fg_map_set(&c->seen, c->names[c->count - 1], 1, err);
}

static fg_status check_one(names_check *c, const char *template, const json_t *spec, const char *index,
                           fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer target = {0};
    char *name = NULL, *other = NULL;
    json_t *item;
    FG_TRY_NEW(name, with_index(template, index, err));
    FG_TRY(rename_or_fail(c, FG_IMPORT, template, name, &target, err));
    FG_TRY(note_target(c, template, target.data, err));
    FG_TRY(expect_back(c, template, target.data, name, err));
    FG_JSON_EACH(json_object_get(spec, "also_read"), i, item) {
        FG_TRY_RENEW(other, with_index(json_string_value(item), index, err));
        FG_TRY(note_target(c, template, other, err));
        FG_TRY(expect_back(c, template, other, name, err));
    }
done:
    fg_buffer_free(&target);
    fg_free(name);
    fg_free(other);
    return status;
}

/* With an index of one digit and with one of two. */
static fg_status check_name(names_check *c, const char *name, const json_t *spec, fg_error *err) {
    FG_CALL(check_one(c, name, spec, "0", err));
    return strstr(name, "{i}") ? check_one(c, name, spec, "12", err) : FG_OK;
}

static fg_status check_drops(const names_check *c, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *drop = json_object_get(c->document, "drop");
    fg_name_rules *rules = NULL;
    fg_buffer out = {0};
    bool matched;
    const fg_source_file *layer = fg_layers_find(c->layers, "", "drop");
    if (!json_array_size(drop)) goto done;
    FG_TRY(fg_name_rules_compile(&rules, drop, NULL, layer->path, "drop", &layer->text, err));
    for (size_t n = 0; n < c->count; n++) {
        FG_TRY(fg_name_rules_apply(rules, c->names[n], &out, &matched, err));
        if (matched)
            FG_TRY(fg_layers_fail(c->layers, "", "drop", err, "a pattern drops the declared tensor \"%s\"",
                                  c->names[n]));
    }
done:
    fg_name_rules_free(&rules);
    fg_buffer_free(&out);
    return status;
}

static fg_status check_used(const names_check *c, const char *const to[2], fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer unused = {0};
    size_t count;
    for (int direction = 0; direction < 2; direction++) {
        FG_TRY(fg_name_rules_unused(c->rules[direction], &unused, &count, err));
        if (count)
            FG_TRY(fg_layers_fail(c->layers, to[direction], "names", err,
                                  "rules that match no declared tensor: %s", unused.data));
    }
done:
    fg_buffer_free(&unused);
    return status;
}

fg_status fg_converter_check_names(const json_t *document, const fg_layers *layers,
                                   fg_name_rules *const rules[2], const char *const to[2], fg_error *err) {
    fg_status status = FG_OK;
    names_check check = {.document = document, .layers = layers, .rules = rules};
    json_t *spec, *rows;
    FG_JSON_MEMBERS(json_object_get(document, "tensors"), template, spec) {
        const json_t *split = json_object_get(spec, "split");
        if (!split) FG_TRY(check_name(&check, template, spec, err));
        FG_JSON_MEMBERS(split, part, rows) FG_TRY(check_name(&check, part, spec, err));
    }
    FG_TRY(check_drops(&check, err));
    FG_TRY(check_used(&check, to, err));
done:
    for (size_t i = 0; i < check.count; i++) fg_free(check.names[i]);
    fg_free(check.names);
    fg_map_free(&check.seen);
    return status;
}
