#include "draft/new_family.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "draft/draft_fast_llm.h"
#include "draft/draft_spec.h"
#include "language/code_declaration.h"
#include "language/todo.h"
#include "model/spec.h"

enum { SHOWN = 60 };

/* ---- the model type ---- */

static bool is_file_name(const char *type) {
    if (!isalnum((unsigned char)*type)) return false;
    for (const char *at = type; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("_-.", *at)) return false;
    }
    return true;
}

/* The file of the converter that a family has for a format; NULL: it has none. Borrowed. */
static fg_status find_known(fg_catalogue *catalogue, const fg_format *format, const char *type,
                            const char **path, fg_error *err) {
    const fg_converter_entries *entries;
    *path = NULL;
    FG_CALL(fg_converters_list(catalogue, &entries, err));
    for (size_t i = 0; i < entries->count && !*path; i++) {
        const fg_converter_entry *entry = &entries->items[i];
        if (entry->model_type && strcmp(entry->model_type, type) == 0 &&
            strcmp(entry->format, format->schema) == 0)
            *path = entry->path;
    }
    return FG_OK;
}

static fg_status refuse_known(fg_catalogue *catalogue, const char *type, fg_error *err) {
    const char *path;
    FG_CALL(find_known(catalogue, &fg_format_forgather, type, &path, err));
    if (!path) return FG_OK;
    fg_fail(err, FG_ERR_INPUT, "there is a converter for %s already: %s", type, path);
    fg_about_file(err, path);
    fg_about_key(err, "model_type");
    fg_about_found(err, "\"%s\"", type);
    return fg_hint(err, "convert the model; if it is a variant, extend that file");
}

static fg_status find_type(const json_t *config, fg_catalogue *catalogue, const char **type, fg_error *err) {
    *type = json_string_value(json_object_get(config, "model_type"));
    if (!*type) {
        fg_fail(err, FG_ERR_INPUT, "config.json does not say which family this is: it has no model_type");
        fg_about_file(err, "config.json");
        return fg_about_key(err, "model_type");
    }
    if (!is_file_name(*type)) {
        fg_fail(err, FG_ERR_INPUT, "config.json: model_type \"%.*s\" cannot be the name of a file", SHOWN,
                *type);
        fg_about_key(err, "model_type");
        return fg_about_found(err, "\"%s\"", *type);
    }
    return refuse_known(catalogue, *type, err);
}

/* ---- the files ---- */

/* How much of the model the nearest family has: [tensors and keys that are alike, all of them]. */
static json_t *likeness(const json_t *all, const json_t *other) {
    json_int_t count = (json_int_t)json_object_size(all);
    return json_pack("[I, I]", count - (json_int_t)json_object_size(other), count);
}

static fg_status add_likeness(const fg_draft_source *s, json_t *draft, fg_error *err) {
    FG_CALL(fg_json_put(draft, "like_tensors", likeness(s->outline->tensors, s->fit->extra), err));
    return fg_json_put(draft, "like_keys", likeness(s->outline->config, s->fit->unknown), err);
}

static fg_status put_file(json_t *draft, const char *folder, json_t *document, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    fg_buffer todo = {0};
    size_t count = 0;
    const char *type = json_string_value(json_object_get(draft, "model_type"));
    FG_TRY_NEW(path, fg_strformat(err, "%s/%s.json", folder, type));
    FG_TRY(fg_json_put(json_object_get(draft, "files"), path, json_incref(document), err));
    FG_TRY(fg_todo_list(document, &todo, &count, err));
    for (char *line = todo.data, *end; line && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *text;
        *end = '\0';
        FG_TRY_NEW(text, fg_strformat(err, "%s: %s", path, line));
        status = fg_json_push(json_object_get(draft, "todo"), json_string(text), err);
        fg_free(text);
        if (status != FG_OK) goto done;
    }
done:
    fg_buffer_free(&todo);
    fg_free(path);
    return status;
}

static fg_status add_converter(const fg_draft_source *s, json_t *draft, fg_error *err) {
    json_t *document = NULL;
    fg_status status = fg_draft_converter(s, &document, err);
    if (status == FG_OK) status = put_file(draft, fg_format_forgather.schema, document, err);
    json_decref(document);
    return status;
}

/* A file that is there stays: other converters use it. */
static fg_status leave_out(json_t *draft, const char *what, const char *path, fg_error *err) {
    fg_status status = FG_OK;
    char *why = NULL;
    FG_TRY_NEW(why, fg_strformat(err, "there is %s already: extend it where that is needed", path));
    FG_TRY(fg_json_put(json_object_get(draft, "left_out"), what, json_string(why), err));
done:
    fg_free(why);
    return status;
}

static fg_status add_spec(const fg_draft_source *s, fg_catalogue *catalogue, json_t *draft, fg_error *err) {
    fg_status status = FG_OK;
    json_t *document = NULL, *nearest = NULL;
    char *relative = NULL, *there = NULL;
    FG_TRY_NEW(relative, fg_strformat(err, "models/%s.json", s->model_type));
    FG_TRY(fg_catalogue_look(catalogue, relative, &there, err));
    if (there) {
        FG_TRY(leave_out(draft, "models", there, err));
        goto done;
    }
    FG_TRY(fg_model_spec_read(&nearest, catalogue, fg_converter_model_type(s->fit->converter), err));
    FG_TRY(fg_draft_spec(s, nearest, &document, err));
    FG_TRY(put_file(draft, "models", document, err));
done:
    fg_free(relative);
    fg_free(there);
    json_decref(document);
    json_decref(nearest);
    return status;
}

static fg_status add_fast_llm(const fg_draft_source *s, fg_catalogue *catalogue, json_t *draft,
                              fg_error *err) {
    json_t *document = NULL, *why = NULL;
    const char *there;
    FG_CALL(find_known(catalogue, &fg_format_fast_llm, s->model_type, &there, err));
    if (there) return leave_out(draft, fg_format_fast_llm.name, there, err);
    fg_status status = fg_draft_fast_llm(s, &document, &why, err);
    if (status == FG_OK && document) status = put_file(draft, fg_format_fast_llm.schema, document, err);
    if (status == FG_OK && !document && why)
        status =
            fg_json_put(json_object_get(draft, "left_out"), fg_format_fast_llm.name, json_incref(why), err);
    json_decref(document);
    json_decref(why);
    return status;
}

static fg_status add_files(fg_draft_source *s, fg_catalogue *catalogue, json_t *draft, fg_error *err) {
    fg_status status = FG_OK;
    fg_code_declaration code = {0};
    FG_TRY(fg_code_declaration_load(&code, s->fit->converter, err));
    s->code = code.document;
    FG_TRY(add_likeness(s, draft, err));
    FG_TRY(add_converter(s, draft, err));
    FG_TRY(add_spec(s, catalogue, draft, err));
    FG_TRY(add_fast_llm(s, catalogue, draft, err));
done:
    fg_code_declaration_free(&code);
    return status;
}

fg_status fg_new_family_draft(const json_t *config, const fg_tensors *tensors, fg_catalogue *catalogue,
                              json_t **draft, fg_error *err) {
    fg_status status = FG_OK;
    fg_outline outline = {0};
    fg_family_fit fit = {0};
    fg_pairing pairing = {0};
    const char *type;
    json_t *made = NULL;
    *draft = NULL;
    FG_TRY(find_type(config, catalogue, &type, err));
    FG_TRY(fg_outline_make(&outline, config, tensors, err));
    FG_TRY(fg_family_fit_nearest(&fit, catalogue, &fg_format_forgather, &outline, err));
    FG_TRY(fg_pairing_make(&pairing, &fit, &outline, err));
    fg_draft_source source = {
        .model_type = type, .config = config, .outline = &outline, .fit = &fit, .pairing = &pairing};
    FG_TRY_NEW(made, json_pack("{s:s, s:s, s:{}, s:[], s:{}}", "model_type", type, "nearest",
                               fg_converter_model_type(fit.converter), "files", "todo", "left_out"));
    FG_TRY(add_files(&source, catalogue, made, err));
    *draft = json_incref(made);
done:
    json_decref(made);
    fg_pairing_free(&pairing);
    fg_family_fit_free(&fit);
    fg_outline_free(&outline);
    return status;
}
