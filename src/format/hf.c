/* Hugging Face's format: config.json, and weights under the names of transformers. */
#include "format/hf.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "format/checkpoint.h"
#include "format/missing_model.h"
#include "format/weight_files.h"

/* ---- reading ---- */

static fg_status refuse_adapter(const char *directory, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: an adapter (LoRA, PEFT: adapter_config.json) and not a whole model",
            directory);
    return fg_hint(err, "merge it into its base model first (merge_and_unload of the peft package), save "
                        "that and convert the result");
}

static fg_status has_adapter(const char *directory, bool *has, fg_error *err) {
    char *path = fg_path_join(directory, "adapter_config.json", err);
    fg_status status = path ? fg_path_is_file(path, has, err) : FG_ERR_MEMORY;
    fg_free(path);
    return status;
}

fg_status fg_hf_read(const char *directory, json_t **document, fg_error *err) {
    fg_status status = FG_OK;
    bool adapter;
    FG_TRY(fg_json_read_object(directory, FG_HF_CONFIG, document, err));
    if (*document) goto done;
    FG_TRY(has_adapter(directory, &adapter, err));
    FG_TRY(adapter ? refuse_adapter(directory, err) : fg_refuse_no_config(directory, err));
done:
    if (status != FG_OK) fg_where(err, "opening %s", directory);
    return status;
}

fg_status fg_hf_check_family(const char *path, const json_t *document, fg_error *err) {
    const char *name;
    FG_CALL(fg_json_get_string(document, "model_type", path, &name, err));
    return fg_json_get_string(document, "hf_model_type", path, &name, err);
}

fg_status fg_hf_read_weights(fg_checkpoint *c, bool unfinished, fg_error *err) {
    bool adapter, present;
    (void)unfinished; /* no file tells */
    FG_CALL(fg_weight_files_present(c->weights_directory, &present, err));
    FG_CALL(has_adapter(c->weights_directory, &adapter, err));
    if (adapter && !present) FG_CALL(refuse_adapter(c->weights_directory, err));
    if (adapter)
        fg_warn("%s: adapter_config.json next to whole weights: the adapter is ignored, as transformers "
                "without peft does",
                c->weights_directory);
    return fg_weight_files_read(c->weights_directory, c->format->weight_files, &c->tensors,
                                &c->index_metadata, err);
}

/* ---- writing ---- */

char *fg_hf_shard_name(size_t index, size_t count, fg_error *err) {
    return count == 1 ? fg_strdup("model.safetensors", err)
                      : fg_strformat(err, "model-%05zu-of-%05zu.safetensors", index + 1, count);
}

static fg_status write_sorted(const json_t *document, fg_buffer *text, fg_error *err) {
    return fg_json_write_line(document, FG_JSON_SORTED, text, err);
}

fg_status fg_hf_write_config(const fg_format_contents *contents, fg_buffer *text, fg_error *err) {
    return write_sorted(contents->config, text, err);
}

fg_status fg_hf_write_index(const fg_format_contents *contents, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value,
        *metadata = json_object(),
        *document = json_pack("{s:O, s:O}", "metadata", metadata, "weight_map", contents->weight_map);
    if (!metadata || !document) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while writing the index");
    FG_TRY(fg_json_put_u64(metadata, "total_parameters", contents->elements, err));
    FG_TRY(fg_json_put_u64(metadata, "total_size", contents->bytes, err));
    FG_JSON_MEMBERS(contents->index_metadata, key, value)
        FG_TRY(fg_json_put(metadata, key, json_incref(value), err));
    FG_TRY(write_sorted(document, text, err));
done:
    json_decref(document);
    json_decref(metadata);
    return status;
}

static const char *const weight_files[] = {"model.safetensors", FG_HF_INDEX, "pytorch_model.bin",
                                           "pytorch_model.bin.index.json", NULL};

const fg_format fg_format_hf = {
    .name = "hf",
    .alias = "huggingface",
    .title = "Hugging Face",
    .schema = "hf",
    .config_file = FG_HF_CONFIG,
    .family_key = "model_type",
    .architecture_path = "architectures/0",
    .vocabulary_path = "vocab_size",
    .weight_files = weight_files,
    .index = FG_INDEX_IF_SEVERAL,
    .index_file = FG_HF_INDEX,
    .hub = true,
    .names_dtype = true,
    .has_token_ids = true,
    .holds_training = true,
    .read = fg_hf_read,
    .check_family = fg_hf_check_family,
    .read_weights = fg_hf_read_weights,
    .shard_name = fg_hf_shard_name,
    .write_config = fg_hf_write_config,
    .write_index = fg_hf_write_index,
};
