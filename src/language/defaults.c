#include "language/defaults.h"

fg_status fg_defaults_load(fg_catalogue *catalogue, const char *model_type, const json_t **defaults,
                           fg_error *err) {
    const fg_source_file *file;
    *defaults = NULL;
    for (size_t i = 0; i < catalogue->count && !*defaults; i++) {
        FG_CALL(fg_catalogue_read_in(catalogue, i, "defaults/transformers.json", &file, err));
        if (file) *defaults = json_object_get(json_object_get(file->document, "model_types"), model_type);
        if (*defaults && !json_is_object(*defaults))
            return fg_fail(err, FG_ERR_INPUT, "%s: model_types/%s: expected an object", file->path,
                           model_type);
    }
    return FG_OK;
}

fg_status fg_defaults_complete(json_t *config, const json_t *defaults, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(defaults, key, value) {
        if (!json_object_get(config, key))
            FG_CALL(fg_json_put(config, key, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}
