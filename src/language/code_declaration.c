#include "language/code_declaration.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/converter_check.h"
#include "language/declaration.h"
#include "language/schema.h"
#include "language/template.h"

enum { WHERE = 400, BRIEF = 80 };

/* ---- loading ---- */

static const fg_member_row top_rows[] = {
    {"about", 's', false},    {"extends", 'm', false},   {"config", 'o', true},   {"metadata", 'n', false},
    {"requires", 'Q', false}, {"parameters", 'o', true}, {"example", 'o', false},
};
static const fg_member_row key_rows[] = {{"absent", 'v', false}, {"null", 'v', false}, {"keys", 'n', false}};

static fg_status check_key(const fg_layers *layers, const char *key, const json_t *spec, fg_error *err) {
    char parent[WHERE];
    const fg_schema_place at = {.layers = layers, .parent = parent};
    if (!json_is_object(spec))
        return fg_layers_fail(layers, "config", key, err, "found %s, expected an object", fg_json_kind(spec));
    snprintf(parent, sizeof parent, "config/%s", key);
    return fg_schema_check(spec, FG_ROWS(key_rows), &at, true, err);
}

static fg_status check_document(const fg_layers *layers, const json_t *document, fg_error *err) {
    const fg_schema_place at = {.layers = layers, .parent = ""};
    json_t *value;
    FG_CALL(fg_schema_check(document, FG_ROWS(top_rows), &at, true, err));
    FG_JSON_MEMBERS(json_object_get(document, "config"), key, value)
        FG_CALL(check_key(layers, key, value, err));
    return fg_templates_check(json_object_get(document, "parameters"), "parameters", layers, err);
}

/* NAME.json next to NAME.py. */
static fg_status find_file(const fg_converter *converter, const fg_emitted_code *code, char **path,
                           fg_error *err) {
    *path = fg_strformat(err, "%.*s.json", (int)(strlen(code->path) - strlen(".py")), code->path);
    if (!*path) return FG_ERR_MEMORY;
    bool is_file;
    fg_status status = fg_path_is_file(*path, &is_file, err);
    if (status != FG_OK || is_file) return status;
    fg_fail(err, FG_ERR_INPUT, "%s: there is no %s, which declares what %s reads and makes",
            fg_converter_file(converter), *path, fg_path_name(code->path));
    return fg_hint(err, "write it (converters/forgather/code has one), or convert with --no-code");
}

fg_status fg_code_declaration_load(fg_code_declaration *declaration, const fg_converter *converter,
                                   fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    fg_emitted_code code = fg_converter_code(converter);
    *declaration = (fg_code_declaration){0};
    if (!code.path) return FG_OK;
    FG_TRY(find_file(converter, &code, &path, err));
    FG_TRY(fg_layers_load(&declaration->layers, fg_converter_catalogue(converter), path, err));
    FG_TRY(fg_layers_merge(&declaration->layers, &declaration->document, err));
    FG_TRY(check_document(&declaration->layers, declaration->document, err));
    declaration->converter = converter;
    declaration->file = declaration->layers.items[0]->path;
    declaration->code = fg_path_name(code.path);
done:
    fg_free(path);
    if (status == FG_OK) return FG_OK;
    fg_code_declaration_free(declaration);
    return fg_where(err, "reading what the code of %s makes", fg_converter_file(converter));
}

void fg_code_declaration_free(fg_code_declaration *declaration) {
    fg_layers_free(&declaration->layers);
    json_decref(declaration->document);
    *declaration = (fg_code_declaration){0};
}

/* ---- the configuration as the code reads it ---- */

static fg_status complete_key(const fg_code_declaration *d, const char *key, const json_t *spec,
                              json_t *complete, fg_error *err) {
    char where[WHERE];
    json_t *value = NULL;
    const json_t *held = json_object_get(complete, key), *absent = json_object_get(spec, "absent"),
                 *meaning = held ? json_object_get(spec, "null") : absent;
    if (held && !json_is_null(held)) return FG_OK;
    if (!absent)
        return fg_fail(err, FG_ERR_INPUT, "%s: writes no key \"%s\" to config.json, which %s reads",
                       fg_converter_file(d->converter), key, d->code);
    if (!meaning) return FG_OK;
    const fg_scope scope = {.here = complete};
    snprintf(where, sizeof where, "%s: config/%s", d->file, key);
    fg_status status = fg_template_value(meaning, &scope, where, &value, err);
    return status == FG_OK ? fg_json_put(complete, key, value, err) : status;
}

fg_status fg_code_complete_config(const fg_code_declaration *d, const json_t *config, json_t **complete,
                                  fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    *complete = json_object();
    FG_JSON_MEMBERS(config, key, value) FG_TRY(fg_json_put(*complete, key, json_incref(value), err));
    FG_JSON_MEMBERS(json_object_get(d->document, "config"), key, value)
        FG_TRY(complete_key(d, key, value, *complete, err));
done:
    if (status != FG_OK) {
        json_decref(*complete);
        *complete = NULL;
    }
    return status;
}

/* ---- the keys that are read ---- */

static bool lists(const json_t *names, const char *name) {
    json_t *item;
    FG_JSON_EACH(names, i, item) {
        if (strcmp(json_string_value(item), name) == 0) return true;
    }
    return false;
}

/* Whether the converter says, with its reason, that the key has no effect on the model, or writes it
 * itself. */
static bool is_ignored(const fg_converter *converter, const char *key) {
    const fg_section *root = fg_converter_declarations(converter)->root;
    const fg_claim *claim = root ? fg_claims_find(&root->claims[FG_SIDE_TARGET], key) : NULL;
    return claim && (!claim->declaration || json_object_get(claim->declaration->spec, "ignored"));
}

static fg_status refuse_key(const fg_code_declaration *d, const char *key, const char *member,
                            const json_t *value, fg_error *err) {
    char brief[BRIEF];
    fg_fail(err, FG_ERR_INPUT, "%s: writes the key \"%s%s%s\" = %s to config.json, which %s does not read",
            fg_converter_file(d->converter), key, *member ? "." : "", member,
            fg_json_brief(value, brief, sizeof brief), d->code);
    return fg_hint(err,
                   "%s declares the keys that it reads; a key that does not change what is computed belongs "
                   "in \"metadata\" there, or in an \"ignored\" declaration of the converter",
                   d->file);
}

static fg_status check_value(const fg_code_declaration *d, const char *key, const json_t *value,
                             fg_error *err) {
    const json_t *spec = json_object_get(json_object_get(d->document, "config"), key);
    json_t *held;
    if (json_is_null(value) || lists(json_object_get(d->document, "metadata"), key)) return FG_OK;
    if (!spec) return is_ignored(d->converter, key) ? FG_OK : refuse_key(d, key, "", value, err);
    FG_JSON_MEMBERS(value, member, held) {
        const json_t *keys = json_object_get(spec, "keys");
        if (!json_is_null(held) && !lists(keys, member) && !lists(keys, "*"))
            return refuse_key(d, key, member, held, err);
    }
    return FG_OK;
}

/* ---- what the code requires ---- */

static fg_status check_holds(const fg_code_declaration *d, size_t i, const json_t *entry,
                             const json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    char where[WHERE];
    const fg_scope scope = {.here = config};
    fg_buffer facts = {0};
    bool holds;
    snprintf(where, sizeof where, "%s: requires/%zu", d->file, i);
    FG_TRY(
        fg_expression_check(json_string_value(json_array_get(entry, 0)), &scope, where, &holds, &facts, err));
    if (!holds)
        FG_FAIL(err, FG_ERR_INPUT, "%s: the configuration does not fit %s: %s%s%s",
                fg_converter_file(d->converter), d->code, json_string_value(json_array_get(entry, 1)),
                facts.length ? "; found " : "", facts.length ? facts.data : "");
done:
    fg_buffer_free(&facts);
    return status;
}

fg_status fg_code_check_config(const fg_code_declaration *d, const json_t *written, const json_t *config,
                               fg_error *err) {
    fg_status status = FG_OK;
    json_t *complete = NULL, *value;
    FG_JSON_MEMBERS(written, key, value) FG_TRY(check_value(d, key, value, err));
    FG_TRY(fg_code_complete_config(d, config, &complete, err));
    FG_JSON_EACH(json_object_get(d->document, "requires"), i, value)
        FG_TRY(check_holds(d, i, value, complete, err));
done:
    json_decref(complete);
    return status;
}
