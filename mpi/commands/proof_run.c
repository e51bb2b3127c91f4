#include "commands/proof_run.h"

#include "model/model_settings.h"
#include "tokens/stop_tokens.h"

static bool proves(const fg_proof_run *proof_run) {
    return proof_run->validate == FG_VALIDATE_LOGITS;
}

void fg_proof_run_begin(fg_proof_run *proof_run, const fg_run *run) {
    const fg_options *options = run->options;
    bool given = options->validate != FG_VALIDATE_AUTO;
    *proof_run = (fg_proof_run){.validate = given ? options->validate : FG_VALIDATE_LOGITS,
                                .generates = options->generation_test,
                                .atol = options->atol > 0 ? options->atol : 0};
    proof_run->pair.mask = options->mask;
}

uint64_t fg_proof_run_rows(const json_t *spec, const fg_format *format, const json_t *config) {
    fg_model_settings settings;
    fg_error unsaid = {0};
    fg_hyperparameters_source source = fg_hyperparameters_source_of(spec, format->schema, config);
    return fg_model_settings_read(&settings, &source, &unsaid) == FG_OK ? settings.vocab : UINT64_MAX;
}

fg_status fg_proof_run_prepare(fg_proof_run *t, const fg_run *run, const fg_prompt_side *source,
                               const fg_prompt_side *destination, const json_t *generation_config,
                               fg_error *err) {
    const fg_options *o = run->options;
    fg_prompt_request prompt = {.ids = o->token_ids,
                                .id_count = o->token_count,
                                .text = o->prompt,
                                .generates = o->generation_test,
                                .compares = t->compares};
    fg_sampling_request sampling = {o->sample, o->temperature, o->top_p, o->seed};
    FG_CALL(fg_prompt_resolve(&t->prompt, &prompt, source, destination, err));
    t->pair.tokens = t->prompt.ids.ids;
    t->pair.token_count = t->prompt.ids.count;
    if (!t->generates) return FG_OK;
    FG_CALL(fg_sampling_resolve(&t->sampling, &sampling, generation_config, err));
    return fg_stop_tokens_merge(json_object_get(destination->config, "eos_token_id"),
                                json_object_get(generation_config, "eos_token_id"), FG_NO_TOKEN, &t->end_ids,
                                err);
}

/* ---- running ---- */

static fg_generation_task generation_task(const fg_proof_run *t, const fg_run *run) {
    bool silent = run->options->json || run->options->verbosity < 0;
    return (fg_generation_task){.limit = run->options->max_new_tokens,
                                .sampling = t->sampling,
                                .end_ids = t->end_ids,
                                .tokenizer = t->prompt.tokenizer,
                                .out = silent ? NULL : stdout};
}

fg_status fg_proof_run_check(fg_proof_run *t, const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    fg_model_pair pair = {0};
    bool through_plan = t->pair.through_plan;
    fg_generation_task task = generation_task(t, run);
    if (!fg_proof_run_runs_models(t)) return FG_OK;
    t->pair.through_plan = t->pair.plan != NULL;
    FG_TRY(fg_model_pair_bind(&pair, run->ranks, &t->pair, err));
    FG_TRY(fg_proof_check(&pair, &t->proof_bytes, &t->dump_bytes, err));
    if (!proves(t)) t->proof_bytes = 0;
    if (t->generates) FG_TRY(fg_generation_check(&pair, &task, &t->generation_bytes, err));
    if (run->options->dump) FG_TRY(fg_dump_check_reachable(run->ranks, run->options->dump, err));
done:
    fg_model_pair_close(&pair);
    t->pair.through_plan = through_plan;
    return status;
}

static fg_status prove(fg_proof_run *t, const fg_run *run, const fg_model_pair *pair, fg_error *err) {
    fg_proof_task task = {
        .atol = t->atol, .dump = run->options->dump, .version = run->version, .style = fg_run_progress(run)};
    return fg_prove(pair, &task, &t->proof, err);
}

static fg_status generate(fg_proof_run *t, const fg_run *run, const fg_model_pair *pair, fg_error *err) {
    fg_generation_task task = generation_task(t, run);
    return fg_generate(pair, &task, &t->generation, err);
}

bool fg_proof_run_runs_models(const fg_proof_run *t) {
    return proves(t) || t->generates;
}

fg_status fg_proof_run_forward(fg_proof_run *t, const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    fg_model_pair pair = {0};
    if (!fg_proof_run_runs_models(t)) return FG_OK;
    FG_TRY(fg_model_pair_open(&pair, run->ranks, &t->pair, err));
    if (proves(t)) FG_TRY(prove(t, run, &pair, err));
    if (t->generates && (!proves(t) || t->proof.passed)) FG_TRY(generate(t, run, &pair, err));
done:
    fg_model_pair_close(&pair);
    return status;
}

/* ---- the result ---- */

bool fg_proof_run_passed(const fg_proof_run *t) {
    return (!proves(t) || t->proof.passed) && t->generation.end != FG_END_DIFFERENCE;
}

fg_status fg_proof_run_report(const fg_proof_run *t, json_t *report, fg_error *err) {
    const char *other = t->validate == FG_VALIDATE_BYTES ? "bytes" : "none";
    FG_CALL(proves(t) ? fg_proof_report(&t->proof, report, err)
                      : fg_json_put(report, "proof", json_pack("{s:s}", "kind", other), err));
    if (t->generation.tokens.count) FG_CALL(fg_generation_report(&t->generation, report, err));
    return FG_OK;
}

static fg_status judge_proof(const fg_proof_result *result, const char *source, const char *destination,
                             fg_error *err) {
    char place[80];
    if (result->logits.non_finite[FG_SIDE_A] || result->logits.non_finite[FG_SIDE_B]) {
        fg_fail(err, FG_ERR_DIFFER,
                "nothing is proved: %llu logits of %s and %llu of %s are not finite numbers",
                (unsigned long long)result->logits.non_finite[FG_SIDE_A], source,
                (unsigned long long)result->logits.non_finite[FG_SIDE_B], destination);
        return fg_hint(err,
                       "look for NaN or infinity in the weights; --validate bytes checks the bytes instead");
    }
    fg_fail(err, FG_ERR_DIFFER,
            "the models differ: the logits of %s and %s are up to %g apart (first difference: %s)", source,
            destination, result->logits.largest_difference, fg_proof_place(result, place, sizeof place));
    return fg_hint(err, "the converter's rules for that part do not fit this model, or a weight was changed; "
                        "--dump FILE.h5 writes both models' intermediates");
}

static fg_status judge_generation(const fg_generation *g, const char *source, const char *destination,
                                  fg_error *err) {
    fg_fail(err, FG_ERR_DIFFER,
            "the models differ: new token %zu after the prompt is %lu for %s and %lu for %s", g->tokens.count,
            (unsigned long)g->reference_token, source, (unsigned long)g->tokens.ids[g->tokens.count - 1],
            destination);
    return fg_hint(err, "fgconv validate compares logits and names the first part that differs");
}

fg_status fg_proof_run_judge(const fg_proof_run *t, const char *source, const char *destination,
                             fg_error *err) {
    if (fg_proof_run_passed(t)) return FG_OK;
    return proves(t) && !t->proof.passed ? judge_proof(&t->proof, source, destination, err)
                                         : judge_generation(&t->generation, source, destination, err);
}

void fg_proof_run_free(fg_proof_run *t) {
    fg_prompt_free(&t->prompt);
    fg_generation_free(&t->generation);
    json_decref(t->end_ids);
    *t = (fg_proof_run){0};
}
