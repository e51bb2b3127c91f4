#include "conversion/layout.h"

#include "base/alloc.h"
#include "base/log.h"
#include "copy/shards.h"
#include "format/training_checkpoint.h"
#include "mapping/name_map.h"

/* Into the folder of the checkpoint. */
static fg_status move_shards(const char *folder, fg_plan *plan, fg_error *err) {
    for (size_t i = 0; folder && i < plan->shard_count; i++) {
        char *name;
        FG_CALL_NEW(name, fg_path_join(folder, plan->shard_files[i], err));
        fg_free(plan->shard_files[i]);
        plan->shard_files[i] = name;
    }
    return FG_OK;
}

/* finalize keeps one training checkpoint, unless its weights are copied into the directory itself
 * (--root-copy). */
static fg_status find_checkpoint(const fg_decisions *d, fg_layout *layout, fg_error *err) {
    const fg_recipe *recipe = d->recipe;
    const char *weights = d->source.checkpoint.weights_directory;
    if (recipe->kind != FG_RECIPE_FINALIZE || recipe->root_copy) return FG_OK;
    FG_CALL_NEW(layout->checkpoint, fg_strformat(err, FG_TRAINING_FOLDER "/checkpoint-%llu",
                                                 (unsigned long long)fg_training_steps(weights)));
    if (!recipe->keep_optimizer) return FG_OK;
    FG_CALL(fg_training_optimizer(weights, &layout->optimizer, &layout->optimizer_bytes, err));
    if (d->vocabulary.tokens.rows.rows)
        fg_warn("%s is copied unchanged: it has no state for the rows of new tokens", layout->optimizer);
    return FG_OK;
}

static fg_status find_ties(const fg_decisions *d, fg_layout *layout, fg_error *err) {
    fg_status status = FG_OK;
    const fg_config_step *last = fg_configs_last(&d->configs);
    json_t *pairs = NULL;
    if (!d->route.to->lists_ties || !last->converter) goto done;
    FG_TRY(fg_name_map_tied(last->converter, last->translation.hf, &pairs, err));
    if (!json_array_size(pairs)) goto done;
    layout->index_metadata = json_object();
    FG_TRY(fg_json_put(layout->index_metadata, "param_sharing", json_incref(pairs), err));
done:
    json_decref(pairs);
    return status;
}

fg_status fg_layout_make(const fg_decisions *d, fg_plan *plan, fg_layout *layout, fg_error *err) {
    const fg_format *to = d->route.to;
    layout->plan = *plan;
    *plan = (fg_plan){0};
    layout->plan.name_end = to->name_suffix;
    FG_CALL(fg_shards_assign(&layout->plan, d->recipe->max_shard_size, to->shard_name, err));
    FG_CALL(find_checkpoint(d, layout, err));
    FG_CALL(move_shards(layout->checkpoint, &layout->plan, err));
    FG_CALL(find_ties(d, layout, err));
    layout->has_index = fg_format_has_index(to, layout->plan.shard_count);
    return FG_OK;
}

void fg_layout_free(fg_layout *layout) {
    fg_plan_free(&layout->plan);
    json_decref(layout->index_metadata);
    fg_free(layout->checkpoint);
    fg_free(layout->optimizer);
    *layout = (fg_layout){0};
}
