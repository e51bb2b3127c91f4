#include "conversion/conversion.h"

#include "base/log.h"
#include "conversion/left_files.h"

/* What --verbose adds. */
static void say_left_out(const json_t *left_out) {
    const char *key, *reason;
    json_t *entry;
    FG_JSON_EACH(left_out, i, entry) {
        if (json_unpack(entry, "{s:s, s:s}", "key", &key, "reason", &reason) == 0)
            fg_verbose("config.json: %s is left out: %s", key, reason);
    }
}

static void say_steps(const fg_conversion *c) {
    const fg_configs *configs = &c->decided.configs;
    for (size_t i = 0; i < configs->count; i++) {
        const fg_config_step *step = &configs->steps[i];
        fg_verbose("%s %s", step->converter ? "converter" : "migration",
                   step->converter ? fg_converter_file(step->converter) : step->route->migration->file->path);
        if (!c->decided.route.keeps_format) say_left_out(json_array_get(c->settings.left_out, i));
    }
}

static void say_decisions(const fg_conversion *c) {
    const fg_source *source = &c->decided.source;
    const fg_checkpoint *checkpoint = &source->checkpoint;
    const fg_plan *plan = fg_conversion_named_plan(c);
    json_t *key;
    fg_verbose("%s: %s, weights in %s", checkpoint->directory, checkpoint->format->name,
               checkpoint->weights_directory);
    say_steps(c);
    FG_JSON_EACH(c->decided.configs.base_keys, i, key)
        fg_verbose("config.json: %s comes from %s", json_string_value(key),
                   source->base.checkpoint.directory);
    for (size_t i = 0; i < plan->dropped_count; i++)
        fg_verbose("%s is dropped: %s", plan->source.items[plan->dropped[i].source].name,
                   plan->dropped[i].reason);
}

static fg_status say_left_files(const fg_conversion *c, fg_error *err) {
    fg_names left = {0};
    fg_status status = fg_left_files_list(&c->decided, &c->layout, &c->code, &left, err);
    for (size_t i = 0; i < left.count; i++) fg_verbose("%s is not copied", left.items[i]);
    fg_names_free(&left);
    return status;
}

fg_status fg_conversion_prepare(fg_conversion *c, const fg_recipe *recipe, fg_catalogue *catalogue,
                                const char *version, fg_error *err) {
    fg_status status = FG_OK;
    const fg_decisions *decided = &c->decided;
    fg_tensors tensors = {0};
    fg_plan plan = {0};
    FG_TRY(fg_decisions_make(recipe, catalogue, version, &c->decided, &tensors, err));
    FG_TRY(fg_plan_steps(decided, &tensors, &plan, &c->assembled, &c->gaps, err));
    FG_TRY(fg_layout_make(decided, &plan, &c->layout, err));
    FG_TRY(fg_destination_code_check(decided, &c->layout, &c->code, err));
    FG_TRY(fg_settings_resolve(decided, &c->layout, &c->settings, err));
    FG_TRY(fg_made_files_make(decided, &c->layout, &c->settings, &c->gaps, &c->made, err));
    fg_vocabulary_change_trim(&c->decided.vocabulary);
    say_decisions(c);
    FG_TRY(say_left_files(c, err));
done:
    if (status == FG_ERR_INPUT) fg_about_file(err, recipe->source);
    fg_tensors_free(&tensors);
    fg_plan_free(&plan);
    return status;
}

bool fg_conversion_assembles(const fg_conversion *c) {
    return c->decided.source.checkpoint.format->assemble != NULL;
}

const fg_plan *fg_conversion_named_plan(const fg_conversion *c) {
    return fg_conversion_assembles(c) ? &c->assembled.steps : &c->layout.plan;
}

static const char *model_type(const fg_route *route, const fg_config_step *step) {
    return fg_converter_model_type(route->update ? route->update->converter : step->converter);
}

const char *fg_conversion_source_type(const fg_conversion *c) {
    return model_type(&c->decided.route, c->decided.configs.steps);
}

const char *fg_conversion_destination_type(const fg_conversion *c) {
    return model_type(&c->decided.route, fg_configs_last(&c->decided.configs));
}

fg_status fg_conversion_check_unchanged(const fg_conversion *c, fg_error *err) {
    const fg_decisions *d = &c->decided;
    bool copies_others = d->recipe && d->recipe->kind == FG_RECIPE_UPDATE_VOCAB;
    FG_CALL(fg_tensors_check_unchanged(&c->layout.plan.source, err));
    FG_CALL(fg_checkpoint_check_unchanged(&d->source.checkpoint, copies_others, err));
    return fg_checkpoint_check_unchanged(&d->source.base.checkpoint, false, err);
}

void fg_conversion_free(fg_conversion *c) {
    fg_made_files_free(&c->made);
    fg_settings_free(&c->settings);
    fg_layout_free(&c->layout);
    fg_tensor_gaps_free(&c->gaps);
    fg_assembled_free(&c->assembled);
    fg_decisions_free(&c->decided);
    *c = (fg_conversion){0};
}
