/* The proof: two models run on the same tokens, side by side, spread over the ranks, and their logits are
 * compared.
 *
 * Ranks hold consecutive blocks (a pipeline). What flows through it are hidden states of one model and one
 * micro-batch of tokens; while a rank works on one, its neighbours work on others. The head is split over the
 * vocabulary: each rank computes and compares its rows, and all-reduces join the result.
 *
 * Models: the reference (the source; where the plan casts, its weights rounded as the plan rounds them), the
 * candidate (the destination), and, with casts, the source unrounded, for reporting what the rounding does.
 */
#ifndef FG_MPI_PROVE_H
#define FG_MPI_PROVE_H

#include "base/json.h"
#include "convert/plan.h"
#include "model/compare.h"
#include "pipeline.h"
#include "report/progress.h"

/* One side, as rank 0 knows it. */
typedef struct fg_proof_side {
    fg_format format;
    const json_t *spec;        /* models/TYPE.json; borrowed */
    const json_t *config;      /* config.json; borrowed */
    const fg_tensors *tensors; /* borrowed; NULL for the candidate of a dry run */
    const char *name;          /* directory, for messages and the dump */
} fg_proof_side;

typedef struct fg_proof_task {
    fg_proof_side source, destination; /* rank 0 */
    const fg_plan *plan;               /* every rank holds it; NULL when two directories are compared */
    bool through_plan;                 /* the destination's tensors are read through the plan (dry run) */
    bool casts;                        /* the plan casts: three models */
    fg_dtype round_source,
        round_destination;  /* validate of two dtypes: round that side to this first; FG_DTYPE_NONE: not */
    const uint32_t *tokens; /* rank 0; NULL: a fixed set drawn from the vocabulary */
    size_t token_count;
    fg_mask mask;
    double atol;      /* largest difference that passes; 0 for a conversion */
    const char *dump; /* HDF5 file, or NULL; the same on every rank */
    const char *version;
    const json_t *names; /* object source name -> destination name for the dump, or NULL; rank 0 */
    fg_progress_style style;
} fg_proof_task;

typedef struct fg_proof_result {
    bool passed;
    uint64_t tokens, vocab, blocks;
    fg_comparison logits;   /* candidate against reference */
    bool rounded;           /* `rounding` is filled */
    fg_comparison rounding; /* candidate against the unrounded source */
    bool parted;            /* hidden states differ somewhere */
    uint64_t place;         /* where they part first, as pipeline.h numbers places */
    double seconds;
} fg_proof_result;

/* Collective. FG_OK when it could be carried out, whatever the result. */
fg_status fg_prove(const fg_ranks *ranks, const fg_proof_task *task, fg_proof_result *result, fg_error *err);

/* Where the models part first, for messages: "block 3, mixer". `buffer` is returned. */
const char *fg_proof_place(const fg_proof_result *result, char *buffer, size_t size);
/* The "proof" part of the report. */
fg_status fg_proof_report(const fg_proof_result *result, json_t *report, fg_error *err);

#endif
