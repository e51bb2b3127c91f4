#include "format/weight_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "format/format.h"
#include "format/missing_model.h"
#include "store/safetensors.h"
#include "store/shard_index.h"
#include "store/torch_bin.h"

/* The path of the first that exists, newly allocated; `path` is NULL if there is none. */
static fg_status locate(const char *directory, const char *const *names, char **path, fg_error *err) {
    fg_status status = FG_OK;
    *path = NULL;
    for (size_t i = 0; names[i]; i++) {
        fg_path_kind kind;
        FG_TRY_NEW(*path, fg_path_join(directory, names[i], err));
        FG_TRY(fg_path_look(*path, &kind, err));
        if (kind != FG_PATH_ABSENT) return FG_OK;
        fg_free(*path);
        *path = NULL;
    }
done:
    if (status != FG_OK) {
        fg_free(*path);
        *path = NULL;
    }
    return status;
}

fg_status fg_weight_files_present(const char *directory, bool *present, fg_error *err) {
    char *path;
    fg_status status = locate(directory, fg_format_hf.weight_files, &path, err); /* any order */
    *present = path != NULL;
    fg_free(path);
    return status;
}

static bool is_listed(const char *name) {
    for (size_t i = 0; i < fg_format_count; i++) {
        const char *const *names = fg_formats[i]->weight_files;
        for (size_t k = 0; names && names[k]; k++) {
            if (strcmp(name, names[k]) == 0) return true;
        }
    }
    return false;
}

bool fg_weight_files_is_name(const char *name) {
    return is_listed(name) || fg_ends_with(name, ".safetensors") ||
           fg_ends_with(name, ".safetensors.index.json") || fg_ends_with(name, ".bin.index.json") ||
           (fg_starts_with(name, "pytorch_model") && fg_ends_with(name, ".bin"));
}

static fg_status read_file(const char *path, fg_tensors *table, fg_error *err) {
    if (fg_ends_with(path, ".safetensors")) return fg_safetensors_read_header(path, table, NULL, err);
    if (fg_ends_with(path, ".bin")) return fg_torch_bin_read_header(path, table, err);
    return fg_fail(err, FG_ERR_INPUT, "%s: weights are read from files that end in .safetensors or .bin",
                   path);
}

/* A tensor that the files hold must be listed where it is. `at` becomes its entry. */
static fg_status check_listed(const char *path, const fg_shard_index *index, const char *tensor,
                              const char *in, const fg_shard_entry **at, fg_error *err) {
    *at = fg_shard_index_find(index, tensor, *at ? *at + 1 : NULL);
    if (!*at)
        return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\" of the file %s is not listed", path, tensor, in);
    if (strcmp(in, (*at)->file) == 0) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\" is listed in %s and found in %s", path, tensor,
                   (*at)->file, in);
}

/* Index and headers must tell the same: which of two that differ is right cannot be known. */
static fg_status compare(const char *path, const fg_shard_index *index, const fg_tensors *table,
                         fg_error *err) {
    fg_status status = FG_OK;
    size_t extra = 0;
    const fg_shard_entry *at = NULL;
    for (size_t i = 0; i < table->count; i++)
        FG_TRY(check_listed(path, index, table->items[i].name,
                            fg_path_name(table->files[table->items[i].file]), &at, err));
    if (index->count == table->count) goto done; /* names are unique on both sides */
    while (fg_tensors_find(table, index->entries[extra].tensor)) extra++;
    FG_FAIL(err, FG_ERR_INPUT, "%s: tensor \"%s\" is listed in %s, which does not hold it", path,
            index->entries[extra].tensor, index->entries[extra].file);
done:
    if (status != FG_OK)
        fg_hint(err, "the index and the files do not belong together: copy or download both again");
    return status;
}

/* ---- total_size: a warning, because only people read it ---- */

typedef struct extent {
    uint64_t file, begin, end;
} extent;

static int by_place(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->file != y->file) return x->file < y->file ? -1 : 1;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Bytes of files that belong to tensors: shared ones once. */
static fg_status distinct_bytes(const fg_tensors *table, uint64_t *bytes, fg_error *err) {
    fg_status status = FG_OK;
    extent *extents = NULL;
    *bytes = 0;
    FG_NEW(extents, table->count);
    for (size_t i = 0; i < table->count; i++) {
        const fg_tensor *t = &table->items[i];
        uint64_t last = 0;
        for (uint32_t d = 0; d < t->rank && t->elements; d++) last += (t->shape[d] - 1) * t->stride[d];
        uint64_t size = t->elements ? (last + 1) * fg_dtype_size(t->dtype) : 0;
        extents[i] = (extent){.file = t->file, .begin = t->offset, .end = t->offset + size};
    }
    if (table->count) qsort(extents, table->count, sizeof *extents, by_place);
    for (size_t i = 0; i < table->count; i++) {
        bool touches = i > 0 && extents[i].file == extents[i - 1].file;
        if (touches && extents[i].begin < extents[i - 1].end) extents[i].begin = extents[i - 1].end;
        if (extents[i].end < extents[i].begin) extents[i].end = extents[i].begin;
        *bytes += extents[i].end - extents[i].begin;
    }
done:
    fg_free(extents);
    return status;
}

static fg_status check_total(const char *path, const json_t *metadata, const fg_tensors *table,
                             fg_error *err) {
    const json_t *total = json_object_get(metadata, "total_size");
    uint64_t sum = 0, distinct;
    char brief[80];
    if (!total) return FG_OK;
    for (size_t i = 0; i < table->count; i++) sum += fg_tensor_bytes(&table->items[i]);
    if (json_is_number(total) && json_number_value(total) == (double)sum) return FG_OK;
    FG_CALL(distinct_bytes(table, &distinct, err));
    if (json_is_number(total) && json_number_value(total) == (double)distinct) return FG_OK;
    fg_warn("%s: total_size is %s, the tensors have %" PRIu64 " bytes; the total is ignored", path,
            fg_json_brief(total, brief, sizeof brief), sum);
    return FG_OK;
}

static fg_status read_sharded(const char *directory, const char *path, fg_tensors *table, json_t **metadata,
                              fg_error *err) {
    fg_status status = FG_OK;
    fg_shard_index index = {0};
    char *file = NULL;
    FG_TRY(fg_shard_index_read(path, &index, err));
    FG_TRY(fg_map_reserve(&table->by_name, table->count + index.count, err));
    for (size_t i = 0; i < index.files.count; i++) {
        fg_free(file);
        FG_TRY_NEW(file, fg_path_join(directory, index.files.items[i], err));
        FG_TRY(read_file(file, table, err));
    }
    FG_TRY(compare(path, &index, table, err));
    FG_TRY(check_total(path, index.metadata, table, err));
    *metadata = json_incref(index.metadata);
done:
    fg_free(file);
    fg_shard_index_free(&index);
    return status;
}

/* A directory with weights in two places may hold two models. */
static fg_status warn_of_others(const char *directory, const char *const *names, const char *taken,
                                const fg_tensors *table, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    for (size_t i = 0; names[i]; i++) {
        fg_free(path);
        FG_TRY_NEW(path, fg_path_join(directory, names[i], err));
        bool exists;
        FG_TRY(fg_path_exists(path, &exists, err));
        if (strcmp(taken, path) != 0 && exists && !fg_tensors_have_file(table, path))
            fg_warn("%s is not read: %s comes first", path, fg_path_name(taken));
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_weight_files_read(const char *directory, const char *const *names, fg_tensors *table,
                               json_t **metadata, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    *metadata = NULL;
    FG_TRY(locate(directory, names, &path, err));
    if (!path) FG_TRY(fg_refuse_no_weights(directory, names, err));
    if (fg_ends_with(path, ".index.json")) {
        FG_TRY(read_sharded(directory, path, table, metadata, err));
    } else {
        FG_TRY(read_file(path, table, err));
    }
    FG_TRY(warn_of_others(directory, names, path, table, err));
done:
    fg_free(path);
    return status;
}
