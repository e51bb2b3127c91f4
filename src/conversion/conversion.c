#include "conversion/conversion.h"
#include "conversion/token_id_check.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "conversion/detect_family.h"
#include "copy/shards.h"
#include "mapping/name_map.h"

/* ---- open and decide ---- */

static fg_status contradiction(const fg_options *options, const fg_conversion *c, fg_error *err) {
    if (options->kind == FG_CONVERSION_UPDATE)
        return fg_fail(
            err, FG_ERR_USAGE,
            "%s: only Forgather directories can be updated, but this is a %s directory (model type %s)",
            c->source.directory, c->source.format->name,
            c->source.model_type ? c->source.model_type : "not given");
    const char *asked = options->reverse ? "--reverse" : options->from->name;
    fg_fail(err, FG_ERR_USAGE, "%s: %s%s is given, but this is a %s directory (model type %s)",
            c->source.directory, options->reverse ? "" : "--from ", asked, c->source.format->name,
            c->source.model_type ? c->source.model_type : "not given");
    return fg_hint(err, "remove the option: the direction is detected from the source");
}

/* A directory that looks like hf only because its config names no known family may be declared to be a
 * Forgather one. */
static fg_status resolve_source(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                fg_error *err) {
    bool update = options->kind == FG_CONVERSION_UPDATE;
    const fg_format *asked = options->reverse || update ? &fg_format_forgather : options->from;
    if (asked == NULL || asked == c->source.format) return FG_OK;
    if (asked != &fg_format_forgather || c->source.format != &fg_format_hf)
        return contradiction(options, c, err);
    bool known;
    fg_status status = fg_family_is_known(catalogue, c->source.model_type, &known, err);
    if (status != FG_OK) return status;
    if (known) return contradiction(options, c, err);
    c->source.format = &fg_format_forgather;
    return FG_OK;
}

static fg_status open_and_decide(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_checkpoint_options open = {.checkpoint_path = options->checkpoint_path, .config_only = true};
    FG_TRY(fg_checkpoint_open(&c->source, options->source, &open, err));
    FG_TRY(resolve_source(c, options, catalogue, err));
    open.format = c->source.format; /* decides where the weights are */
    open.config_only = false;
    fg_checkpoint_close(&c->source);
    FG_TRY(fg_checkpoint_open(&c->source, options->source, &open, err));
    FG_TRY_NEW(c->config_file, fg_path_join(c->source.directory, c->source.format->config_file, err));
    if (options->in_place) FG_TRY(fg_conversion_check_replaceable(c, err));
    FG_TRY(fg_conversion_decide_steps(c, options, catalogue, err));
    FG_TRY(fg_conversion_open_base(c, options, err));
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
static fg_status resolve_dtype(fg_conversion *c, const fg_options *options, fg_error *err) {
    const char *main_dtype = fg_plan_main_dtype(&c->plan);
    const json_t *said = json_object_get(c->source.config, "dtype");
    if (!said || json_is_null(said)) said = json_object_get(c->source.config, "torch_dtype");
    if (!main_dtype) return FG_OK;
    if (options->dtype == FG_DTYPE_NONE && json_is_string(said) &&
        fg_dtype_from_name(json_string_value(said)) != fg_dtype_from_name(main_dtype))
        fg_warn("%s/config.json says dtype %s, but most weights are %s; the weights decide",
                c->source.directory, json_string_value(said), main_dtype);
    for (size_t i = 0; i < c->step_count; i++) {
        forget_left_out(c->steps[i].translation.left_out, "dtype");
        forget_left_out(c->steps[i].translation.left_out, "torch_dtype");
    }
    if (c->to == &fg_format_fast_llm) return FG_OK; /* its configuration does not name one */
    if (c->keeps_format && options->dtype == FG_DTYPE_NONE) return FG_OK;
    json_object_del(c->config, "torch_dtype");
    return fg_json_put(c->config, "dtype", json_string(main_dtype), err);
}

/* Output files, and the metadata of their index. */
static fg_status lay_out(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    const fg_route_step *last = fg_conversion_last(c);
    json_t *pairs = NULL;
    if (c->to == &fg_format_fast_llm) c->plan.name_end = "/weights";
    FG_TRY(fg_shards_assign(&c->plan, options->max_shard_size, err));
    c->casts = casts(&c->plan);
    c->always_index = c->to == &fg_format_forgather;
    if (c->to == &fg_format_fast_llm) FG_TRY(fg_conversion_name_shards(c, err));
    if (options->kind == FG_CONVERSION_FINALIZE) FG_TRY(fg_conversion_lay_out_checkpoint(c, options, err));
    if (c->to != &fg_format_forgather || last->migration) goto done;
    FG_TRY(fg_name_map_tied(last->converter, last->translation.hf, &pairs, err));
    if (json_array_size(pairs)) {
        c->index_metadata = json_object();
        FG_TRY(fg_json_put(c->index_metadata, "param_sharing", json_incref(pairs), err));
    }
done:
    json_decref(pairs);
    return status;
}

/* What --verbose adds. */
static void say_decisions(const fg_conversion *c) {
    const char *key, *reason;
    json_t *entry;
    size_t i;
    fg_verbose("%s: %s, weights in %s", c->source.directory, c->source.format->name,
               c->source.weights_directory);
    for (size_t s = 0; s < c->step_count; s++) {
        const fg_route_step *step = &c->steps[s];
        fg_verbose("%s %s", step->migration ? "migration" : "converter",
                   step->migration ? step->migration->file : fg_converter_file(step->converter));
        if (c->keeps_format) continue; /* its configuration stays whole */
        json_array_foreach(c->steps[s].translation.left_out, i, entry) {
            if (json_unpack(entry, "{s:s, s:s}", "key", &key, "reason", &reason) == 0)
                fg_verbose("config.json: %s is left out: %s", key, reason);
        }
    }
    json_array_foreach(c->base.keys, i, entry) {
        fg_verbose("config.json: %s comes from %s", json_string_value(entry), c->base.checkpoint.directory);
    }
    for (i = 0; i < c->plan.dropped_count; i++)
        fg_verbose("%s is dropped: %s", c->plan.source.items[c->plan.dropped[i].source].name,
                   c->plan.dropped[i].reason);
    for (i = 0; !c->keeps_format && i < c->source.other_files.count; i++)
        fg_verbose("%s is not copied", c->source.other_files.items[i]);
}

fg_status fg_conversion_prepare(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                const char *version, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(open_and_decide(c, options, catalogue, err));
    FG_TRY(fg_conversion_translate(c, options, catalogue, version, err));
    FG_TRY(fg_conversion_plan(c, options, err));
    FG_TRY(lay_out(c, options, err));
    FG_TRY(fg_conversion_check_code(c, options, err));
    FG_TRY(fg_conversion_resolve_tokens(c, options, err)); /* warns: after the plan, which may refuse */
    FG_TRY(resolve_dtype(c, options, err));
    FG_TRY(fg_conversion_warn_of_token_ids(
        c, c->to == &fg_format_fast_llm ? json_object_get(c->config, "base_model") : c->config, err));
    FG_TRY(fg_conversion_make_files(c, options, err));
    say_decisions(c);
done:
    return status;
}

bool fg_conversion_has_index(const fg_conversion *c) {
    return c->always_index || (c->plan.shard_count > 1 && c->to != &fg_format_fast_llm);
}

const fg_route_step *fg_conversion_last(const fg_conversion *c) {
    return &c->steps[c->step_count - 1];
}

const char *fg_conversion_source_type(const fg_conversion *c) {
    return fg_converter_model_type(c->update ? c->update->converter : c->steps[0].converter);
}

const char *fg_conversion_destination_type(const fg_conversion *c) {
    return fg_converter_model_type(c->update ? c->update->converter : fg_conversion_last(c)->converter);
}

void fg_conversion_free(fg_conversion *c) {
    fg_checkpoint_close(&c->source);
    fg_free(c->config_file);
    fg_hf_base_free(&c->base);
    for (size_t i = 0; i < c->step_count; i++) {
        fg_translation_free(&c->steps[i].translation);
    }
    fg_free(c->steps);
    fg_update_free(&c->update);
    fg_free(c->fast_llm_version);
    json_decref(c->config);
    json_decref(c->generation_config);
    fg_tokenizer_files_free(&c->tokenizer);
    fg_token_request_free(&c->request);
    fg_new_tokens_free(&c->tokens);
    for (size_t i = 0; i < c->made_count; i++) {
        fg_free(c->made[i].name);
        fg_buffer_free(&c->made[i].text);
    }
    fg_free(c->made);
    fg_free(c->checkpoint);
    fg_free(c->optimizer);
    json_decref(c->stop_tokens);
    json_decref(c->index_metadata);
    fg_plan_free(&c->plan);
    *c = (fg_conversion){0};
}
