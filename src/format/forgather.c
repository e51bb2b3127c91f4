/* Forgather's format: a directory as hf's, under Forgather's names, with the code of the model;
 * config.json names the family that it came from. */
#include "base/buffer.h"
#include "format/hf.h"

static bool recognise_document(const json_t *document) {
    const char *type = json_string_value(json_object_get(document, "model_type"));
    return json_is_string(json_object_get(document, "hf_model_type")) ||
           (type && fg_starts_with(type, "forgather-"));
}

static const char *const weight_files[] = {FG_HF_INDEX, "pytorch_model.bin.index.json", "pytorch_model.bin",
                                           "model.safetensors", NULL};

const fg_format fg_format_forgather = {
    .name = "forgather",
    .title = "Forgather",
    .schema = "forgather",
    .config_file = FG_HF_CONFIG,
    .family_key = "hf_model_type",
    .architecture_path = "architectures/0",
    .vocabulary_path = "vocab_size",
    .weight_files = weight_files,
    .index = FG_INDEX_ALWAYS,
    .index_file = FG_HF_INDEX,
    .emits_code = true,
    .names_dtype = true,
    .has_token_ids = true,
    .lists_ties = true,
    .needs_pad_token = true,
    .holds_training = true,
    .opens_latest = true,
    .recognise_document = recognise_document,
    .read = fg_hf_read,
    .check_family = fg_hf_check_family,
    .read_weights = fg_hf_read_weights,
    .shard_name = fg_hf_shard_name,
    .write_config = fg_hf_write_config,
    .write_index = fg_hf_write_index,
};
