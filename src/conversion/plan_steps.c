#include "conversion/plan_steps.h"

#include "base/alloc.h"
#include "mapping/migration_map.h"
#include "plan/compose.h"

/* Casts and new rows belong to the last step. */
static fg_status plan_step(const fg_decisions *d, const fg_config_step *step, fg_tensors *source,
                           const fg_tensor_gaps *noted, fg_plan *plan, fg_error *err) {
    bool last = step == fg_configs_last(&d->configs);
    fg_direction direction = step->route->direction;
    const fg_tensor_gaps unnoticed = {0}; /* they are noted once, on the way to hf */
    fg_tensor_plan_options how = {.cast = last ? d->recipe->dtype : FG_DTYPE_NONE,
                                  .rows = last ? &d->vocabulary.tokens.rows : NULL};
    fg_tensor_map map;
    if (d->route.update && d->recipe->no_strict) how.gaps = direction == FG_EXPORT ? noted : &unnoticed;
    if (!step->converter)
        return fg_migration_plan(step->route->migration, source, step->translation.result, &how, plan, err);
    fg_status status = fg_converter_map_new(&map, step->converter, fg_config_step_completed(step), NULL, err);
    if (status == FG_OK) status = fg_tensor_plan(&map, direction, source, &how, plan, err);
    fg_tensor_map_free(&map);
    return status;
}

static fg_status check_ties(const fg_decisions *d, const fg_config_step *step, const fg_plan *plan,
                            fg_error *err) {
    bool rewritten = d->route.update && step->converter && step->route->direction == FG_EXPORT;
    return rewritten ? fg_update_check_ties(step->converter, step->translation.hf, plan, err) : FG_OK;
}

/* Where the files hold vectors, `tensors` becomes the table of the tensors that they were cut from. */
static fg_status assemble(const fg_decisions *d, fg_tensors *tensors, fg_assembled *assembled,
                          fg_error *err) {
    const fg_checkpoint *source = &d->source.checkpoint;
    const json_t *completed = fg_config_step_completed(d->configs.steps).target;
    if (!source->format->assemble) return FG_OK;
    FG_CALL(fg_assembled_begin(source, tensors, completed, d->recipe->parameter_order, assembled, err));
    fg_tensors_free(tensors);
    *tensors = (fg_tensors){0};
    return fg_plan_outputs(&assembled->assembly.plan, source->directory, tensors, err);
}

fg_status fg_plan_steps(const fg_decisions *d, fg_tensors *tensors, fg_plan *plan, fg_assembled *assembled,
                        fg_tensor_gaps *gaps, fg_error *err) {
    fg_status status = FG_OK;
    const fg_config_step *steps = d->configs.steps;
    fg_tensors between = {0};
    fg_plan next = {0};
    FG_TRY(assemble(d, tensors, assembled, err));
    if (d->route.update) {
        FG_TRY_NEW(gaps->missing, json_array());
        FG_TRY_NEW(gaps->unexpected, json_array());
    }
    FG_TRY(plan_step(d, steps, tensors, gaps, plan, err));
    for (size_t i = 1; i < d->configs.count; i++) {
        FG_TRY(fg_plan_outputs(plan, d->source.checkpoint.directory, &between, err));
        FG_TRY(check_ties(d, &steps[i], plan, err));
        FG_TRY(plan_step(d, &steps[i], &between, gaps, &next, err));
        FG_TRY(fg_plan_compose(plan, &next, err));
        *plan = next;
        next = (fg_plan){0};
    }
    if (d->source.checkpoint.format->assemble) FG_TRY(fg_assembled_join(assembled, plan, err));
done:
    fg_tensors_free(&between);
    fg_plan_free(&next);
    return status;
}

void fg_tensor_gaps_free(fg_tensor_gaps *gaps) {
    json_decref(gaps->missing);
    json_decref(gaps->unexpected);
    *gaps = (fg_tensor_gaps){0};
}
