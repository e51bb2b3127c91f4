#include "format/metadata_yaml.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/yaml.h"
#include "format/hf.h"

enum { BRIEF = 120 };

fg_status fg_metadata_yaml_read(const char *directory, json_t **document, fg_error *err) {
    char *path = fg_path_join(directory, FG_METADATA_YAML, err);
    fg_status status = path ? fg_yaml_read(path, document, NULL, err) : FG_ERR_MEMORY;
    fg_free(path);
    return status;
}

static bool is_of_format(const json_t *document, const char *format) {
    const json_t *named = json_object_get(document, "format");
    return json_is_string(named) && strcmp(json_string_value(named), format) == 0;
}

fg_status fg_metadata_yaml_recognise(const char *directory, const char *format, bool *is, fg_error *err) {
    fg_status status = FG_OK;
    fg_error unreadable = {0};
    json_t *document = NULL;
    char *config = NULL;
    bool other;
    FG_TRY_NEW(config, fg_path_join(directory, FG_HF_CONFIG, err));
    FG_TRY(fg_path_is_file(config, &other, err));
    *is = !other && !format;
    if (*is) goto done;
    status = fg_metadata_yaml_read(directory, &document, &unreadable);
    if (status != FG_OK && status != FG_ERR_INPUT) FG_TRY(fg_fail_again(err, &unreadable));
    status = FG_OK; /* what is no YAML is not Fast-LLM's */
    *is = json_object_get(document, "format") && json_object_get(document, "config") &&
          (!format || is_of_format(document, format));
done:
    json_decref(document);
    fg_free(config);
    return status;
}

fg_status fg_metadata_yaml_check(const char *path, const json_t *document, const char *format,
                                 fg_error *err) {
    const json_t *model = fg_json_at(document, "config/base_model");
    char brief[BRIEF];
    if (!json_is_object(document))
        return fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected an object", path, fg_json_kind(document));
    if (!is_of_format(document, format))
        return fg_fail(err, FG_ERR_INPUT, "%s: format: found %s, expected \"%s\"", path,
                       fg_json_brief(json_object_get(document, "format"), brief, sizeof brief), format);
    if (!json_is_object(model))
        return fg_fail(err, FG_ERR_INPUT, "%s: config/base_model: found %s, expected an object", path,
                       fg_json_kind(model));
    return FG_OK;
}

fg_status fg_metadata_yaml_wrap_config(const char *type, const json_t *model, json_t **config,
                                       fg_error *err) {
    *config = json_pack("{s:s, s:O}", "type", type ? type : "gpt", "base_model", model);
    return *config ? FG_OK : fg_fail(err, FG_ERR_MEMORY, "out of memory while writing " FG_METADATA_YAML);
}
