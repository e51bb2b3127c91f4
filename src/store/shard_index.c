#include "store/shard_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

#define MAP_KEY "weight_map"

/* A name that stays in the directory of the index. */
static bool plain(const json_t *name) {
    const char *text = json_string_value(name);
    return text[0] && strlen(text) == json_string_length(name) && !strchr(text, '/') &&
           strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The distinct file names of the map, sorted. */
static fg_status collect(const char *path, const char *key, const json_t *map, fg_names *files,
                         fg_error *err) {
    fg_status status = FG_OK;
    fg_map seen = {0};
    size_t capacity = 0;
    const char *tensor;
    json_t *name;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, name) {
        char brief[120];
        if (!json_is_string(name) || !plain(name)) {
            FG_TRY(
                fg_fail(err, FG_ERR_INPUT,
                        "%s: %s: tensor \"%s\": found %s, expected the name of a file in the same directory",
                        path, key, tensor, fg_json_brief(name, brief, sizeof brief)));
        }
        if (fg_map_get(&seen, json_string_value(name)) != FG_MAP_NONE) continue;
        FG_TRY(fg_map_set(&seen, json_string_value(name), 1, err));
        FG_TRY(fg_grow(&files->items, files->count, &capacity, sizeof *files->items, err));
        FG_TRY_NEW(files->items[files->count], fg_strdup(json_string_value(name), err));
        files->count++;
    }
    if (files->count) qsort(files->items, files->count, sizeof *files->items, by_name);
done:
    fg_map_free(&seen);
    return status;
}

static fg_status check_file(const char *path, const char *directory, const char *name, fg_error *err) {
    fg_status status = FG_OK;
    char *file = NULL;
    FG_TRY_NEW(file, fg_path_join(directory, name, err));
    if (!fg_path_is_file(file)) {
        fg_fail(err, FG_ERR_INPUT, "%s: it names the file \"%s\", which %s", path, name,
                fg_path_exists(file) ? "is not a file that can be read" : "is missing");
        FG_TRY(fg_hint(err, "copy or download the checkpoint again: it is incomplete"));
    }
done:
    fg_free(file);
    return status;
}

fg_status fg_shard_index_files(const char *path, const char *key, const json_t *map, fg_names *files,
                               fg_error *err) {
    fg_status status = FG_OK;
    char *directory = NULL;
    if (!json_is_object(map)) {
        FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\": found %s, expected an object", path, key,
                       fg_json_kind(map)));
    }
    FG_TRY(collect(path, key, map, files, err));
    if (!files->count) FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: %s is empty", path, key));
    size_t length = (size_t)(fg_path_name(path) - path);
    FG_TRY_NEW(directory, length ? fg_strndup(path, length, err) : fg_strdup(".", err));
    for (size_t i = 0; i < files->count; i++) FG_TRY(check_file(path, directory, files->items[i], err));
done:
    fg_free(directory);
    return status;
}

fg_status fg_shard_index_read(const char *path, fg_shard_index *index, fg_error *err) {
    fg_status status = FG_OK;
    *index = (fg_shard_index){0};
    FG_TRY(fg_json_read(path, &index->document, err));
    FG_TRY(
        fg_shard_index_files(path, MAP_KEY, json_object_get(index->document, MAP_KEY), &index->files, err));
done:
    if (status != FG_OK) fg_shard_index_free(index);
    return status;
}

const char *fg_shard_index_file_of(const fg_shard_index *index, const char *tensor) {
    return json_string_value(json_object_get(json_object_get(index->document, MAP_KEY), tensor));
}

void fg_shard_index_free(fg_shard_index *index) {
    json_decref(index->document);
    fg_names_free(&index->files);
    *index = (fg_shard_index){0};
}
