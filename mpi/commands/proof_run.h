/* What a command does with two models: the proof, then the generation, each if it is asked for.
 *
 * Rank 0 resolves it (prompt, sampling); all ranks carry it out.
 */
#ifndef FG_MPI_COMMANDS_PROOF_RUN_H
#define FG_MPI_COMMANDS_PROOF_RUN_H

#include "commands/run.h"
#include "generate.h"
#include "hardware.h"
#include "prove.h"
#include "tokens/prompt.h"

typedef struct fg_proof_run {
    fg_validate
        validate; /* every rank, as what follows; how the conversion is proved (not FG_VALIDATE_AUTO) */
    bool generates;
    bool compares;           /* two models that are there, not a conversion */
    fg_model_pair_task pair; /* as model_pair.h says; tokens are filled in here */
    double atol;
    const fg_profile *profile; /* NULL: `atol` judges */
    fg_prompt prompt;          /* rank 0, as what follows */
    fg_image image;            /* of --image */
    fg_sampling sampling;      /* of the generation */
    json_t *end_ids;           /* owned; of the destination's two configurations */

    uint64_t proof_bytes,
        generation_bytes; /* every rank: about what the models need, of the rank that needs most; 0: not
                             run */
    uint64_t dump_bytes;  /* about how large a dump is */
    fg_hardware hardware; /* owned; once the check is done */
    fg_proof_result proof;
    fg_generation generation;
} fg_proof_run;

/* Every rank: what the options ask for, logits unless they say otherwise. */
void fg_proof_run_begin(fg_proof_run *proof_run, const fg_run *run);
/* The rows of a model's vocabulary; UINT64_MAX for a configuration that is wrong, which is said when the
 * model is bound. */
uint64_t fg_proof_run_rows(const json_t *spec, const fg_format *format, const json_t *config);
/* Rank 0, before anything is written: prompt and sampling. The destination's configurations are those that it
 * has or will have; `generation_config` may be NULL. */
fg_status fg_proof_run_prepare(fg_proof_run *proof_run, const fg_run *run, const fg_prompt_side *source,
                               const fg_prompt_side *destination, const json_t *generation_config,
                               fg_error *err);
/* Collective, before anything is written: binds both models, the destination's through the plan if there is
 * one, and checks what the proof and the generation are given: token ids, numbers of tokens, the path of the
 * dump (which rank 0 has reserved). */
fg_status fg_proof_run_check(fg_proof_run *proof_run, const fg_run *run, fg_error *err);
bool fg_proof_run_runs_models(const fg_proof_run *proof_run);
/* Collective. FG_OK when it could be carried out, whatever the result. Does nothing when no models are
 * run. */
fg_status fg_proof_run_forward(fg_proof_run *proof_run, const fg_run *run, fg_error *err);
bool fg_proof_run_passed(const fg_proof_run *proof_run);
/* Rank 0: the parts "proof" (of one that was not run the kind alone), "generation" and "hardware" of the
 * report. */
fg_status fg_proof_run_report(const fg_proof_run *proof_run, json_t *report, fg_error *err);
/* FG_ERR_DIFFER with a message when it did not pass. `left_out` (translate.h) says what the destination
 * computes otherwise; NULL: nothing is known. */
fg_status fg_proof_run_judge(const fg_proof_run *proof_run, const char *source, const char *destination,
                             const json_t *left_out, fg_error *err);
void fg_proof_run_free(fg_proof_run *proof_run);

#endif
