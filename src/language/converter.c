#include "language/converter.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/nearest_name.h"
#include "language/converter_check.h"
#include "language/declaration.h"
#include "language/weights_check.h"

struct fg_converter {
    fg_catalogue *catalogue; /* borrowed */
    fg_layers layers;
    json_t *document; /* merged */
    fg_declarations declarations;
    fg_name_rules *rules[2]; /* by direction; NULL in abstract files */
    char *to_target;         /* "to_forgather" */
    char *code_path, *module;
};

/* ---- loading ---- */

/* Whether a declaration writes the names of the code that the converter emits. */
static bool names_code(const json_t *value) {
    const char *text = json_string_value(value);
    json_t *inner;
    bool found = fg_expression_is(value) &&
                 (strstr(text, "$module") || strstr(text, "$config_class") || strstr(text, "$model_class"));
    FG_JSON_EACH(value, i, inner) found |= names_code(inner);
    FG_JSON_MEMBERS(value, key, inner) found |= names_code(inner);
    return found;
}

static fg_status refuse_without_code(const fg_converter *c, fg_error *err) {
    if (fg_converter_abstract(c) || !names_code(json_object_get(c->document, "sections"))) return FG_OK;
    fg_layers_fail(
        &c->layers, "", "code", err,
        "is missing, but the converter writes the code's names to config.json ($module, $config_class, "
        "$model_class)");
    return fg_hint(err,
                   "remove \"code\": null to use the code of the file that it extends, or give \"code\" a "
                   "\"file\", a \"config_class\" and a \"model_class\"");
}

static fg_status find_code(fg_converter *c, fg_error *err) {
    fg_status status = FG_OK;
    const char *file = json_string_value(fg_json_at(c->document, "code/file"));
    char *beside = NULL;
    bool is_file;
    if (!file) return refuse_without_code(c, err);
    const char *from = fg_layers_find(&c->layers, "", "code")->path;
    FG_TRY_NEW(beside, fg_strformat(err, "%.*s%s", (int)(fg_path_name(from) - from), from, file));
    FG_TRY(fg_path_is_file(beside, &is_file, err));
    if (!is_file) FG_TRY(fg_layers_fail(&c->layers, "code", "file", err, "there is no file %s", beside));
    FG_TRY_NEW(c->code_path, fg_path_absolute(beside, err));
    const char *name = fg_path_name(c->code_path);
    if (!fg_ends_with(name, ".py"))
        FG_TRY(fg_layers_fail(&c->layers, "code", "file", err, "expected a name that ends in .py"));
    FG_TRY_NEW(c->module, fg_strndup(name, strlen(name) - 3, err));
done:
    fg_free(beside);
    return status;
}

static fg_status compile_rules(fg_converter *c, fg_error *err) {
    fg_status status = FG_OK;
    char *place = NULL;
    const char *const to[2] = {c->to_target, "to_hf"};
    for (int direction = 0; direction < 2; direction++) {
        const json_t *rules = json_object_get(c->document, to[direction]);
        if (!rules) FG_TRY(fg_layers_fail(&c->layers, "", to[direction], err, "is missing"));
        const fg_source_file *layer = fg_layers_find(&c->layers, to[direction], "names");
        FG_TRY_RENEW(place, fg_strformat(err, "%s/names", to[direction]));
        FG_TRY(fg_name_rules_compile(&c->rules[direction], json_object_get(rules, "names"),
                                     json_object_get(rules, "lists"), layer->path, place, &layer->text, err));
    }
    FG_TRY(fg_converter_check_names(c->document, &c->layers, c->rules, to, err));
done:
    fg_free(place);
    return status;
}

static void release_converter(void *object) {
    fg_converter *c = object;
    if (!c) return;
    fg_name_rules_free(&c->rules[FG_IMPORT]);
    fg_name_rules_free(&c->rules[FG_EXPORT]);
    fg_declarations_free(&c->declarations);
    fg_layers_free(&c->layers);
    json_decref(c->document);
    fg_free(c->to_target);
    fg_free(c->code_path);
    fg_free(c->module);
    fg_free(c);
}

static fg_status compile(fg_converter *c, const char *path, fg_error *err) {
    FG_CALL(fg_layers_load(&c->layers, c->catalogue, path, err));
    FG_CALL(fg_layers_merge(&c->layers, &c->document, err));
    bool abstract = fg_converter_abstract(c);
    FG_CALL(fg_converter_check_shape(c->document, &c->layers, abstract, err));
    const char *format = json_string_value(json_object_get(c->document, "format"));
    FG_CALL_NEW(c->to_target, fg_strformat(err, "to_%s", format ? format : "target"));
    FG_CALL(fg_declarations_compile(&c->declarations, c->document, &c->layers, err));
    FG_CALL(fg_weights_check(&c->declarations, &c->layers, err));
    FG_CALL(find_code(c, err));
    bool named_by_rules = !c->declarations.root || !c->declarations.root->class_name; /* else by "weights" */
    if (!abstract && named_by_rules) FG_CALL(compile_rules(c, err));
    return FG_OK;
}

fg_status fg_converter_load_file(const fg_converter **converter, fg_catalogue *catalogue, const char *path,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_converter *made = NULL;
    *converter = fg_catalogue_kept(catalogue, "converter", path);
    if (*converter) return FG_OK;
    FG_NEW(made, 1);
    made->catalogue = catalogue;
    FG_TRY(compile(made, path, err));
    status = fg_catalogue_keep(catalogue, "converter", path, made, release_converter, err);
    if (status == FG_OK) *converter = made;
    made = NULL;
done:
    release_converter(made);
    return status;
}

/* ---- finding the file of a model type ---- */

/* Names come from config.json: only what a file name may be made of, so that none leads out of a directory.
 */
static bool is_type_name(const char *name) {
    if (!isalnum((unsigned char)*name)) return false;
    for (const char *at = name; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("_-.", *at)) return false;
    }
    return true;
}

/* "unsupported": the settings of the family that the format cannot hold. */
static fg_status refuse_unsupported(const fg_converter *c, const fg_format *format, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer list = {0};
    json_t *reason;
    FG_JSON_MEMBERS(json_object_get(c->document, "unsupported"), setting, reason)
        FG_TRY(fg_buffer_printf(&list, err, "%s\"%s\" (%s)", list.length ? ", " : "", setting,
                                json_string_value(reason)));
    status = fg_fail(err, FG_ERR_INPUT, "%s cannot be converted to or from %s, which has no place for %s",
                     fg_converter_model_type(c), format->name, list.data);
    fg_hint(err,
            "%s says what is missing; a converter file that knows more can be given with "
            "--converter-path",
            fg_converter_file(c));
done:
    fg_buffer_free(&list);
    return status;
}

/* The first file of that name whose "format" (its own or inherited) is the one wanted. */
static fg_status load_from(const fg_converter **converter, fg_catalogue *catalogue, const char *path,
                           const fg_format *format, fg_error *err) {
    bool is_file;
    FG_CALL(fg_path_is_file(path, &is_file, err));
    if (!is_file) return FG_OK;
    FG_CALL(fg_converter_load_file(converter, catalogue, path, err));
    const fg_converter *found = *converter;
    bool is_wanted = fg_converter_format(found) == fg_format_target_find(format->schema);
    if (!is_wanted || fg_converter_abstract(found)) *converter = NULL;
    if (!is_wanted || !json_object_get(found->document, "unsupported")) return FG_OK;
    return refuse_unsupported(found, format, err);
}

/* The family of an entry that has a converter to the format; NULL for others. */
static const char *family_of(const fg_converter_entry *entry, const fg_format *format) {
    bool is_for = entry->model_type && entry->format && strcmp(entry->format, format->schema) == 0;
    return is_for ? entry->model_type : NULL;
}

/* These families, each once, ", " between; their names are tried for `nearest`, too. */
static fg_status list_types(const fg_converter_entries *entries, const fg_format *format, fg_buffer *types,
                            fg_nearest_name *nearest, fg_error *err) {
    fg_status status = FG_OK;
    fg_map seen = {0};
    for (size_t i = 0; i < entries->count; i++) {
        const char *type = family_of(&entries->items[i], format);
        if (!type || fg_map_get(&seen, type) != FG_MAP_NONE) continue;
        FG_TRY(fg_map_set(&seen, type, 1, err));
        FG_TRY(fg_buffer_printf(types, err, "%s%s", types->length ? ", " : "", type));
        fg_nearest_name_try(nearest, type);
    }
done:
    fg_map_free(&seen);
    return status;
}

static bool has_type(const fg_converter_entries *entries, const fg_format *format, const char *model_type) {
    for (size_t i = 0; i < entries->count; i++) {
        const char *type = family_of(&entries->items[i], format), *hf_type = entries->items[i].hf_model_type;
        if (type && (strcmp(type, model_type) == 0 || (hf_type && strcmp(hf_type, model_type) == 0)))
            return true;
    }
    return false;
}

static fg_status no_converter(fg_catalogue *catalogue, const fg_format *format, const char *model_type,
                              fg_error *err) {
    fg_status status = FG_OK;
    const fg_converter_entries *entries;
    const fg_format *other, *possible = NULL;
    fg_buffer types = {0}, others = {0}, list = {0};
    fg_nearest_name nearest = fg_nearest_name_begin(model_type);
    FG_TRY(fg_converters_list(catalogue, &entries, err));
    FG_TRY(list_types(entries, format, &types, &nearest, err));
    for (size_t i = 0; (other = fg_format_target(i)); i++) {
        if (strcmp(other->schema, format->schema) == 0) continue;
        fg_buffer_clear(&list);
        FG_TRY(list_types(entries, other, &list, &nearest, err));
        FG_TRY(fg_buffer_printf(&others, err, "; and between hf and %s: %s", other->name,
                                list.length ? list.data : "none"));
        if (!possible && has_type(entries, other, model_type)) possible = other;
    }
    fg_fail(err, FG_ERR_INPUT,
            "there is no converter between hf and %s for the model type \"%.100s\"; there are: %s%s",
            format->name, model_type, types.data ? types.data : "none", others.data ? others.data : "");
    fg_about_key(err, "model_type");
    fg_about_found(err, "\"%s\"", model_type);
    if (possible)
        fg_hint(err, "this family converts to %s (--to %s)", possible->name, possible->name);
    else if (nearest.best)
        fg_hint(err, "did you mean \"%s\"? --model-type gives the family", nearest.best);
    fg_hint(err, "give the family with --model-type if the model is one of these, or a converter file with "
                 "--converter-path");
    status = FG_ERR_INPUT;
done:
    fg_buffer_free(&types);
    fg_buffer_free(&others);
    fg_buffer_free(&list);
    return status;
}

/* The first converter whose "hf_model_type" it is; NULL: none. */
static const fg_converter_entry *find_hf_type(const fg_converter_entries *entries, size_t from,
                                              const char *hf_type) {
    for (size_t i = from; i < entries->count; i++) {
        const fg_converter_entry *entry = &entries->items[i];
        if (entry->hf_model_type && entry->model_type && strcmp(entry->hf_model_type, hf_type) == 0)
            return entry;
    }
    return NULL;
}

fg_status fg_converters_family(fg_catalogue *catalogue, const char *hf_type, const char **family,
                               fg_error *err) {
    const fg_converter_entries *entries;
    *family = hf_type;
    FG_CALL(fg_converters_list(catalogue, &entries, err));
    const fg_converter_entry *entry = find_hf_type(entries, 0, hf_type);
    if (entry) *family = entry->model_type;
    return FG_OK;
}

static fg_status load_by_hf_type(const fg_converter **converter, fg_catalogue *catalogue,
                                 const fg_format *format, const char *model_type, fg_error *err) {
    const fg_converter_entries *entries;
    FG_CALL(fg_converters_list(catalogue, &entries, err));
    const fg_converter_entry *entry = find_hf_type(entries, 0, model_type);
    while (entry && !*converter) {
        FG_CALL(load_from(converter, catalogue, entry->path, format, err));
        entry = find_hf_type(entries, (size_t)(entry - entries->items) + 1, model_type);
    }
    return FG_OK;
}

static fg_status search(const fg_converter **converter, fg_catalogue *catalogue, const fg_format *format,
                        const char *model_type, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    for (size_t i = 0; i < 2 * catalogue->count && !*converter && is_type_name(model_type); i++) {
        const char *directory = catalogue->directories[i / 2];
        if (i % 2 == 0)
            FG_TRY_RENEW(path, fg_strformat(err, "%s/%s/%s.json", directory, format->schema, model_type));
        else
            FG_TRY_RENEW(path, fg_strformat(err, "%s/%s.json", directory, model_type));
        FG_TRY(load_from(converter, catalogue, path, format, err));
    }
    if (!*converter) FG_TRY(load_by_hf_type(converter, catalogue, format, model_type, err));
    if (!*converter) FG_TRY(no_converter(catalogue, format, model_type, err));
done:
    fg_free(path);
    return status;
}

fg_status fg_converter_load(const fg_converter **converter, fg_catalogue *catalogue, const fg_format *format,
                            const char *model_type, fg_error *err) {
    *converter = NULL;
    fg_status status = search(converter, catalogue, format, model_type, err);
    if (status != FG_OK || strcmp(fg_converter_hf_model_type(*converter), model_type) == 0 ||
        strcmp(fg_converter_model_type(*converter), model_type) == 0)
        return status;
    fg_fail(err, FG_ERR_INPUT, "%s: says model_type \"%s\", expected \"%s\" by its file name",
            fg_converter_file(*converter), fg_converter_model_type(*converter), model_type);
    *converter = NULL;
    return FG_ERR_INPUT;
}

/* ---- what a converter says ---- */

fg_catalogue *fg_converter_catalogue(const fg_converter *c) {
    return c->catalogue;
}

const fg_format *fg_converter_format(const fg_converter *c) {
    const char *format = json_string_value(json_object_get(c->document, "format"));
    return format ? fg_format_target_find(format) : NULL;
}

const char *fg_converter_model_type(const fg_converter *c) {
    return json_string_value(json_object_get(c->document, "model_type"));
}

const char *fg_converter_hf_model_type(const fg_converter *c) {
    const char *own = json_string_value(json_object_get(c->document, "hf_model_type"));
    return own ? own : fg_converter_model_type(c);
}

const char *fg_converter_file(const fg_converter *c) {
    return c->layers.items[0]->path;
}

const json_t *fg_converter_document(const fg_converter *c) {
    return c->document;
}

bool fg_converter_abstract(const fg_converter *c) {
    return json_is_true(json_object_get(c->document, "abstract"));
}

fg_emitted_code fg_converter_code(const fg_converter *c) {
    return (fg_emitted_code){.path = c->code_path,
                             .module = c->module,
                             .config_class = json_string_value(fg_json_at(c->document, "code/config_class")),
                             .model_class = json_string_value(fg_json_at(c->document, "code/model_class"))};
}

fg_name_rules *fg_converter_rules(const fg_converter *c, fg_direction direction) {
    return c->rules[direction];
}

const fg_declarations *fg_converter_declarations(const fg_converter *c) {
    return &c->declarations;
}

/* ---- listing ---- */

static char *copy_text(const json_t *document, const char *key, fg_error *err) {
    const char *text = json_string_value(json_object_get(document, key));
    return text ? fg_strdup(text, err) : NULL;
}

/* The merged document of a file; NULL, with the reason in `broken`, if its JSON or what it extends is wrong.
 */
static fg_status read_merged(fg_catalogue *catalogue, const char *path, json_t **document, fg_error *broken,
                             fg_error *err) {
    fg_layers layers = {0};
    *document = NULL;
    fg_status status = fg_layers_load(&layers, catalogue, path, broken);
    if (status == FG_OK) status = fg_layers_merge(&layers, document, broken);
    fg_layers_free(&layers);
    if (status == FG_OK || status == FG_ERR_INPUT) return FG_OK;
    return fg_fail_again(err, broken);
}

/* Adds a file that says which format and model type it is for, by itself or through what it extends. */
static fg_status add_entry(fg_converter_entries *list, fg_catalogue *catalogue, const char *path,
                           fg_error *err) {
    fg_status status = FG_OK;
    json_t *document = NULL;
    fg_error broken = {0};
    FG_TRY(read_merged(catalogue, path, &document, &broken, err));
    if (document && !json_object_get(document, "format")) goto done;
    FG_TRY(fg_grow(&list->items, list->count, &list->capacity, sizeof *list->items, err));
    fg_converter_entry *entry = &list->items[list->count++];
    FG_TRY_NEW(entry->path, fg_strdup(path, err));
    if (document) entry->hf_model_type = copy_text(document, "hf_model_type", err);
    if (!document) {
        FG_TRY_NEW(entry->format, fg_strdup("?", err));
        FG_TRY_NEW(entry->about, fg_strdup(broken.text, err));
        goto done;
    }
    entry->format = copy_text(document, "format", err);
    entry->about = copy_text(document, "about", err);
    if (!json_is_true(json_object_get(document, "abstract")))
        entry->model_type = copy_text(document, "model_type", err);
done:
    json_decref(document);
    return status;
}

static fg_status add_entries(fg_converter_entries *list, fg_catalogue *catalogue, size_t index,
                             const char *folder, fg_error *err) {
    fg_status status = FG_OK;
    fg_names paths = {0};
    FG_TRY(fg_catalogue_list(catalogue, index, folder, &paths, err));
    for (size_t i = 0; i < paths.count; i++) FG_TRY(add_entry(list, catalogue, paths.items[i], err));
done:
    fg_names_free(&paths);
    return status;
}

static void release_entries(void *object) {
    fg_converter_entries *list = object;
    for (size_t i = 0; list && i < list->count; i++) {
        fg_free(list->items[i].path);
        fg_free(list->items[i].format);
        fg_free(list->items[i].model_type);
        fg_free(list->items[i].hf_model_type);
        fg_free(list->items[i].about);
    }
    if (list) fg_free(list->items);
    fg_free(list);
}

fg_status fg_converters_list(fg_catalogue *catalogue, const fg_converter_entries **entries, fg_error *err) {
    fg_status status = FG_OK;
    fg_converter_entries *made = NULL;
    const fg_format *target;
    *entries = fg_catalogue_kept(catalogue, "entries", "");
    if (*entries) return FG_OK;
    FG_NEW(made, 1);
    for (size_t i = 0; i < catalogue->count; i++) {
        FG_TRY(add_entries(made, catalogue, i, "", err));
        for (size_t k = 0; (target = fg_format_target(k)); k++)
            FG_TRY(add_entries(made, catalogue, i, target->schema, err));
    }
    *entries = made;
    status = fg_catalogue_keep(catalogue, "entries", "", made, release_entries, err);
    made = NULL;
done:
    release_entries(made);
    return status;
}
