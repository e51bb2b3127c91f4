#include "cli/job.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "convert/weight_plan.h"
#include "copy/shards.h"

/* ---- open and decide ---- */

static fg_status contradiction(const fg_options *options, const fg_job *job, fg_error *err) {
    const char *asked = options->reverse ? "--reverse" : fg_format_name(options->from);
    fg_fail(err, FG_ERR_USAGE, "%s: %s%s was asked for, but this is a %s directory (model type %s)",
            job->source.directory, options->reverse ? "" : "--from ", asked,
            fg_format_name(job->source.format),
            job->source.model_type ? job->source.model_type : "not given");
    return fg_hint(err, "leave the option out: the direction is found out from the source");
}

/* A directory that looks like HF only because its config names no known family may be declared to be a
 * Forgather one. */
static fg_status settle_source(fg_job *job, const fg_options *options, const fg_converter_dirs *dirs,
                               fg_error *err) {
    fg_format asked = options->reverse ? FG_FORMAT_FORGATHER : options->from;
    if (asked == FG_FORMAT_AUTO || asked == job->source.format) return FG_OK;
    if (asked != FG_FORMAT_FORGATHER || job->source.format != FG_FORMAT_HF)
        return contradiction(options, job, err);
    fg_converter *known = NULL;
    fg_error ignored = {0};
    bool real_family = job->source.model_type && fg_converter_load(&known, dirs, FG_FORMAT_FORGATHER,
                                                                   job->source.model_type, &ignored) == FG_OK;
    fg_converter_free(&known);
    if (real_family) return contradiction(options, job, err);
    job->source.format = FG_FORMAT_FORGATHER;
    return FG_OK;
}

static fg_status settle_direction(fg_job *job, const fg_options *options, fg_error *err) {
    bool from_hf = job->source.format == FG_FORMAT_HF;
    job->to = options->to != FG_FORMAT_AUTO ? options->to : from_hf ? FG_FORMAT_FORGATHER : FG_FORMAT_HF;
    if (job->to == job->source.format) {
        fg_fail(err, FG_ERR_USAGE, "--to %s: the source %s is in that format already",
                fg_format_name(job->to), job->source.directory);
        return fg_hint(err, "name another format, or leave --to out");
    }
    if (!from_hf && job->to != FG_FORMAT_HF) {
        fg_fail(err, FG_ERR_USAGE,
                "--to %s: %s is in the format %s, and this version of fgconv goes by way of hf",
                fg_format_name(job->to), job->source.directory, fg_format_name(job->source.format));
        return fg_hint(err, "convert it to hf first, and the result to %s", fg_format_name(job->to));
    }
    job->direction = from_hf ? FG_IMPORT : FG_EXPORT;
    return FG_OK;
}

static fg_status settle_family(fg_job *job, const fg_options *options, const fg_converter_dirs *dirs,
                               fg_error *err) {
    fg_status status = FG_OK;
    const char *family = options->model_type ? options->model_type : job->source.model_type;
    if (!family) {
        bool fast_llm = job->source.format == FG_FORMAT_FAST_LLM;
        fg_fail(err, FG_ERR_INPUT, "%s/%s does not say which model family this is (no %s)",
                job->source.directory, fast_llm ? "metadata.yaml" : "config.json",
                fast_llm                                    ? FG_CHECKPOINT_ORIGIN
                : job->source.format == FG_FORMAT_FORGATHER ? "hf_model_type"
                                                            : "model_type");
        return fg_hint(err, "give it with --model-type; `fgconv list` shows the families");
    }
    FG_TRY(fg_converter_load(&job->converter, dirs,
                             job->direction == FG_IMPORT ? job->to : job->source.format, family, err));
    FG_TRY_NEW(job->model_type, fg_strdup(fg_converter_model_type(job->converter), err));
done:
    return status;
}

static fg_status open_and_decide(fg_job *job, const fg_options *options, const fg_converter_dirs *dirs,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_checkpoint_options open = {.checkpoint_path = options->checkpoint_path, .config_only = true};
    FG_TRY(fg_checkpoint_open(&job->source, options->first, &open, err));
    FG_TRY(settle_source(job, options, dirs, err));
    open.format = job->source.format; /* decides where the weights are */
    open.config_only = false;
    fg_checkpoint_close(&job->source);
    FG_TRY(fg_checkpoint_open(&job->source, options->first, &open, err));
    FG_TRY(settle_direction(job, options, err));
    FG_TRY(settle_family(job, options, dirs, err));
done:
    return status;
}

/* ---- translate and plan ---- */

/* The configuration of the destination; once more, with its size, when the vocabulary has grown. What the shapes
 * of the source's tensors follow from stays that of the source. */
static fg_status translate(fg_job *job, const fg_options *options, const fg_converter_dirs *dirs,
                           const char *version, fg_error *err) {
    fg_status status = FG_OK;
    fg_translation again = {0};
    char *file = NULL;
    bool grown;
    bool fast_llm = job->source.format == FG_FORMAT_FAST_LLM;
    const json_t *given = fast_llm ? json_object_get(job->source.config, "base_model") : job->source.config;
    FG_TRY_NEW(file, fg_path_join(job->source.directory, fast_llm ? "metadata.yaml" : "config.json", err));
    fg_translate_options how = {
        .max_length = options->max_length,
        .hf_version = options->hf_version,
        .version = version,
        .file = file,
        .newer_rotary = json_is_true(fg_json_at(job->source.metadata, FG_CHECKPOINT_NEWER_ROTARY)),
        .carried = fg_json_at(job->source.metadata, FG_CHECKPOINT_CARRIED)};
    FG_TRY(fg_translate(job->converter, dirs, job->direction, given, &how, &job->translation, err));
    FG_TRY(fg_job_decide_tokens(job, options, dirs, &grown, err));
    if (grown) {
        how.vocab_size = job->tokens.rows.rows;
        FG_TRY(fg_translate(job->converter, dirs, job->direction, given, &how, &again, err));
    }
    const fg_translation *last = grown ? &again : &job->translation;
    job->config = json_incref(last->result);
    if (job->to == FG_FORMAT_FAST_LLM) FG_TRY(fg_job_wrap_config(job, dirs, err));
done:
    fg_translation_free(&again);
    fg_free(file);
    return status;
}

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

/* The type that the source's config named is not lost: the destination's says what its tensors are. */
static void forget_left_out(json_t *left_out, const char *key) {
    for (size_t i = json_array_size(left_out); i-- > 0;) {
        const char *held = json_string_value(json_object_get(json_array_get(left_out, i), "key"));
        if (held && strcmp(held, key) == 0) json_array_remove(left_out, i);
    }
}

/* config.json names the type of most bytes; a source whose config says otherwise is believed less than its
 * headers. */
static fg_status settle_dtype(fg_job *job, const fg_options *options, fg_error *err) {
    const char *main_dtype = fg_plan_main_dtype(&job->plan);
    const json_t *said = json_object_get(job->source.config, "dtype");
    if (!said || json_is_null(said)) said = json_object_get(job->source.config, "torch_dtype");
    if (!main_dtype) return FG_OK;
    if (options->dtype == FG_DTYPE_NONE && json_is_string(said) &&
        fg_dtype_from_name(json_string_value(said)) != fg_dtype_from_name(main_dtype))
        fg_warn("%s/config.json says dtype %s, but most weights are %s; the weights decide",
                job->source.directory, json_string_value(said), main_dtype);
    forget_left_out(job->translation.left_out, "dtype");
    forget_left_out(job->translation.left_out, "torch_dtype");
    if (job->to == FG_FORMAT_FAST_LLM) return FG_OK; /* its configuration does not name one */
    json_object_del(job->config, "torch_dtype");
    return fg_json_put(job->config, "dtype", json_string(main_dtype), err);
}

static fg_status plan_tensors(fg_job *job, const fg_options *options, const fg_converter_dirs *dirs,
                              fg_error *err) {
    fg_status status = FG_OK;
    json_t *pairs = NULL;
    if (fg_weights_used(job->converter))
        FG_TRY(fg_weight_plan(job->converter, dirs, job->direction, &job->source.tensors,
                              job->translation.target, options->dtype, &job->tokens.rows, &job->plan, err));
    else
        FG_TRY(fg_tensor_plan(job->converter, job->direction, &job->source.tensors, job->translation.hf,
                              options->dtype, &job->tokens.rows, &job->plan, err));
    if (job->to == FG_FORMAT_FAST_LLM) job->plan.name_end = "/weights";
    FG_TRY(fg_shards_assign(&job->plan, options->max_shard_size, err));
    job->casts = casts(&job->plan);
    job->always_index = job->to == FG_FORMAT_FORGATHER;
    if (job->to == FG_FORMAT_FAST_LLM) FG_TRY(fg_job_name_shards(job, err));
    if (fg_weights_used(job->converter)) goto done;
    FG_TRY(fg_tensor_plan_tied(job->converter, job->direction, job->translation.hf, &pairs, err));
    if (json_array_size(pairs) && job->to == FG_FORMAT_FORGATHER) {
        job->index_metadata = json_object();
        FG_TRY(fg_json_put(job->index_metadata, "param_sharing", json_incref(pairs), err));
    }
done:
    json_decref(pairs);
    return status;
}

/* What --verbose adds. */
static void say_decisions(const fg_job *job) {
    const char *key, *reason;
    json_t *entry;
    size_t i;
    fg_verbose("%s: %s, weights in %s", job->source.directory, fg_format_name(job->source.format),
               job->source.weights_directory);
    fg_verbose("converter %s", fg_converter_file(job->converter));
    json_array_foreach(job->translation.left_out, i, entry) {
        if (json_unpack(entry, "{s:s, s:s}", "key", &key, "reason", &reason) == 0)
            fg_verbose("config.json: %s is left out: %s", key, reason);
    }
    for (i = 0; i < job->plan.dropped_count; i++)
        fg_verbose("%s is dropped: %s", job->plan.source.items[job->plan.dropped[i].source].name,
                   job->plan.dropped[i].reason);
    for (i = 0; i < job->source.other_files.count; i++)
        fg_verbose("%s is left behind", job->source.other_files.items[i]);
}

fg_status fg_job_prepare(fg_job *job, const fg_options *options, const fg_converter_dirs *dirs,
                         const char *version, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(open_and_decide(job, options, dirs, err));
    FG_TRY(translate(job, options, dirs, version, err));
    FG_TRY(plan_tensors(job, options, dirs, err));
    FG_TRY(fg_job_settle_tokens(job, err)); /* warns: after the plan, which may refuse */
    FG_TRY(settle_dtype(job, options, err));
    FG_TRY(fg_job_make_files(job, options, err));
    say_decisions(job);
done:
    return status;
}

void fg_job_free(fg_job *job) {
    fg_checkpoint_close(&job->source);
    fg_free(job->model_type);
    fg_free(job->fast_llm_version);
    fg_converter_free(&job->converter);
    fg_translation_free(&job->translation);
    json_decref(job->config);
    json_decref(job->generation_config);
    fg_tokenizer_files_free(&job->tokenizer);
    fg_token_request_free(&job->request);
    fg_new_tokens_free(&job->tokens);
    for (size_t i = 0; i < job->made_count; i++) {
        fg_free(job->made[i].name);
        fg_text_free(&job->made[i].text);
    }
    fg_free(job->made);
    json_decref(job->index_metadata);
    fg_plan_free(&job->plan);
    *job = (fg_job){0};
}
