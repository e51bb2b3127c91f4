/* Decide on rank 0, write and prove with all, publish on rank 0. */
#include "commands/conversion_run.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands/conversion_root.h"
#include "copy/publish.h"
#include "duplicates.h"
#include "mapping/tensor_check.h"

/* What every rank holds of a conversion while it runs. */
typedef struct convert_run {
    const fg_run *run;
    fg_conversion_root *root; /* NULL on other ranks than 0 */
    fg_stage stage;
    fg_plan *plan; /* that of the root's conversion; elsewhere `received` */
    fg_plan received;
    bool casts, assembles; /* assembles: the source's files hold vectors */
    fg_kept_blocks kept;   /* of an earlier run */
    fg_write_result written;
    fg_proof_run proof_run;
} convert_run;

static fg_status share(convert_run *c, fg_error *err) {
    c->plan = c->root ? &c->root->conversion.layout.plan : &c->received;
    uint8_t decided[] = {c->root && fg_plan_casts(c->plan), (uint8_t)c->proof_run.validate,
                         c->root && fg_conversion_assembles(&c->root->conversion)};
    fg_ranks_share(c->run->ranks, decided, sizeof decided);
    c->casts = decided[0];
    c->proof_run.validate = (fg_validate)decided[1];
    c->assembles = decided[2];
    bool rank_0_alone = c->run->options->dry_run && c->proof_run.validate == FG_VALIDATE_NONE &&
                        !fg_proof_run_runs_models(&c->proof_run);
    return rank_0_alone ? FG_OK : fg_write_share(c->run->ranks, c->plan, &c->stage, err);
}

enum { SHAPE = 200 }; /* bytes of its text */

static fg_status add_name(const char *source, const fg_output *output, json_t *names, fg_error *err) {
    char shape[SHAPE];
    fg_shape_text(output->rank, output->shape, shape, sizeof shape);
    return fg_json_push(
        names, json_pack("[s, s, s, s]", source, output->name, fg_dtype_name(output->dtype), shape), err);
}

static bool is_first_of_source(const fg_piece *pieces, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (pieces[i].kind == FG_PIECE_COPY && pieces[i].source == pieces[index].source) return false;
    }
    return true;
}

/* For the dump: which tensors of the source each one of the destination is made of. */
static fg_status name_map(const fg_plan *plan, json_t **names, fg_error *err) {
    FG_CALL_NEW(*names, json_array());
    for (size_t o = 0; o < plan->output_count; o++) {
        const fg_output *output = &plan->outputs[o];
        const fg_piece *pieces = &plan->pieces[output->first_piece];
        size_t before = json_array_size(*names);
        for (size_t i = 0; i < output->piece_count; i++) {
            if (pieces[i].kind == FG_PIECE_COPY && is_first_of_source(pieces, i))
                FG_CALL(add_name(plan->source.items[pieces[i].source].name, output, *names, err));
        }
        if (json_array_size(*names) == before) FG_CALL(add_name("", output, *names, err));
    }
    return FG_OK;
}

/* Without `result` the destination is what the plan will make. */
static void describe_models(convert_run *c, const fg_checkpoint *result, const json_t *names) {
    fg_model_pair_task *pair = &c->proof_run.pair;
    pair->plan = c->plan;
    pair->casts = c->casts;
    pair->through_plan = c->run->options->dry_run;
    if (c->root) fg_conversion_root_describe(c->root, result, names, pair);
}

/* Everything that can be refused is refused before the first byte is written. */
static fg_status check_and_begin(convert_run *c, fg_error *err) {
    describe_models(c, NULL, NULL);
    fg_status status = fg_proof_run_check(&c->proof_run, c->run, err);
    if (status != FG_OK) return status;
    if (c->root) fg_conversion_root_begin(c->root, &c->stage, &c->proof_run, err);
    return fg_ranks_agree(c->run->ranks, err);
}

static fg_status try_models(convert_run *c, fg_error *err) {
    fg_status status = FG_OK;
    bool dry_run = c->run->options->dry_run;
    fg_checkpoint result = {0};
    json_t *names = NULL;
    if (c->root) {
        if (!dry_run) fg_conversion_root_reopen(c->root, &c->stage, &result, err);
        name_map(fg_conversion_named_plan(&c->root->conversion), &names, err);
    }
    FG_TRY(fg_ranks_agree(c->run->ranks, err));
    describe_models(c, dry_run ? NULL : &result, names);
    FG_TRY(fg_proof_run_forward(&c->proof_run, c->run, err));
    if (c->root) c->root->outputs.dump.filled = true;
done:
    json_decref(names);
    fg_checkpoint_close(&result);
    return status;
}

/* Writes what the earlier run, if there was one, has not written. */
static fg_status write_rest(convert_run *c, fg_error *err) {
    const fg_ranks *ranks = c->run->ranks;
    fg_progress_style style = fg_run_progress(c->run);
    const fg_write_task task = {.style = style, .counts_non_finite = c->assembles};
    FG_CALL(fg_kept_blocks_share(ranks, c->plan, &c->kept, err));
    FG_CALL(fg_kept_blocks_check(ranks, c->plan, c->stage.partial, style, &c->kept, err));
    if (c->root) fg_conversion_root_checked(c->root, &c->stage, err);
    FG_CALL(fg_ranks_agree(ranks, err));
    FG_CALL(fg_write_shards(ranks, c->plan, &c->stage, &c->kept, &task, &c->written, err));
    if (c->root) fg_conversion_root_written(c->root, &c->stage, err);
    return fg_ranks_agree(ranks, err);
}

/* What a training run stored more than once. */
static fg_status check_duplicates(const convert_run *c, fg_error *err) {
    if (!c->assembles) return FG_OK;
    return fg_duplicates_check(c->run->ranks, c->root ? &c->root->conversion.assembled.assembly : NULL,
                               fg_run_progress(c->run),
                               c->root ? fg_json_at(c->root->report, "source/distributed") : NULL, err);
}

/* A training run may have left weights that are not finite: they are carried as they are, and logits of such
 * a model prove nothing. */
static void consider_non_finite(convert_run *c) {
    const fg_value_counts *values = &c->written.totals.values;
    const fg_options *options = c->run->options;
    bool asked = options->validate != FG_VALIDATE_AUTO || options->generation_test || options->dump;
    if (values->non_finite <= values->overflows) return;
    bool changes = !asked && c->proof_run.validate == FG_VALIDATE_LOGITS;
    if (changes) c->proof_run.validate = FG_VALIDATE_BYTES;
    if (c->root)
        fg_warn("%llu values of the source are NaN or infinite%s",
                (unsigned long long)(values->non_finite - values->overflows),
                changes ? "; the conversion is proved by its bytes, not by logits" : "");
}

/* A dry run finds what the run would find. With --validate none it does not read the weights. */
static fg_status count_values(convert_run *c, fg_error *err) {
    if (!c->assembles || c->proof_run.validate == FG_VALIDATE_NONE) return FG_OK;
    FG_CALL(fg_write_count_values(c->run->ranks, c->plan, fg_run_progress(c->run), &c->written.totals.values,
                                  err));
    consider_non_finite(c);
    return FG_OK;
}

static fg_status write_and_check(convert_run *c, fg_error *err) {
    const fg_run *run = c->run;
    FG_CALL(check_duplicates(c, err));
    if (run->options->dry_run) {
        FG_CALL(count_values(c, err));
    } else {
        FG_CALL(write_rest(c, err));
        consider_non_finite(c);
        if (c->proof_run.validate == FG_VALIDATE_BYTES)
            FG_CALL(fg_verify_directory(run, c->plan, c->root ? &c->root->conversion : NULL, c->stage.partial,
                                        true, err));
    }
    if (fg_proof_run_runs_models(&c->proof_run)) FG_CALL(try_models(c, err));
    if (c->root) fg_conversion_check_unchanged(&c->root->conversion, err);
    return fg_ranks_agree(run->ranks, err);
}

/* The judgement comes after the report, so that a difference can be looked at. */
static fg_status conclude(convert_run *c, double begun, fg_error *err) {
    const fg_run *run = c->run;
    fg_conversion_root *root = c->root;
    bool passed = fg_proof_run_passed(&c->proof_run);
    if (root) fg_conversion_root_report(root, &c->written, &c->proof_run, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status != FG_OK) return status;
    const fg_rank_work work = {.bytes_read = c->written.own.bytes_read,
                               .bytes_written = c->written.own.bytes_written,
                               .write_seconds = c->written.seconds,
                               .proof_seconds = c->proof_run.proof.seconds};
    fg_run_report_end(run, root ? fg_conversion_root_outcome(root, &c->proof_run) : NULL,
                      fg_clock_seconds() - begun, &work, root ? root->report : NULL, err);
    if (root && err->status == FG_OK && !passed) fg_conversion_root_judge(root, &c->proof_run, err);
    if (root && err->status == FG_OK) fg_conversion_root_publish(root, &c->stage, err);
    return fg_ranks_agree(run->ranks, err);
}

/* A result that is wrong is not continued. */
static void keep_or_not(convert_run *c, fg_status status, fg_error *err) {
    if (status == FG_OK || !c->stage.keeps || fg_stage_published(&c->stage)) return;
    if (status == FG_ERR_DIFFER || status == FG_ERR_INPUT)
        fg_stage_keep(&c->stage, false);
    else
        fg_hint(err, "run it again with --resume to continue %s", c->stage.partial);
}

/* Returns `status`, or why an output file could not be kept. */
static fg_status clean_up(convert_run *c, fg_status status, fg_error *err) {
    keep_or_not(c, status, err);
    fg_stage_abandon(&c->stage);
    if (c->root) status = fg_conversion_root_close(c->root, status, err);
    if (status != FG_OK && fg_stage_published(&c->stage))
        fg_hint(err, "%s is complete and may be used; this failed after it was published",
                c->stage.destination);
    fg_kept_blocks_free(&c->kept);
    fg_free(c->written.digests);
    fg_proof_run_free(&c->proof_run);
    fg_plan_free(&c->received);
    fg_stage_free(&c->stage);
    return status;
}

fg_status fg_run_conversion(const fg_run *run, fg_recipe_kind kind, fg_error *err) {
    fg_conversion_root root = {.run = run}; /* kept: below */
    convert_run c = {.run = run, .root = run->ranks->rank == 0 ? &root : NULL};
    root.kept = &c.kept;
    double begun = fg_clock_seconds();
    fg_proof_run_begin(&c.proof_run, run);
    if (c.root) fg_conversion_root_decide(&root, kind, &c.stage, &c.proof_run, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status == FG_OK) status = share(&c, err);
    if (status == FG_OK) status = check_and_begin(&c, err);
    if (status == FG_OK) status = write_and_check(&c, err);
    if (status == FG_OK) status = conclude(&c, begun, err);
    return clean_up(&c, status, err);
}
