#include "format/distributed_facts.h"

#include <string.h>

#include "format/consumed_tokens.h"

enum { PATH = 400 };

static fg_status put_layout(json_t *facts, const fg_distributed_layout *l, fg_error *err) {
    const fg_rank_grid *grid = &l->settings.grid;
    FG_CALL(fg_json_put_u64(facts, "ranks", grid->ranks, err));
    FG_CALL(fg_json_put_u64(facts, "tensor_parallel", grid->tensor, err));
    FG_CALL(fg_json_put_u64(facts, "data_parallel", grid->data, err));
    FG_CALL(fg_json_put_u64(facts, "pipeline_parallel", grid->pipeline, err));
    FG_CALL(fg_json_put(facts, "pipeline_first", json_boolean(grid->pipeline_first), err));
    /* an infinite number has no place in JSON: all layers in one stage */
    const double layers = (double)l->parameters.layer_count;
    const bool finite = l->settings.layers_per_stage < 1e300;
    FG_CALL(fg_json_put(facts, "layers_per_stage", json_real(finite ? l->settings.layers_per_stage : layers),
                        err));
    FG_CALL(fg_json_put_u64(facts, "layers", l->parameters.layer_count, err));
    return fg_json_put_u64(facts, "stages", l->stage_count, err);
}

static fg_status put_counts(json_t *facts, const fg_distributed_layout *l, const fg_assembly *assembly,
                            fg_error *err) {
    uint64_t frozen = 0;
    for (size_t i = 0; i < l->parameters.count; i++)
        frozen += l->parameters.items[i].frozen && !l->parameters.items[i].tied;
    FG_CALL(fg_json_put_u64(facts, "parameters", assembly->plan.output_count, err));
    FG_CALL(fg_json_put_u64(facts, "frozen_parameters", frozen, err));
    return fg_json_put_u64(facts, "copies", assembly->copies.output_count, err);
}

static fg_status put_shards(json_t *facts, const json_t *document, fg_error *err) {
    json_t *others = fg_json_put_array(facts, "optimizer_shards", err);
    const json_t *shards = json_object_get(document, "shards"), *shard;
    if (!others) return FG_ERR_MEMORY;
    FG_JSON_EACH(shards, i, shard) {
        if (i) FG_CALL(fg_json_push(others, fg_json_copy(shard, err), err));
    }
    return FG_OK;
}

static fg_status put_run(json_t *facts, const json_t *document, fg_error *err) {
    static const char *const keys[] = {"completed_steps", "documents_seen"};
    const json_t *run = json_object_get(document, "metadata");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(run, keys[i]);
        if (json_is_number(value)) FG_CALL(fg_json_put(facts, keys[i], fg_json_copy(value, err), err));
    }
    return FG_OK;
}

/* Notes the scales in `config`, whose path is `path` (with room for more), and below it. */
static fg_status put_scales(json_t *scales, const json_t *config, char path[PATH], fg_error *err) {
    const json_t *value;
    const size_t length = strlen(path);
    FG_JSON_MEMBERS(config, key, value) {
        if (strcmp(key, "lr_scale") == 0 && !json_is_object(value)) {
            if (!json_is_null(value)) FG_CALL(fg_json_put(scales, path, fg_json_copy(value, err), err));
            continue;
        }
        if (!json_is_object(value)) continue;
        if (length) strncat(path, "/", PATH - strlen(path) - 1);
        strncat(path, key, PATH - strlen(path) - 1);
        FG_CALL(put_scales(scales, value, path, err));
        path[length] = '\0';
    }
    return FG_OK;
}

fg_status fg_distributed_facts(const char *directory, const json_t *document,
                               const fg_distributed_layout *layout, json_t *order, fg_assembly *assembly,
                               fg_error *err) {
    char path[PATH] = "";
    json_t *facts = assembly->facts = json_object(), *scales;
    if (!facts) return fg_fail(err, FG_ERR_MEMORY, "out of memory");
    const json_t *version = json_object_get(document, "fast_llm_version");
    if (version) FG_CALL(fg_json_put(facts, "fast_llm_version", fg_json_copy(version, err), err));
    FG_CALL(put_layout(facts, layout, err));
    FG_CALL(put_counts(facts, layout, assembly, err));
    FG_CALL(fg_json_put(facts, "parameter_order", json_incref(order), err));
    FG_CALL(put_shards(facts, document, err));
    FG_CALL(put_run(facts, document, err));
    FG_CALL(fg_consumed_tokens_put(directory, json_object_get(document, "metadata"), &layout->settings.grid,
                                   facts, err));
    scales = fg_json_put_object(facts, "lr_scale", err);
    if (!scales) return FG_ERR_MEMORY;
    return put_scales(scales, fg_json_at(document, "config/base_model"), path, err);
}
