/* The steps of a conversion: which there are, the configuration on its way through them, and their plans
 * joined. */
#include "base/alloc.h"
#include "base/log.h"
#include "conversion/conversion.h"
#include "conversion/detect_family.h"
#include "mapping/converter_map.h"
#include "mapping/migration_map.h"
#include "plan/compose.h"
#include "translate/migration_config.h"

/* ---- which ---- */

fg_status fg_conversion_add_step(fg_conversion *c, const fg_route_step *step, fg_error *err) {
    fg_status status = fg_grow(&c->steps, c->step_count, &c->step_capacity, sizeof *c->steps, err);
    if (status == FG_OK) c->steps[c->step_count++] = *step;
    return status;
}

static fg_status add_step(fg_conversion *c, fg_direction direction, const fg_format *other, fg_error *err) {
    const fg_route_step step = {.direction = direction, .other = other};
    return fg_conversion_add_step(c, &step, err);
}

/* An hf family may have converters to several formats, and any of them will do: the first that accepts the
 * model, otherwise one whose refusal is reported. */
static fg_status choose_other(const fg_conversion *c, const char *family, fg_catalogue *catalogue,
                              const fg_format **other, fg_error *err) {
    static const fg_format *const formats[] = {&fg_format_forgather, &fg_format_fast_llm};
    fg_status status = FG_OK;
    fg_family_question question = {.catalogue = catalogue,
                                   .direction = FG_IMPORT,
                                   .config = c->source.config,
                                   .file = c->source.directory};
    char warning[FG_LOG_LINE];
    fg_error refused = {.status = FG_ERR_INPUT};
    for (size_t i = 0; family && refused.status != FG_OK && i < sizeof formats / sizeof *formats; i++) {
        *other = question.other = formats[i];
        FG_TRY(fg_family_try(&question, family, &refused, warning, err));
    }
done:
    return status;
}

/* A round trip. */
static fg_status decide_round_trip(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                   fg_error *err) {
    fg_status status = FG_OK;
    const fg_format *other = c->source.format;
    bool from_hf = other == &fg_format_hf;
    c->to = c->source.format;
    c->keeps_format = true;
    if (c->to == &fg_format_fast_llm && options->kind == FG_CONVERSION_FINALIZE) {
        fg_fail(err, FG_ERR_INPUT, "%s is a Fast-LLM directory, which cannot hold training checkpoints",
                c->source.directory);
        FG_TRY(
            fg_hint(err, "convert it (--to hf or --to forgather), or add tokens with fgconv update-vocab"));
    }
    if (from_hf)
        FG_TRY(choose_other(c, options->model_type ? options->model_type : c->source.model_type, catalogue,
                            &other, err));
    FG_TRY(add_step(c, from_hf ? FG_IMPORT : FG_EXPORT, other, err));
    FG_TRY(add_step(c, from_hf ? FG_EXPORT : FG_IMPORT, other, err));
done:
    return status;
}

fg_status fg_conversion_decide_steps(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                     fg_error *err) {
    fg_status status = FG_OK;
    if (options->kind == FG_CONVERSION_UPDATE) return fg_conversion_decide_update(c, options, catalogue, err);
    const fg_format *from = c->source.format;
    if (options->kind == FG_CONVERSION_FINALIZE || options->kind == FG_CONVERSION_UPDATE_VOCAB)
        return decide_round_trip(c, options, catalogue, err);
    const fg_format *usual = from == &fg_format_hf ? &fg_format_forgather : &fg_format_hf;
    c->to = options->to != NULL ? options->to : usual;
    if (c->to == from) {
        fg_fail(err, FG_ERR_USAGE, "--to %s: the source %s is already in that format", c->to->name,
                c->source.directory);
        return fg_hint(err, "choose another format, or remove --to");
    }
    if (from != &fg_format_hf) FG_TRY(add_step(c, FG_EXPORT, from, err));
    if (c->to != &fg_format_hf) FG_TRY(add_step(c, FG_IMPORT, c->to, err));
done:
    return status;
}

/* ---- the configuration ---- */

static fg_status unknown_family(const fg_conversion *c, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s does not name the model family (no %s)", c->config_file,
            c->source.format->family_key);
    return fg_hint(err, "give it with --model-type; `fgconv list` shows the families");
}

/* The family that the command line, the source, or --hf-base names. For a Fast-LLM source that names none it
 * is detected. */
static fg_status first_family(const fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                              char **family, fg_error *err) {
    fg_status status = FG_OK;
    const char *said = c->update              ? fg_conversion_source_type(c)
                       : options->model_type  ? options->model_type
                       : c->source.model_type ? c->source.model_type
                                              : c->base.checkpoint.model_type;
    if (said) {
        FG_TRY_NEW(*family, fg_strdup(said, err));
    } else if (c->source.format == &fg_format_fast_llm) {
        FG_TRY(fg_family_find(catalogue, json_object_get(c->source.config, "base_model"), c->config_file,
                              family, err));
    } else {
        FG_TRY(unknown_family(c, err));
    }
done:
    return status;
}

/* The first step has the family of the source, the second that of the first's result. */
static fg_status load_converter(fg_conversion *c, size_t index, const fg_options *options,
                                fg_catalogue *catalogue, fg_error *err) {
    fg_status status = FG_OK;
    fg_route_step *step = &c->steps[index];
    const fg_route_step *before = index ? step - 1 : NULL;
    char *first = NULL;
    const char *family;
    if (!before || before->migration) {
        FG_TRY(first_family(c, options, catalogue, &first, err));
        family = first;
    } else if (before->direction == FG_IMPORT) {
        family = fg_converter_model_type(before->converter);
    } else {
        family = json_string_value(json_object_get(before->translation.result, "model_type"));
    }
    if (!family) FG_TRY(unknown_family(c, err));
    FG_TRY(fg_converter_load(&step->converter, catalogue, step->other, family, err));
done:
    fg_free(first);
    return status;
}

/* The configuration that a step reads. */
static const json_t *given_config(const fg_conversion *c, size_t index) {
    if (index) return c->steps[index - 1].translation.result;
    if (c->update) return c->update->config;
    bool fast_llm = c->source.format == &fg_format_fast_llm;
    return fast_llm ? json_object_get(c->source.config, "base_model") : c->source.config;
}

/* What messages call the configuration that a step reads. */
static fg_status name_config(const fg_conversion *c, size_t index, char **name, fg_error *err) {
    const fg_migration *before = index ? c->steps[index - 1].migration : NULL;
    *name = fg_strformat(err, "%s%s%s%s", c->config_file,
                         before  ? " (as version "
                         : index ? " (as hf"
                                 : "",
                         before ? before->to.text : "", index ? ")" : "");
    return *name ? FG_OK : FG_ERR_MEMORY;
}

/* The arguments of a step's translation. */
typedef struct translate_args {
    fg_translate_options how;
    char *file;      /* owned */
    json_t *carried; /* owned */
} translate_args;

static fg_status find_translate_args(const fg_conversion *c, size_t index, const fg_options *options,
                                     const char *version, translate_args *p, fg_error *err) {
    fg_status status = FG_OK;
    bool first = !index || c->steps[index - 1].migration; /* reads what the source's file says */
    FG_TRY(name_config(c, index, &p->file, err));
    FG_TRY(fg_conversion_carried(c, index, &p->carried, err));
    p->how = (fg_translate_options){.max_length = options->max_length,
                                    .hf_version = options->hf_version,
                                    .version = version,
                                    .file = p->file,
                                    .newer_rotary = !index && c->source.newer_rotary,
                                    .ignore_keys = options->ignore_keys,
                                    .ignore_key_count = first ? options->ignore_key_count : 0,
                                    .carried = p->carried};
done:
    return status;
}

static void translate_args_free(translate_args *p) {
    fg_free(p->file);
    json_decref(p->carried);
}

static fg_status translate_once(fg_conversion *c, const fg_route_step *step, fg_catalogue *catalogue,
                                const json_t *given, const fg_translate_options *how, fg_translation *result,
                                fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_translate(step->converter, step->direction, given, how, result, err));
    if (step->direction == FG_EXPORT) FG_TRY(fg_conversion_fill_from_base(c, catalogue, result->result, err));
done:
    return status;
}

/* Changes `config` wherever `after` differs from `before`. */
static fg_status apply_changes(const json_t *before, const json_t *after, json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)after, key, value) {
        const json_t *was = json_object_get(before, key);
        if (fg_json_equal(was, value)) continue;
        json_t *held = json_object_get(config, key);
        if (json_is_object(value) && json_is_object(was) && json_is_object(held))
            FG_TRY(apply_changes(was, value, held, err));
        else
            FG_TRY(fg_json_put(config, key, fg_json_deep_copy(value, err), err));
    }
done:
    return status;
}

/* The source's own configuration, with the changes that a larger vocabulary makes in the translated one. */
static fg_status keep_config(fg_conversion *c, const json_t *grown, fg_error *err) {
    bool fast_llm = c->to == &fg_format_fast_llm;
    const char *version = json_string_value(json_object_get(c->source.metadata, "fast_llm_version"));
    c->config = fg_json_deep_copy(c->source.config, err);
    if (!c->config) return FG_ERR_MEMORY;
    if (version && !(c->fast_llm_version = fg_strdup(version, err))) return FG_ERR_MEMORY;
    if (!grown) return FG_OK;
    return apply_changes(fg_conversion_last(c)->translation.result, grown,
                         fast_llm ? json_object_get(c->config, "base_model") : c->config, err);
}

static fg_status migrate_config(fg_route_step *step, const fg_conversion *c, const json_t *given,
                                const char *file, fg_error *err) {
    step->translation.left_out = json_array();
    return fg_migration_config(step->migration, c->update->arch, given, file, &step->translation.result,
                               step->translation.left_out, err);
}

static fg_status translate_step(fg_conversion *c, size_t index, const fg_options *options,
                                fg_catalogue *catalogue, const char *version, fg_error *err) {
    fg_status status = FG_OK;
    fg_route_step *step = &c->steps[index];
    const json_t *given = given_config(c, index);
    translate_args p = {0};
    if (!step->migration) FG_TRY(load_converter(c, index, options, catalogue, err));
    FG_TRY(find_translate_args(c, index, options, version, &p, err));
    if (step->migration) {
        FG_TRY(migrate_config(step, c, given, p.file, err));
        goto done;
    }
    FG_TRY(translate_once(c, step, catalogue, given, &p.how, &step->translation, err));
    if (!index) FG_TRY(fg_conversion_check_base(c, err));
done:
    translate_args_free(&p);
    return status;
}

fg_status fg_conversion_translate_steps(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                        const char *version, fg_error *err) {
    fg_status status = FG_OK;
    fg_log_hold_begin(); /* a refusal stands alone */
    for (size_t i = 0; i < c->step_count; i++) FG_TRY(translate_step(c, i, options, catalogue, version, err));
done:
    fg_log_hold_end(status == FG_OK);
    return status;
}

/* The vocabulary grows in the last step; the shapes of the source's tensors follow from the original
 * configuration. */
static fg_status translate_grown(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                 const char *version, fg_translation *grown, fg_error *err) {
    fg_status status = FG_OK;
    size_t last = c->step_count - 1;
    translate_args p = {0};
    FG_TRY(find_translate_args(c, last, options, version, &p, err));
    p.how.vocab_size = c->tokens.rows.rows;
    FG_TRY(translate_once(c, &c->steps[last], catalogue, given_config(c, last), &p.how, grown, err));
done:
    translate_args_free(&p);
    return status;
}

fg_status fg_conversion_translate(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                  const char *version, fg_error *err) {
    fg_status status = FG_OK;
    fg_translation again = {0};
    bool grown;
    FG_TRY(fg_conversion_translate_steps(c, options, catalogue, version, err));
    if (c->update) return fg_conversion_keep_config(c, err); /* an update's vocabulary stays as it is */
    FG_TRY(fg_conversion_decide_tokens(c, options, &grown, err));
    if (grown) FG_TRY(translate_grown(c, options, catalogue, version, &again, err));
    if (c->keeps_format) {
        FG_TRY(keep_config(c, again.result, err));
        goto done;
    }
    c->config = json_incref(grown ? again.result : fg_conversion_last(c)->translation.result);
    if (c->to == &fg_format_fast_llm) FG_TRY(fg_conversion_wrap_config(c, catalogue, err));
done:
    fg_translation_free(&again);
    return status;
}

/* ---- the tensors ---- */

/* Casts and new rows belong to the last step. */
static fg_status plan_step(const fg_conversion *c, size_t index, const fg_options *options,
                           fg_tensors *source, fg_plan *plan, fg_error *err) {
    const fg_route_step *step = &c->steps[index];
    const fg_completed completed = {.hf = step->translation.hf, .target = step->translation.target};
    const fg_tensor_gaps unnoticed = {0}; /* they are noted once, on the way to hf */
    bool last = index + 1 == c->step_count;
    fg_tensor_plan_options how = {.cast = last ? options->dtype : FG_DTYPE_NONE,
                                  .rows = last ? &c->tokens.rows : NULL};
    fg_tensor_map map;
    if (c->update && options->no_strict)
        how.gaps = step->direction == FG_EXPORT ? &c->update->gaps : &unnoticed;
    if (step->migration)
        return fg_migration_plan(step->migration, source, step->translation.result, &how, plan, err);
    fg_status status = fg_converter_map_new(&map, step->converter, completed, err);
    if (status == FG_OK) status = fg_tensor_plan(&map, step->direction, source, &how, plan, err);
    fg_tensor_map_free(&map);
    return status;
}

fg_status fg_conversion_plan(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensors between = {0};
    fg_plan next = {0};
    FG_TRY(plan_step(c, 0, options, &c->source.tensors, &c->plan, err));
    for (size_t i = 1; i < c->step_count; i++) {
        FG_TRY(fg_plan_outputs(&c->plan, c->source.directory, &between, err));
        if (c->update) FG_TRY(fg_conversion_check_ties(c, i, &c->plan, err));
        FG_TRY(plan_step(c, i, options, &between, &next, err));
        FG_TRY(fg_plan_compose(&c->plan, &next, err));
        c->plan = next;
        next = (fg_plan){0};
    }
done:
    fg_tensors_free(&between);
    fg_plan_free(&next);
    return status;
}
