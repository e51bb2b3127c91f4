/* Fast-LLM's format `distributed`: metadata.yaml, and for each rank of the run a file rank_N.safetensors with
 * a flat vector of parameters. It is read only. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/yaml.h"
#include "format/checkpoint.h"
#include "format/distributed_facts.h"
#include "format/distributed_files.h"
#include "format/distributed_order.h"
#include "format/distributed_plan.h"
#include "format/distributed_settings.h"
#include "format/metadata_yaml.h"

#define NAMED "distributed" /* in metadata.yaml */
#define LAST_FILE "ok"

static fg_status recognise(const char *directory, bool *is, fg_error *err) {
    return fg_metadata_yaml_recognise(directory, NAMED, is, err);
}

static fg_status check(const char *path, const json_t *document, fg_error *err) {
    return fg_metadata_yaml_check(path, document, NAMED, err);
}

static bool recognise_document(const json_t *document) {
    const char *format = json_string_value(json_object_get(document, "format"));
    return format && strcmp(format, NAMED) == 0 && json_is_object(fg_json_at(document, "config/base_model"));
}

/* ---- weights ---- */

/* metadata.yaml of the directory of weights, a new reference, and its path. Another directory given with -c
 * has one of its own. */
static fg_status document_of(const fg_checkpoint *c, json_t **document, char **path, fg_error *err) {
    FG_CALL_NEW(*path, fg_path_join(c->weights_directory, FG_METADATA_YAML, err));
    if (strcmp(c->weights_directory, c->directory) == 0) {
        *document = json_incref(c->metadata);
        return FG_OK;
    }
    FG_CALL(fg_yaml_read(*path, document, NULL, err));
    return check(*path, *document, err);
}

static fg_status warn_if_unfinished(const char *directory, fg_error *err) {
    char *path = fg_path_join(directory, LAST_FILE, err);
    if (!path) return FG_ERR_MEMORY;
    bool exists;
    fg_status status = fg_path_is_file(path, &exists, err);
    if (status == FG_OK && !exists)
        fg_warn("%s: no file \"" LAST_FILE
                "\", which a training run writes last: the checkpoint may be incomplete",
                directory);
    fg_free(path);
    return status;
}

static fg_status read_weights(fg_checkpoint *c, bool unfinished, fg_error *err) {
    fg_status status = FG_OK;
    fg_layout_settings settings;
    json_t *document = NULL;
    char *path = NULL;
    FG_TRY(document_of(c, &document, &path, err));
    FG_TRY(fg_layout_settings_read(json_object_get(document, "config"), path, &settings, err));
    FG_TRY(fg_distributed_files_read(c->weights_directory, document, &settings, &c->tensors, err));
    if (!unfinished) FG_TRY(warn_if_unfinished(c->weights_directory, err));
done:
    fg_free(path);
    json_decref(document);
    return status;
}

/* ---- assembly ---- */

/* The vectors must be what the layout says. */
static fg_status check_vectors(const fg_tensors *vectors, const fg_distributed_layout *layout,
                               fg_error *err) {
    if (vectors->count != layout->settings.grid.ranks)
        return fg_fail(err, FG_ERR_BUG, "%zu vectors of %" PRIu64 " ranks", vectors->count,
                       layout->settings.grid.ranks);
    for (size_t r = 0; r < vectors->count; r++) {
        const fg_tensor *vector = &vectors->items[r];
        uint64_t tensor, data, pipeline;
        fg_rank_split(&layout->settings.grid, r, &tensor, &data, &pipeline);
        const fg_pipeline_rank *expected = &layout->pipeline[pipeline];
        if (vector->elements != expected->length || vector->dtype != expected->dtype)
            return fg_fail(err, FG_ERR_INPUT,
                           "%s: the weights are %" PRIu64 " elements of %s, expected %" PRIu64
                           " of %s for the model and the layout in metadata.yaml (tensor rank %" PRIu64
                           ", data rank %" PRIu64 ", pipeline rank %" PRIu64 ")",
                           vectors->files[vector->file], vector->elements, fg_dtype_name(vector->dtype),
                           expected->length, fg_dtype_name(expected->dtype), tensor, data, pipeline);
    }
    return FG_OK;
}

static fg_status assemble(const fg_checkpoint *c, const json_t *completed, const fg_assembly_options *options,
                          fg_assembly *assembly, fg_error *err) {
    fg_status status = FG_OK;
    fg_layout_settings settings;
    fg_distributed_layout layout = {0};
    fg_parameter_order order;
    json_t *document = NULL, *reason = NULL;
    char *path = NULL;
    *assembly = (fg_assembly){0};
    FG_TRY(document_of(c, &document, &path, err));
    FG_TRY(fg_layout_settings_read(json_object_get(document, "config"), path, &settings, err));
    FG_TRY(fg_distributed_layout_make(completed, &settings, path, &layout, err));
    FG_TRY(check_vectors(&c->tensors, &layout, err));
    FG_TRY(fg_distributed_order(&layout, &c->tensors, options->parameter_order, path, &order, &reason, err));
    FG_TRY(fg_distributed_plan(&layout, order, &c->tensors, &assembly->plan, err));
    FG_TRY(fg_distributed_copies(&layout, order, &c->tensors, &assembly->originals, &assembly->copies, err));
    FG_TRY(fg_distributed_facts(c->directory, document, &layout, reason, assembly, err));
done:
    fg_free(path);
    json_decref(document);
    json_decref(reason);
    fg_distributed_layout_free(&layout);
    if (status != FG_OK) fg_assembly_free(assembly);
    return status;
}

const fg_format fg_format_distributed = {
    .name = "fast_llm_distributed",
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
    .index = FG_INDEX_NEVER,
    .last_file = LAST_FILE,
    .takes_base = true,
    .infers_family = true,
    .recognise = recognise,
    .recognise_document = recognise_document,
    .read = fg_metadata_yaml_read,
    .check = check,
    .read_weights = read_weights,
    .assemble = assemble,
    .wrap_config = fg_metadata_yaml_wrap_config,
};
