#include "conversion/configs.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "conversion/detect_family.h"
#include "format/carried.h"
#include "format/experiment.h"
#include "translate/migration_config.h"

/* What the translation of every step gets. */
typedef struct translation_input {
    const fg_recipe *recipe;
    const fg_source *source;
    const fg_route *route;
    fg_catalogue *catalogue;
    const char *version;
} translation_input;

/* ---- converters ---- */

static fg_status unknown_family(const fg_source *source, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s does not name the model family (no %s)", source->config_file,
            source->checkpoint.format->family_key);
    fg_about_key(err, source->checkpoint.format->family_key);
    return fg_hint(err, "give it with --model-type; `fgconv list` shows the families");
}

/* Detected, unless the run that the checkpoint is of names it. */
static fg_status infer_family(const translation_input *in, char **family, fg_error *err) {
    fg_status status = FG_OK;
    const fg_checkpoint *c = &in->source->checkpoint;
    char *named = NULL;
    bool known;
    FG_TRY(fg_experiment_family(c->directory, &named, err));
    FG_TRY(fg_family_is_known(in->catalogue, c->format, named, &known, err));
    if (!known) {
        status = fg_family_find(in->catalogue, c->format, fg_source_model_config(in->source),
                                in->source->config_file, family, err);
        goto done;
    }
    *family = named;
    named = NULL;
done:
    fg_free(named);
    return status;
}

/* The family that the command line, the source, or --hf-base names. Where the format has it inferred, it is
 * inferred. */
static fg_status first_family(const translation_input *in, char **family, fg_error *err) {
    const fg_source *source = in->source;
    const fg_update *update = in->route->update;
    const char *said = update                          ? fg_converter_model_type(update->converter)
                       : in->recipe->model_type        ? in->recipe->model_type
                       : source->checkpoint.model_type ? source->checkpoint.model_type
                                                       : source->base.checkpoint.model_type;
    if (said)
        FG_CALL_NEW(*family, fg_strdup(said, err));
    else if (source->checkpoint.format->infers_family)
        FG_CALL(infer_family(in, family, err));
    else
        FG_CALL(unknown_family(source, err));
    return FG_OK;
}

/* The first step has the family of the source, the second that of the first's result. */
static fg_status load_converter(const translation_input *in, const fg_config_step *before,
                                fg_config_step *step, fg_error *err) {
    fg_status status = FG_OK;
    char *first = NULL;
    const char *family;
    if (!before || !before->converter) {
        FG_TRY(first_family(in, &first, err));
        family = first;
    } else if (before->route->direction == FG_IMPORT) {
        family = fg_converter_model_type(before->converter);
    } else {
        family = json_string_value(json_object_get(before->translation.result, "model_type"));
    }
    if (!family) FG_TRY(unknown_family(in->source, err));
    FG_TRY(fg_converter_load(&step->converter, in->catalogue, step->route->other, family, err));
done:
    fg_free(first);
    return status;
}

/* ---- what a step reads ---- */

static const json_t *given_config(const translation_input *in, const fg_config_step *before) {
    if (before) return before->translation.result;
    return in->route->update ? in->route->update->config : fg_source_model_config(in->source);
}

/* What messages call it. */
static char *name_config(const translation_input *in, const fg_config_step *before, fg_error *err) {
    const fg_migration *migration = before ? before->route->migration : NULL;
    return fg_strformat(err, "%s%s%s%s", in->source->config_file,
                        migration ? " (as version "
                        : before  ? " (as hf"
                                  : "",
                        migration ? migration->to.text : "", before ? ")" : "");
}

/* The settings that a step restores: those that its source carries, that the step before it left out, or
 * those in the source's file; NULL: none. New reference. */
static fg_status find_carried(const translation_input *in, const fg_config_step *before,
                              const fg_route_step *step, json_t **carried, fg_error *err) {
    const fg_checkpoint *source = &in->source->checkpoint;
    if (step->direction == FG_EXPORT) {
        if (!before) *carried = json_incref((json_t *)(uintptr_t)source->carried);
    } else if (step->other->carried_path && before &&
               strcmp(before->route->other->schema, step->other->schema) == 0) {
        *carried = json_incref(before->translation.left_out);
    } else if (step->other->carried_path) {
        return fg_carried_read(source->directory, step->other, carried, err);
    }
    return FG_OK;
}

/* ---- translating ---- */

static fg_status check_base(const fg_source *source, fg_config_step *first, fg_error *err) {
    uint64_t rows = 0;
    if (!source->base.checkpoint.directory) return FG_OK;
    fg_status status =
        fg_converter_vocabulary_rows(first->converter, fg_config_step_completed(first), &rows, err);
    if (status != FG_OK) return status;
    return fg_hf_base_check(&source->base, source->checkpoint.directory, rows, &first->translation.warnings,
                            err);
}

/* `before`: the step before it, or NULL. */
static fg_status convert(const translation_input *in, const fg_config_step *before, const char *file,
                         fg_config_step *step, json_t *base_keys, fg_error *err) {
    fg_status status = FG_OK;
    fg_translation *made = &step->translation;
    json_t *carried = NULL;
    bool reads_source = !before || !before->converter;
    FG_TRY(load_converter(in, before, step, err));
    FG_TRY(find_carried(in, before, step->route, &carried, err));
    const fg_translate_options how = {.max_length = in->recipe->max_length,
                                      .hf_version = in->recipe->hf_version,
                                      .version = in->version,
                                      .file = file,
                                      .newer_rotary = !before && in->source->checkpoint.newer_rotary,
                                      .ignore_keys = in->recipe->ignore_keys,
                                      .ignore_key_count = reads_source ? in->recipe->ignore_key_count : 0,
                                      .carried = carried};
    FG_TRY(fg_translate(step->converter, step->route->direction, given_config(in, before), &how, made, err));
    if (step->route->direction == FG_EXPORT)
        FG_TRY(fg_hf_base_fill(&in->source->base, in->catalogue, made->result, base_keys, err));
    if (!before) FG_TRY(check_base(in->source, step, err));
done:
    json_decref(carried);
    return status;
}

static fg_status migrate(const translation_input *in, const fg_config_step *before, const char *file,
                         fg_config_step *step, fg_error *err) {
    fg_translation *made = &step->translation;
    FG_CALL_NEW(made->left_out, json_array());
    return fg_migration_config(step->route->migration, in->route->update->arch, given_config(in, before),
                               file, &made->result, made->left_out, &made->warnings, err);
}

static fg_status translate_step(const translation_input *in, fg_configs *configs, fg_error *err) {
    fg_status status = FG_OK;
    fg_config_step *step = &configs->steps[configs->count];
    const fg_config_step *before = configs->count ? step - 1 : NULL;
    char *file = NULL;
    step->route = &in->route->steps[configs->count++];
    FG_TRY_NEW(file, name_config(in, before, err));
    FG_TRY(step->route->migration ? migrate(in, before, file, step, err)
                                  : convert(in, before, file, step, configs->base_keys, err));
done:
    fg_free(file);
    return status;
}

fg_status fg_configs_translate(const fg_recipe *recipe, const fg_source *source, const fg_route *route,
                               fg_catalogue *catalogue, const char *version, fg_configs *configs,
                               fg_error *err) {
    fg_status status = FG_OK;
    const translation_input in = {recipe, source, route, catalogue, version};
    FG_NEW(configs->steps, route->count);
    FG_TRY_NEW(configs->base_keys, json_array());
    while (configs->count < route->count) FG_TRY(translate_step(&in, configs, err));
    for (size_t i = 0; i < configs->count; i++) fg_warn_all(&configs->steps[i].translation.warnings);
done:
    return status;
}

void fg_configs_free(fg_configs *configs) {
    for (size_t i = 0; i < configs->count; i++) fg_translation_free(&configs->steps[i].translation);
    fg_free(configs->steps);
    json_decref(configs->base_keys);
    *configs = (fg_configs){0};
}

fg_completed fg_config_step_completed(const fg_config_step *step) {
    return (fg_completed){.hf = step->translation.hf, .target = step->translation.target};
}

const fg_config_step *fg_configs_last(const fg_configs *configs) {
    return &configs->steps[configs->count - 1];
}
