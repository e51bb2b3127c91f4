#include "commands/conversion_root.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/print.h"
#include "commands/recipe_options.h"
#include "conversion/conversion_files.h"
#include "conversion/conversion_report.h"
#include "conversion/identity.h"
#include "copy/leftover.h"
#include "copy/partial_lock.h"
#include "copy/publish.h"
#include "estimate.h"
#include "interrupt.h"
#include "model/spec.h"
#include "report/report.h"
#include "report/report_public.h"

static const fg_plan *plan_of(const fg_conversion_root *root) {
    return &root->conversion.layout.plan;
}

/* ---- before the first write ---- */

static const char *destination_name(const fg_conversion_root *root) {
    return root->run->options->destination ? root->run->options->destination : "the conversion";
}

/* Why the models cannot be run; NULL: they can. */
static const char *cannot_run(const fg_conversion *conversion) {
    if (json_array_size(conversion->gaps.missing)) return "it lacks tensors";
    return conversion->decided.route.update ? conversion->decided.route.update->unreadable : NULL;
}

/* Models that cannot be run are proved by their bytes, unless the command line asks for more. */
static fg_status decide_proof(const fg_conversion_root *root, fg_proof_run *proof_run, fg_error *err) {
    const fg_options *options = root->run->options;
    const char *model_type = fg_conversion_source_type(&root->conversion),
               *reason = cannot_run(&root->conversion);
    if (!reason) return FG_OK;
    if (options->validate == FG_VALIDATE_LOGITS || options->generation_test || options->dump) {
        fg_fail(err, FG_ERR_INPUT, "models of type %s cannot be run: %s", model_type, reason);
        return fg_hint(
            err, "leave out --validate logits, --dump and -g: the conversion is then proved by its bytes");
    }
    if (options->validate != FG_VALIDATE_AUTO) return FG_OK;
    fg_warn("models of type %s cannot be run: %s; the conversion is proved by its bytes, not by logits",
            model_type, reason);
    proof_run->validate = FG_VALIDATE_BYTES;
    return FG_OK;
}

/* How the models of both sides compute. */
static fg_status read_specs(fg_conversion_root *root, fg_error *err) {
    const fg_conversion *conversion = &root->conversion;
    const fg_route *route = &conversion->decided.route;
    const fg_format *from = conversion->decided.source.checkpoint.format;
    FG_CALL(fg_run_model_spec(root->run, fg_model_spec_name(from, fg_conversion_source_type(conversion)),
                              &root->source_spec, err));
    FG_CALL(fg_run_model_spec(root->run,
                              fg_model_spec_name(route->to, fg_conversion_destination_type(conversion)),
                              &root->destination_spec, err));
    FG_CALL(fg_tokenizer_files_read(&root->tokenizer, conversion->decided.source.tokenizer_directory, err));
    FG_CALL(fg_update_revise_spec(route->update, true, root->source_spec, err));
    return fg_update_revise_spec(route->update, false, root->destination_spec, err);
}

/* What the models will run on, before anything is written. */
static fg_status resolve_proof_run(fg_conversion_root *root, fg_proof_run *proof_run, fg_error *err) {
    const fg_decisions *d = &root->conversion.decided;
    const fg_checkpoint *checkpoint = &d->source.checkpoint;
    const fg_settings *settings = &root->conversion.settings;
    if (!fg_proof_run_runs_models(proof_run)) return FG_OK;
    FG_CALL(read_specs(root, err));
    fg_prompt_side source = {.name = checkpoint->directory,
                             .tokenizer = &root->tokenizer,
                             .rows =
                                 fg_proof_run_rows(root->source_spec, checkpoint->format, checkpoint->config),
                             .config = checkpoint->config};
    fg_prompt_side destination = {
        .name = destination_name(root),
        .tokenizer = fg_new_tokens_any(&d->vocabulary.tokens) ? &d->vocabulary.files : &root->tokenizer,
        .rows = fg_proof_run_rows(root->destination_spec, d->route.to, settings->config),
        .config = settings->config};
    FG_CALL(
        fg_proof_run_prepare(proof_run, root->run, &source, &destination, settings->generation_config, err));
    if (!proof_run->generates) fg_tokenizer_files_free(&root->tokenizer);
    return FG_OK;
}

static uint64_t needed_bytes(const fg_conversion_root *root) {
    return fg_estimate_bytes(plan_of(root), root->conversion.layout.optimizer_bytes);
}

static fg_status check_stage(const fg_conversion_root *root, fg_stage *stage, fg_error *err) {
    const fg_options *options = root->run->options;
    bool sync = !options->no_fsync;
    if (options->resume) return fg_stage_check_resume(stage, options->destination, err);
    return options->in_place ? fg_stage_check_replace(stage, options->destination, sync, err)
                             : fg_stage_check(stage, options->destination, sync, err);
}

/* Blocks in shards that are not there, or of another size, are not. */
static fg_status forget_lost(const fg_plan *plan, const fg_stage *stage, fg_kept_blocks *kept,
                             fg_error *err) {
    bool has = false;
    for (size_t s = 0; s < plan->shard_count; s++) {
        FG_CALL(fg_leftover_has_shard(stage->partial, plan, s, &has, err));
        for (size_t o = 0; !has && o < plan->output_count; o++) {
            if (plan->outputs[o].shard != s) continue;
            for (uint64_t b = kept->first_block[o]; b < kept->first_block[o + 1]; b++)
                fg_journal_forget(kept->entries, b);
        }
    }
    return FG_OK;
}

/* What of an earlier run can be kept. FG_ERR_USAGE: it wrote something else. */
static fg_status read_journal(fg_conversion_root *root, const fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_kept_blocks *kept = root->kept;
    json_t *held = NULL;
    FG_TRY(fg_identity_make(&root->conversion, &root->recipe, root->run->version, &root->identity, err));
    FG_TRY(fg_kept_blocks_begin(kept, plan_of(root), err));
    kept->trusted = root->run->options->trust_journal;
    kept->resumed = stage->found;
    if (!stage->found) goto done;
    FG_TRY(fg_journal_identity(stage->partial, &held, err));
    FG_TRY(fg_identity_check(held, root->identity, stage->partial, err));
    FG_TRY(fg_journal_read(stage->partial, kept->entries, kept->blocks, err));
    FG_TRY(forget_lost(plan_of(root), stage, kept, err));
    fg_kept_blocks_count(kept, plan_of(root));
done:
    json_decref(held);
    return status;
}

/* A dry run goes on, to say all there is to say. */
static fg_status check_disk(fg_conversion_root *root, const fg_stage *stage, fg_error *err) {
    bool goes_on = root->run->options->dry_run;
    fg_status status = fg_estimate_check_disk(needed_bytes(root) - root->kept->bytes, stage,
                                              goes_on ? &root->shortage : err);
    return goes_on ? FG_OK : status;
}

static fg_status prepare(fg_conversion_root *root, fg_stage *stage, fg_proof_run *proof_run, fg_error *err) {
    const fg_options *options = root->run->options;
    FG_CALL(fg_run_report_begin(root->run, &root->report, err));
    if (options->destination) FG_CALL(check_stage(root, stage, err));
    FG_CALL(fg_conversion_prepare(&root->conversion, &root->recipe, root->run->catalogue, root->run->version,
                                  err));
    if (stage->destination) FG_CALL(fg_stage_check_apart(stage, options->source, err));
    if (options->resume) FG_CALL(read_journal(root, stage, err));
    FG_CALL(decide_proof(root, proof_run, err));
    FG_CALL(resolve_proof_run(root, proof_run, err));
    FG_CALL(fg_conversion_report(&root->conversion, &root->recipe, root->report, err));
    FG_CALL(fg_estimate_disk(needed_bytes(root), stage, root->report, err));
    return check_disk(root, stage, err);
}

static fg_status show_names(const fg_conversion_root *root, fg_error *err) {
    fg_buffer names = {0};
    fg_status status = FG_OK;
    if (!root->run->options->debug_params) goto done;
    FG_TRY(fg_conversion_names(fg_conversion_named_plan(&root->conversion), &names, err));
    FG_TRY(fg_print_beside(root->run->options->json ? stderr : root->run->out, FG_FOR_PEOPLE, &names, err));
done:
    fg_buffer_free(&names);
    return status;
}

static fg_status write_journal(const fg_conversion_root *root, const fg_stage *stage, fg_error *err) {
    return fg_journal_write(stage->partial, root->identity, root->kept->entries, root->kept->blocks, err);
}

/* From here on an interruption leaves DST.partial. */
static fg_status begin_journal(const fg_conversion_root *root, fg_stage *stage, fg_error *err) {
    char there[24], all[24];
    FG_CALL(write_journal(root, stage, err));
    fg_stage_keep(stage, true);
    if (stage->found)
        fg_inform("continuing %s: %s of %s are there", stage->partial,
                  fg_bytes_text(root->kept->bytes, there), fg_bytes_text(fg_plan_bytes(plan_of(root)), all));
    return stage->found ? fg_leftover_clear(stage->partial, plan_of(root), err) : FG_OK;
}

/* Creates DST.partial with everything but the tensors' bytes. */
static fg_status begin_stage(fg_conversion_root *root, fg_stage *stage, fg_error *err) {
    json_t *copied;
    fg_interrupt_guard(stage);
    FG_CALL(fg_stage_begin(stage, err));
    if (root->kept->journal) FG_CALL(begin_journal(root, stage, err));
    for (size_t s = 0; s < plan_of(root)->shard_count; s++)
        FG_CALL(fg_stage_create_shard(stage, plan_of(root), s, err));
    FG_CALL_NEW(copied, fg_json_put_array(root->report, "copied_files", err));
    return fg_conversion_write_files(&root->conversion, stage, copied, err);
}

/* A file that the run fills for --report or --dump is noted in the lock. The one that the interrupted run
 * noted makes room for it. */
static fg_status note_output(const char *path, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    char *partial = NULL, *name = NULL;
    bool noted = false;
    if (!path || !stage->resumes) goto done;
    FG_TRY_NEW(partial, fg_output_file_partial(path, err));
    FG_TRY_NEW(name, fg_path_absolute(partial, err));
    if (stage->found) FG_TRY(fg_partial_lock_notes(stage->partial, name, &noted, err));
    if (noted) fg_file_remove(name);
    if (!stage->outputs) FG_TRY_NEW(stage->outputs, json_array());
    FG_TRY(fg_json_push(stage->outputs, fg_json_string(name), err));
done:
    fg_free(partial);
    fg_free(name);
    return status;
}

fg_status fg_conversion_root_decide(fg_conversion_root *root, fg_recipe_kind kind, fg_stage *stage,
                                    fg_proof_run *proof_run, fg_error *err) {
    const fg_options *options = root->run->options;
    FG_CALL(fg_recipe_from_options(kind, options, &root->recipe, err));
    FG_CALL(prepare(root, stage, proof_run, err));
    FG_CALL(show_names(root, err));
    FG_CALL(note_output(options->report, stage, err));
    FG_CALL(note_output(options->html, stage, err));
    FG_CALL(note_output(options->dump, stage, err));
    const fg_checkpoint *source = &root->conversion.decided.source.checkpoint;
    return fg_outputs_reserve(
        &root->outputs,
        &(fg_output_request){.report = options->report,
                             .html = options->html,
                             .dump = options->dump,
                             .reads = {source->directory, source->weights_directory, options->hf_base},
                             .stage = stage},
        err);
}

fg_status fg_conversion_root_begin(fg_conversion_root *root, fg_stage *stage, const fg_proof_run *proof_run,
                                   fg_error *err) {
    const fg_options *options = root->run->options;
    bool verifies = proof_run->validate == FG_VALIDATE_BYTES;
    FG_CALL(fg_estimate_memory(plan_of(root), proof_run->proof_bytes, proof_run->generation_bytes,
                               root->report, err));
    FG_CALL(fg_estimate_dump(options->dump, proof_run->dump_bytes, needed_bytes(root) - root->kept->bytes,
                             stage, err));
    return options->dry_run ? fg_estimate_time(plan_of(root), verifies, root->report, err)
                            : begin_stage(root, stage, err);
}

fg_status fg_conversion_root_checked(const fg_conversion_root *root, const fg_stage *stage, fg_error *err) {
    return root->kept->refused ? write_journal(root, stage, err) : FG_OK;
}

fg_status fg_conversion_root_written(const fg_conversion_root *root, const fg_stage *stage, fg_error *err) {
    if (!root->kept->journal) return FG_OK;
    FG_CALL(fg_journal_read(stage->partial, root->kept->entries, root->kept->blocks, err));
    return write_journal(root, stage, err);
}

/* ---- while models run ---- */

fg_status fg_conversion_root_reopen(const fg_conversion_root *root, const fg_stage *stage,
                                    fg_checkpoint *result, fg_error *err) {
    fg_checkpoint_options how = {
        .format = root->conversion.decided.route.to, .checkpoint_path = stage->partial, .unfinished = true};
    fg_status status = fg_checkpoint_open(result, stage->partial, &how, err);
    if (status != FG_OK) fg_where(err, "reading back the destination");
    return status;
}

void fg_conversion_root_describe(const fg_conversion_root *root, const fg_checkpoint *result,
                                 const json_t *names, fg_model_pair_task *pair) {
    const fg_options *options = root->run->options;
    const fg_decisions *d = &root->conversion.decided;
    const fg_checkpoint *source = &d->source.checkpoint;
    const fg_assembled *assembled = &root->conversion.assembled;
    pair->names = names;
    pair->rows = &d->vocabulary.tokens.rows;
    pair->source = (fg_model_pair_side){
        .format = source->format,
        .spec = root->source_spec,
        .config = source->config,
        .tensors = &plan_of(root)->source,
        .assembly = assembled->assembly.plan.output_count ? &assembled->assembly.plan : NULL,
        .rounded = assembled->rounded,
        .name = source->directory};
    pair->destination =
        (fg_model_pair_side){.format = d->route.to,
                             .spec = root->destination_spec,
                             .config = result ? result->config : root->conversion.settings.config,
                             .tensors = result ? &result->tensors : NULL,
                             .name = options->destination ? options->destination : "(dry run)"};
}

/* ---- the end ---- */

static fg_status report_write(const fg_conversion_root *root, const fg_write_result *w, fg_error *err) {
    double rate = w->seconds > 0 ? (double)fg_plan_bytes(plan_of(root)) / w->seconds : 0;
    FG_CALL(fg_json_put(
        root->report, "rates",
        json_pack("{s:f, s:f, s:f, s:I, s:I, s:I}", "seconds", w->seconds, "sync_seconds", w->sync_seconds,
                  "bytes_per_second", rate, "bytes_read", (json_int_t)w->totals.bytes_read, "bytes_written",
                  (json_int_t)w->totals.bytes_written, "bytes_skipped", (json_int_t)w->totals.bytes_skipped),
        err));
    return FG_OK;
}

/* A dry run knows them of a source that it has read. */
static fg_status report_values(const fg_conversion_root *root, const fg_value_counts *values,
                               fg_validate validate, fg_error *err) {
    const bool assembles = fg_conversion_assembles(&root->conversion);
    const bool counted = assembles && validate != FG_VALIDATE_NONE;
    if (root->run->options->dry_run && !counted) return FG_OK;
    FG_CALL(fg_json_put_u64(root->report, "overflows", values->overflows, err));
    if (assembles) FG_CALL(fg_json_put_u64(root->report, "non_finite", values->non_finite, err));
    if (values->overflows)
        fg_warn("%llu finite values %s infinite in %s", (unsigned long long)values->overflows,
                root->run->options->dry_run ? "become" : "became", fg_plan_main_dtype(plan_of(root)));
    return FG_OK;
}

static fg_status report_resumed(const fg_conversion_root *root, fg_error *err) {
    const fg_kept_blocks *kept = root->kept;
    if (!kept->resumed) return FG_OK;
    return fg_json_put(root->report, "resumed",
                       json_pack("{s:I, s:I}", "kept_bytes", (json_int_t)kept->bytes, "refused_parts",
                                 (json_int_t)kept->refused),
                       err);
}

/* What is packaged for release goes to others. */
static fg_status write_report(const fg_conversion_root *root, fg_stage *stage, fg_error *err) {
    fg_buffer text = {0};
    fg_status status = FG_OK;
    json_t *report = NULL;
    if (root->recipe.kind == FG_RECIPE_FINALIZE)
        FG_TRY(fg_report_public(root->report, &report, err));
    else
        report = json_incref(root->report);
    FG_TRY(fg_json_write_line(report, 0, &text, err));
    FG_TRY(fg_stage_write(stage, FG_REPORT_FILE, text.data, text.length, err));
done:
    json_decref(report);
    fg_buffer_free(&text);
    return status;
}

static fg_status show_report(fg_conversion_root *root, fg_error *err) {
    fg_status status = fg_run_report_write(root->run, &root->outputs, root->report, err);
    return status == FG_OK ? fg_run_report_show(root->run, root->report, err) : status;
}

fg_status fg_conversion_root_report(fg_conversion_root *root, const fg_write_result *written,
                                    const fg_proof_run *proof_run, fg_error *err) {
    const fg_options *options = root->run->options;
    FG_CALL(report_resumed(root, err));
    if (!options->dry_run) FG_CALL(report_write(root, written, err));
    FG_CALL(report_values(root, &written->totals.values, proof_run->validate, err));
    if (!options->dry_run || options->json || options->report)
        FG_CALL(fg_conversion_report_tensors(fg_conversion_named_plan(&root->conversion), written->digests,
                                             root->report, err));
    return fg_proof_run_report(proof_run, root->report, err);
}

/* DST is not published, and its report is left next to it. The models differ, whatever comes of that. */
static void leave_report(const fg_conversion_root *root) {
    fg_status status = FG_OK;
    fg_error unsaid = {0}, *err = &unsaid;
    fg_output_file file = {0};
    const char *destination = root->run->options->destination;
    char *absolute = NULL, *path = NULL;
    size_t named = strlen(destination);
    while (named > 1 && destination[named - 1] == '/') named--;
    FG_TRY_NEW(absolute, fg_path_absolute(destination, err));
    FG_TRY_NEW(path, fg_strformat(err, "%s.%s", absolute, FG_REPORT_FILE));
    FG_TRY(fg_output_file_reserve_report(&file, "the report", path, err));
    FG_TRY(fg_output_file_write_report(&file, root->report, err));
done:
    if (status == FG_OK) status = fg_output_file_close(&file, true, err);
    if (status == FG_OK)
        fg_inform("the report of what differs: %.*s.%s", (int)named, destination, FG_REPORT_FILE);
    else
        fg_warn("there is no report of what differs: %s", unsaid.text);
    fg_output_file_close(&file, false, NULL);
    fg_free(absolute);
    fg_free(path);
}

fg_status fg_conversion_root_judge(fg_conversion_root *root, const fg_proof_run *proof_run, fg_error *err) {
    const fg_options *options = root->run->options;
    if (options->report || options->html || options->json) show_report(root, err);
    if (!options->dry_run && !options->report) leave_report(root);
    return fg_proof_run_judge(proof_run, options->source, destination_name(root),
                              fg_json_at(root->report, "config/left_out"), err);
}

static fg_status publish(fg_conversion_root *root, fg_stage *stage, fg_error *err) {
    FG_CALL(write_report(root, stage, err));
    FG_CALL(fg_conversion_finish_files(&root->conversion, stage, err));
    FG_CALL(fg_conversion_check_unchanged(&root->conversion, err)); /* proof and report took time */
    return fg_stage_publish(stage, err);
}

const char *fg_conversion_root_outcome(const fg_conversion_root *root, const fg_proof_run *proof_run) {
    if (!fg_proof_run_passed(proof_run)) return "differ";
    return root->shortage.status == FG_OK ? "done" : "no_space";
}

/* What is printed is made first: only calls that write are left to fail when the result is there. */
fg_status fg_conversion_root_publish(fg_conversion_root *root, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_run_report_text(root->run, root->report, &text, err));
    if (!root->run->options->dry_run) FG_TRY(publish(root, stage, err));
    FG_TRY(fg_run_report_write(root->run, &root->outputs, root->report, err));
    FG_TRY(fg_run_report_print(root->run, &text, err));
    if (root->shortage.status != FG_OK) {
        root->outputs.keep = true; /* the plan says what would be needed */
        *err = root->shortage;
    }
    status = (fg_status)err->status;
done:
    fg_buffer_free(&text);
    return status;
}

fg_status fg_conversion_root_close(fg_conversion_root *root, fg_status status, fg_error *err) {
    fg_interrupt_guard(NULL);
    status = fg_outputs_close(&root->outputs, status, err);
    fg_tokenizer_files_free(&root->tokenizer);
    fg_conversion_free(&root->conversion);
    fg_recipe_free(&root->recipe);
    json_decref(root->identity);
    json_decref(root->report);
    json_decref(root->source_spec);
    json_decref(root->destination_spec);
    return status;
}
