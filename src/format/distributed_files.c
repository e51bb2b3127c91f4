#include "format/distributed_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/yaml.h"
#include "format/distributed_settings.h"
#include "store/safetensors.h"

#define START "rank_"
#define END ".safetensors"
#define WEIGHTS "weights"
#define VECTOR WEIGHTS "_shard"
#define STEPS "completed_steps"

enum {
    BRIEF = 80,
    NAME = 64,
    CONFIG_LIMIT = 4 << 20, /* bytes of the configuration in a header: real ones have some kilobytes */
};

typedef struct files_reader {
    const char *directory;
    const json_t *document; /* metadata.yaml */
    const fg_layout_settings *settings;
    fg_tensors *vectors;
    uint64_t bare; /* files without metadata in their headers */
    fg_error *err;
} files_reader;

/* ---- names ---- */

/* The N of "rank_N.safetensors", as Fast-LLM spells it; false for other names. One that does not fit is the
 * largest number, which no run has. */
static bool rank_of(const char *name, uint64_t *rank) {
    if (!fg_starts_with(name, START)) return false;
    const char *number = name + strlen(START);
    size_t digits = strspn(number, "0123456789");
    if (!digits || (digits > 1 && *number == '0') || strcmp(number + digits, END) != 0) return false;
    *rank = strtoull(number, NULL, 10);
    return true;
}

static fg_status refuse_extra(const files_reader *r, const char *name) {
    return fg_fail(r->err, FG_ERR_INPUT,
                   "%s: found the file %s, expected those of %" PRIu64 " ranks alone, as world_size in "
                   "metadata.yaml says",
                   r->directory, name, r->settings->grid.ranks);
}

static fg_status refuse_missing(const files_reader *r, uint64_t rank, uint64_t found) {
    fg_error *err = r->err;
    fg_fail(err, FG_ERR_INPUT,
            "%s: no file " START "%" PRIu64 END ": found the files of %" PRIu64 " ranks, expected %" PRIu64
            ", as world_size in metadata.yaml says",
            r->directory, rank, found, r->settings->grid.ranks);
    return fg_hint(err,
                   "each node of a run writes the files of its own ranks: copy those of all nodes into one "
                   "directory");
}

/* Exactly the files of all ranks. */
static fg_status check_names(const files_reader *r) {
    fg_status status = FG_OK;
    fg_error *err = r->err;
    fg_names names = {0};
    unsigned char *there = NULL;
    uint64_t found = 0, rank;
    FG_TRY(fg_directory_list(r->directory, &names, err));
    FG_NEW(there, names.count + 1);
    for (size_t i = 0; i < names.count; i++) {
        if (!rank_of(names.items[i], &rank)) continue;
        if (rank >= r->settings->grid.ranks) FG_TRY(refuse_extra(r, names.items[i]));
        if (rank < names.count) there[rank] = 1;
        found++;
    }
    for (rank = 0; there[rank]; rank++) continue; /* the last one is 0 */
    if (rank < r->settings->grid.ranks) FG_TRY(refuse_missing(r, rank, found));
done:
    fg_names_free(&names);
    fg_free(there);
    return status;
}

static fg_status check_shards(const files_reader *r) {
    const json_t *shards = json_object_get(r->document, "shards"), *first = json_array_get(shards, 0);
    char brief[BRIEF];
    if (json_is_string(first) && strcmp(json_string_value(first), WEIGHTS) == 0) return FG_OK;
    return fg_fail(r->err, FG_ERR_INPUT,
                   "%s/metadata.yaml: shards: found %s, expected a list that begins with \"" WEIGHTS "\"",
                   r->directory, fg_json_brief(shards, brief, sizeof brief));
}

/* ---- headers ---- */

/* The value of a key in a header, which is YAML in a string; NULL: there is none. */
static fg_status read_text(const files_reader *r, const char *path, const json_t *metadata, const char *key,
                           json_t **value) {
    const json_t *text = json_object_get(metadata, key);
    fg_error *err = r->err, inside = {0};
    *value = NULL;
    if (!text) return FG_OK;
    if (json_string_length(text) > CONFIG_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s in its header: found %zu bytes, expected at most %d", path,
                       key, json_string_length(text), CONFIG_LIMIT);
    fg_status status =
        fg_yaml_parse(key, json_string_value(text), json_string_length(text), value, NULL, &inside);
    if (status == FG_OK) return FG_OK;
    fg_fail(err, status, "%s: in its header: %s", path, inside.text);
    return fg_fail_quoting(err, &inside);
}

/* Files of several steps have the same configuration. */
static fg_status compare_steps(const files_reader *r, const char *path, const json_t *metadata) {
    fg_error *err = r->err;
    json_t *repeated;
    char brief[BRIEF], other[BRIEF];
    FG_CALL(read_text(r, path, metadata, "metadata", &repeated));
    const json_t *found = json_object_get(repeated, STEPS),
                 *expected = fg_json_at(r->document, "metadata/" STEPS);
    fg_status status = FG_OK;
    if (found && expected && !fg_json_equal(found, expected)) {
        fg_fail(err, FG_ERR_INPUT, "%s: " STEPS " in its header: found %s, expected %s as in metadata.yaml",
                path, fg_json_brief(found, brief, sizeof brief),
                fg_json_brief(expected, other, sizeof other));
        status = fg_hint(err, "the files are of several steps of a run: copy those of one step again");
    }
    json_decref(repeated);
    return status;
}

static fg_status compare_header(files_reader *r, const char *path, uint64_t rank, const json_t *metadata) {
    fg_error *err = r->err;
    json_t *config;
    FG_CALL(read_text(r, path, metadata, "config", &config));
    if (!config) {
        r->bare++;
        return FG_OK;
    }
    fg_status status = fg_layout_settings_compare(json_object_get(r->document, "config"), config, r->settings,
                                                  rank, path, err);
    json_decref(config);
    return status == FG_OK ? compare_steps(r, path, metadata) : status;
}

static fg_status add_vector(files_reader *r, const char *path, uint64_t rank, const fg_tensors *own) {
    fg_error *err = r->err;
    const fg_tensor *found = fg_tensors_find(own, VECTOR);
    char name[NAME], text[BRIEF];
    fg_tensor vector;
    if (!found) {
        fg_fail(err, FG_ERR_INPUT, "%s: no tensor \"" VECTOR "\", found %zu others", path, own->count);
        return FG_ERR_INPUT;
    }
    if (found->rank != 1 || !fg_dtype_is_float(found->dtype))
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: tensor \"" VECTOR "\": found %s, expected one dimension of a floating point type",
                       path, fg_tensor_text(found, text, sizeof text));
    vector = *found;
    snprintf(name, sizeof name, START "%" PRIu64, rank);
    vector.name = name;
    FG_CALL(fg_tensors_add_file(r->vectors, path, &vector.file, err));
    return fg_tensors_add(r->vectors, &vector, err);
}

static fg_status read_rank(files_reader *r, uint64_t rank) {
    fg_status status = FG_OK;
    fg_error *err = r->err;
    fg_tensors own = {0};
    json_t *metadata = NULL;
    char *path = NULL, name[NAME];
    snprintf(name, sizeof name, START "%" PRIu64 END, rank);
    FG_TRY_NEW(path, fg_path_join(r->directory, name, err));
    FG_TRY(fg_safetensors_read_header(path, &own, &metadata, err));
    FG_TRY(add_vector(r, path, rank, &own));
    FG_TRY(compare_header(r, path, rank, metadata));
done:
    fg_free(path);
    json_decref(metadata);
    fg_tensors_free(&own);
    return status;
}

fg_status fg_distributed_files_read(const char *directory, const json_t *document,
                                    const fg_layout_settings *settings, fg_tensors *vectors, fg_error *err) {
    files_reader r = {
        .directory = directory, .document = document, .settings = settings, .vectors = vectors, .err = err};
    FG_CALL(check_shards(&r));
    FG_CALL(check_names(&r));
    for (uint64_t rank = 0; rank < settings->grid.ranks; rank++) FG_CALL(read_rank(&r, rank));
    if (r.bare)
        fg_warn("%s: %" PRIu64 " of %" PRIu64
                " rank files have no configuration in their headers: whether each is "
                "its rank's cannot be checked",
                directory, r.bare, settings->grid.ranks);
    return FG_OK;
}
