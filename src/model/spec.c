#include "model/spec.h"

#include <string.h>

#include "base/alloc.h"
#include "language/todo.h"
#include "model/hyperparameters.h"
#include "model/spec_schema.h"

enum { DEPTH = 8 }; /* files that extend each other */

/* A type comes from a config.json: it must not lead out of the directories. */
static bool plain(const char *name) {
    return name[0] && name[0] != '.' && !strchr(name, '/') && !strchr(name, '\\');
}

static fg_status find_file(fg_catalogue *catalogue, const char *file, char **path, fg_error *err) {
    char *relative = fg_strformat(err, "models/%s", file);
    if (!relative) return FG_ERR_MEMORY;
    fg_status status = fg_catalogue_find(catalogue, relative, path, err);
    fg_free(relative);
    return status;
}

static fg_status read_file(json_t **spec, fg_catalogue *catalogue, const char *file, unsigned depth,
                           fg_error *err);

/* Lays what a file extends, a name or a list of them, over `spec` in that order. */
static fg_status read_extended(json_t *spec, const json_t *names, fg_catalogue *catalogue, unsigned depth,
                               fg_error *err) {
    const char *file;
    for (size_t i = 0; (file = fg_config_key_at(names, i)) != NULL; i++) {
        json_t *base = NULL;
        fg_status status = read_file(&base, catalogue, file, depth, err);
        if (status == FG_OK) status = fg_json_merge_patch(spec, base, err);
        json_decref(base);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}

static fg_status read_file(json_t **spec, fg_catalogue *catalogue, const char *file, unsigned depth,
                           fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    json_t *base = NULL;
    const fg_source_file *own;
    if (!plain(file)) FG_FAIL(err, FG_ERR_INPUT, "\"%s\" cannot be the name of a file in models/", file);
    if (depth > DEPTH)
        FG_FAIL(err, FG_ERR_INPUT, "models/%s: more than %d files extend each other", file, DEPTH);
    FG_TRY(find_file(catalogue, file, &path, err));
    FG_TRY(fg_catalogue_read(catalogue, path, &own, err));
    FG_TRY(fg_todo_refuse(own, err));
    FG_TRY(fg_spec_schema_check(own, err));
    const json_t *extends = json_object_get(own->document, "extends");
    if (extends) {
        FG_TRY_NEW(base, json_object());
        FG_TRY(read_extended(base, extends, catalogue, depth + 1, err));
        FG_TRY(fg_json_merge_patch(base, own->document, err));
    } else {
        FG_TRY_NEW(base, fg_json_deep_copy(own->document, err));
    }
    *spec = base;
    base = NULL;
done:
    json_decref(base);
    fg_free(path);
    return status;
}

/* hf may give the models of a family another type than the family's name. */
static fg_status find_name(fg_catalogue *catalogue, const char **name, fg_error *err) {
    fg_status status = FG_OK;
    char *relative = NULL, *path = NULL;
    FG_TRY_NEW(relative, fg_strformat(err, "models/%s.json", *name));
    FG_TRY(fg_catalogue_look(catalogue, relative, &path, err));
    if (!path) FG_TRY(fg_converters_family(catalogue, *name, name, err));
done:
    fg_free(relative);
    fg_free(path);
    return status;
}

fg_status fg_model_spec_read(json_t **spec, fg_catalogue *catalogue, const char *name, fg_error *err) {
    fg_status status = FG_OK;
    char *file = NULL;
    *spec = NULL;
    FG_TRY(find_name(catalogue, &name, err));
    FG_TRY_NEW(file, fg_strformat(err, "%s.json", name));
    FG_TRY(read_file(spec, catalogue, file, 0, err));
done:
    if (status != FG_OK) fg_where(err, "reading the forward pass of %s models", name);
    fg_free(file);
    return status;
}

fg_status fg_model_spec_path(char **path, fg_catalogue *catalogue, const char *name, fg_error *err) {
    *path = NULL;
    char *file = fg_strformat(err, "%s.json", name);
    fg_status status = file ? find_file(catalogue, file, path, err) : FG_ERR_MEMORY;
    fg_free(file);
    return status;
}

fg_status fg_model_spec_check_patch(const fg_migration *migration, fg_error *err) {
    fg_status status = FG_OK;
    char *place = NULL;
    FG_TRY_NEW(place, fg_strformat(err, "%s%smodel", migration->place, *migration->place ? "/" : ""));
    FG_TRY(fg_spec_schema_check_side(fg_migration_model(migration), migration->file, place, err));
done:
    fg_free(place);
    return status;
}

fg_status fg_model_spec_revise(json_t *spec, const fg_format *format, const fg_migration *migration,
                               fg_error *err) {
    const json_t *patch = fg_migration_model(migration);
    if (!patch) return FG_OK;
    FG_CALL(fg_model_spec_check_patch(migration, err));
    json_t *side = json_object_get(json_object_get(spec, "formats"), format->schema);
    if (!side) return fg_fail(err, FG_ERR_INPUT, "models/: there is no entry for format %s", format->schema);
    return fg_json_merge_patch(side, patch, err);
}

const char *fg_model_spec_name(const fg_format *format, const char *model_type) {
    return format->spec ? format->spec : model_type;
}
