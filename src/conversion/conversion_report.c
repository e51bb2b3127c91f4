/* The parts of the report that are known once the conversion is prepared. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "conversion/conversion.h"
#include "format/training_checkpoint.h"

fg_status fg_conversion_report_weights(const fg_checkpoint *checkpoint, const char *chosen, json_t *side,
                                       fg_error *err) {
    fg_status status = FG_OK;
    char saved[32];
    json_t *training = NULL;
    const char *path = checkpoint->weights_directory;
    FG_TRY(fg_json_put_text(side, "weights_directory", path, err));
    if (strcmp(path, checkpoint->directory) == 0 || !fg_training_is_checkpoint(path)) goto done;
    FG_TRY(fg_training_saved(path, saved, sizeof saved, err));
    training = json_object();
    FG_TRY(fg_json_put_u64(training, "step", fg_training_steps(path), err));
    FG_TRY(fg_json_put_text(training, "saved", saved, err));
    if (chosen) FG_TRY(fg_json_put_text(training, "chosen", chosen, err));
    FG_TRY(fg_json_put(side, "training_checkpoint", json_incref(training), err));
done:
    json_decref(training);
    return status;
}

static fg_status report_source(const fg_conversion *c, const fg_options *options, json_t *report,
                               fg_error *err) {
    fg_status status = FG_OK;
    fg_dtype_tally tally = fg_tensors_tally(&c->plan.source);
    json_t *source = json_object(), *dtypes = json_object();
    for (int d = 0; d < FG_DTYPE_COUNT; d++) {
        if (tally.count[d]) FG_TRY(fg_json_put_u64(dtypes, fg_dtype_name((fg_dtype)d), tally.bytes[d], err));
    }
    FG_TRY(fg_json_put_text(source, "directory", c->source.directory, err));
    FG_TRY(
        fg_conversion_report_weights(&c->source, options->checkpoint_path ? "given" : "latest", source, err));
    FG_TRY(fg_json_put_text(source, "format", c->source.format->name, err));
    FG_TRY(fg_json_put_text(source, "model_type", fg_conversion_source_type(c), err));
    FG_TRY(fg_json_put_u64(source, "tensors", c->plan.source.count, err));
    FG_TRY(fg_json_put_u64(source, "bytes", tally.total_bytes, err));
    FG_TRY(fg_json_put(source, "dtypes", json_incref(dtypes), err));
    FG_TRY(fg_json_put(report, "source", json_incref(source), err));
done:
    json_decref(source);
    json_decref(dtypes);
    return status;
}

static fg_status report_shards(const fg_plan *plan, json_t *destination, fg_error *err) {
    fg_status status = FG_OK;
    json_t *shards = json_array();
    for (size_t s = 0; s < plan->shard_count; s++) {
        json_t *shard =
            json_pack("{s:s, s:I}", "file", plan->shard_files[s], "bytes", (json_int_t)plan->shard_bytes[s]);
        FG_TRY(fg_json_push(shards, shard, err));
    }
    FG_TRY(fg_json_put(destination, "shards", json_incref(shards), err));
done:
    json_decref(shards);
    return status;
}

static fg_status report_destination(const fg_conversion *c, const fg_options *options, json_t *report,
                                    fg_error *err) {
    fg_status status = FG_OK;
    json_t *destination = json_object();
    FG_TRY(fg_json_put_text(destination, "directory", options->destination, err));
    FG_TRY(fg_json_put_text(destination, "format", c->to->name, err));
    FG_TRY(fg_json_put_u64(destination, "tensors", c->plan.output_count, err));
    FG_TRY(fg_json_put_u64(destination, "bytes", fg_plan_bytes(&c->plan), err));
    FG_TRY(report_shards(&c->plan, destination, err));
    FG_TRY(fg_json_put(report, "destination", json_incref(destination), err));
done:
    json_decref(destination);
    return status;
}

/* What `-c` has to name to take the same weights: where they are, without links, which may lead to another
 * training checkpoint later; or of the latest training checkpoint its place in SRC, which may be moved. */
static fg_status weights_path(const fg_conversion *c, const fg_options *options, char **path, fg_error *err) {
    fg_status status = FG_OK;
    const char *directory = c->source.directory, *weights = c->source.weights_directory;
    if (options->checkpoint_path) return fg_path_real(weights, path, err);
    if (strcmp(directory, weights) == 0) return FG_OK;
    FG_TRY_NEW(*path, fg_path_join(FG_TRAINING_FOLDER, fg_path_name(weights), err));
done:
    return status;
}

/* What `fgconv verify` needs to make the same plan again, in another working directory too. */
static fg_status report_options(const fg_conversion *c, const fg_options *options, json_t *report,
                                fg_error *err) {
    fg_status status = FG_OK;
    json_t *held = json_object();
    char *checkpoint_path = NULL, *hf_base = NULL;
    if (options->hf_base) FG_TRY(fg_path_real(options->hf_base, &hf_base, err));
    FG_TRY(weights_path(c, options, &checkpoint_path, err));
    FG_TRY(fg_json_put_text(held, "model_type", options->model_type, err));
    FG_TRY(fg_json_put_text(held, "dtype",
                            options->dtype == FG_DTYPE_NONE ? NULL : fg_dtype_name(options->dtype), err));
    FG_TRY(fg_json_put_text(held, "checkpoint_path", checkpoint_path, err));
    FG_TRY(fg_json_put_text(held, "hf_base", hf_base, err));
    FG_TRY(fg_json_put_u64(held, "max_length", options->max_length, err));
    FG_TRY(fg_json_put_u64(held, "max_shard_size", options->max_shard_size, err));
    FG_TRY(fg_json_put_u64(held, "hf_version", (uint64_t)options->hf_version, err));
    FG_TRY(fg_json_put_texts(held, "ignore_keys", (char *const *)(uintptr_t)options->ignore_keys,
                             options->ignore_key_count, err));
    FG_TRY(fg_json_put_text(held, "arch", options->arch, err));
    FG_TRY(fg_json_put_text(held, "from_version", options->from_version, err));
    FG_TRY(fg_json_put_text(held, "to_version", options->to_version, err));
    FG_TRY(fg_json_put(held, "no_strict", json_boolean(options->no_strict), err));
    FG_TRY(fg_json_put(held, "no_code", json_boolean(options->no_code), err));
    FG_TRY(fg_json_put(held, "tokens", c->request.document ? json_incref(c->request.document) : json_null(),
                       err));
    FG_TRY(fg_json_put(report, "options", json_incref(held), err));
done:
    fg_free(checkpoint_path);
    fg_free(hf_base);
    json_decref(held);
    return status;
}

static const char *step_end(const fg_route_step *step, fg_direction reached_by) {
    return (step->direction == reached_by ? step->other : &fg_format_hf)->name;
}

/* NULL if there is no memory. */
static json_t *report_step(const fg_route_step *step) {
    const fg_migration *m = step->migration;
    if (m)
        return json_pack("{s:s, s:s, s:s, s:s}", "from", m->from.text, "to", m->to.text, "migration",
                         fg_path_name(m->file), "about", fg_migration_about(m));
    return json_pack("{s:s, s:s, s:s, s:s}", "from", step_end(step, FG_EXPORT), "to",
                     step_end(step, FG_IMPORT), "converter", fg_path_name(fg_converter_file(step->converter)),
                     "model_type", fg_converter_model_type(step->converter));
}

/* Each step with its converter or migration, and what of the configuration they leave out. */
static fg_status report_steps(const fg_conversion *c, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    json_t *list = json_array(), *left_out = json_array();
    for (size_t i = 0; i < c->step_count; i++) {
        const fg_route_step *step = &c->steps[i];
        FG_TRY(fg_json_push(list, report_step(step), err));
        if (!c->keeps_format && json_array_extend(left_out, step->translation.left_out))
            FG_FAIL(err, FG_ERR_MEMORY, "out of memory while writing the report");
    }
    FG_TRY(fg_json_put(report, "steps", json_incref(list), err));
    FG_TRY(fg_json_put(report, "config", json_pack("{s:O}", "left_out", left_out), err));
done:
    json_decref(list);
    json_decref(left_out);
    return status;
}

static fg_status report_token(const fg_conversion *c, const fg_new_token *token, json_t *list,
                              fg_error *err) {
    fg_status status = FG_OK;
    char row[FG_ROW_TEXT];
    json_t *entry = json_pack("{s:I, s:s, s:b, s:b}", "id", (json_int_t)token->id, "text", token->text, "new",
                              token->is_new, "special", token->special);
    const fg_row_edit *edit = fg_row_edits_from(&c->tokens.rows, token->id);
    if (edit && edit->row == token->id)
        FG_TRY(fg_json_put_text(entry, "row", fg_row_value_text(edit->value, row), err));
    FG_TRY(fg_json_push(list, json_incref(entry), err));
done:
    json_decref(entry);
    return status;
}

static fg_status report_tokens(const fg_conversion *c, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    json_t *list = json_array(), *made = json_array();
    for (size_t i = 0; i < c->tokens.count; i++) FG_TRY(report_token(c, &c->tokens.items[i], list, err));
    for (size_t i = 0; i < c->made_count; i++) FG_TRY(fg_json_push(made, json_string(c->made[i].name), err));
    FG_TRY(fg_json_put(report, "tokens", json_incref(list), err));
    FG_TRY(fg_json_put(report, "made_files", json_incref(made), err));
done:
    json_decref(list);
    json_decref(made);
    return status;
}

/* A tied tensor is dropped on the way to hf, and made again from its partner on the way back. */
static bool is_made_again(const fg_conversion *c, const char *name) {
    const fg_plan *plan = &c->plan;
    for (size_t o = 0; c->to == c->source.format && o < plan->output_count; o++) {
        if (strcmp(plan->outputs[o].name, name) == 0) return true;
    }
    return false;
}

static fg_status report_dropped(const fg_conversion *c, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    const fg_plan *plan = &c->plan;
    json_t *dropped = json_array();
    for (size_t i = 0; i < plan->dropped_count; i++) {
        const char *name = plan->source.items[plan->dropped[i].source].name;
        if (is_made_again(c, name)) continue;
        FG_TRY(fg_json_push(dropped, json_pack("{s:s, s:s}", "name", name, "reason", plan->dropped[i].reason),
                            err));
    }
    FG_TRY(fg_json_put(report, "dropped", json_incref(dropped), err));
done:
    json_decref(dropped);
    return status;
}

/* update-vocab takes all files along. */
static fg_status report_left(const fg_conversion *c, const fg_options *options, json_t *report,
                             fg_error *err) {
    fg_status status = FG_OK;
    bool takes_all = options->kind == FG_CONVERSION_UPDATE_VOCAB;
    FG_TRY(fg_json_put_texts(report, "left_files", c->source.other_files.items,
                             takes_all ? 0 : c->source.other_files.count, err));
    if (options->kind == FG_CONVERSION_FINALIZE)
        FG_TRY(fg_conversion_left_state(c, json_object_get(report, "left_files"), err));
done:
    return status;
}

static fg_status report_update(const fg_conversion *c, json_t *report, fg_error *err) {
    json_t *audit = NULL;
    if (!c->update) return FG_OK;
    fg_status status = fg_conversion_audit(c, &audit, err);
    return status == FG_OK ? fg_json_put(report, "update", audit, err) : status;
}

fg_status fg_conversion_report(const fg_conversion *c, const fg_options *options, json_t *report,
                               fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(report_source(c, options, report, err));
    FG_TRY(report_destination(c, options, report, err));
    FG_TRY(report_options(c, options, report, err));
    FG_TRY(report_steps(c, report, err));
    FG_TRY(fg_conversion_report_base(c, report, err));
    FG_TRY(fg_conversion_report_code(c, report, err));
    FG_TRY(report_update(c, report, err));
    FG_TRY(report_tokens(c, report, err));
    FG_TRY(report_dropped(c, report, err));
    FG_TRY(report_left(c, options, report, err));
    if (c->stop_tokens) FG_TRY(fg_json_put(report, "stop_tokens", json_incref(c->stop_tokens), err));
done:
    return status;
}

/* The source of an output that is one whole tensor or a concatenation: the first piece's. */
static const char *source_name(const fg_plan *plan, const fg_output *output) {
    const fg_piece *piece = output->piece_count ? &plan->pieces[output->first_piece] : NULL;
    return piece && piece->kind != FG_PIECE_ZERO ? plan->source.items[piece->source].name : NULL;
}

static fg_status report_tensor(const fg_plan *plan, const fg_output *output, const uint64_t *digest,
                               json_t *list, fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry = json_object();
    FG_TRY(fg_json_put_text(entry, "name", output->name, err));
    FG_TRY(fg_json_put_text(entry, "source", source_name(plan, output), err));
    FG_TRY(fg_json_put_text(entry, "dtype", fg_dtype_name(output->dtype), err));
    FG_TRY(fg_json_put_u64s(entry, "shape", output->shape, output->rank, err));
    if (digest) {
        char text[24];
        snprintf(text, sizeof text, "%016llx", (unsigned long long)*digest);
        FG_TRY(fg_json_put_text(entry, "digest", text, err));
    }
    FG_TRY(fg_json_push(list, json_incref(entry), err));
done:
    json_decref(entry);
    return status;
}

fg_status fg_conversion_report_tensors(const fg_conversion *c, const uint64_t *digests, json_t *report,
                                       fg_error *err) {
    fg_status status = FG_OK;
    json_t *list = json_array();
    for (size_t o = 0; o < c->plan.output_count; o++)
        FG_TRY(report_tensor(&c->plan, &c->plan.outputs[o], digests ? &digests[o] : NULL, list, err));
    FG_TRY(fg_json_put(report, "tensors", json_incref(list), err));
done:
    json_decref(list);
    return status;
}

fg_status fg_conversion_names(const fg_conversion *c, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t o = 0; o < c->plan.output_count; o++) {
        const char *source = source_name(&c->plan, &c->plan.outputs[o]);
        FG_TRY(
            fg_buffer_printf(out, err, "%s -> %s\n", source ? source : "(filled)", c->plan.outputs[o].name));
    }
    for (size_t i = 0; i < c->plan.dropped_count; i++) {
        const fg_dropped *dropped = &c->plan.dropped[i];
        FG_TRY(fg_buffer_printf(out, err, "%s -> (dropped: %s)\n", c->plan.source.items[dropped->source].name,
                                dropped->reason));
    }
done:
    return status;
}
