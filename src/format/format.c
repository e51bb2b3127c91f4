#include "format/format.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/yaml.h"

const fg_format *const fg_formats[] = {&fg_format_hf, &fg_format_forgather, &fg_format_fast_llm,
                                       &fg_format_distributed};
const size_t fg_format_count = sizeof fg_formats / sizeof *fg_formats;

const fg_format *fg_format_find(const char *name) {
    for (size_t i = 0; i < fg_format_count; i++) {
        if (strcmp(fg_formats[i]->name, name) == 0) return fg_formats[i];
    }
    return NULL;
}

static bool has_converters(size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (strcmp(fg_formats[i]->schema, fg_formats[index]->schema) == 0) return false;
    }
    return !fg_formats[index]->hub;
}

const fg_format *fg_format_target(size_t index) {
    for (size_t i = 0; i < fg_format_count; i++) {
        if (has_converters(i) && index-- == 0) return fg_formats[i];
    }
    return NULL;
}

const fg_format *fg_format_target_find(const char *schema) {
    const fg_format *format;
    for (size_t i = 0; (format = fg_format_target(i)); i++) {
        if (strcmp(format->schema, schema) == 0) return format;
    }
    return NULL;
}

/* ---- which one it is ---- */

fg_status fg_format_of_directory(const char *directory, const fg_format *asked, const fg_format **format,
                                 fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    *format = fg_formats[0];
    for (size_t i = fg_format_count; i-- > 1;) {
        const fg_format *f = fg_formats[i];
        bool is = false;
        if (asked ? f != asked : !f->recognise) continue;
        FG_TRY_NEW(path, fg_path_join(directory, f->config_file, err));
        FG_TRY(fg_path_is_file(path, &is, err));
        if (is && !asked) FG_TRY(f->recognise(directory, &is, err));
        if (is) {
            *format = f;
            break;
        }
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

const fg_format *fg_format_of_document(const json_t *document, const fg_format *like) {
    for (size_t i = fg_format_count; i-- > 0;) {
        const fg_format *f = fg_formats[i];
        if (like && strcmp(f->config_file, like->config_file) != 0) continue;
        if (f == like && f->recognise) break; /* the directory has told */
        if (f->recognise_document && f->recognise_document(document)) return f;
    }
    return like ? like : fg_formats[0];
}

/* ---- its configuration ---- */

fg_status fg_format_read_file(const char *path, json_t **document, fg_error *err) {
    bool yaml = fg_ends_with(path, ".yaml") || fg_ends_with(path, ".yml");
    FG_CALL(yaml ? fg_yaml_read(path, document, NULL, err) : fg_json_read(path, document, err));
    if (!json_is_object(*document))
        return fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected an object", path, fg_json_kind(*document));
    return FG_OK;
}

static json_t *at(const json_t *object, const char *path) {
    return path ? fg_json_at(object, path) : (json_t *)(uintptr_t)object;
}

json_t *fg_format_config(const fg_format *format, const json_t *document) {
    return at(document, format->config_path);
}

json_t *fg_format_model_config(const fg_format *format, const json_t *config) {
    return at(config, format->model_path);
}

const char *fg_format_inside_model(const fg_format *format, const char *path) {
    if (!format->model_path) return path;
    size_t length = strlen(format->model_path);
    return fg_starts_with(path, format->model_path) && path[length] == '/' ? path + length + 1 : NULL;
}

/* Takes over the reference to `value`. */
static fg_status put_below(const char *path, json_t *value, json_t **object, fg_error *err) {
    *object = path ? json_object() : value;
    if (path) FG_CALL(fg_json_set_at(*object, path, value, err));
    return FG_OK;
}

fg_status fg_format_document(const fg_format *format, json_t *model, json_t **document, fg_error *err) {
    fg_status status = FG_OK;
    json_t *config = NULL;
    FG_TRY(put_below(format->model_path, json_incref(model), &config, err));
    FG_TRY(put_below(format->config_path, json_incref(config), document, err));
done:
    json_decref(config);
    return status;
}

/* ---- as a destination ---- */

bool fg_format_has_index(const fg_format *format, size_t files) {
    return format->index == FG_INDEX_ALWAYS || (format->index == FG_INDEX_IF_SEVERAL && files > 1);
}

fg_status fg_format_check_writable(const fg_format *format, fg_error *err) {
    if (format->write_config) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "the format %s can be read only", format->name);
}
