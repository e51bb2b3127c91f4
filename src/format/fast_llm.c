#include "format/fast_llm.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/yaml.h"
#include "format/checkpoint.h"
#include "store/safetensors.h"
#include "store/shard_index.h"

#define INDEX_KEY "metadata/state_index"

static const char WEIGHTS[] = "weights";

enum { BRIEF = 120 };

/* ---- metadata ---- */

static fg_status refuse_format(const char *path, const json_t *format, fg_error *err) {
    char brief[BRIEF];
    if (json_is_string(format) && strcmp(json_string_value(format), "distributed") == 0) {
        fg_fail(
            err, FG_ERR_INPUT,
            "%s: a checkpoint in Fast-LLM's format \"distributed\" (one flat buffer for each of its ranks)",
            path);
        return fg_hint(
            err, "let Fast-LLM write it as fast_llm first: fast-llm convert gpt input.format=distributed "
                 "input.path=DIR output.format=fast_llm output.path=NEW_DIR");
    }
    return fg_fail(err, FG_ERR_INPUT, "%s: format: found %s, expected \"fast_llm\"", path,
                   fg_json_brief(format, brief, sizeof brief));
}

static fg_status check_metadata(const char *path, const json_t *metadata, fg_error *err) {
    const json_t *format = json_object_get(metadata, "format"),
                 *model = fg_json_at(metadata, "config/base_model");
    if (!json_is_object(metadata))
        return fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected an object", path, fg_json_kind(metadata));
    if (!json_is_string(format) || strcmp(json_string_value(format), "fast_llm") != 0)
        return refuse_format(path, format, err);
    if (!json_is_object(model))
        return fg_fail(err, FG_ERR_INPUT, "%s: config/base_model: found %s, expected an object", path,
                       fg_json_kind(model));
    return FG_OK;
}

fg_status fg_fast_llm_metadata_read(const char *directory, json_t **metadata, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    *metadata = NULL;
    FG_TRY_NEW(path, fg_path_join(directory, FG_FAST_LLM_METADATA, err));
    FG_TRY(fg_yaml_read(path, metadata, NULL, err));
    FG_TRY(check_metadata(path, *metadata, err));
done:
    fg_free(path);
    if (status != FG_OK) {
        json_decref(*metadata);
        *metadata = NULL;
    }
    return status;
}

fg_status fg_fast_llm_is_metadata(const char *directory, bool *is, fg_error *err) {
    fg_status status = FG_OK;
    fg_error unreadable = {0};
    json_t *metadata = NULL;
    char *path = NULL;
    bool is_file;
    *is = false;
    FG_TRY_NEW(path, fg_path_join(directory, FG_FAST_LLM_METADATA, err));
    FG_TRY(fg_path_is_file(path, &is_file, err));
    if (!is_file) goto done;
    status = fg_yaml_read(path, &metadata, NULL, &unreadable);
    if (status != FG_OK && status != FG_ERR_INPUT) FG_FAIL(err, status, "%s", unreadable.text);
    status = FG_OK; /* what is no YAML is not Fast-LLM's */
    *is = json_object_get(metadata, "format") && json_object_get(metadata, "config");
done:
    json_decref(metadata);
    fg_free(path);
    return status;
}

/* ---- weights ---- */

/* Adds one file's tensors under their own names; `left_out` counts those that are no weights. */
static fg_status add_tensors(const fg_tensors *from, fg_tensors *table, uint64_t *left_out, fg_error *err) {
    fg_status status = FG_OK;
    const char *path = from->files[0];
    char *name = NULL;
    uint32_t file;
    FG_TRY(fg_tensors_add_file(table, path, &file, err));
    for (size_t i = 0; i < from->count; i++) {
        fg_tensor tensor = from->items[i];
        const char *slash = strchr(tensor.name, '/');
        if (!slash || slash == tensor.name)
            FG_FAIL(err, FG_ERR_INPUT, "%s: tensor \"%s\": expected a name of the form NAME/%s", path,
                    tensor.name, WEIGHTS);
        if (strcmp(slash + 1, WEIGHTS) != 0) {
            ++*left_out;
            continue;
        }
        fg_free(name);
        FG_TRY_NEW(name, fg_strndup(tensor.name, (size_t)(slash - tensor.name), err));
        tensor.name = name;
        tensor.file = file;
        FG_TRY(fg_tensors_add(table, &tensor, err));
    }
done:
    fg_free(name);
    return status;
}

static fg_status read_file(const char *directory, const char *name, fg_tensors *table, uint64_t *left_out,
                           fg_error *err) {
    fg_status status = FG_OK;
    fg_tensors own = {0};
    char *path = NULL;
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY(fg_safetensors_read_header(path, &own, NULL, err));
    FG_TRY(add_tensors(&own, table, left_out, err));
done:
    fg_free(path);
    fg_tensors_free(&own);
    return status;
}

/* The index is for people and for the names of files; one that does not fit is worth a word. */
static void warn_of_index(const char *path, const json_t *index, const fg_tensors *table, uint64_t left_out) {
    size_t listed = json_object_size(index);
    if (listed != table->count + left_out)
        fg_warn("%s: " INDEX_KEY " lists %zu tensors, the files hold %zu; the files take precedence", path,
                listed, table->count + (size_t)left_out);
    if (left_out)
        fg_warn("%s: %llu tensors that are not weights (an optimizer's state) are left out", path,
                (unsigned long long)left_out);
}

fg_status fg_fast_llm_warn_if_unfinished(const char *directory, fg_error *err) {
    char *path = fg_path_join(directory, FG_FAST_LLM_OK, err);
    if (!path) return FG_ERR_MEMORY;
    bool exists;
    fg_status status = fg_path_exists(path, &exists, err);
    if (status == FG_OK && !exists)
        fg_warn("%s: no file \"ok\", which Fast-LLM writes last: the checkpoint may be incomplete",
                directory);
    fg_free(path);
    return status;
}

fg_status fg_fast_llm_weights_read(const char *directory, const json_t *metadata, fg_tensors *table,
                                   fg_error *err) {
    fg_status status = FG_OK;
    fg_names files = {0};
    char *path = NULL;
    uint64_t left_out = 0;
    const json_t *index = fg_json_at(metadata, INDEX_KEY);
    FG_TRY_NEW(path, fg_path_join(directory, FG_FAST_LLM_METADATA, err));
    FG_TRY(fg_shard_index_files(path, INDEX_KEY, index, &files, err));
    for (size_t i = 0; i < files.count; i++)
        FG_TRY(read_file(directory, files.items[i], table, &left_out, err));
    warn_of_index(path, index, table, left_out);
done:
    fg_free(path);
    fg_names_free(&files);
    return status;
}

const fg_format fg_format_fast_llm = {.name = "fast_llm", .family_key = FG_CHECKPOINT_ORIGIN};
