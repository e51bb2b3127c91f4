#include "store/shard_index.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_scan.h"

#define MAP_KEY "weight_map"
#define METADATA_KEY "metadata"

/* ---- the files ---- */

/* A name that stays in the directory of the index. */
static bool stays(const char *name) {
    return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

typedef struct collection {
    fg_names *files;
    fg_map seen;
    const char *last; /* borrowed: neighbours mostly lie in the same file */
} collection;

static fg_status collect(collection *c, const char *name, fg_error *err) {
    if (c->last && strcmp(c->last, name) == 0) return FG_OK;
    c->last = name;
    if (fg_map_get(&c->seen, name) != FG_MAP_NONE) return FG_OK;
    FG_CALL(fg_map_set(&c->seen, name, 1, err));
    return fg_names_add(c->files, fg_strdup(name, err), err);
}

/* FG_ERR_INPUT if it is there and no file. */
static fg_status look_for(const char *path, const char *directory, const char *name, bool *missing,
                          fg_error *err) {
    fg_status status = FG_OK;
    char *file = NULL;
    fg_path_kind kind;
    *missing = strlen(name) > NAME_MAX; /* no file has such a name, and the system refuses to look */
    if (*missing) return FG_OK;
    FG_TRY_NEW(file, fg_path_join(directory, name, err));
    FG_TRY(fg_path_look(file, &kind, err));
    *missing = kind == FG_PATH_ABSENT;
    if (!*missing && kind != FG_PATH_FILE) {
        fg_fail(err, FG_ERR_INPUT, "%s: it names the file \"%s\", which is not a file that can be read", path,
                name);
        FG_TRY(fg_hint(err, "copy or download the checkpoint again: it is incomplete"));
    }
done:
    fg_free(file);
    return status;
}

static fg_status refuse_missing(const char *path, size_t files, size_t missing, const char *first,
                                fg_error *err) {
    if (missing == 1)
        fg_fail(err, FG_ERR_INPUT, "%s: it names the file \"%s\", which is missing", path, first);
    else
        fg_fail(err, FG_ERR_INPUT, "%s: %zu of the %zu files that it names are missing; the first is \"%s\"",
                path, missing, files, first);
    return fg_hint(err, "copy or download the checkpoint again: it is incomplete");
}

/* Sorts what was collected; each of it must be there. */
static fg_status resolve_files(const char *path, fg_names *files, fg_error *err) {
    fg_status status = FG_OK;
    size_t length = (size_t)(fg_path_name(path) - path), missing = 0;
    bool absent;
    const char *first = NULL;
    char *directory = length ? fg_strndup(path, length, err) : fg_strdup(".", err);
    if (!directory) return FG_ERR_MEMORY;
    if (files->count) qsort(files->items, files->count, sizeof *files->items, fg_by_name);
    for (size_t i = 0; i < files->count; i++) {
        FG_TRY(look_for(path, directory, files->items[i], &absent, err));
        if (absent && !missing++) first = files->items[i];
    }
    if (missing) FG_TRY(refuse_missing(path, files->count, missing, first, err));
done:
    fg_free(directory);
    return status;
}

/* ---- any index, as values ---- */

fg_status fg_shard_index_files(const char *path, const char *key, const json_t *map, fg_names *files,
                               fg_error *err) {
    fg_status status = FG_OK;
    collection c = {.files = files};
    json_t *value;
    if (!json_is_object(map)) {
        FG_FAIL(err, FG_ERR_INPUT, "%s: key \"%s\": found %s, expected an object", path, key,
                fg_json_kind(map));
    }
    FG_JSON_MEMBERS(map, tensor, value) {
        const char *name = json_string_value(value);
        char brief[120];
        if (!name || strlen(name) != json_string_length(value) || !stays(name)) {
            FG_FAIL(err, FG_ERR_INPUT,
                    "%s: %s: tensor \"%s\": found %s, expected the name of a file in the same directory",
                    path, key, tensor, fg_json_brief(value, brief, sizeof brief));
        }
        FG_TRY(collect(&c, name, err));
    }
    if (!files->count) FG_FAIL(err, FG_ERR_INPUT, "%s: %s is empty", path, key);
    FG_TRY(resolve_files(path, files, err));
done:
    fg_map_free(&c.seen);
    return status;
}

/* Into an array that has room. FG_ERR_INPUT if there is one of that name. */
static fg_status add_entry(fg_shard_index *index, const char *tensor, const char *file, fg_error *err) {
    int64_t held;
    FG_CALL(fg_map_add(&index->by_tensor, tensor, (uint32_t)index->count, &held, err));
    if (held != FG_MAP_NONE) return fg_fail(err, FG_ERR_INPUT, "tensor \"%s\" is listed twice", tensor);
    index->entries[index->count++] = (fg_shard_entry){.tensor = tensor, .file = file};
    return FG_OK;
}

static fg_status read_values(const char *path, fg_shard_index *index, fg_error *err) {
    fg_status status = FG_OK;
    json_t *document = NULL, *file;
    FG_TRY(fg_json_read(path, &document, err));
    index->metadata = json_incref(json_object_get(document, METADATA_KEY));
    index->weight_map = json_incref(json_object_get(document, MAP_KEY));
    FG_TRY(fg_shard_index_files(path, MAP_KEY, index->weight_map, &index->files, err));
    FG_NEW(index->entries, json_object_size(index->weight_map));
    FG_JSON_MEMBERS(index->weight_map, tensor, file) {
        FG_TRY(add_entry(index, tensor, json_string_value(file), err));
    }
done:
    json_decref(document);
    return status;
}

/* ---- an index of the usual kind, whose map is plain JSON: without a value for each tensor ----
 *
 * Whatever is unusual ends it, with a message that is not printed: the index is read as values then, which
 * finds out whether it is wrong, and says so. */

/* Goes to the value of weight_map. */
static fg_status find_map(fg_json_scan *scan, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer key = {0};
    bool more;
    FG_TRY(fg_json_scan_enter(scan, '{', err));
    for (;;) {
        FG_TRY(fg_json_scan_next(scan, &key, &more, err));
        if (!more) FG_FAIL(err, FG_ERR_INPUT, "%s: no " MAP_KEY, scan->name);
        if (strcmp(key.data, MAP_KEY) == 0) break;
        FG_TRY(fg_json_scan_skip(scan, err));
    }
done:
    fg_buffer_free(&key);
    return status;
}

/* All but the map, from `begin` to `end`, is small and read as values, by which it is JSON: with an empty
 * object in place of the map. */
static fg_status read_rest(const char *path, fg_shard_index *index, size_t begin, size_t end, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer rest = {0};
    json_t *document = NULL;
    const fg_buffer *text = &index->text;
    FG_TRY(fg_buffer_add(&rest, text->data, begin, err));
    FG_TRY(fg_buffer_put(&rest, "{}", err));
    FG_TRY(fg_buffer_add(&rest, text->data + end, text->length - end, err));
    FG_TRY(fg_json_parse(path, rest.data, rest.length, &document, err));
    index->metadata = json_incref(json_object_get(document, METADATA_KEY));
done:
    json_decref(document);
    fg_buffer_free(&rest);
    return status;
}

static char *terminate(fg_shard_index *index, fg_json_span span) {
    index->text.data[span.begin + span.length] = '\0';
    return index->text.data + span.begin;
}

/* Terminates the names in the text. */
static fg_status add_entries(fg_json_scan scan, fg_shard_index *index, size_t count, fg_error *err) {
    fg_status status = FG_OK;
    collection c = {.files = &index->files};
    FG_NEW(index->entries, count);
    FG_TRY(fg_map_reserve(&index->by_tensor, count, err));
    fg_json_plain_accept(&scan, '{');
    for (size_t i = 0; i < count; i++) {
        fg_json_span tensor, file;
        fg_json_plain_key(&scan, &tensor);
        fg_json_plain_string(&scan, &file);
        fg_json_plain_accept(&scan, ',');
        const char *name = terminate(index, file);
        if (!stays(name)) FG_FAIL(err, FG_ERR_INPUT, "%s: a file elsewhere: \"%s\"", scan.name, name);
        FG_TRY(add_entry(index, terminate(index, tensor), name, err));
        FG_TRY(collect(&c, name, err));
    }
done:
    fg_map_free(&c.seen);
    return status;
}

static fg_status read_plain(const char *path, fg_shard_index *index, fg_error *err) {
    fg_json_scan scan = {.name = path, .text = index->text.data, .length = index->text.length};
    size_t count;
    FG_CALL(find_map(&scan, err));
    fg_json_scan map = scan;
    if (!fg_json_plain_strings(&scan, &count) || !count)
        return fg_fail(err, FG_ERR_INPUT, "%s: an unusual " MAP_KEY, path);
    FG_CALL(read_rest(path, index, map.at, scan.at, err));
    return add_entries(map, index, count, err);
}

fg_status fg_shard_index_read(const char *path, fg_shard_index *index, fg_error *err) {
    fg_status status = FG_OK;
    *index = (fg_shard_index){0};
    FG_TRY(fg_file_read_all(path, FG_JSON_LIMIT, &index->text, err));
    if (read_plain(path, index, NULL) == FG_OK) {
        FG_TRY(resolve_files(path, &index->files, err));
    } else {
        fg_shard_index_free(index);
        FG_TRY(read_values(path, index, err));
    }
done:
    if (status != FG_OK) fg_shard_index_free(index);
    return status;
}

/* ---- asking ---- */

const fg_shard_entry *fg_shard_index_find(const fg_shard_index *index, const char *tensor,
                                          const fg_shard_entry *guess) {
    bool there = guess && guess < index->entries + index->count;
    if (there && strcmp(guess->tensor, tensor) == 0) return guess;
    int64_t at = fg_map_get(&index->by_tensor, tensor);
    return at == FG_MAP_NONE ? NULL : &index->entries[at];
}

void fg_shard_index_free(fg_shard_index *index) {
    json_decref(index->metadata);
    json_decref(index->weight_map);
    fg_names_free(&index->files);
    fg_map_free(&index->by_tensor);
    fg_buffer_free(&index->text);
    fg_free(index->entries);
    *index = (fg_shard_index){0};
}
