/* The proof: two models run on the same prompts, side by side, spread over the ranks, and their logits are
 * compared.
 *
 * Ranks form stages, which have blocks in turns and share the rows of each matrix (grid.h). What goes from
 * stage to stage are hidden states of one model and one micro-batch of tokens; while one works on these, the
 * others work on others. The head is split over the vocabulary: each rank computes and compares its rows, and
 * all-reduces join the result.
 */
#ifndef FG_MPI_PROVE_H
#define FG_MPI_PROVE_H

#include "model/profile.h"
#include "model_pair.h"
#include "pipeline.h"
#include "report/progress.h"

typedef struct fg_proof_task {
    double atol;               /* largest difference that passes; 0 for a conversion */
    const fg_profile *profile; /* borrowed; NULL: `atol` judges */
    const char *dump;          /* HDF5 file, or NULL; the same on every rank */
    const char *version;
    fg_progress_style style;
} fg_proof_task;

/* Of one prompt. */
typedef struct fg_prompt_result {
    bool passed;
    uint64_t tokens;
    uint64_t patches, height, width; /* of the image and its pixels; 0: text alone */
    fg_comparison logits;            /* candidate against reference */
    fg_comparison rounding;          /* candidate against the unrounded source, if result->rounded */
    fg_proof_places places;
    fg_measures measures, vision_measures; /* owned; the latter with an image */
    bool parted;                           /* hidden states differ somewhere */
    uint64_t place;                        /* of the first difference */
} fg_prompt_result;

typedef struct fg_proof_result {
    bool passed;          /* with every prompt */
    fg_model_shape shape; /* the candidate's */
    bool rounded;
    const fg_profile *profile;                 /* borrowed; that of the task */
    fg_prompt_result prompts[FG_PAIR_PROMPTS]; /* as the pair has them */
    unsigned prompt_count;
    json_t *gaps; /* owned; rank 0: what was not exercised (exercised.h) */
    double seconds;
} fg_proof_result;

/* Collective. Refuses, before anything is computed, more tokens than can be compared at once; else `bytes`
 * gets about what the rank that needs most allocates, and `dump_bytes` about how large a dump is. */
fg_status fg_proof_check(const fg_model_pair *pair, uint64_t *bytes, uint64_t *dump_bytes, fg_error *err);
/* Collective. FG_OK when it could be carried out, whatever the result, which is to be freed in any case. */
fg_status fg_prove(const fg_model_pair *pair, const fg_proof_task *task, fg_proof_result *result,
                   fg_error *err);
void fg_proof_result_free(fg_proof_result *result);

/* The first prompt that did not pass, or the first. */
const fg_prompt_result *fg_proof_decisive(const fg_proof_result *result);
/* The first difference, for messages: "the feed-forward layer of block 3". `buffer` is returned. */
const char *fg_proof_place(const fg_prompt_result *result, char *buffer, size_t size);
/* The "proof" part of the report. */
fg_status fg_proof_report(const fg_proof_result *result, json_t *report, fg_error *err);

#endif
