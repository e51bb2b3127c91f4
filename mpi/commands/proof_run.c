#include "commands/proof_run.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/checked.h"
#include "base/read_threads.h"
#include "device/cuda.h"
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
                                .atol = options->atol > 0 ? options->atol : 0,
                                .profile = fg_profile_of(options->profile)};
    proof_run->pair.mask = options->mask;
    proof_run->pair.device = &fg_device_cpu;
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
    t->pair.lengthens = !o->token_count && !o->prompt;
    if (o->image) {
        FG_CALL(fg_image_read(&t->image, o->image, err));
        t->pair.image = &t->image;
        t->pair.tokens_with_image = o->token_count > 0;
    }
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

/* The ranks of a node use its GPUs in turn. A rank whose GPU computes does little but read. */
static fg_status choose_device(fg_proof_run *t, const fg_run *run, fg_error *err) {
    if (run->options->device == FG_DEVICE_CUDA &&
        fg_device_cuda_load(run->ranks->node_rank, &t->pair.device, err) == FG_OK)
        fg_read_threads_set(fg_hardware_own_processors(run->ranks));
    FG_CALL(fg_ranks_agree(run->ranks, err));
    return fg_hardware_agree(run->ranks, t->pair.device, &t->hardware, err);
}

static fg_status reserve(uint64_t bytes, uint64_t tokens, fg_error *err) {
    fg_error unsaid = {0};
    char text[24];
    void *room = fg_alloc_buffer(bytes, &unsaid);
    fg_free(room);
    if (room) return FG_OK;
    fg_fail(err, FG_ERR_MEMORY, "a prompt of %llu tokens needs %s of memory on a rank, more than there is",
            (unsigned long long)tokens, fg_bytes_text(bytes, text));
    return fg_hint(err, "give fewer tokens (--prompt, --token-ids), or more memory");
}

/* What a rank will allocate for the models must be there before anything is written. */
static fg_status check_memory(const fg_proof_run *t, const fg_model_pair *pair, fg_error *err) {
    uint64_t tokens = 0;
    for (unsigned i = 0; i < pair->prompt_count; i++) tokens = fg_max(tokens, pair->prompts[i].token_count);
    bool cpu = t->pair.device == &fg_device_cpu;
    if (!cpu || fg_device_cpu_reserve(err) == FG_OK)
        reserve(fg_max(t->proof_bytes, t->generation_bytes), tokens, err);
    return fg_ranks_agree(pair->ranks, err);
}

fg_status fg_proof_run_check(fg_proof_run *t, const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    fg_model_pair pair = {0};
    bool through_plan = t->pair.through_plan;
    fg_generation_task task = generation_task(t, run);
    if (!fg_proof_run_runs_models(t)) return FG_OK;
    t->pair.through_plan = t->pair.plan != NULL;
    FG_TRY(choose_device(t, run, err));
    FG_TRY(fg_model_pair_bind(&pair, run->ranks, &t->pair, err));
    FG_TRY(fg_proof_check(&pair, &t->proof_bytes, &t->dump_bytes, err));
    if (!proves(t)) t->proof_bytes = 0;
    if (t->generates) FG_TRY(fg_generation_check(&pair, &task, &t->generation_bytes, err));
    FG_TRY(check_memory(t, &pair, err));
    if (run->options->dump) FG_TRY(fg_dump_check_reachable(run->ranks, run->options->dump, err));
done:
    fg_model_pair_close(&pair);
    t->pair.through_plan = through_plan;
    return status;
}

static fg_status prove(fg_proof_run *t, const fg_run *run, const fg_model_pair *pair, fg_error *err) {
    fg_proof_task task = {.atol = t->atol,
                          .profile = t->profile,
                          .dump = run->options->dump,
                          .version = run->version,
                          .style = fg_run_progress(run)};
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
                      : fg_json_put(report, "proof",
                                    json_pack("{s:s, s:s}", "kind", other, "verdict", "not_proved"), err));
    if (t->generation.tokens.count) FG_CALL(fg_generation_report(&t->generation, report, err));
    return fg_proof_run_runs_models(t) ? fg_hardware_report(&t->hardware, report, err) : FG_OK;
}

/* A setting that the destination only approximates; NULL: none. */
static const json_t *approximated(const json_t *left_out) {
    json_t *entry;
    FG_JSON_EACH(left_out, i, entry) {
        if (json_is_true(json_object_get(entry, "approximated"))) return entry;
    }
    return NULL;
}

static fg_status hint_at_difference(const json_t *left_out, fg_error *err) {
    char value[80];
    const json_t *entry = approximated(left_out);
    if (!entry)
        return fg_hint(err, "the converter's rules for that part do not fit this model, or a weight was "
                            "changed; --dump FILE.h5 writes both models' intermediates");
    return fg_hint(
        err,
        "\"%s\" = %s: %s, and no converter can change that; --validate bytes converts without proving "
        "the logits",
        json_string_value(json_object_get(entry, "key")),
        fg_json_brief(json_object_get(entry, "value"), value, sizeof value),
        json_string_value(json_object_get(entry, "reason")));
}

static fg_status judge_profile(const fg_profile *profile, const fg_comparison *logits, const char *source,
                               const char *destination, fg_error *err) {
    fg_fail(err, FG_ERR_DIFFER,
            "the models differ: the logits of %s and %s have a KL divergence of %g (mean) and %g (95th "
            "percentile) and a cosine of %.6g; --profile %s allows %g, %g and %g",
            source, destination, logits->kl_mean, logits->kl_p95, logits->cosine, profile->name,
            profile->kl_mean, profile->kl_p95, profile->cosine);
    fg_about_found(err, "KL %g (mean), %g (95th percentile), cosine %.6g", logits->kl_mean, logits->kl_p95,
                   logits->cosine);
    fg_about_expected(err, "KL up to %g and %g, cosine from %g", profile->kl_mean, profile->kl_p95,
                      profile->cosine);
    return fg_hint(err, "-v prints how far each half-block is apart");
}

static fg_status judge_proof(const fg_proof_run *t, const char *source, const char *destination,
                             const json_t *left_out, fg_error *err) {
    char place[80];
    const fg_proof_result *result = &t->proof;
    const fg_prompt_result *prompt = fg_proof_decisive(result);
    const fg_comparison *logits = &prompt->logits;
    if (logits->non_finite[FG_SIDE_A] || logits->non_finite[FG_SIDE_B]) {
        fg_fail(err, FG_ERR_DIFFER,
                "nothing is proved: %llu logits of %s and %llu of %s are not finite numbers",
                (unsigned long long)logits->non_finite[FG_SIDE_A], source,
                (unsigned long long)logits->non_finite[FG_SIDE_B], destination);
        fg_about_found(err, "%llu numbers that are not finite",
                       (unsigned long long)(logits->non_finite[FG_SIDE_A] + logits->non_finite[FG_SIDE_B]));
        fg_about_expected(err, "finite numbers");
        return fg_hint(err,
                       "look for NaN or infinity in the weights; --validate bytes checks the bytes instead");
    }
    if (result->profile) return judge_profile(result->profile, logits, source, destination, err);
    fg_fail(err, FG_ERR_DIFFER,
            "the models differ: the logits of %s and %s are up to %g apart%s (first difference: %s)", source,
            destination, logits->largest_difference, prompt->patches ? " with an image" : "",
            fg_proof_place(prompt, place, sizeof place));
    fg_about_key(err, place);
    fg_about_found(err, "logits up to %g apart", logits->largest_difference);
    fg_about_expected(err, "at most %g apart", t->atol);
    return hint_at_difference(left_out, err);
}

static fg_status judge_generation(const fg_generation *g, const char *source, const char *destination,
                                  fg_error *err) {
    fg_fail(err, FG_ERR_DIFFER,
            "the models differ: new token %zu after the prompt is %lu for %s and %lu for %s", g->tokens.count,
            (unsigned long)g->reference_token, source, (unsigned long)g->tokens.ids[g->tokens.count - 1],
            destination);
    fg_about_found(err, "token %lu", (unsigned long)g->tokens.ids[g->tokens.count - 1]);
    fg_about_expected(err, "token %lu", (unsigned long)g->reference_token);
    return fg_hint(err, "fgconv validate compares logits and names the first part that differs");
}

fg_status fg_proof_run_judge(const fg_proof_run *t, const char *source, const char *destination,
                             const json_t *left_out, fg_error *err) {
    if (fg_proof_run_passed(t)) return FG_OK;
    return proves(t) && !t->proof.passed ? judge_proof(t, source, destination, left_out, err)
                                         : judge_generation(&t->generation, source, destination, err);
}

void fg_proof_run_free(fg_proof_run *t) {
    fg_prompt_free(&t->prompt);
    fg_image_free(&t->image);
    fg_generation_free(&t->generation);
    fg_proof_result_free(&t->proof);
    fg_hardware_free(&t->hardware);
    json_decref(t->end_ids);
    *t = (fg_proof_run){0};
}
