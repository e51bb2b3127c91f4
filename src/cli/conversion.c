#include "cli/conversion.h"
#include "cli/token_id_check.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/detect_family.h"
#include "copy/shards.h"
#include "store/fast_llm.h"

/* ---- open and decide ---- */

static fg_status contradiction(const fg_options *options, const fg_conversion *job, fg_error *err) {
    if (options->command == FG_COMMAND_UPDATE)
        return fg_fail(
            err, FG_ERR_USAGE,
            "%s: only Forgather directories can be updated, but this is a %s directory (model type %s)",
            job->source.directory, fg_format_name(job->source.format),
            job->source.model_type ? job->source.model_type : "not given");
    const char *asked = options->reverse ? "--reverse" : fg_format_name(options->from);
    fg_fail(err, FG_ERR_USAGE, "%s: %s%s is given, but this is a %s directory (model type %s)",
            job->source.directory, options->reverse ? "" : "--from ", asked,
            fg_format_name(job->source.format),
            job->source.model_type ? job->source.model_type : "not given");
    return fg_hint(err, "remove the option: the direction is detected from the source");
}

/* A directory that looks like hf only because its config names no known family may be declared to be a
 * Forgather one. */
static fg_status resolve_source(fg_conversion *job, const fg_options *options, const fg_converter_dirs *dirs,
                                fg_error *err) {
    bool update = options->command == FG_COMMAND_UPDATE;
    fg_format asked = options->reverse || update ? FG_FORMAT_FORGATHER : options->from;
    if (asked == FG_FORMAT_AUTO || asked == job->source.format) return FG_OK;
    if (asked != FG_FORMAT_FORGATHER || job->source.format != FG_FORMAT_HF)
        return contradiction(options, job, err);
    bool known;
    fg_status status = fg_family_is_known(dirs, job->source.model_type, &known, err);
    if (status != FG_OK) return status;
    if (known) return contradiction(options, job, err);
    job->source.format = FG_FORMAT_FORGATHER;
    return FG_OK;
}

static fg_status open_and_decide(fg_conversion *job, const fg_options *options, const fg_converter_dirs *dirs,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_checkpoint_options open = {.checkpoint_path = options->checkpoint_path, .config_only = true};
    FG_TRY(fg_checkpoint_open(&job->source, options->source, &open, err));
    FG_TRY(resolve_source(job, options, dirs, err));
    open.format = job->source.format; /* decides where the weights are */
    open.config_only = false;
    fg_checkpoint_close(&job->source);
    FG_TRY(fg_checkpoint_open(&job->source, options->source, &open, err));
    bool fast_llm = job->source.format == FG_FORMAT_FAST_LLM;
    const char *config = fast_llm ? FG_FAST_LLM_METADATA : "config.json";
    FG_TRY_NEW(job->config_file, fg_path_join(job->source.directory, config, err));
    if (options->in_place) FG_TRY(fg_conversion_check_replaceable(job, err));
    FG_TRY(fg_conversion_decide_steps(job, options, dirs, err));
    FG_TRY(fg_conversion_open_base(job, options, err));
done:
    return status;
}

/* ---- what follows from the plan ---- */

static bool casts(const fg_plan *plan) {
    for (size_t o = 0; o < plan->output_count; o++) {
        const fg_output *output = &plan->outputs[o];
        for (size_t p = output->first_piece; p < output->first_piece + output->piece_count; p++) {
            const fg_piece *piece = &plan->pieces[p];
            if (piece->kind != FG_PIECE_ZERO && plan->source.items[piece->source].dtype != output->dtype)
                return true;
        }
    }
    return false;
}

/* The dtype of the source's config is not lost: the destination's config names that of its tensors. */
static void forget_left_out(json_t *left_out, const char *key) {
    for (size_t i = json_array_size(left_out); i-- > 0;) {
        const char *held = json_string_value(json_object_get(json_array_get(left_out, i), "key"));
        if (held && strcmp(held, key) == 0) json_array_remove(left_out, i);
    }
}

/* config.json names the dtype of most bytes. Where the source's config contradicts its tensors, the tensors
 * decide. */
static fg_status resolve_dtype(fg_conversion *job, const fg_options *options, fg_error *err) {
    const char *main_dtype = fg_plan_main_dtype(&job->plan);
    const json_t *said = json_object_get(job->source.config, "dtype");
    if (!said || json_is_null(said)) said = json_object_get(job->source.config, "torch_dtype");
    if (!main_dtype) return FG_OK;
    if (options->dtype == FG_DTYPE_NONE && json_is_string(said) &&
        fg_dtype_from_name(json_string_value(said)) != fg_dtype_from_name(main_dtype))
        fg_warn("%s/config.json says dtype %s, but most weights are %s; the weights decide",
                job->source.directory, json_string_value(said), main_dtype);
    for (size_t i = 0; i < job->step_count; i++) {
        forget_left_out(job->steps[i].translation.left_out, "dtype");
        forget_left_out(job->steps[i].translation.left_out, "torch_dtype");
    }
    if (job->to == FG_FORMAT_FAST_LLM) return FG_OK; /* its configuration does not name one */
    if (job->keeps_format && options->dtype == FG_DTYPE_NONE) return FG_OK;
    json_object_del(job->config, "torch_dtype");
    return fg_json_put(job->config, "dtype", json_string(main_dtype), err);
}

/* Output files, and the metadata of their index. */
static fg_status lay_out(fg_conversion *job, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    const fg_route_step *last = fg_conversion_last(job);
    json_t *pairs = NULL;
    if (job->to == FG_FORMAT_FAST_LLM) job->plan.name_end = "/weights";
    FG_TRY(fg_shards_assign(&job->plan, options->max_shard_size, err));
    job->casts = casts(&job->plan);
    job->always_index = job->to == FG_FORMAT_FORGATHER;
    if (job->to == FG_FORMAT_FAST_LLM) FG_TRY(fg_conversion_name_shards(job, err));
    if (options->command == FG_COMMAND_FINALIZE) FG_TRY(fg_conversion_lay_out_checkpoint(job, options, err));
    if (job->to != FG_FORMAT_FORGATHER || last->migration) goto done;
    FG_TRY(fg_tensor_plan_tied(last->converter, last->direction, last->translation.hf, &pairs, err));
    if (json_array_size(pairs)) {
        job->index_metadata = json_object();
        FG_TRY(fg_json_put(job->index_metadata, "param_sharing", json_incref(pairs), err));
    }
done:
    json_decref(pairs);
    return status;
}

/* What --verbose adds. */
static void say_decisions(const fg_conversion *job) {
    const char *key, *reason;
    json_t *entry;
    size_t i;
    fg_verbose("%s: %s, weights in %s", job->source.directory, fg_format_name(job->source.format),
               job->source.weights_directory);
    for (size_t s = 0; s < job->step_count; s++) {
        const fg_route_step *step = &job->steps[s];
        fg_verbose("%s %s", step->migration ? "migration" : "converter",
                   step->migration ? step->migration->file : fg_converter_file(step->converter));
        if (job->keeps_format) continue; /* its configuration stays whole */
        json_array_foreach(job->steps[s].translation.left_out, i, entry) {
            if (json_unpack(entry, "{s:s, s:s}", "key", &key, "reason", &reason) == 0)
                fg_verbose("config.json: %s is left out: %s", key, reason);
        }
    }
    json_array_foreach(job->base.keys, i, entry) {
        fg_verbose("config.json: %s comes from %s", json_string_value(entry), job->base.checkpoint.directory);
    }
    for (i = 0; i < job->plan.dropped_count; i++)
        fg_verbose("%s is dropped: %s", job->plan.source.items[job->plan.dropped[i].source].name,
                   job->plan.dropped[i].reason);
    for (i = 0; !job->keeps_format && i < job->source.other_files.count; i++)
        fg_verbose("%s is not copied", job->source.other_files.items[i]);
}

fg_status fg_conversion_prepare(fg_conversion *job, const fg_options *options, const fg_converter_dirs *dirs,
                                const char *version, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(open_and_decide(job, options, dirs, err));
    FG_TRY(fg_conversion_translate(job, options, dirs, version, err));
    FG_TRY(fg_conversion_plan(job, options, dirs, err));
    FG_TRY(lay_out(job, options, err));
    FG_TRY(fg_conversion_check_code(job, options, dirs, err));
    FG_TRY(fg_conversion_resolve_tokens(job, options, err)); /* warns: after the plan, which may refuse */
    FG_TRY(resolve_dtype(job, options, err));
    FG_TRY(fg_conversion_warn_of_token_ids(
        job, job->to == FG_FORMAT_FAST_LLM ? json_object_get(job->config, "base_model") : job->config, err));
    FG_TRY(fg_conversion_make_files(job, options, err));
    say_decisions(job);
done:
    return status;
}

bool fg_conversion_has_index(const fg_conversion *job) {
    return job->always_index || (job->plan.shard_count > 1 && job->to != FG_FORMAT_FAST_LLM);
}

const fg_route_step *fg_conversion_last(const fg_conversion *job) {
    return &job->steps[job->step_count - 1];
}

const char *fg_conversion_source_type(const fg_conversion *job) {
    return fg_converter_model_type(job->update ? job->update->converter : job->steps[0].converter);
}

const char *fg_conversion_destination_type(const fg_conversion *job) {
    return fg_converter_model_type(job->update ? job->update->converter : fg_conversion_last(job)->converter);
}

void fg_conversion_free(fg_conversion *job) {
    fg_checkpoint_close(&job->source);
    fg_free(job->config_file);
    fg_hf_base_free(&job->base);
    for (size_t i = 0; i < job->step_count; i++) {
        fg_converter_free(&job->steps[i].converter);
        fg_translation_free(&job->steps[i].translation);
    }
    fg_free(job->steps);
    fg_update_free(&job->update);
    fg_free(job->fast_llm_version);
    json_decref(job->config);
    json_decref(job->generation_config);
    fg_tokenizer_files_free(&job->tokenizer);
    fg_token_request_free(&job->request);
    fg_new_tokens_free(&job->tokens);
    for (size_t i = 0; i < job->made_count; i++) {
        fg_free(job->made[i].name);
        fg_buffer_free(&job->made[i].text);
    }
    fg_free(job->made);
    fg_free(job->checkpoint);
    fg_free(job->optimizer);
    json_decref(job->stop_tokens);
    json_decref(job->index_metadata);
    fg_plan_free(&job->plan);
    *job = (fg_conversion){0};
}
