#include "language/declaration.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression.h"
#include "language/schema.h"
#include "language/value_type.h"

enum { PLACE = 300, NESTING = 16 };

/* ---- one declaration ---- */

/* "rename" is the path of "default" and "optional", and no primitive of its own there. */
static bool is_path_of(const fg_primitive *rename, const fg_primitive *other) {
    return rename->id == FG_PRIMITIVE_RENAME && fg_primitive_takes(other, "rename");
}

static fg_status find_primitive(const fg_schema_place *at, fg_declaration *d, fg_error *err) {
    json_t *value;
    const fg_primitive *found = NULL;
    FG_JSON_MEMBERS(d->spec, key, value) {
        const fg_primitive *row = fg_primitive_find(key);
        if (!row || (found && is_path_of(row, found))) continue;
        if (found && !is_path_of(found, row))
            return fg_schema_fail(at, NULL, err, "has two primitives, \"%s\" and \"%s\"", found->name,
                                  row->name);
        found = row;
    }
    d->primitive = found;
    if (found) return FG_OK;
    fg_schema_fail(at, NULL, err, "has no primitive (rename, constant_export, ...)");
    FG_JSON_MEMBERS(d->spec, key, value) fg_schema_suggest(key, fg_primitive_name_at, err);
    return FG_ERR_INPUT;
}

/* "layers": the older keys of each layer type. */
static fg_status check_layers(const fg_schema_place *at, const json_t *layers, fg_error *err) {
    static const fg_member_row rows[] = {{"theta", 's', true}, {"scaling", 's', false}};
    char parent[PLACE];
    json_t *keys;
    snprintf(parent, sizeof parent, "%s/%s/layers", at->parent, at->label);
    FG_JSON_MEMBERS(layers, type, keys) {
        const fg_schema_place here = {.layers = at->layers, .parent = parent, .label = type};
        FG_CALL(fg_schema_check_member(keys, 'o', type, at, err));
        FG_CALL(fg_schema_check(keys, FG_ROWS(rows), &here, true, err));
    }
    return FG_OK;
}

/* "types": other names of rotary types. */
static fg_status check_types(const fg_schema_place *at, const json_t *types, fg_error *err) {
    char parent[PLACE];
    json_t *name;
    snprintf(parent, sizeof parent, "%s/%s/types", at->parent, at->label);
    const fg_schema_place here = {.layers = at->layers, .parent = parent};
    FG_JSON_MEMBERS(types, type, name) FG_CALL(fg_schema_check_member(name, 's', type, &here, err));
    return FG_OK;
}

static fg_status check_custom(const fg_schema_place *at, const json_t *spec, const char *name,
                              fg_error *err) {
    fg_custom_id custom = fg_custom_find(name);
    json_t *value;
    if (custom == FG_CUSTOMS)
        return fg_schema_fail(at, NULL, err, "there is no custom function \"%s\"", name);
    FG_JSON_MEMBERS(spec, key, value) {
        if (strcmp(key, "custom") != 0 && !fg_custom_takes(custom, key))
            FG_CALL(fg_schema_fail(at, NULL, err, "\"%s\" cannot be used with \"%s\"", key, name));
    }
    if (custom == FG_CUSTOM_ROTARY_BY_LAYER && !json_object_get(spec, "layers"))
        return fg_schema_fail(at, NULL, err, "\"%s\" needs \"layers\"", name);
    FG_CALL(check_types(at, json_object_get(spec, "types"), err));
    return check_layers(at, json_object_get(spec, "layers"), err);
}

/* Names that members refer to. */
static fg_status check_names(const fg_schema_place *at, const fg_declaration *d, fg_error *err) {
    const char *custom = json_string_value(json_object_get(d->spec, "custom")),
               *type = json_string_value(json_object_get(d->spec, "type")),
               *option = json_string_value(json_object_get(d->spec, "option"));
    if (custom) FG_CALL(check_custom(at, d->spec, custom, err));
    if (type && !fg_type_known(type)) return fg_schema_fail(at, NULL, err, "unknown type \"%s\"", type);
    if (option && fg_option_find(option) == FG_OPTIONS)
        return fg_schema_fail(at, NULL, err, "unknown option \"%s\"", option);
    return FG_OK;
}

static fg_status check_members(const fg_schema_place *at, const fg_declaration *d, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(d->spec, key, value) {
        bool own = strcmp(key, d->primitive->name) == 0;
        char kind = own ? d->primitive->kind : fg_modifier_kind(key);
        if (!kind) FG_CALL(fg_schema_unknown(key, fg_modifier_name_at, at, err));
        if (!own && !fg_primitive_takes(d->primitive, key))
            FG_CALL(
                fg_schema_fail(at, NULL, err, "\"%s\" cannot be used with \"%s\"", key, d->primitive->name));
        FG_CALL(fg_schema_check_member(value, kind, key, at, err));
    }
    return check_names(at, d, err);
}

static fg_status set_paths(const char ***paths, size_t *count, const json_t *value, const char *single,
                           fg_error *err) {
    fg_status status = FG_OK;
    if (json_is_string(value)) single = json_string_value(value);
    *count = json_is_array(value) ? json_array_size(value) : 1;
    FG_NEW(*paths, *count);
    for (size_t i = 0; i < *count; i++)
        (*paths)[i] = json_is_array(value) ? json_string_value(json_array_get(value, i)) : single;
done:
    return status;
}

/* Which paths the declaration claims. */
static fg_status set_claims(fg_declaration *d, fg_error *err) {
    const json_t *field = json_object_get(d->spec, "field"), *hf = json_object_get(d->spec, "hf");
    fg_claiming claiming = d->primitive->claiming;
    bool target = claiming == FG_CLAIM_VALUE || claiming == FG_CLAIM_RENAME || claiming == FG_CLAIM_FIELD ||
                  claiming == FG_CLAIM_SECTION ||
                  (claiming == FG_CLAIM_EITHER && (field || !hf || json_object_get(d->spec, "import_as")));
    if (target) FG_CALL(set_paths(&d->fields, &d->field_count, field, d->label, err));
    if (claiming == FG_CLAIM_VALUE) hf = json_object_get(d->spec, d->primitive->name);
    if (claiming == FG_CLAIM_VALUE && fg_expression_is(hf)) hf = NULL; /* import_only: a value, no key */
    if (claiming == FG_CLAIM_RENAME) hf = json_object_get(d->spec, "rename");
    if (hf || claiming == FG_CLAIM_LABEL) FG_CALL(set_paths(&d->keys, &d->key_count, hf, d->label, err));
    return FG_OK;
}

static fg_status check_counts(const fg_schema_place *at, const fg_declaration *d, fg_error *err) {
    bool many = d->primitive->claiming == FG_CLAIM_EITHER,
         lists = d->primitive->id == FG_PRIMITIVE_LIST_DISPATCH;
    if (fg_primitive_takes(d->primitive, "rename") && !json_object_get(d->spec, "rename"))
        return fg_schema_fail(at, NULL, err, "\"%s\" needs \"rename\"", d->primitive->name);
    bool is_list = json_is_array(json_object_get(d->spec, "list_dispatch"));
    if (is_list && !d->key_count)
        return fg_schema_fail(at, NULL, err, "\"%s\" needs \"hf\"", d->primitive->name);
    if (d->primitive->id == FG_PRIMITIVE_LIST_DISPATCH && !is_list && d->key_count)
        return fg_schema_fail(at, NULL, err, "\"hf\" names no section: expected a list of [name, section]");
    const json_t *derived = json_object_get(d->spec, "derived");
    if (derived && json_array_size(derived) != d->key_count)
        return fg_schema_fail(at, NULL, err, "\"derived\" needs a value for each list of \"hf\"");
    if (!many && (d->field_count > 1 || (d->key_count > 1 && !lists)))
        return fg_schema_fail(at, NULL, err, "\"%s\" takes one path on each side", d->primitive->name);
    if (json_object_get(d->spec, "export_as") && d->key_count != 1)
        return fg_schema_fail(at, NULL, err, "\"export_as\" needs one path in \"hf\"");
    if (json_object_get(d->spec, "import_as") && d->field_count != 1)
        return fg_schema_fail(at, NULL, err, "\"import_as\" needs one field");
    return FG_OK;
}

static fg_status compile_one(fg_section *section, const fg_schema_place *at, const json_t *spec,
                             fg_error *err) {
    FG_CALL(fg_grow(&section->items, section->count, &section->capacity, sizeof *section->items, err));
    fg_declaration *d = &section->items[section->count++];
    const fg_source_file *layer = fg_layers_find(at->layers, at->parent, at->label);
    d->label = at->label;
    d->spec = spec;
    d->file = layer->path;
    d->line = fg_source_file_line(layer, at->parent, at->label);
    if (!json_is_object(spec))
        FG_CALL(fg_schema_fail(at, NULL, err, "found %s, expected a declaration", fg_json_kind(spec)));
    FG_CALL(find_primitive(at, d, err));
    FG_CALL(check_members(at, d, err));
    FG_CALL(set_claims(d, err));
    FG_CALL(check_counts(at, d, err));
    fg_absence_compile(spec, d->absence);
    return FG_OK;
}

/* ---- sections ---- */

static fg_status compile_config(fg_section *section, const json_t *config, const fg_layers *layers,
                                fg_error *err) {
    fg_schema_place at = {.layers = layers, .parent = section->place};
    json_t *value;
    FG_JSON_MEMBERS(config, label, value) {
        at.label = label;
        FG_CALL(compile_one(section, &at, value, err));
    }
    return FG_OK;
}

static fg_status compile_section(fg_section *section, const json_t *spec, const fg_layers *layers,
                                 fg_error *err) {
    static const fg_member_row rows[] = {
        {"class", 's', false},       {"config", 'o', false},      {"let", 'o', false},
        {"weights", 'o', false},     {"import_if", 'q', false},   {"export_if", 'q', false},
        {"import_warn", 'q', false}, {"export_warn", 'q', false},
    };
    char parent[PLACE];
    const fg_schema_place at = {.layers = layers, .parent = parent};
    snprintf(parent, sizeof parent, "sections/%s", section->name);
    FG_CALL_NEW(section->place, fg_strformat(err, "%s/config", parent));
    FG_CALL(fg_schema_check(spec, FG_ROWS(rows), &at, false, err));
    section->spec = spec;
    section->class_name = json_string_value(json_object_get(spec, "class"));
    section->let = json_object_get(spec, "let");
    section->weights = json_object_get(spec, "weights");
    return compile_config(section, json_object_get(spec, "config"), layers, err);
}

static const fg_section *find_section(const fg_declarations *all, const char *name) {
    for (size_t i = 0; i < all->count; i++) {
        if (name && strcmp(all->sections[i].name, name) == 0) return &all->sections[i];
    }
    return NULL;
}

static bool is_name(const json_t *value) {
    return json_string_length(value) > 0 || json_is_integer(value) || json_is_boolean(value);
}

/* A name; or one for each list of hf, if there are several. */
static bool are_names(const json_t *values, size_t lists) {
    bool all = lists > 1 ? json_array_size(values) == lists : is_name(values);
    json_t *value;
    FG_JSON_EACH(values, i, value) all = all && is_name(value);
    return all;
}

static bool is_row(const json_t *row, size_t lists) {
    const json_t *condition = json_array_get(row, 2);
    return json_array_size(row) >= 2 && json_array_size(row) <= 3 &&
           are_names(json_array_get(row, 0), lists) && json_string_length(json_array_get(row, 1)) > 0 &&
           (!condition || json_string_length(condition) > 0);
}

const json_t *fg_choice_value(const fg_declaration *d, const fg_choice *choice, size_t list) {
    return d->key_count > 1 ? json_array_get(choice->values, list) : choice->values;
}

static fg_status put_name(const json_t *value, fg_buffer *name, fg_error *err) {
    if (json_is_string(value)) return fg_buffer_put(name, json_string_value(value), err);
    if (json_is_integer(value)) return fg_buffer_printf(name, err, "%lld", json_integer_value(value));
    if (json_is_boolean(value)) return fg_buffer_put(name, json_is_true(value) ? "true" : "false", err);
    return fg_buffer_put(name, "?", err);
}

fg_status fg_choice_name(const json_t *values, fg_buffer *name, fg_error *err) {
    json_t *value;
    fg_buffer_clear(name);
    if (!json_is_array(values)) return put_name(values, name, err);
    FG_JSON_EACH(values, i, value) {
        if (i) FG_CALL(fg_buffer_put(name, "_", err));
        FG_CALL(put_name(value, name, err));
    }
    return FG_OK;
}

/* Names the choice; a text that is made for it goes to the declaration. */
static fg_status set_name(fg_declaration *d, fg_choice *choice, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer name = {0};
    choice->name = json_string_value(choice->values);
    if (choice->name) return FG_OK;
    if (!d->names) FG_TRY_NEW(d->names, json_array());
    FG_TRY(fg_choice_name(choice->values, &name, err));
    FG_TRY(fg_json_push(d->names, json_string(name.data), err));
    choice->name = json_string_value(json_array_get(d->names, json_array_size(d->names) - 1));
done:
    fg_buffer_free(&name);
    return status;
}

static fg_status read_row(const fg_declarations *all, fg_declaration *d, const json_t *row, const char *where,
                          fg_error *err) {
    fg_expression *expression = NULL;
    fg_choice *choice = &d->choices[d->choice_count++];
    *choice = (fg_choice){.values = json_array_get(row, 0),
                          .section = find_section(all, json_string_value(json_array_get(row, 1))),
                          .when = json_string_value(json_array_get(row, 2))};
    if (!is_row(row, d->key_count))
        return fg_fail(
            err, FG_ERR_INPUT,
            "%s: expected [name, section] or [name, section, condition]; with several lists in \"hf\" "
            "the name is a list with one for each",
            where);
    FG_CALL(set_name(d, choice, err));
    if (!choice->when) return FG_OK;
    fg_status status = fg_expression_parse(&expression, choice->when, where, err);
    fg_expression_free(&expression);
    return status;
}

static fg_status read_choices(const fg_declarations *all, const fg_section *section, fg_declaration *d,
                              fg_error *err) {
    fg_status status = FG_OK;
    const json_t *value = json_object_get(d->spec, d->primitive->name);
    char where[PLACE * 2];
    json_t *item;
    bool single = json_is_string(value);
    FG_NEW(d->choices, single ? 1 : json_array_size(value) + json_object_size(value));
    if (single) d->choices[d->choice_count++].section = find_section(all, json_string_value(value));
    FG_JSON_EACH(value, i, item) {
        snprintf(where, sizeof where, "%s:%u: %s/%s: row %zu of \"%s\"", d->file, d->line, section->place,
                 d->label, i, d->primitive->name);
        FG_TRY(read_row(all, d, item, where, err));
    }
    FG_JSON_MEMBERS(value, name, item)
        d->choices[d->choice_count++] =
            (fg_choice){.name = name, .section = find_section(all, json_string_value(item))};
done:
    return status;
}

/* Whether a name that "last" has is that of a choice, and the list has an entry for the last layer. */
static bool last_is_known(const fg_declaration *d) {
    const char *last = json_string_value(json_object_get(d->spec, "last"));
    if (last && !json_object_get(d->spec, "every_layer")) return false;
    for (size_t i = 0; last && i < d->choice_count; i++) {
        if (d->choices[i].name && strcmp(d->choices[i].name, last) == 0) return true;
    }
    return !last;
}

/* The sections and the table that a declaration names. */
static fg_status link_names(const fg_declarations *all, const fg_section *section, fg_declaration *d,
                            const json_t *tables, const fg_layers *layers, fg_error *err) {
    const fg_schema_place at = {.layers = layers, .parent = section->place, .label = d->label};
    const char *through = json_string_value(json_object_get(d->spec, "through"));
    if (through && !json_is_array(json_object_get(tables, through)))
        return fg_schema_fail(&at, "through", err, "there is no such table");
    if (d->primitive->claiming != FG_CLAIM_SECTION) return FG_OK;
    FG_CALL(read_choices(all, section, d, err));
    for (size_t k = 0; k < d->choice_count; k++) {
        if (!d->choices[k].section) return fg_schema_fail(&at, NULL, err, "unknown section");
    }
    if (last_is_known(d)) return FG_OK;
    return fg_schema_fail(&at, NULL, err, "\"last\" must be a name of the list, which needs \"every_layer\"");
}

/* Rows are [target, hf] or [target, hf, what a reader should know]. */
static fg_status check_tables(const json_t *tables, const fg_layers *layers, fg_error *err) {
    json_t *table, *row;
    FG_JSON_MEMBERS(tables, name, table) {
        FG_JSON_EACH(table, k, row) {
            size_t size = json_array_size(row);
            if (size != 2 && !(size == 3 && json_is_string(json_array_get(row, 2))))
                FG_CALL(fg_layers_fail(
                    layers, "tables", name, err,
                    "row %zu: expected [target value, hf value] or [target value, hf value, warning]", k));
        }
    }
    return FG_OK;
}

/* Links the declarations of all sections. */
static fg_status link_all(fg_declarations *all, const json_t *document, const fg_layers *layers,
                          fg_error *err) {
    const json_t *tables = json_object_get(document, "tables");
    FG_CALL(check_tables(tables, layers, err));
    for (size_t s = 0; s < all->count; s++) {
        fg_section *section = &all->sections[s];
        for (size_t i = 0; i < section->count; i++)
            FG_CALL(link_names(all, section, &section->items[i], tables, layers, err));
    }
    return FG_OK;
}

/* ---- claims ---- */

const fg_claim *fg_claims_find(const fg_claims *claims, const char *path) {
    int64_t index = fg_map_get(&claims->map, path);
    return index == FG_MAP_NONE ? NULL : &claims->items[index];
}

bool fg_claims_below(const fg_claims *claims, const char *path) {
    size_t length = strlen(path);
    for (size_t i = 0; i < claims->count; i++) {
        if (fg_starts_with(claims->items[i].path, path) && claims->items[i].path[length] == '/') return true;
    }
    return false;
}

char *fg_path_resolve(const char *prefix, const char *relative, fg_error *err) {
    if (*relative == '/') return fg_strdup(relative + 1, err);
    size_t length = strlen(prefix);
    while (fg_starts_with(relative, "../")) {
        relative += 3;
        while (length && prefix[--length] != '/') continue;
    }
    return fg_strformat(err, "%.*s%s%s", (int)length, prefix, length ? "/" : "", relative);
}

fg_status fg_claims_add(fg_claims *claims, char *path, const fg_declaration *d, fg_error *err) {
    fg_status status = path ? FG_OK : FG_ERR_MEMORY;
    if (path && fg_claims_find(claims, path)) goto done;
    if (status == FG_OK)
        status = fg_grow(&claims->items, claims->count, &claims->capacity, sizeof *claims->items, err);
    if (status != FG_OK) goto done;
    claims->items[claims->count] = (fg_claim){.path = path, .declaration = d};
    return fg_map_set(&claims->map, path, (uint32_t)claims->count++, err);
done:
    fg_free(path);
    return status;
}

void fg_claims_free(fg_claims *claims) {
    for (size_t i = 0; i < claims->count; i++) fg_free(claims->items[i].path);
    fg_free(claims->items);
    fg_map_free(&claims->map);
    *claims = (fg_claims){0};
}

/* Within a section a path is claimed once on each side. */
static fg_status claim_once(fg_claims *claims, const char *path, const fg_declaration *d, const char *side,
                            fg_error *err) {
    const fg_claim *old = fg_claims_find(claims, path);
    if (!old) return fg_claims_add(claims, fg_strdup(path, err), d, err);
    return fg_fail(
        err, FG_ERR_INPUT, "%s:%u: \"%s\": the %s key \"%s\" is already covered by \"%s\" (%s:%u)", d->file,
        d->line, d->label, side, path, old->declaration ? old->declaration->label : "hf/architectures",
        old->declaration ? old->declaration->file : d->file, old->declaration ? old->declaration->line : 0);
}

/* "custom" sees the whole configuration: elsewhere than in the root section it would not be called. */
static fg_status claim_paths(const fg_declarations *all, fg_section *section, const fg_layers *layers,
                             fg_error *err) {
    for (size_t i = 0; i < section->count; i++) {
        const fg_declaration *d = &section->items[i];
        if (d->primitive->id == FG_PRIMITIVE_CUSTOM && section != all->root)
            FG_CALL(fg_layers_fail(layers, section->place, d->label, err,
                                   "\"custom\" belongs in the root section"));
        for (size_t k = 0; k < d->key_count && !d->choice_count; k++)
            FG_CALL(claim_once(&section->claims[FG_SIDE_HF], d->keys[k], d, "hf", err));
        for (size_t k = 0; k < d->field_count; k++)
            FG_CALL(claim_once(&section->claims[FG_SIDE_TARGET], d->fields[k], d, "target", err));
    }
    return FG_OK;
}

const fg_declaration *fg_section_find(const fg_section *section, const char *label) {
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->items[i].label, label) == 0) return &section->items[i];
    }
    return NULL;
}

static fg_status check_nesting(const fg_layers *layers, const fg_section *section, unsigned depth,
                               fg_error *err) {
    for (size_t i = 0; i < section->count; i++) {
        const fg_declaration *d = &section->items[i];
        if (d->choice_count && depth == NESTING)
            FG_CALL(fg_layers_fail(layers, section->place, d->label, err,
                                   "sections are nested in themselves, or too deeply"));
        for (size_t k = 0; k < d->choice_count; k++)
            FG_CALL(check_nesting(layers, d->choices[k].section, depth + 1, err));
    }
    return FG_OK;
}

fg_status fg_declarations_compile(fg_declarations *all, const json_t *document, const fg_layers *layers,
                                  fg_error *err) {
    fg_status status = FG_OK;
    const json_t *sections = json_object_get(document, "sections"), *root = json_object_get(document, "root");
    json_t *spec;
    if (sections && !json_is_object(sections))
        FG_TRY(fg_layers_fail(layers, "", "sections", err, "expected an object"));
    FG_NEW(all->sections, json_object_size(sections));
    FG_JSON_MEMBERS(sections, name, spec) {
        fg_section *section = &all->sections[all->count++];
        section->name = name;
        if (!json_is_object(spec))
            FG_TRY(fg_layers_fail(layers, "sections", name, err, "expected an object"));
        FG_TRY(compile_section(section, spec, layers, err));
    }
    FG_TRY(link_all(all, document, layers, err));
    if (!root) goto done;
    all->root = find_section(all, json_string_value(root));
    if (!all->root) FG_TRY(fg_layers_fail(layers, "", "root", err, "there is no such section"));
    if (json_object_get(json_object_get(document, "hf"), "architectures"))
        FG_TRY(fg_claims_add(&((fg_section *)(uintptr_t)all->root)->claims[FG_SIDE_HF],
                             fg_strdup("architectures", err), NULL, err));
    FG_TRY(check_nesting(layers, all->root, 0, err));
    for (size_t i = 0; i < all->count; i++) FG_TRY(claim_paths(all, &all->sections[i], layers, err));
done:
    return status;
}

fg_status fg_declarations_compile_one(fg_declarations *all, const json_t *config, const char *where,
                                      const json_t *document, const fg_layers *layers, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(all->sections, 1);
    fg_section *section = &all->sections[all->count++];
    section->name = "config";
    FG_TRY_NEW(section->place, fg_strdup(where, err));
    FG_TRY(compile_config(section, config, layers, err));
    for (size_t i = 0; i < section->count; i++) {
        if (section->items[i].primitive->claiming == FG_CLAIM_SECTION)
            FG_TRY(fg_layers_fail(layers, where, section->items[i].label, err,
                                  "there are no sections to lead to"));
    }
    FG_TRY(link_all(all, document, layers, err));
    FG_TRY(claim_paths(all, section, layers, err));
    all->root = section; /* now, so that no "custom" was let pass */
done:
    return status;
}

void fg_declarations_free(fg_declarations *all) {
    for (size_t s = 0; s < all->count; s++) {
        fg_section *section = &all->sections[s];
        for (size_t i = 0; i < section->count; i++) {
            fg_free(section->items[i].fields);
            fg_free(section->items[i].keys);
            fg_free(section->items[i].choices);
            json_decref(section->items[i].names);
        }
        fg_free(section->items);
        fg_free(section->place);
        fg_claims_free(&section->claims[FG_SIDE_HF]);
        fg_claims_free(&section->claims[FG_SIDE_TARGET]);
    }
    fg_free(all->sections);
    *all = (fg_declarations){0};
}

/* ---- the leaves of an object ---- */

/* Whether a path has the form of a pattern, name by name: "*" is any name, "**" any further names. */
static bool has_form(const char *pattern, const char *path) {
    for (;;) {
        size_t length = strcspn(path, "/"), wanted = strcspn(pattern, "/");
        if (strcmp(pattern, "**") == 0) return true;
        bool any = wanted == 1 && *pattern == '*';
        if (!any && (wanted != length || strncmp(pattern, path, length) != 0)) return false;
        if (!path[length] || !pattern[wanted]) return !path[length] && !pattern[wanted];
        path += length + 1;
        pattern += wanted + 1;
    }
}

bool fg_declaration_covers(const fg_declaration *d, const char *below) {
    json_t *item;
    FG_JSON_EACH(json_object_get(d->spec, "keys"), i, item) {
        if (has_form(json_string_value(item), below)) return true;
    }
    return false;
}
