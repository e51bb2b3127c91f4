#include "draft/draft_fast_llm.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "mapping/converter_map.h"
#include "translate/translate.h"

/* The configuration as the family's own: with its type and its architectures. */
static fg_status disguise(const fg_draft_source *s, const fg_converter *converter, json_t **config,
                          fg_error *err) {
    const fg_declaration *d = fg_section_find(fg_converter_declarations(converter)->root, "architectures");
    json_t *own = d ? json_object_get(d->spec, "constant_export") : NULL;
    FG_CALL_NEW(*config, fg_json_copy(s->config, err));
    FG_CALL(fg_json_put(*config, "model_type", json_string(fg_converter_hf_model_type(converter)), err));
    return own ? fg_json_put(*config, "architectures", json_incref(own), err) : FG_OK;
}

static fg_status find_patterns(const fg_tensor_map *map, json_t *patterns, fg_error *err) {
    fg_status status = FG_OK;
    char *pattern = NULL;
    for (size_t i = 0; i < map->part_count; i++) {
        FG_TRY_RENEW(pattern, fg_outline_pattern(map->parts[i], err));
        FG_TRY(fg_json_put(patterns, pattern, json_true(), err));
    }
done:
    fg_free(pattern);
    return status;
}

/* The first name of `a` that `b` lacks; NULL: none. */
static const char *lacks(const json_t *a, const json_t *b) {
    json_t *value;
    FG_JSON_MEMBERS(a, name, value) {
        if (!json_object_get(b, name)) return name;
    }
    return NULL;
}

/* Whether the family's tensors are those of the model: by names. */
static fg_status compare_names(const fg_draft_source *s, const fg_converter *converter,
                               const fg_translation *there, fg_error *refused, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensor_map map = {0};
    json_t *patterns = NULL;
    const fg_completed completed = {.hf = there->hf, .target = there->target};
    FG_TRY_NEW(patterns, json_object());
    FG_TRY(fg_converter_map_new(&map, converter, completed, NULL, refused));
    FG_TRY(find_patterns(&map, patterns, err));
    const char *extra = lacks(s->outline->tensors, patterns), *missing = lacks(patterns, s->outline->tensors);
    if (extra) fg_fail(refused, FG_ERR_INPUT, "it has no tensor %s", extra);
    if (missing) fg_fail(refused, FG_ERR_INPUT, "it needs a tensor %s", missing);
done:
    fg_tensor_map_free(&map);
    json_decref(patterns);
    return refused->status == FG_ERR_INPUT ? FG_OK : status;
}

static fg_status try(const fg_draft_source *s, const fg_converter *converter, fg_error *refused,
                     fg_error *err) {
    fg_status status = FG_OK;
    const fg_translate_options how = {.hf_version = 4, .version = "", .file = "config.json"};
    fg_translation there = {0};
    json_t *config = NULL;
    FG_TRY(disguise(s, converter, &config, err));
    status = fg_translate(converter, FG_IMPORT, config, &how, &there, refused);
    if (status == FG_OK) status = compare_names(s, converter, &there, refused, err);
    if (status != FG_OK && status == (fg_status)refused->status)
        status = status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, refused);
done:
    fg_translation_free(&there);
    json_decref(config);
    return status;
}

static fg_status make_file(const fg_draft_source *s, const fg_converter *converter, json_t **document,
                           fg_error *err) {
    const json_t *architectures = json_object_get(s->config, "architectures");
    const fg_section *root = fg_converter_declarations(converter)->root;
    fg_family_fit fit = *s->fit;
    fg_draft_source like = *s;
    json_t *sections, *section, *config, *entry;
    fit.converter = converter;
    like.fit = &fit;
    FG_CALL(fg_draft_begin(&like, fg_converter_format(converter), document, err));
    if (!json_array_size(architectures)) return FG_OK;
    FG_CALL_NEW(sections, fg_json_put_object(*document, "sections", err));
    FG_CALL_NEW(section, fg_json_put_object(sections, root->name, err));
    FG_CALL_NEW(config, fg_json_put_object(section, "config", err));
    FG_CALL_NEW(entry, fg_json_put_object(config, "architectures", err));
    return fg_json_put(entry, "constant_export", json_incref((json_t *)(uintptr_t)architectures), err);
}

static fg_status note(json_t **why, fg_error *err, const char *family, const char *text) {
    fg_status status = FG_OK;
    char *made = NULL;
    FG_TRY_NEW(made,
               fg_strformat(err, "%s, the nearest family, %.*s", family, (int)strcspn(text, "\n"), text));
    FG_TRY_NEW(*why, json_string(made));
done:
    fg_free(made);
    return status;
}

static fg_status find_family(const fg_draft_source *s, const fg_converter **found, fg_error *err) {
    fg_catalogue *catalogue = fg_converter_catalogue(s->fit->converter);
    const char *nearest = fg_converter_model_type(s->fit->converter);
    size_t index = 0;
    FG_CALL(fg_family_next(catalogue, &fg_format_fast_llm, &index, found, err));
    while (*found && strcmp(fg_converter_model_type(*found), nearest) != 0)
        FG_CALL(fg_family_next(catalogue, &fg_format_fast_llm, &index, found, err));
    return FG_OK;
}

fg_status fg_draft_fast_llm(const fg_draft_source *s, json_t **document, json_t **why, fg_error *err) {
    const fg_converter *converter;
    const char *nearest = fg_converter_model_type(s->fit->converter);
    fg_error refused = {0};
    char text[FG_ERROR_TEXT + 32];
    *document = *why = NULL;
    FG_CALL(find_family(s, &converter, err));
    if (!converter) return note(why, err, nearest, "has no converter to it");
    FG_CALL(try(s, converter, &refused, err));
    if (refused.status == FG_OK) return make_file(s, converter, document, err);
    snprintf(text, sizeof text, "does not take it there: %s", refused.text);
    return note(why, err, nearest, text);
}
