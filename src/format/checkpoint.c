#include "format/checkpoint.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "format/fast_llm.h"
#include "format/missing_model.h"
#include "format/training_checkpoint.h"
#include "format/weight_files.h"

/* Whether `directory` has a regular file `name`. */
static fg_status has_file(const char *directory, const char *name, bool *has, fg_error *err) {
    char *path = fg_path_join(directory, name, err);
    if (!path) return FG_ERR_MEMORY;
    fg_status status = fg_path_is_file(path, has, err);
    fg_free(path);
    return status;
}

static fg_status refuse_adapter(const char *directory, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: an adapter (LoRA, PEFT: adapter_config.json) and not a whole model",
            directory);
    return fg_hint(err, "merge it into its base model first (merge_and_unload of the peft package), save "
                        "that and convert the result");
}

/* ---- what kind of directory it is ---- */

static fg_status check_directory(const char *directory, fg_error *err) {
    bool is_directory;
    fg_status status = fg_path_is_directory(directory, &is_directory, err);
    return status != FG_OK || is_directory ? status : fg_refuse_no_directory(directory, err);
}

static fg_status read_config(fg_checkpoint *c, fg_error *err) {
    fg_status status = FG_OK;
    bool adapter;
    FG_TRY(fg_json_read_object(c->directory, "config.json", &c->config, err));
    if (c->config) goto done;
    FG_TRY(has_file(c->directory, "adapter_config.json", &adapter, err));
    if (adapter) FG_TRY(refuse_adapter(c->directory, err));
    status = fg_refuse_no_config(c->directory, err);
done:
    return status;
}

static fg_status read_metadata(fg_checkpoint *c, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_fast_llm_metadata_read(c->directory, &c->metadata, err));
    c->config = json_incref(json_object_get(c->metadata, "config"));
    const json_t *origin = fg_json_at(c->metadata, FG_CHECKPOINT_ORIGIN);
    if (json_is_string(origin)) FG_TRY_NEW(c->model_type, fg_strdup(json_string_value(origin), err));
done:
    return status;
}

/* A metadata.yaml next to a config.json may have nothing to do with Fast-LLM. */
static fg_status is_fast_llm(const fg_checkpoint *c, const fg_format *wanted, bool *is, fg_error *err) {
    fg_status status = FG_OK;
    bool config = false;
    *is = wanted == &fg_format_fast_llm;
    if (wanted != NULL) return FG_OK;
    FG_TRY(has_file(c->directory, FG_FAST_LLM_METADATA, is, err));
    FG_TRY(has_file(c->directory, "config.json", &config, err));
    if (*is && config) FG_TRY(fg_fast_llm_is_metadata(c->directory, is, err));
done:
    return status;
}

static fg_status find_format(fg_checkpoint *c, const fg_format *wanted, fg_error *err) {
    fg_status status = FG_OK;
    bool fast_llm;
    char *file = NULL;
    FG_TRY(is_fast_llm(c, wanted, &fast_llm, err));
    c->format = &fg_format_fast_llm;
    if (fast_llm) return read_metadata(c, err);
    FG_TRY(read_config(c, err));
    const char *type = NULL, *hf_type = NULL;
    FG_TRY_NEW(file, fg_path_join(c->directory, "config.json", err));
    FG_TRY(fg_json_get_string(c->config, "model_type", file, &type, err));
    FG_TRY(fg_json_get_string(c->config, "hf_model_type", file, &hf_type, err));
    c->format = wanted;
    if (wanted == NULL) {
        c->format =
            hf_type || (type && fg_starts_with(type, "forgather-")) ? &fg_format_forgather : &fg_format_hf;
    }
    if (c->format == &fg_format_forgather) type = hf_type;
    if (type) FG_TRY_NEW(c->model_type, fg_strdup(type, err));
done:
    if (status != FG_OK) fg_where(err, "opening %s", c->directory);
    fg_free(file);
    return status;
}

/* ---- where the weights are ---- */

static fg_status find_weights(fg_checkpoint *c, const char *checkpoint_path, bool config_only,
                              fg_error *err) {
    fg_status status = FG_OK;
    char *folder = NULL;
    bool is_directory = false;
    if (checkpoint_path) {
        FG_TRY(fg_training_find(c->directory, checkpoint_path, &c->weights_directory, err));
        goto done;
    }
    FG_TRY_NEW(folder, fg_path_join(c->directory, FG_TRAINING_FOLDER, err));
    if (c->format == &fg_format_forgather && !config_only)
        FG_TRY(fg_path_is_directory(folder, &is_directory, err));
    if (is_directory) {
        FG_TRY(fg_training_latest(folder, &c->weights_directory, err));
    } else {
        FG_TRY_NEW(c->weights_directory, fg_strdup(c->directory, err));
    }
done:
    fg_free(folder);
    return status;
}

/* Another directory given with -c has metadata of its own, which names its files. */
static fg_status read_fast_llm_weights(fg_checkpoint *c, bool unfinished, fg_error *err) {
    fg_status status = FG_OK;
    json_t *metadata = NULL;
    if (strcmp(c->weights_directory, c->directory) != 0)
        FG_TRY(fg_fast_llm_metadata_read(c->weights_directory, &metadata, err));
    FG_TRY(
        fg_fast_llm_weights_read(c->weights_directory, metadata ? metadata : c->metadata, &c->tensors, err));
    if (!unfinished) FG_TRY(fg_fast_llm_warn_if_unfinished(c->weights_directory, err));
done:
    json_decref(metadata);
    return status;
}

static fg_status read_weights(fg_checkpoint *c, bool unfinished, fg_error *err) {
    fg_status status = FG_OK;
    if (c->format == &fg_format_fast_llm) return read_fast_llm_weights(c, unfinished, err);
    bool adapter, present;
    FG_TRY(fg_weight_files_present(c->weights_directory, &present, err));
    FG_TRY(has_file(c->weights_directory, "adapter_config.json", &adapter, err));
    if (adapter && !present) FG_TRY(refuse_adapter(c->weights_directory, err));
    if (adapter)
        fg_warn("%s: adapter_config.json next to whole weights: the adapter is ignored, as transformers "
                "without peft does",
                c->weights_directory);
    fg_weight_files_order order = c->format == &fg_format_forgather ? FG_WEIGHTS_FORGATHER : FG_WEIGHTS_HF;
    FG_TRY(fg_weight_files_read(c->weights_directory, order, &c->tensors, &c->index_metadata, err));
done:
    return status;
}

/* ---- the other files ---- */

bool fg_checkpoint_is_tokenizer_file(const char *name) {
    static const char *const whole[] = {
        "added_tokens.json",        "chat_template.jinja",   "chat_template.json", "merges.txt",
        "special_tokens_map.json",  "spiece.model",          "tekken.json",        "tokenizer.json",
        "tokenizer.model",          "tokenizer_config.json", "vocab.json",         "vocab.txt",
        FG_CHECKPOINT_CARRIED_FILE,
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (strcmp(name, whole[i]) == 0) return true;
    }
    return fg_starts_with(name, FG_CHECKPOINT_TEMPLATES "/");
}

static bool is_side_file(const char *name) {
    static const char *const starts[] = {"LICENSE", "NOTICE", "USE_POLICY"};
    if (fg_checkpoint_is_tokenizer_file(name) || strcmp(name, "generation_config.json") == 0) return true;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (fg_starts_with(name, starts[i])) return true;
    }
    return false;
}

/* Rewritten by a conversion, or read by it. */
static bool is_known(const char *name) {
    static const char *const whole[] = {"config.json", "fgconv_report.json", FG_FAST_LLM_METADATA,
                                        FG_FAST_LLM_OK};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (strcmp(name, whole[i]) == 0) return true;
    }
    return fg_weight_files_is_name(name);
}

/* Moves a name, which the list then no longer owns. */
static fg_status move_name(char **name, fg_names *to, size_t *capacity, fg_error *err) {
    fg_status status = fg_grow(&to->items, to->count, capacity, sizeof *to->items, err);
    if (status != FG_OK) return status;
    to->items[to->count++] = *name;
    *name = NULL;
    return FG_OK;
}

/* A file that belongs to the model must be there and be itself; of others a link to nothing may lie about. */
static fg_status check_file(const char *folder, const char *name, bool travels, bool *regular,
                            fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    FG_TRY_NEW(path, fg_path_join(folder, name, err));
    if (!travels) {
        *regular = fg_path_is_file(path, regular, NULL) == FG_OK && *regular;
        goto done;
    }
    FG_TRY(fg_path_is_file(path, regular, err));
    if (*regular) FG_TRY(fg_file_refuse_pointer(path, err));
done:
    fg_free(path);
    return status;
}

/* Adds the named chat templates, which have a folder of their own. */
static fg_status add_templates(fg_checkpoint *c, size_t *capacity, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL, *name = NULL;
    bool is_directory;
    FG_TRY_NEW(path, fg_path_join(c->directory, FG_CHECKPOINT_TEMPLATES, err));
    FG_TRY(fg_path_is_directory(path, &is_directory, err));
    if (!is_directory) goto done;
    FG_TRY(fg_directory_list(path, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        bool regular;
        if (!fg_ends_with(names.items[i], ".jinja")) continue;
        FG_TRY(check_file(path, names.items[i], true, &regular, err));
        if (!regular) continue;
        FG_TRY_NEW(name, fg_path_join(FG_CHECKPOINT_TEMPLATES, names.items[i], err));
        FG_TRY(move_name(&name, &c->side_files, capacity, err));
    }
done:
    fg_free(name);
    fg_free(path);
    fg_names_free(&names);
    return status;
}

/* The list that a file of the directory belongs to; NULL: none. */
static fg_names *list_of(fg_checkpoint *c, const char *name) {
    if (is_side_file(name)) return &c->side_files;
    if (fg_ends_with(name, ".py")) return &c->code_files;
    return is_known(name) ? NULL : &c->other_files;
}

static fg_status sort_files(fg_checkpoint *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    size_t side_capacity = 0, code_capacity = 0, other_capacity = 0;
    FG_TRY(fg_directory_list(c->directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        bool regular;
        if (strcmp(names.items[i], FG_CHECKPOINT_TEMPLATES) == 0)
            FG_TRY(add_templates(c, &side_capacity, err));
        fg_names *list = list_of(c, names.items[i]);
        if (!list) continue;
        FG_TRY(check_file(c->directory, names.items[i], list != &c->other_files, &regular, err));
        if (regular)
            FG_TRY(move_name(&names.items[i], list,
                             list == &c->side_files   ? &side_capacity
                             : list == &c->code_files ? &code_capacity
                                                      : &other_capacity,
                             err));
    }
done:
    fg_names_free(&names);
    return status;
}

/* ---- opening and closing ---- */

fg_status fg_checkpoint_open(fg_checkpoint *checkpoint, const char *directory,
                             const fg_checkpoint_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_checkpoint_options none = {0};
    fg_checkpoint *c = checkpoint;
    if (!options) options = &none;
    *c = (fg_checkpoint){0};
    FG_TRY(check_directory(directory, err));
    FG_TRY_NEW(c->directory, fg_strdup(directory, err));
    FG_TRY(find_format(c, options->format, err));
    FG_TRY(fg_json_read_object(directory, "generation_config.json", &c->generation_config, err));
    FG_TRY(fg_json_read_object(directory, "tokenizer_config.json", &c->tokenizer_config, err));
    FG_TRY(find_weights(c, options->checkpoint_path, options->config_only, err));
    if (!options->config_only) FG_TRY(read_weights(c, options->unfinished, err));
    FG_TRY(sort_files(c, err));
done:
    if (status != FG_OK) fg_checkpoint_close(c);
    return status;
}

void fg_checkpoint_close(fg_checkpoint *checkpoint) {
    fg_free(checkpoint->directory);
    fg_free(checkpoint->weights_directory);
    fg_free(checkpoint->model_type);
    json_decref(checkpoint->config);
    json_decref(checkpoint->metadata);
    json_decref(checkpoint->generation_config);
    json_decref(checkpoint->tokenizer_config);
    json_decref(checkpoint->index_metadata);
    fg_tensors_free(&checkpoint->tensors);
    fg_names_free(&checkpoint->side_files);
    fg_names_free(&checkpoint->code_files);
    fg_names_free(&checkpoint->other_files);
    *checkpoint = (fg_checkpoint){0};
}
