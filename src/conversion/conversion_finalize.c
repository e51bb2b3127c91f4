/* What finalize adds to a conversion of a format to itself: one training checkpoint, and the stop tokens. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "conversion/conversion.h"
#include "format/training_checkpoint.h"
#include "format/weight_files.h"
#include "tokens/generation_config.h"
#include "tokens/stop_tokens.h"

/* ---- the checkpoint ---- */

/* Moves the plan's files into the checkpoint. */
static fg_status move_shards(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < c->plan.shard_count; i++) {
        char *name;
        FG_TRY_NEW(name, fg_path_join(c->checkpoint, c->plan.shard_files[i], err));
        fg_free(c->plan.shard_files[i]);
        c->plan.shard_files[i] = name;
    }
done:
    return status;
}

fg_status fg_conversion_lay_out_checkpoint(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    if (options->root_copy) goto done;
    FG_TRY_NEW(c->checkpoint,
               fg_strformat(err, FG_TRAINING_FOLDER "/checkpoint-%llu",
                            (unsigned long long)fg_training_steps(c->source.weights_directory)));
    FG_TRY(move_shards(c, err));
    if (!options->keep_optimizer) goto done;
    FG_TRY(fg_training_optimizer(c->source.weights_directory, &c->optimizer, &c->optimizer_bytes, err));
    if (c->tokens.rows.rows)
        fg_warn("%s is copied unchanged: it has no state for the rows of new tokens", c->optimizer);
done:
    return status;
}

fg_status fg_conversion_make_manifest(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_training_kept kept = {.directory = c->source.weights_directory,
                             .name = c->checkpoint,
                             .files = c->plan.source.files,
                             .file_count = c->plan.source.file_count,
                             .optimizer = c->optimizer_bytes};
    json_t *manifest = NULL;
    char *name = NULL;
    fg_buffer *text;
    for (size_t i = 0; i < c->plan.shard_count; i++) kept.weights += c->plan.shard_bytes[i];
    FG_TRY(fg_training_manifest(&kept, &manifest, err));
    FG_TRY_NEW(name, fg_path_join(c->checkpoint, FG_TRAINING_MANIFEST, err));
    FG_TRY(fg_conversion_add_made(c, name, &text, err));
    FG_TRY(fg_json_write(manifest, 0, text, err));
    FG_TRY(fg_buffer_add(text, "\n", 1, err));
done:
    json_decref(manifest);
    fg_free(name);
    return status;
}

/* So that loaders find the weights next to config.json. */
static fg_status link_index(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    char *path = fg_path_join(c->checkpoint, FG_CONVERSION_INDEX, err);
    fg_status status = path ? fg_stage_link(stage, path, FG_CONVERSION_INDEX, err) : FG_ERR_MEMORY;
    fg_free(path);
    return status;
}

fg_status fg_conversion_write_checkpoint(const fg_conversion *c, fg_stage *stage, json_t *copied,
                                         fg_error *err) {
    fg_status status = FG_OK;
    char *name = NULL;
    for (size_t i = 0; i < c->plan.shard_count; i++) {
        const char *file = c->plan.shard_files[i];
        FG_TRY(fg_stage_link(stage, file, fg_path_name(file), err));
    }
    if (fg_conversion_has_index(c)) FG_TRY(link_index(c, stage, err));
    if (!c->optimizer) goto done;
    FG_TRY_NEW(name, fg_path_join(c->checkpoint, FG_TRAINING_OPTIMIZER, err));
    FG_TRY(fg_stage_copy_file(stage, c->optimizer, name, err));
    FG_TRY(fg_json_push(copied, fg_json_string(name), err));
done:
    fg_free(name);
    return status;
}

fg_status fg_conversion_left_state(const fg_conversion *c, json_t *left, fg_error *err) {
    fg_status status = FG_OK;
    const char *folder = c->source.weights_directory;
    fg_names names = {0};
    char *path = NULL;
    if (strcmp(folder, c->source.directory) == 0) goto done;
    FG_TRY(fg_directory_list(folder, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        bool kept = c->optimizer && strcmp(names.items[i], FG_TRAINING_OPTIMIZER) == 0;
        if (kept || fg_weight_files_is_name(names.items[i]) ||
            strcmp(names.items[i], FG_TRAINING_MANIFEST) == 0)
            continue;
        fg_free(path);
        FG_TRY_NEW(path, fg_path_join(folder, names.items[i], err));
        FG_TRY(fg_json_push(left, fg_json_string(path), err));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

/* ---- stop tokens ---- */

/* The old ids come first, so that they still stop the model. */
static fg_status find_stop_tokens(const fg_conversion *c, const fg_options *options,
                                  const json_t *tokenizer_eos, fg_stop_tokens *stop, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *generation = c->source.generation_config;
    FG_TRY(fg_stop_tokens_add(stop, json_object_get(c->source.config, "eos_token_id"), "config.json", err));
    FG_TRY(
        fg_stop_tokens_add(stop, json_object_get(generation, "eos_token_id"), "generation_config.json", err));
    if (!options->no_auto_stop_tokens && c->request.document)
        FG_TRY(fg_stop_tokens_add_requested(stop, &c->request, &c->tokenizer, err));
    if (!options->no_auto_stop_tokens || !stop->count)
        FG_TRY(fg_stop_tokens_add(stop, tokenizer_eos, "eos token of the tokenizer", err));
    if (options->stop_tokens)
        FG_TRY(fg_stop_tokens_add_listed(stop, options->stop_tokens, &c->tokenizer, err));
done:
    return status;
}

/* Without generation_config.json, generation stops at the ids of config.json. */
static fg_status keep_only_config(const fg_conversion *c, fg_stop_tokens *stop, fg_error *err) {
    size_t all = stop->count;
    fg_stop_tokens_free(stop);
    fg_status status =
        fg_stop_tokens_add(stop, json_object_get(c->config, "eos_token_id"), "config.json", err);
    if (status == FG_OK && stop->count < all)
        fg_warn("without generation_config.json, only the eos_token_id of config.json stops generation");
    return status;
}

fg_status fg_conversion_resolve_generation(fg_conversion *c, const fg_options *options,
                                           const fg_token_ids *ids, fg_error *err) {
    fg_status status = FG_OK;
    fg_stop_tokens stop = {0};
    json_t *eos = NULL, *own = NULL;
    if (ids->id[FG_ROLE_EOS] != FG_NO_TOKEN) own = json_integer(ids->id[FG_ROLE_EOS]);
    FG_TRY(find_stop_tokens(c, options, own, &stop, err));
    if (own && !json_object_get(c->config, "eos_token_id"))
        FG_TRY(fg_json_put(c->config, "eos_token_id", json_incref(own), err));
    json_decref(c->generation_config);
    FG_TRY(fg_generation_config_begin(options->generation_config, c->source.generation_config,
                                      &c->generation_config, err));
    if (c->generation_config) {
        FG_TRY(fg_stop_tokens_ids(&stop, &eos, err));
        FG_TRY(fg_generation_config_lay_ids(c->generation_config, ids, eos, err));
    } else {
        FG_TRY(keep_only_config(c, &stop, err));
    }
    FG_TRY(fg_stop_tokens_describe(&stop, &c->tokenizer, &c->stop_tokens, err));
    if (!stop.count) fg_warn("no token stops generation: neither configuration has an eos_token_id");
done:
    fg_stop_tokens_free(&stop);
    json_decref(eos);
    json_decref(own);
    return status;
}
