#include "language/declaration.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/converter_check.h"
#include "language/expression.h"
#include "translate/primitive.h"
#include "translate/translate.h"

enum { PLACE = 300, TEMPLATE_DEPTH = 32, NESTING = 16 };

/* ---- values with expressions in them ---- */

static fg_status check_inside(const json_t *value, const char *where, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    size_t i;
    const char *key;
    json_t *item;
    if (depth == TEMPLATE_DEPTH) FG_FAIL(err, FG_ERR_INPUT, "%s: values are nested too deeply", where);
    if (fg_expression_is(value))
        FG_TRY(fg_expression_parse(&expression, json_string_value(value) + 2, where, err));
    json_array_foreach((json_t *)(uintptr_t)value, i, item) FG_TRY(check_inside(item, where, depth + 1, err));
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
        FG_TRY(check_inside(item, where, depth + 1, err));
done:
    fg_expression_free(&expression);
    return status;
}

fg_status fg_template_check(const json_t *value, const char *where, fg_error *err) {
    return check_inside(value, where, 0, err);
}

fg_status fg_template_value(const json_t *value, const fg_scope *scope, const char *where, json_t **result,
                            fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    const char *key;
    json_t *item, *inner;
    *result = NULL;
    if (!json_is_array(value) && !json_is_object(value))
        return fg_expression_value(value, scope, where, result, err);
    *result = json_is_array(value) ? json_array() : json_object();
    if (!*result) FG_FAIL(err, FG_ERR_MEMORY, "%s: out of memory", where);
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        FG_TRY(fg_template_value(item, scope, where, &inner, err));
        FG_TRY(fg_json_push(*result, inner, err));
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        FG_TRY(fg_template_value(item, scope, where, &inner, err));
        FG_TRY(fg_json_put(*result, key, inner, err));
    }
done:
    if (status != FG_OK) {
        json_decref(*result);
        *result = NULL;
    }
    return status;
}

/* ---- one declaration ---- */

/* Where a declaration stands: "sections/NAME/config" and its label. */
typedef struct place {
    const fg_layers *layers;
    char parent[PLACE];
    const char *label;
} place;

static fg_status find_primitive(const place *at, fg_declaration *d, fg_error *err) {
    const char *key;
    json_t *value;
    const fg_primitive *found = NULL;
    json_object_foreach((json_t *)(uintptr_t)d->spec, key, value) {
        const fg_primitive *row = fg_primitive_find(key);
        if (!row || row == found) continue;
        /* "rename" is the path of "optional" and no primitive of its own there */
        bool second_is_rename = found && strcmp(row->name, "rename") == 0 && found->modifiers & FG_MOD_RENAME;
        bool first_is_rename = found && strcmp(found->name, "rename") == 0 && row->modifiers & FG_MOD_RENAME;
        if (found && !second_is_rename && !first_is_rename)
            return fg_layers_fail(at->layers, at->parent, at->label, err,
                                  "has two primitives, \"%s\" and \"%s\"", found->name, row->name);
        if (!second_is_rename) found = row;
    }
    d->primitive = found;
    return found ? FG_OK
                 : fg_layers_fail(at->layers, at->parent, at->label, err,
                                  "has no primitive (rename, constant_export, ...)");
}

static const char *wrong_kind(char kind, const json_t *value) {
    bool name = json_is_string(value) && *json_string_value(value);
    switch (kind) {
    case 's':
        return name ? NULL : "a string";
    case 'p':
        return name || fg_strings_are(value) ? NULL : "a path or a list of paths";
    case 'n':
        return fg_strings_are(value) ? NULL : "a list of names";
    case 'l':
        return json_array_size(value) ? NULL : "a list of values";
    case 'b':
        return json_is_true(value) ? NULL : "true";
    case 'd':
        return json_object_size(value) ? NULL : "sections by name";
    case 'c':
        return name || json_object_size(value) ? NULL : "a section, or sections by name";
    case 'r':
        return json_array_size(value) ? NULL : "a list of [name, section] and [name, section, condition]";
    default:
        return NULL;
    }
}

static fg_status check_members(const place *at, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    char where[PLACE * 2];
    const char *key;
    json_t *value;
    snprintf(where, sizeof where, "%s:%u: %s/%s", d->file, d->line, at->parent, at->label);
    json_object_foreach((json_t *)(uintptr_t)d->spec, key, value) {
        char kind = d->primitive->value;
        if (strcmp(key, d->primitive->name) != 0) {
            unsigned bit = fg_modifier_find(key, &kind);
            if (!bit)
                FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "unknown key \"%s\"", key));
            if (!(d->primitive->modifiers & bit))
                FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err,
                                      "\"%s\" cannot be used with \"%s\"", key, d->primitive->name));
        }
        const char *expected = wrong_kind(kind, value);
        if (expected)
            FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\": found %s, expected %s",
                                  key, fg_json_kind(value), expected));
        if (kind == 'v') FG_TRY(fg_template_check(value, where, err));
    }
    const char *own = json_string_value(json_object_get(d->spec, d->primitive->name));
    if (d->primitive->known && !d->primitive->known(own))
        FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "there is no %s function \"%s\"",
                              d->primitive->name, own));
    const char *type = json_string_value(json_object_get(d->spec, "type"));
    if (type && !fg_type_known(type))
        FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "unknown type \"%s\"", type));
    const char *option = json_string_value(json_object_get(d->spec, "option"));
    const fg_translate_options none = {0};
    uint64_t ignored;
    if (option && !fg_translate_option(&none, option, &ignored))
        FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "unknown option \"%s\"", option));
done:
    return status;
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
    fg_status status = FG_OK;
    const json_t *field = json_object_get(d->spec, "field"), *hf = json_object_get(d->spec, "hf");
    fg_claiming claiming = d->primitive->claiming;
    bool target = claiming == FG_CLAIM_VALUE || claiming == FG_CLAIM_RENAME || claiming == FG_CLAIM_FIELD ||
                  claiming == FG_CLAIM_SECTION ||
                  (claiming == FG_CLAIM_EITHER && (field || !hf || json_object_get(d->spec, "import_as")));
    if (target) FG_TRY(set_paths(&d->fields, &d->field_count, field, d->label, err));
    if (claiming == FG_CLAIM_VALUE) hf = json_object_get(d->spec, d->primitive->name);
    if (claiming == FG_CLAIM_VALUE && fg_expression_is(hf)) hf = NULL; /* import_only: a value, no key */
    if (claiming == FG_CLAIM_RENAME) hf = json_object_get(d->spec, "rename");
    if (hf || claiming == FG_CLAIM_LABEL) FG_TRY(set_paths(&d->keys, &d->key_count, hf, d->label, err));
done:
    return status;
}

static fg_status check_counts(const place *at, const fg_declaration *d, fg_error *err) {
    bool many = d->primitive->claiming == FG_CLAIM_EITHER;
    if (d->primitive->modifiers & FG_MOD_RENAME && !json_object_get(d->spec, "rename"))
        return fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\" needs \"rename\"",
                              d->primitive->name);
    if (d->primitive->modifiers & FG_MOD_EVERY_LAYER && !d->key_count)
        return fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\" needs \"hf\"",
                              d->primitive->name);
    if (!many && (d->field_count > 1 || d->key_count > 1))
        return fg_layers_fail(at->layers, at->parent, at->label, err, "\"%s\" takes one path on each side",
                              d->primitive->name);
    if (json_object_get(d->spec, "export_as") && d->key_count != 1)
        return fg_layers_fail(at->layers, at->parent, at->label, err,
                              "\"export_as\" needs one path in \"hf\"");
    if (json_object_get(d->spec, "import_as") && d->field_count != 1)
        return fg_layers_fail(at->layers, at->parent, at->label, err, "\"import_as\" needs one field");
    return FG_OK;
}

static fg_status compile_one(fg_section *section, const place *at, const json_t *spec, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_grow(&section->items, section->count, &section->capacity, sizeof *section->items, err));
    fg_declaration *d = &section->items[section->count++];
    const fg_source_file *layer = fg_layers_find(at->layers, at->parent, at->label);
    d->label = at->label;
    d->spec = spec;
    d->file = layer->path;
    d->line = fg_source_file_line(layer, at->parent, at->label);
    if (!json_is_object(spec))
        FG_TRY(fg_layers_fail(at->layers, at->parent, at->label, err, "found %s, expected a declaration",
                              fg_json_kind(spec)));
    FG_TRY(find_primitive(at, d, err));
    FG_TRY(check_members(at, d, err));
    FG_TRY(set_claims(d, err));
    FG_TRY(check_counts(at, d, err));
done:
    return status;
}

/* ---- sections ---- */

static fg_status check_condition(const place *at, const json_t *condition, const char *key, fg_error *err) {
    char where[PLACE * 2];
    fg_expression *expression = NULL;
    const char *text = json_string_value(json_array_get(condition, 0));
    snprintf(where, sizeof where, "%s: %s/%s", fg_layers_find(at->layers, at->parent, key)->path, at->parent,
             key);
    if (json_array_size(condition) != 2 || !text || !json_is_string(json_array_get(condition, 1)))
        return fg_layers_fail(at->layers, at->parent, key, err, "expected [expression, message]");
    fg_status status = fg_expression_parse(&expression, text, where, err);
    fg_expression_free(&expression);
    return status;
}

/* A list of conditions, or conditions by name. */
static fg_status check_conditions(const place *at, const json_t *conditions, const char *key, fg_error *err) {
    fg_status status = FG_OK;
    const char *name;
    size_t i;
    json_t *item;
    if (!json_is_array(conditions) && !json_is_object(conditions))
        FG_TRY(fg_layers_fail(at->layers, at->parent, key, err, "expected a list of [expression, message]"));
    json_array_foreach((json_t *)(uintptr_t)conditions, i, item) FG_TRY(check_condition(at, item, key, err));
    json_object_foreach((json_t *)(uintptr_t)conditions, name, item)
        FG_TRY(check_condition(at, item, key, err));
done:
    return status;
}

static fg_status compile_config(fg_section *section, const json_t *config, const fg_layers *layers,
                                fg_error *err) {
    fg_status status = FG_OK;
    place at = {.layers = layers};
    json_t *value;
    snprintf(at.parent, sizeof at.parent, "%s", section->place);
    json_object_foreach((json_t *)(uintptr_t)config, at.label, value)
        FG_TRY(compile_one(section, &at, value, err));
done:
    return status;
}

static fg_status compile_section(fg_section *section, const json_t *spec, const fg_layers *layers,
                                 fg_error *err) {
    fg_status status = FG_OK;
    place at = {.layers = layers};
    const char *key;
    json_t *value;
    FG_TRY_NEW(section->place, fg_strformat(err, "sections/%s/config", section->name));
    snprintf(at.parent, sizeof at.parent, "sections/%s", section->name);
    json_object_foreach((json_t *)(uintptr_t)spec, key, value) {
        if (strcmp(key, "config") == 0 && json_is_object(value)) continue;
        if (strcmp(key, "class") == 0 && json_is_string(value)) {
            section->class_name = json_string_value(value);
            continue;
        }
        const json_t **object = strcmp(key, "let") == 0       ? &section->let
                                : strcmp(key, "weights") == 0 ? &section->weights
                                                              : NULL;
        if (object && json_is_object(value)) {
            *object = value;
            continue;
        }
        const json_t **list = strcmp(key, "import_if") == 0     ? &section->import_if
                              : strcmp(key, "export_if") == 0   ? &section->export_if
                              : strcmp(key, "import_warn") == 0 ? &section->import_warn
                              : strcmp(key, "export_warn") == 0 ? &section->export_warn
                                                                : NULL;
        if (!list)
            FG_TRY(fg_layers_fail(layers, at.parent, key, err, "unknown key in a section, or not an object"));
        FG_TRY(check_conditions(&at, value, key, err));
        *list = value;
    }
    FG_TRY(compile_config(section, json_object_get(spec, "config"), layers, err));
done:
    return status;
}

static fg_status section_fail(const fg_layers *layers, const fg_section *section, const fg_declaration *d,
                              const char *what, fg_error *err) {
    return fg_layers_fail(layers, section->place, d->label, err, "%s", what);
}

static const fg_section *find_section(const fg_declarations *all, const char *name) {
    for (size_t i = 0; i < all->count; i++) {
        if (name && strcmp(all->sections[i].name, name) == 0) return &all->sections[i];
    }
    return NULL;
}

/* Texts that are not empty: [name, section] or [name, section, condition]. */
static bool is_row(const json_t *row) {
    size_t size = json_array_size(row);
    for (size_t i = 0; i < size; i++) {
        if (!json_string_length(json_array_get(row, i))) return false;
    }
    return size == 2 || size == 3;
}

static fg_status read_row(const fg_declarations *all, const json_t *row, const char *where, fg_choice *choice,
                          fg_error *err) {
    fg_expression *expression = NULL;
    if (!is_row(row))
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: expected [name, section] or [name, section, condition], all of them strings",
                       where);
    *choice = (fg_choice){.name = json_string_value(json_array_get(row, 0)),
                          .section = find_section(all, json_string_value(json_array_get(row, 1))),
                          .when = json_string_value(json_array_get(row, 2))};
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
    const char *name;
    json_t *item;
    size_t i;
    bool single = json_is_string(value);
    FG_NEW(d->choices, single ? 1 : json_array_size(value) + json_object_size(value));
    if (single) d->choices[d->choice_count++].section = find_section(all, json_string_value(value));
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        snprintf(where, sizeof where, "%s:%u: %s/%s: row %zu of \"%s\"", d->file, d->line, section->place,
                 d->label, i, d->primitive->name);
        FG_TRY(read_row(all, item, where, &d->choices[d->choice_count++], err));
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, item) d->choices[d->choice_count++] =
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

static fg_status link_sections(fg_declarations *all, const fg_layers *layers, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t s = 0; s < all->count; s++) {
        for (size_t i = 0; i < all->sections[s].count; i++) {
            fg_declaration *d = &all->sections[s].items[i];
            if (d->primitive->claiming != FG_CLAIM_SECTION) continue;
            FG_TRY(read_choices(all, &all->sections[s], d, err));
            for (size_t k = 0; k < d->choice_count; k++) {
                if (!d->choices[k].section)
                    FG_TRY(section_fail(layers, &all->sections[s], d, "unknown section", err));
            }
            if (!last_is_known(d))
                FG_TRY(section_fail(layers, &all->sections[s], d,
                                    "\"last\" must be a name of the list, which needs \"every_layer\"", err));
        }
    }
done:
    return status;
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
    return fg_map_set(&claims->map, path, (int64_t)claims->count++, err);
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

static fg_status claim_paths(fg_section *section, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < section->count; i++) {
        const fg_declaration *d = &section->items[i];
        for (size_t k = 0; k < d->key_count && !d->choice_count; k++)
            FG_TRY(claim_once(&section->claims[FG_SIDE_HF], d->keys[k], d, "hf", err));
        for (size_t k = 0; k < d->field_count; k++)
            FG_TRY(claim_once(&section->claims[FG_SIDE_TARGET], d->fields[k], d, "target", err));
    }
done:
    return status;
}

const fg_declaration *fg_section_find(const fg_section *section, const char *label) {
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->items[i].label, label) == 0) return &section->items[i];
    }
    return NULL;
}

static fg_status check_nesting(const fg_layers *layers, const fg_section *section, unsigned depth,
                               fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < section->count; i++) {
        const fg_declaration *d = &section->items[i];
        if (d->choice_count && depth == NESTING)
            FG_TRY(section_fail(layers, section, d, "sections are nested in themselves, or too deeply", err));
        for (size_t k = 0; k < d->choice_count; k++)
            FG_TRY(check_nesting(layers, d->choices[k].section, depth + 1, err));
    }
done:
    return status;
}

/* "through" names a table of rows [target, hf] or [target, hf, what a reader should know]. */
static fg_status check_tables(const fg_declarations *all, const json_t *document, const fg_layers *layers,
                              fg_error *err) {
    fg_status status = FG_OK;
    const json_t *tables = json_object_get(document, "tables");
    const char *name;
    json_t *table, *row;
    size_t k;
    json_object_foreach((json_t *)(uintptr_t)tables, name, table) {
        json_array_foreach(table, k, row) {
            size_t size = json_array_size(row);
            if (size != 2 && !(size == 3 && json_is_string(json_array_get(row, 2))))
                FG_TRY(fg_layers_fail(
                    layers, "tables", name, err,
                    "row %zu: expected [target value, hf value] or [target value, hf value, warning]", k));
        }
    }
    for (size_t s = 0; s < all->count; s++) {
        for (size_t i = 0; i < all->sections[s].count; i++) {
            const fg_declaration *d = &all->sections[s].items[i];
            const char *through = json_string_value(json_object_get(d->spec, "through"));
            if (through && !json_is_array(json_object_get(tables, through)))
                FG_TRY(
                    section_fail(layers, &all->sections[s], d, "\"through\": there is no such table", err));
        }
    }
done:
    return status;
}

fg_status fg_declarations_compile(fg_declarations *all, const json_t *document, const fg_layers *layers,
                                  fg_error *err) {
    fg_status status = FG_OK;
    const json_t *sections = json_object_get(document, "sections"), *root = json_object_get(document, "root");
    const char *name;
    json_t *spec;
    if (sections && !json_is_object(sections))
        FG_TRY(fg_layers_fail(layers, "", "sections", err, "expected an object"));
    FG_NEW(all->sections, json_object_size(sections));
    json_object_foreach((json_t *)(uintptr_t)sections, name, spec) {
        fg_section *section = &all->sections[all->count++];
        section->name = name;
        if (!json_is_object(spec))
            FG_TRY(fg_layers_fail(layers, "sections", name, err, "expected an object"));
        FG_TRY(compile_section(section, spec, layers, err));
    }
    FG_TRY(link_sections(all, layers, err));
    FG_TRY(check_tables(all, document, layers, err));
    if (!root) goto done;
    all->root = find_section(all, json_string_value(root));
    if (!all->root) FG_TRY(fg_layers_fail(layers, "", "root", err, "there is no such section"));
    if (json_object_get(json_object_get(document, "hf"), "architectures"))
        FG_TRY(fg_claims_add(&((fg_section *)(uintptr_t)all->root)->claims[FG_SIDE_HF],
                             fg_strdup("architectures", err), NULL, err));
    FG_TRY(check_nesting(layers, all->root, 0, err));
    for (size_t i = 0; i < all->count; i++) FG_TRY(claim_paths(&all->sections[i], err));
done:
    return status;
}

fg_status fg_declarations_compile_one(fg_declarations *all, const json_t *config, const char *where,
                                      const json_t *document, const fg_layers *layers, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(all->sections, 1);
    fg_section *section = &all->sections[all->count++];
    all->root = section;
    section->name = "config";
    FG_TRY_NEW(section->place, fg_strdup(where, err));
    FG_TRY(compile_config(section, config, layers, err));
    for (size_t i = 0; i < section->count; i++) {
        if (section->items[i].primitive->claiming == FG_CLAIM_SECTION)
            FG_TRY(
                section_fail(layers, section, &section->items[i], "there are no sections to lead to", err));
    }
    FG_TRY(check_tables(all, document, layers, err));
    FG_TRY(claim_paths(section, err));
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
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(d->spec, "keys"), i, item) {
        if (has_form(json_string_value(item), below)) return true;
    }
    return false;
}
