#include "language/defaults.h"

#include "base/alloc.h"

static fg_status look_in(const char *directory, const char *model_type, json_t **defaults, fg_error *err) {
    fg_status status = FG_OK;
    json_t *document = NULL;
    char *path = NULL;
    bool is_file;
    FG_TRY_NEW(path, fg_path_join(directory, "defaults/transformers.json", err));
    FG_TRY(fg_path_is_file(path, &is_file, err));
    if (!is_file) goto done;
    FG_TRY(fg_json_read(path, &document, err));
    json_t *found = json_object_get(json_object_get(document, "model_types"), model_type);
    if (found && !json_is_object(found))
        FG_FAIL(err, FG_ERR_INPUT, "%s: model_types/%s: expected an object", path, model_type);
    *defaults = json_incref(found);
done:
    json_decref(document);
    fg_free(path);
    return status;
}

fg_status fg_defaults_load(const fg_converter_dirs *dirs, const char *model_type, json_t **defaults,
                           fg_error *err) {
    fg_status status = FG_OK;
    *defaults = NULL;
    for (size_t i = 0; i < dirs->count && !*defaults; i++)
        FG_TRY(look_in(dirs->items[i], model_type, defaults, err));
    if (!*defaults) *defaults = json_object();
    if (!*defaults) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while reading defaults");
done:
    return status;
}

fg_status fg_defaults_complete(json_t *config, const json_t *defaults, fg_error *err) {
    fg_status status = FG_OK;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)defaults, key, value) {
        if (!json_object_get(config, key))
            FG_TRY(fg_json_put(config, key, fg_json_deep_copy(value, err), err));
    }
done:
    return status;
}
