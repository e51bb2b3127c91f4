/* fgconv validate A B: the logits of two checkpoints of any formats, compared. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands/command_table.h"
#include "commands/proof_run.h"
#include "commands/run.h"
#include "conversion/assembled.h"
#include "conversion/conversion_report.h"
#include "estimate.h"
#include "model/spec.h"
#include "outputs.h"
#include "plan/plan.h"

typedef struct compared {
    fg_checkpoint a, b;
    fg_assembly assembly_a, assembly_b; /* of files that hold vectors */
    bool given_a, given_b;              /* whether -c chooses the training checkpoint of each */
    json_t *spec_a, *spec_b;
    fg_tokenizer_files tokenizer_a, tokenizer_b;
    json_t *report;
    fg_outputs outputs; /* rank 0 */
} compared;

/* -c chooses in each of the two that has training checkpoints. */
static fg_status choose_steps(const fg_options *options, compared *p, fg_error *err) {
    const char *asked = options->checkpoint_path;
    if (!asked) return FG_OK;
    FG_CALL(fg_checkpoint_has_steps(options->source, &p->given_a, err));
    FG_CALL(fg_checkpoint_has_steps(options->destination, &p->given_b, err));
    if (p->given_a || p->given_b) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "-c %s: neither %s nor %s has training checkpoints", asked, options->source,
            options->destination);
    return fg_hint(err, "-c chooses one in an experiment of Fast-LLM, or in a directory with a folder "
                        "checkpoints; give any other by its own path");
}

static fg_status open_one(const fg_run *run, const char *directory, bool given, fg_checkpoint *checkpoint,
                          fg_assembly *assembly, json_t **spec, fg_error *err) {
    fg_checkpoint_options how = {.checkpoint_path = given ? run->options->checkpoint_path : NULL,
                                 .allow_unfinished = run->options->allow_unfinished};
    FG_CALL(fg_checkpoint_open(checkpoint, directory, &how, err));
    if (checkpoint->format->assemble)
        FG_CALL(fg_assemble_checkpoint(checkpoint, run->catalogue,
                                       fg_parameter_order_name(run->options->parameter_order), assembly,
                                       err));
    const char *type = run->options->model_type ? run->options->model_type : checkpoint->model_type, *family;
    family = fg_model_spec_name(checkpoint->format, type);
    if (!family) {
        fg_fail(err, FG_ERR_INPUT, "%s/%s does not say which model family this is", directory,
                checkpoint->format->config_file);
        FG_CALL(fg_hint(err, "give it with --model-type"));
    }
    return fg_run_model_spec(run, family, spec, err);
}

/* The float type that most bytes have; FG_DTYPE_NONE if there is none. */
static fg_dtype main_dtype(const fg_tensors *table) {
    fg_dtype_tally tally = fg_tensors_tally(table);
    fg_dtype most = FG_DTYPE_NONE;
    for (int d = 0; d < FG_DTYPE_COUNT; d++) {
        if (fg_dtype_is_float((fg_dtype)d) && tally.bytes[d] > tally.bytes[most]) most = (fg_dtype)d;
    }
    return most;
}

/* Two models of different types are compared after one was rounded as a cast to the other's type would have
 * done it: the wider one, or the first of two that are equally wide. With a tolerance or a
 * profile nothing is rounded. */
static void resolve_rounding(const fg_run *run, const compared *p, fg_model_pair_task *task) {
    fg_dtype a = main_dtype(&p->a.tensors), b = main_dtype(&p->b.tensors);
    bool first = fg_dtype_size(a) >= fg_dtype_size(b);
    if (a == b || run->options->atol >= 0 || run->options->profile != FG_PROFILE_EXACT) return;
    if (first) {
        task->round_source = b;
    } else {
        task->round_destination = a;
    }
    fg_inform("%s holds %s and %s holds %s: the %s is rounded to %s before comparing", p->a.directory,
              fg_dtype_name(a), p->b.directory, fg_dtype_name(b), first ? "first" : "second",
              fg_dtype_name(first ? b : a));
}

/* NULL: the files hold the tensors themselves. */
static const fg_plan *made_of(const fg_assembly *assembly) {
    return assembly->plan.output_count ? &assembly->plan : NULL;
}

static fg_status open_both(const fg_run *run, compared *p, fg_proof_run *proof_run, fg_error *err) {
    const fg_options *options = run->options;
    FG_CALL(fg_run_report_begin(run, &p->report, err));
    FG_CALL(choose_steps(options, p, err));
    FG_CALL(open_one(run, options->source, p->given_a, &p->a, &p->assembly_a, &p->spec_a, err));
    FG_CALL(open_one(run, options->destination, p->given_b, &p->b, &p->assembly_b, &p->spec_b, err));
    proof_run->pair.source = (fg_model_pair_side){.format = p->a.format,
                                                  .spec = p->spec_a,
                                                  .config = p->a.config,
                                                  .tensors = &p->a.tensors,
                                                  .assembly = made_of(&p->assembly_a),
                                                  .name = options->source};
    proof_run->pair.destination = (fg_model_pair_side){.format = p->b.format,
                                                       .spec = p->spec_b,
                                                       .config = p->b.config,
                                                       .tensors = &p->b.tensors,
                                                       .assembly = made_of(&p->assembly_b),
                                                       .name = options->destination};
    resolve_rounding(run, p, &proof_run->pair);
    return FG_OK;
}

/* Without -g the tokenizers are given back before the models run. */
static fg_status resolve_proof(const fg_run *run, compared *p, fg_proof_run *proof_run, fg_error *err) {
    FG_CALL(fg_tokenizer_files_read(&p->tokenizer_a, p->a.directory, err));
    FG_CALL(fg_tokenizer_files_read(&p->tokenizer_b, p->b.directory, err));
    fg_prompt_side a = {.name = run->options->source,
                        .tokenizer = &p->tokenizer_a,
                        .rows = fg_proof_run_rows(p->spec_a, p->a.format, p->a.config),
                        .config = p->a.config};
    fg_prompt_side b = {.name = run->options->destination,
                        .tokenizer = &p->tokenizer_b,
                        .rows = fg_proof_run_rows(p->spec_b, p->b.format, p->b.config),
                        .config = p->b.config};
    FG_CALL(fg_proof_run_prepare(proof_run, run, &a, &b, p->b.generation_config, err));
    if (proof_run->generates) return FG_OK;
    fg_tokenizer_files_free(&p->tokenizer_a);
    fg_tokenizer_files_free(&p->tokenizer_b);
    return FG_OK;
}

static fg_status describe_side(const char *side, const fg_checkpoint *checkpoint, const fg_assembly *assembly,
                               bool given, json_t *report, fg_error *err) {
    const fg_plan *plan = made_of(assembly);
    uint64_t tensors = plan ? plan->output_count : checkpoint->tensors.count;
    uint64_t bytes = plan ? fg_plan_bytes(plan) : fg_tensors_tally(&checkpoint->tensors).total_bytes;
    json_t *about =
        json_pack("{s:o, s:s, s:I, s:I}", "directory", fg_json_string(checkpoint->directory), "format",
                  checkpoint->format->name, "tensors", (json_int_t)tensors, "bytes", (json_int_t)bytes);
    FG_CALL(fg_json_put(report, side, about, err));
    return fg_conversion_report_weights(checkpoint, given ? "given" : "latest", about, err);
}

static fg_status describe(compared *p, const fg_proof_run *proof_run, fg_error *err) {
    FG_CALL(describe_side("source", &p->a, &p->assembly_a, p->given_a, p->report, err));
    FG_CALL(describe_side("destination", &p->b, &p->assembly_b, p->given_b, p->report, err));
    return fg_proof_run_report(proof_run, p->report, err);
}

static void close_both(compared *p) {
    fg_checkpoint_close(&p->a);
    fg_checkpoint_close(&p->b);
    fg_assembly_free(&p->assembly_a);
    fg_assembly_free(&p->assembly_b);
    fg_tokenizer_files_free(&p->tokenizer_a);
    fg_tokenizer_files_free(&p->tokenizer_b);
    json_decref(p->spec_a);
    json_decref(p->spec_b);
    json_decref(p->report);
}

/* Rank 0: everything up to the first number. */
static fg_status prepare(const fg_run *run, compared *p, fg_proof_run *proof_run, fg_error *err) {
    FG_CALL(open_both(run, p, proof_run, err));
    FG_CALL(resolve_proof(run, p, proof_run, err));
    const fg_options *options = run->options;
    return fg_outputs_reserve(&p->outputs,
                              &(fg_output_request){.report = options->report,
                                                   .html = options->html,
                                                   .dump = options->dump,
                                                   .reads = {options->source, options->destination}},
                              err);
}

static fg_status compare(const fg_run *run, compared *p, fg_proof_run *proof_run, double begun,
                         fg_error *err) {
    FG_CALL(fg_proof_run_check(proof_run, run, err));
    if (run->ranks->rank == 0) fg_estimate_dump(run->options->dump, proof_run->dump_bytes, 0, NULL, err);
    FG_CALL(fg_ranks_agree(run->ranks, err));
    FG_CALL(fg_proof_run_forward(proof_run, run, err));
    p->outputs.dump.filled = true;
    if (run->ranks->rank == 0) {
        fg_checkpoint_check_unchanged(&p->a, false, err);
        fg_checkpoint_check_unchanged(&p->b, false, err);
        describe(p, proof_run, err);
    }
    FG_CALL(fg_ranks_agree(run->ranks, err));
    fg_run_report_end(run, fg_proof_run_passed(proof_run) ? "done" : "differ", fg_clock_seconds() - begun,
                      &(fg_rank_work){.proof_seconds = proof_run->proof.seconds}, p->report, err);
    return fg_ranks_agree(run->ranks, err);
}

static fg_status conclude(const fg_run *run, compared *p, const fg_proof_run *proof_run, fg_error *err) {
    FG_CALL(fg_run_report_write(run, &p->outputs, p->report, err));
    FG_CALL(fg_run_report_show(run, p->report, err));
    return fg_proof_run_judge(proof_run, run->options->source, run->options->destination, NULL, err);
}

static fg_status run_validate(const fg_run *run, fg_error *err) {
    compared p = {0};
    fg_proof_run proof_run;
    double begun = fg_clock_seconds();
    bool first = run->ranks->rank == 0;
    fg_proof_run_begin(&proof_run, run);
    proof_run.compares = true;
    if (first) prepare(run, &p, &proof_run, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status == FG_OK) status = compare(run, &p, &proof_run, begun, err);
    if (status == FG_OK && first) conclude(run, &p, &proof_run, err);
    if (status == FG_OK) status = fg_ranks_agree(run->ranks, err);
    if (first) status = fg_outputs_close(&p.outputs, status, err);
    fg_proof_run_free(&proof_run);
    close_both(&p);
    return status;
}

const fg_command fg_validate_command = {
    .name = "validate",
    .arguments = "A B",
    .least = 2,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_FAMILY | FG_TAKES_CONVERTERS | FG_TAKES_REPORT | FG_TAKES_RANKS | FG_TAKES_TOLERANCE |
               FG_TAKES_PROOF | FG_TAKES_CHECKPOINT | FG_TAKES_TRAINED | FG_TAKES_JSON,
    .collective = true,
    .summary = "run two checkpoints of any formats and compare their logits",
    .about = "Runs the models of two directories of any formats on the same tokens, in float32, and compares "
             "their logits. They must be equal bit for bit, or within --atol; --profile judges models that "
             "cannot be equal. -c chooses the training "
             "checkpoint of each of the two that has some.",
    .example = "fgconv validate --dump both.h5 Llama-3.2-1B llama-fg",
    .headline = {.done = "Compared {source} with {destination}",
                 .differ = "the logits of {source} and {destination} differ",
                 .tokens_differ = "{source} and {destination} generate different tokens"},
    .run = run_validate,
};
