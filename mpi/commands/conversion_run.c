/* Plan on rank 0, write and prove with all, publish on rank 0. */
#include "commands/conversion_run.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/print.h"
#include "commands/proof_run.h"
#include "commands/recipe_options.h"
#include "conversion/conversion_files.h"
#include "conversion/conversion_report.h"
#include "copy/publish.h"
#include "estimate.h"
#include "interrupt.h"
#include "model/spec.h"
#include "outputs.h"
#include "write.h"

/* What a conversion holds while it runs; ranks other than 0 have the plan and the name of the stage only. */
typedef struct convert_run {
    const fg_run *run;
    fg_recipe recipe; /* rank 0 */
    fg_conversion conversion;
    fg_stage stage;
    fg_plan *plan; /* rank 0: the conversion's; elsewhere: `received` */
    fg_plan received;
    json_t *report;                         /* rank 0 */
    fg_outputs outputs;                     /* rank 0 */
    json_t *source_spec, *destination_spec; /* rank 0: how the models compute, if they are run */
    fg_tokenizer_files tokenizer;           /* rank 0: the source's, if models are run */
    bool casts;                             /* every rank */
    fg_write_result written;
    fg_proof_run proof_run;
} convert_run;

static bool is_first(const convert_run *c) {
    return c->run->ranks->rank == 0;
}

/* ---- rank 0: everything before the first write ---- */

static const char *destination_name(const convert_run *c) {
    return c->run->options->destination ? c->run->options->destination : "the conversion";
}

/* Why models of an update cannot be run; NULL: they can. */
static const char *cannot_run_updated(const fg_conversion *conversion) {
    if (json_array_size(conversion->gaps.missing)) return "it lacks tensors";
    return conversion->decided.route.update ? conversion->decided.route.update->unreadable : NULL;
}

/* The first step whose models cannot be run; NULL: all can. */
static const char *cannot_run(const fg_conversion *conversion, const char **model_type) {
    const fg_configs *configs = &conversion->decided.configs;
    const char *reason = cannot_run_updated(conversion);
    *model_type = fg_conversion_source_type(conversion);
    for (size_t i = 0; i < configs->count && !reason; i++) {
        const fg_converter *converter = configs->steps[i].converter;
        if (!converter) continue;
        reason = fg_converter_no_forward_pass(converter);
        *model_type = fg_converter_model_type(converter);
    }
    return reason;
}

/* Models that cannot be run are proved by their bytes, unless the command line asks for more. */
static fg_status decide_proof(convert_run *c, fg_error *err) {
    const fg_options *options = c->run->options;
    const char *model_type, *reason = cannot_run(&c->conversion, &model_type);
    if (!reason) return FG_OK;
    if (options->validate == FG_VALIDATE_LOGITS || options->generation_test || options->dump) {
        fg_fail(err, FG_ERR_INPUT, "models of type %s cannot be run: %s", model_type, reason);
        return fg_hint(
            err, "leave out --validate logits, --dump and -g: the conversion is then proved by its bytes");
    }
    if (options->validate != FG_VALIDATE_AUTO) return FG_OK;
    fg_warn("models of type %s cannot be run: %s; the conversion is proved by its bytes, not by logits",
            model_type, reason);
    c->proof_run.validate = FG_VALIDATE_BYTES;
    return FG_OK;
}

/* How the models of both sides compute. */
static fg_status read_specs(convert_run *c, fg_error *err) {
    const fg_conversion *conversion = &c->conversion;
    const fg_route *route = &conversion->decided.route;
    const fg_format *from = conversion->decided.source.checkpoint.format;
    FG_CALL(fg_run_model_spec(c->run, fg_model_spec_name(from, fg_conversion_source_type(conversion)),
                              &c->source_spec, err));
    FG_CALL(fg_run_model_spec(c->run,
                              fg_model_spec_name(route->to, fg_conversion_destination_type(conversion)),
                              &c->destination_spec, err));
    FG_CALL(fg_tokenizer_files_read(&c->tokenizer, conversion->decided.source.tokenizer_directory, err));
    FG_CALL(fg_update_revise_spec(route->update, true, c->source_spec, err));
    return fg_update_revise_spec(route->update, false, c->destination_spec, err);
}

/* What the models will run on, before anything is written. */
static fg_status resolve_proof_run(convert_run *c, fg_error *err) {
    const fg_decisions *d = &c->conversion.decided;
    const fg_checkpoint *checkpoint = &d->source.checkpoint;
    const fg_settings *settings = &c->conversion.settings;
    if (!fg_proof_run_runs_models(&c->proof_run)) return FG_OK;
    FG_CALL(read_specs(c, err));
    fg_prompt_side source = {.name = checkpoint->directory,
                             .tokenizer = &c->tokenizer,
                             .rows =
                                 fg_proof_run_rows(c->source_spec, checkpoint->format, checkpoint->config),
                             .config = checkpoint->config};
    fg_prompt_side destination = {
        .name = destination_name(c),
        .tokenizer = fg_new_tokens_any(&d->vocabulary.tokens) ? &d->vocabulary.files : &c->tokenizer,
        .rows = fg_proof_run_rows(c->destination_spec, d->route.to, settings->config),
        .config = settings->config};
    FG_CALL(
        fg_proof_run_prepare(&c->proof_run, c->run, &source, &destination, settings->generation_config, err));
    if (!c->proof_run.generates) fg_tokenizer_files_free(&c->tokenizer);
    return FG_OK;
}

static uint64_t needed_bytes(const convert_run *c) {
    return fg_estimate_bytes(&c->conversion.layout.plan, c->conversion.layout.optimizer_bytes);
}

static fg_status check_stage(convert_run *c, fg_error *err) {
    const fg_options *options = c->run->options;
    bool sync = !options->no_fsync;
    return options->in_place ? fg_stage_check_replace(&c->stage, options->destination, sync, err)
                             : fg_stage_check(&c->stage, options->destination, sync, err);
}

static fg_status prepare(convert_run *c, fg_error *err) {
    const fg_options *options = c->run->options;
    FG_CALL(fg_run_report_begin(c->run, &c->report, err));
    if (options->destination) FG_CALL(check_stage(c, err));
    FG_CALL(fg_conversion_prepare(&c->conversion, &c->recipe, c->run->catalogue, c->run->version, err));
    if (c->stage.destination) FG_CALL(fg_stage_check_apart(&c->stage, options->source, err));
    c->plan = &c->conversion.layout.plan;
    c->casts = fg_plan_casts(c->plan);
    FG_CALL(decide_proof(c, err));
    FG_CALL(resolve_proof_run(c, err));
    FG_CALL(fg_conversion_report(&c->conversion, &c->recipe, c->report, err));
    return fg_estimate_disk(needed_bytes(c), &c->stage, c->report, err);
}

static fg_status show_names(const convert_run *c, fg_error *err) {
    fg_buffer names = {0};
    fg_status status = FG_OK;
    if (!c->run->options->debug_params) goto done;
    FG_TRY(fg_conversion_names(c->plan, &names, err));
    FG_TRY(fg_print_beside(c->run->options->json ? stderr : c->run->out, &names, err));
done:
    fg_buffer_free(&names);
    return status;
}

/* Creates DST.partial with everything but the tensors' bytes. */
static fg_status begin_stage(convert_run *c, fg_error *err) {
    json_t *copied;
    fg_interrupt_guard(&c->stage);
    FG_CALL(fg_stage_begin(&c->stage, err));
    for (size_t s = 0; s < c->plan->shard_count; s++)
        FG_CALL(fg_stage_create_shard(&c->stage, c->plan, s, err));
    FG_CALL_NEW(copied, fg_json_put_array(c->report, "copied_files", err));
    return fg_conversion_write_files(&c->conversion, &c->stage, copied, err);
}

static fg_status decide(convert_run *c, fg_recipe_kind kind, fg_error *err) {
    if (!is_first(c)) return FG_OK;
    FG_CALL(fg_recipe_from_options(kind, c->run->options, &c->recipe, err));
    FG_CALL(prepare(c, err));
    FG_CALL(show_names(c, err));
    return fg_outputs_reserve(&c->outputs, c->run->options->report, c->run->options->dump, &c->stage, err);
}

/* ---- all ranks: write and prove ---- */

static fg_status share(convert_run *c, fg_error *err) {
    uint8_t decided[] = {c->casts, (uint8_t)c->proof_run.validate};
    if (!is_first(c)) c->plan = &c->received;
    fg_ranks_share(c->run->ranks, decided, sizeof decided);
    c->casts = decided[0];
    c->proof_run.validate = (fg_validate)decided[1];
    return fg_write_share(c->run->ranks, c->plan, &c->stage, err);
}

static json_t *name_map(const fg_plan *plan) {
    json_t *map = json_object();
    for (size_t o = 0; map && o < plan->output_count; o++) {
        const fg_piece *piece =
            plan->outputs[o].piece_count ? &plan->pieces[plan->outputs[o].first_piece] : NULL;
        if (piece && piece->kind == FG_PIECE_COPY)
            json_object_set_new(map, plan->source.items[piece->source].name,
                                json_string(plan->outputs[o].name));
    }
    return map;
}

/* Rank 0 opens what was written as any reader would: by its own headers and index. */
static fg_status open_result(convert_run *c, fg_checkpoint *result, fg_error *err) {
    fg_checkpoint_options how = {
        .format = c->conversion.decided.route.to, .checkpoint_path = c->stage.partial, .unfinished = true};
    fg_status status = fg_checkpoint_open(result, c->stage.partial, &how, err);
    if (status != FG_OK) fg_where(err, "reading back the destination");
    return status;
}

/* What the two models are. Without `result` the destination is what the plan will make; `names` are for
 * the dump. */
static void describe_models(convert_run *c, const fg_checkpoint *result, const json_t *names) {
    fg_model_pair_task *pair = &c->proof_run.pair;
    const fg_options *options = c->run->options;
    pair->plan = c->plan;
    pair->casts = c->casts;
    pair->through_plan = options->dry_run;
    if (!is_first(c)) return;
    const fg_decisions *d = &c->conversion.decided;
    const fg_checkpoint *source = &d->source.checkpoint;
    pair->names = names;
    pair->rows = &d->vocabulary.tokens.rows;
    pair->source = (fg_model_pair_side){.format = source->format,
                                        .spec = c->source_spec,
                                        .config = source->config,
                                        .tensors = &c->plan->source,
                                        .name = source->directory};
    pair->destination =
        (fg_model_pair_side){.format = d->route.to,
                             .spec = c->destination_spec,
                             .config = result ? result->config : c->conversion.settings.config,
                             .tensors = result ? &result->tensors : NULL,
                             .name = options->destination ? options->destination : "(dry run)"};
}

static fg_status begin(convert_run *c, fg_error *err) {
    fg_status status =
        fg_estimate_memory(c->plan, c->proof_run.proof_bytes, c->proof_run.generation_bytes, c->report, err);
    bool verifies = c->proof_run.validate == FG_VALIDATE_BYTES;
    if (status != FG_OK) return status;
    status =
        fg_estimate_dump(c->run->options->dump, c->proof_run.dump_bytes, needed_bytes(c), &c->stage, err);
    if (status != FG_OK) return status;
    return c->run->options->dry_run ? fg_estimate_time(c->plan, verifies, c->report, err)
                                    : begin_stage(c, err);
}

/* Everything that can be refused is refused before the first byte is written. */
static fg_status check_and_begin(convert_run *c, fg_error *err) {
    describe_models(c, NULL, NULL);
    fg_status status = fg_proof_run_check(&c->proof_run, c->run, err);
    if (status != FG_OK) return status;
    if (is_first(c)) begin(c, err);
    return fg_ranks_agree(c->run->ranks, err);
}

static fg_status try_models(convert_run *c, fg_error *err) {
    fg_status status = FG_OK;
    bool dry_run = c->run->options->dry_run;
    fg_checkpoint result = {0};
    json_t *names = NULL;
    if (is_first(c)) {
        if (!dry_run) open_result(c, &result, err);
        names = name_map(c->plan);
    }
    FG_TRY(fg_ranks_agree(c->run->ranks, err));
    describe_models(c, dry_run ? NULL : &result, names);
    FG_TRY(fg_proof_run_forward(&c->proof_run, c->run, err));
    c->outputs.dump.filled = true;
done:
    json_decref(names);
    fg_checkpoint_close(&result);
    return status;
}

/* ---- rank 0: report and publish ---- */

static fg_status report_write(convert_run *c, fg_error *err) {
    const fg_write_result *w = &c->written;
    double rate = w->seconds > 0 ? (double)fg_plan_bytes(c->plan) / w->seconds : 0;
    FG_CALL(fg_json_put(
        c->report, "rates",
        json_pack("{s:f, s:f, s:f, s:I, s:I, s:I}", "seconds", w->seconds, "sync_seconds", w->sync_seconds,
                  "bytes_per_second", rate, "bytes_read", (json_int_t)w->totals.bytes_read, "bytes_written",
                  (json_int_t)w->totals.bytes_written, "bytes_skipped", (json_int_t)w->totals.bytes_skipped),
        err));
    FG_CALL(fg_json_put(c->report, "overflows", json_integer((json_int_t)w->totals.overflows), err));
    if (w->totals.overflows)
        fg_warn("%llu finite values became infinite in %s", (unsigned long long)w->totals.overflows,
                fg_plan_main_dtype(c->plan));
    return FG_OK;
}

static fg_status write_report(convert_run *c, fg_error *err) {
    fg_buffer text = {0};
    fg_status status = FG_OK;
    FG_TRY(fg_json_write(c->report, 0, &text, err));
    FG_TRY(fg_buffer_add(&text, "\n", 1, err));
    FG_TRY(fg_stage_write(&c->stage, "fgconv_report.json", text.data, text.length, err));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status publish(convert_run *c, fg_error *err) {
    if (!is_first(c) || c->run->options->dry_run) return FG_OK;
    FG_CALL(write_report(c, err));
    FG_CALL(fg_conversion_finish_files(&c->conversion, &c->stage, err));
    return fg_stage_publish(&c->stage, err);
}

static fg_status write_and_check(convert_run *c, fg_error *err) {
    const fg_run *run = c->run;
    if (!run->options->dry_run) {
        FG_CALL(fg_write_shards(run->ranks, c->plan, &c->stage, fg_run_progress(run), &c->written, err));
        if (c->proof_run.validate == FG_VALIDATE_BYTES)
            FG_CALL(fg_verify_directory(run, c->plan, c->stage.partial, true, err));
    }
    if (fg_proof_run_runs_models(&c->proof_run)) FG_CALL(try_models(c, err));
    if (is_first(c)) fg_tensors_check_unchanged(&c->plan->source, err);
    return fg_ranks_agree(run->ranks, err);
}

static fg_status show_report(convert_run *c, fg_error *err) {
    fg_status status = fg_output_file_write_report(&c->outputs.report, c->report, err);
    return status == FG_OK ? fg_run_report_show(c->run, c->report, err) : status;
}

/* Rank 0's part of the end; the judgement comes after the report, so that a difference can be looked at. */
static fg_status conclude(convert_run *c, double begun, fg_error *err) {
    fg_status status = FG_OK;
    const fg_run *run = c->run;
    bool passed = fg_proof_run_passed(&c->proof_run);
    if (is_first(c)) {
        if (!run->options->dry_run) FG_TRY(report_write(c, err));
        if (!run->options->dry_run || run->options->json || run->options->report)
            FG_TRY(fg_conversion_report_tensors(c->plan, c->written.digests, c->report, err));
        FG_TRY(fg_proof_run_report(&c->proof_run, c->report, err));
    }
done:
    status = fg_ranks_agree(run->ranks, err);
    if (status != FG_OK) return status;
    fg_run_report_end(run, passed ? "done" : "differ", fg_seconds() - begun, c->report, err);
    if (is_first(c) && err->status == FG_OK && !passed) {
        if (run->options->report || run->options->json) show_report(c, err);
        fg_proof_run_judge(&c->proof_run, run->options->source, destination_name(c), err);
    }
    if (err->status == FG_OK) publish(c, err);
    if (is_first(c) && err->status == FG_OK) show_report(c, err);
    if (err->status != FG_OK && fg_stage_published(&c->stage))
        fg_hint(err, "%s is complete and may be used; this failed after it was published",
                c->stage.destination);
    return fg_ranks_agree(run->ranks, err);
}

/* Returns `status`, or why an output file could not be kept. */
static fg_status clean_up(convert_run *c, fg_status status, fg_error *err) {
    fg_stage_abandon(&c->stage);
    if (is_first(c)) fg_interrupt_guard(NULL);
    if (is_first(c)) status = fg_outputs_close(&c->outputs, status, err);
    fg_free(c->written.digests);
    fg_proof_run_free(&c->proof_run);
    fg_tokenizer_files_free(&c->tokenizer);
    fg_plan_free(&c->received);
    fg_conversion_free(&c->conversion);
    fg_recipe_free(&c->recipe);
    fg_stage_free(&c->stage);
    json_decref(c->report);
    json_decref(c->source_spec);
    json_decref(c->destination_spec);
    return status;
}

fg_status fg_run_conversion(const fg_run *run, fg_recipe_kind kind, fg_error *err) {
    convert_run c = {.run = run};
    double begun = fg_seconds();
    fg_proof_run_begin(&c.proof_run, run);
    decide(&c, kind, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status == FG_OK) status = share(&c, err);
    if (status == FG_OK) status = check_and_begin(&c, err);
    if (status == FG_OK) status = write_and_check(&c, err);
    if (status == FG_OK) status = conclude(&c, begun, err);
    return clean_up(&c, status, err);
}
