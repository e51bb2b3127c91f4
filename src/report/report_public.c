#include "report/report_public.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_map.h"

typedef struct local_paths {
    const char **items; /* owned; borrowed from the report */
    size_t count, capacity;
} local_paths;

static fg_status add_path(const json_t *value, local_paths *paths, fg_error *err) {
    const char *text = json_string_value(value), *slash = text ? strchr(text, '/') : NULL;
    if (!slash || !slash[1]) return FG_OK; /* it has no folder that could be named */
    FG_CALL(fg_grow(&paths->items, paths->count, &paths->capacity, sizeof *paths->items, err));
    paths->items[paths->count++] = text;
    return FG_OK;
}

/* A checkpoint inside of the source is recorded without the way to it, and stays. */
static fg_status add_absolute(const json_t *value, local_paths *paths, fg_error *err) {
    const char *text = json_string_value(value);
    return text && text[0] == '/' ? add_path(value, paths, err) : FG_OK;
}

static fg_status find_paths(const json_t *report, local_paths *paths, fg_error *err) {
    static const char *const places[] = {"source/directory", "source/weights_directory", "source/experiment",
                                         "destination/directory", "hf_base/directory"};
    json_t *value;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        FG_CALL(add_path(fg_json_at(report, places[i]), paths, err));
    FG_JSON_EACH(json_object_get(report, "arguments"), i, value) FG_CALL(add_path(value, paths, err));
    FG_JSON_MEMBERS(json_object_get(report, "options"), key, value) FG_CALL(add_absolute(value, paths, err));
    return FG_OK;
}

static int longer_first(const void *a, const void *b) {
    size_t one = strlen(*(const char *const *)a), other = strlen(*(const char *const *)b);
    return (one < other) - (one > other);
}

/* The path that begins here; NULL: none. */
static const char *path_at(const local_paths *paths, const char *text) {
    for (size_t i = 0; i < paths->count; i++) {
        if (fg_starts_with(text, paths->items[i])) return paths->items[i];
    }
    return NULL;
}

static fg_status shorten(const void *context, const char *text, size_t length, fg_buffer *out,
                         fg_error *err) {
    const char *end = text + length;
    while (text < end) {
        const char *path = path_at(context, text);
        if (path) {
            char *trimmed;
            FG_CALL_NEW(trimmed, fg_strdup(path, err));
            for (size_t last = strlen(trimmed); last > 1 && trimmed[last - 1] == '/';) trimmed[--last] = '\0';
            fg_status status = fg_buffer_put(out, fg_path_name(trimmed), err);
            fg_free(trimmed);
            if (status != FG_OK) return status;
            text += strlen(path);
        } else {
            FG_CALL(fg_buffer_add(out, text++, 1, err));
        }
    }
    return FG_OK;
}

fg_status fg_report_public(const json_t *report, json_t **copy, fg_error *err) {
    fg_status status = FG_OK;
    local_paths paths = {0};
    const fg_json_map map = {.text = shorten, .context = &paths};
    FG_TRY(find_paths(report, &paths, err));
    if (paths.count) qsort(paths.items, paths.count, sizeof *paths.items, longer_first);
    FG_TRY(fg_json_map_texts(report, &map, copy, err));
done:
    fg_free(paths.items);
    return status;
}
