#include "model/spec.h"

#include <string.h>

#include "base/alloc.h"

enum { DEPTH = 8 }; /* files that extend each other */

/* Copies of the members of `over` replace those of `base`; objects are merged. */
static fg_status merge(json_t *base, const json_t *over, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(over, key, value) {
        json_t *old = json_object_get(base, key);
        if (json_is_null(value))
            json_object_del(base, key);
        else if (json_is_object(old) && json_is_object(value))
            FG_CALL(merge(old, value, err));
        else
            FG_CALL(fg_json_put(base, key, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}

/* A type comes from a config.json: it must not lead out of the directories. */
static bool plain(const char *name) {
    return name[0] && name[0] != '.' && !strchr(name, '/') && !strchr(name, '\\');
}

/* DIR/models/FILE of the first directory that has it. Only then what the rule for plug-ins finds, since a
 * plug-in's DIR/TYPE.json is mostly its converter. */
static fg_status find_file(fg_catalogue *catalogue, const char *file, char **path, fg_error *err) {
    fg_status status = FG_OK;
    char *relative = NULL;
    FG_TRY_NEW(relative, fg_strformat(err, "models/%s", file));
    for (size_t i = 0; i < catalogue->count; i++) {
        bool is_file;
        FG_TRY_NEW(*path, fg_path_join(catalogue->directories[i], relative, err));
        FG_TRY(fg_path_is_file(*path, &is_file, err));
        if (is_file) goto done;
        fg_free(*path);
        *path = NULL;
    }
    FG_TRY(fg_catalogue_find(catalogue, relative, path, err));
done:
    fg_free(relative);
    return status;
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
    const char *extends = json_string_value(json_object_get(own->document, "extends"));
    if (extends) {
        FG_TRY(read_file(&base, catalogue, extends, depth + 1, err));
        FG_TRY(merge(base, own->document, err));
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

fg_status fg_model_spec_read(json_t **spec, fg_catalogue *catalogue, const char *name, fg_error *err) {
    *spec = NULL;
    char *file = fg_strformat(err, "%s.json", name);
    if (!file) return FG_ERR_MEMORY;
    fg_status status = read_file(spec, catalogue, file, 0, err);
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

fg_status fg_model_spec_revise(json_t *spec, const fg_format *format, const json_t *patch, fg_error *err) {
    json_t *side = json_object_get(json_object_get(spec, "formats"), format->schema);
    if (!side) return fg_fail(err, FG_ERR_INPUT, "models/: there is no entry for format %s", format->schema);
    return merge(side, patch, err);
}

const char *fg_model_spec_name(const fg_format *format, const char *model_type) {
    return format->spec ? format->spec : model_type;
}
