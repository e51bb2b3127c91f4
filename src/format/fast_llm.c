/* Fast-LLM's format: metadata.yaml, and the safetensors files that its state_index names.
 *
 * Of state_index only the set of file names counts, as for Fast-LLM itself; the headers say which tensors
 * there are. Their keys are NAME/SHARD: those of the shard "weights" are the model's, as NAME; others (an
 * optimizer's state) are left out. A missing file `ok`, which Fast-LLM writes last, is a warning and no
 * error: a cut-off file shows in its own header, and a directory that was put together by other means may
 * well have none.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/yaml.h"
#include "format/carried.h"
#include "format/checkpoint.h"
#include "format/metadata_yaml.h"
#include "store/safetensors.h"
#include "store/shard_index.h"

#define LAST_FILE "ok"
#define WEIGHTS "weights"
#define INDEX_KEY "metadata/state_index"

/* ---- metadata ---- */

static fg_status check_metadata(const char *path, const json_t *metadata, fg_error *err) {
    return fg_metadata_yaml_check(path, metadata, fg_format_fast_llm.name, err);
}

static fg_status recognise(const char *directory, bool *is, fg_error *err) {
    return fg_metadata_yaml_recognise(directory, NULL, is, err);
}

static bool recognise_document(const json_t *document) {
    return json_is_object(fg_json_at(document, "config/base_model")) ||
           json_is_object(json_object_get(document, "base_model"));
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
            FG_FAIL(err, FG_ERR_INPUT, "%s: tensor \"%s\": expected a name of the form NAME/" WEIGHTS, path,
                    tensor.name);
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

static fg_status warn_if_unfinished(const char *directory, fg_error *err) {
    char *path = fg_path_join(directory, LAST_FILE, err);
    if (!path) return FG_ERR_MEMORY;
    bool exists;
    fg_status status = fg_path_is_file(path, &exists, err);
    if (status == FG_OK && !exists)
        fg_warn("%s: no file \"" LAST_FILE "\", which Fast-LLM writes last: the checkpoint may be incomplete",
                directory);
    fg_free(path);
    return status;
}

static fg_status read_files(const char *directory, const json_t *metadata, fg_tensors *table, fg_error *err) {
    fg_status status = FG_OK;
    fg_names files = {0};
    char *path = NULL;
    uint64_t left_out = 0;
    const json_t *index = fg_json_at(metadata, INDEX_KEY);
    FG_TRY_NEW(path, fg_path_join(directory, FG_METADATA_YAML, err));
    FG_TRY(fg_shard_index_files(path, INDEX_KEY, index, &files, err));
    for (size_t i = 0; i < files.count; i++)
        FG_TRY(read_file(directory, files.items[i], table, &left_out, err));
    warn_of_index(path, index, table, left_out);
done:
    fg_free(path);
    fg_names_free(&files);
    return status;
}

/* Another directory given with -c has metadata of its own, which names its files. */
static fg_status read_weights(fg_checkpoint *c, bool unfinished, fg_error *err) {
    fg_status status = FG_OK;
    json_t *metadata = NULL;
    char *path = NULL;
    if (strcmp(c->weights_directory, c->directory) != 0) {
        FG_TRY_NEW(path, fg_path_join(c->weights_directory, FG_METADATA_YAML, err));
        FG_TRY(fg_yaml_read(path, &metadata, NULL, err));
        FG_TRY(check_metadata(path, metadata, err));
    }
    FG_TRY(read_files(c->weights_directory, metadata ? metadata : c->metadata, &c->tensors, err));
    if (!unfinished) FG_TRY(warn_if_unfinished(c->weights_directory, err));
done:
    fg_free(path);
    json_decref(metadata);
    return status;
}

/* ---- writing ---- */

static char *shard_name(size_t index, size_t count, fg_error *err) {
    (void)count;
    return fg_strformat(err, "model_%zu.safetensors", index);
}

static fg_status write_metadata(const fg_format_contents *c, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    json_t *carried = NULL, *document = c->before ? fg_json_deep_copy(c->before, err) : json_object();
    FG_TRY(fg_carried_sort(c->carried, &carried, err));
    FG_TRY(fg_json_put(document, "config", fg_json_copy(c->config, err), err));
    if (c->library_version)
        FG_TRY(fg_json_put(document, "fast_llm_version", json_string(c->library_version), err));
    FG_TRY(fg_json_put(document, "format", json_string(fg_format_fast_llm.name), err));
    FG_TRY(fg_json_put(document, "model", json_incref(json_object_get(c->config, "type")), err));
    FG_TRY(fg_json_put(document, "shards", json_pack("[s]", WEIGHTS), err));
    FG_TRY(fg_json_set_at(document, INDEX_KEY, fg_json_copy(c->weight_map, err), err));
    FG_TRY(fg_json_set_at(document, FG_METADATA_FAMILY, json_string(c->family), err));
    FG_TRY(fg_json_set_at(document, FG_METADATA_CARRIED, json_incref(carried), err));
    if (c->newer_rotary) FG_TRY(fg_json_set_at(document, FG_METADATA_NEWER_ROTARY, json_true(), err));
    FG_TRY(fg_yaml_write(document, text, err));
done:
    json_decref(carried);
    json_decref(document);
    return status;
}

const fg_format fg_format_fast_llm = {
    .name = "fast_llm",
    .title = "Fast-LLM",
    .schema = "fast_llm",
    .spec = "fast_llm",
    .config_file = FG_METADATA_YAML,
    .config_path = "config",
    .model_path = "base_model",
    .family_key = FG_METADATA_FAMILY,
    .architecture_path = "type",
    .vocabulary_path = "embeddings/vocab_size",
    .carried_path = FG_METADATA_CARRIED,
    .newer_rotary_path = FG_METADATA_NEWER_ROTARY,
    .name_suffix = "/" WEIGHTS,
    .index = FG_INDEX_NEVER,
    .last_file = LAST_FILE,
    .takes_base = true,
    .infers_family = true,
    .recognise = recognise,
    .recognise_document = recognise_document,
    .read = fg_metadata_yaml_read,
    .check = check_metadata,
    .read_weights = read_weights,
    .wrap_config = fg_metadata_yaml_wrap_config,
    .shard_name = shard_name,
    .write_config = write_metadata,
};
