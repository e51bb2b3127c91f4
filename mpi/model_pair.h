/* Two models on every rank, bound and ready to run on the same tokens: what a proof compares and what
 * generates.
 *
 * Models: the reference (the source; where the plan casts, its weights rounded as the plan rounds them), the
 * candidate (the destination), and, with casts, the source unrounded, for reporting what the rounding does.
 * Where the conversion edits rows of the vocabulary (added tokens), those of the source get the rows that
 * their definition asks for.
 *
 * Invariant: after fg_model_pair_open every rank holds the same models and the same tokens, all of which both
 * vocabularies have.
 */
#ifndef FG_MPI_MODEL_PAIR_H
#define FG_MPI_MODEL_PAIR_H

#include "base/json.h"
#include "model/forward.h"
#include "model/image.h"
#include "plan/rows.h"
#include "ranks.h"

/* Numbers of the models. */
enum { FG_REFERENCE = 0, FG_CANDIDATE = 1, FG_UNROUNDED = 2, FG_PAIR_MODELS = 3 };

/* One side, as rank 0 knows it. */
typedef struct fg_model_pair_side {
    const fg_format *format;
    const json_t *spec;        /* models/TYPE.json; borrowed */
    const json_t *config;      /* config.json; borrowed */
    const fg_tensors *tensors; /* borrowed; NULL for the candidate of a dry run */
    const fg_plan *assembly;   /* borrowed; NULL: its tensors lie in files; else they are made of vectors: the
                                  outputs of this plan, and `tensors` is not looked at */
    const fg_dtype *rounded;   /* borrowed; with an assembly and casts: what the conversion rounds each of its
                                  outputs to */
    const char *name;          /* directory, for messages and the dump */
} fg_model_pair_side;

typedef struct fg_model_pair_task {
    const fg_device *device;                /* that both models compute with */
    fg_model_pair_side source, destination; /* rank 0 */
    const fg_plan *plan;                    /* every rank holds it; NULL when two directories are compared */
    bool through_plan; /* the destination's tensors are read through the plan (dry run) */
    bool casts;        /* the plan casts: three models */
    fg_dtype round_source,
        round_destination;    /* validate of two dtypes: round that side to this first; FG_DTYPE_NONE: not */
    const uint32_t *tokens;   /* rank 0 */
    size_t token_count;       /* 0: a fixed set drawn from the vocabulary */
    bool lengthens;           /* rank 0: nobody asked for these tokens: there are as many as needed to reach
                                 beyond the longest sliding window, unless that is too long */
    const fg_image *image;    /* rank 0: for a vision encoder; NULL: a made-up one */
    bool tokens_with_image;   /* rank 0: the tokens are for it: there is no prompt of text alone */
    const fg_row_edits *rows; /* rank 0: what the plan makes of rows of the vocabulary, or NULL */
    const json_t *names;      /* for the dump: rows of texts, see dump.h, or NULL; rank 0 */
    fg_mask mask;             /* every rank */
} fg_model_pair_task;

/* What both models run on in one pass. */
typedef struct fg_pair_prompt {
    uint32_t *tokens; /* owned */
    uint64_t token_count;
    uint64_t patches;      /* of the image, whose rows image tokens get; 0: text alone */
    const fg_image *image; /* borrowed; NULL: text alone */
} fg_pair_prompt;

enum { FG_PAIR_PROMPTS = 2 };

typedef struct fg_model_pair {
    const fg_ranks *ranks;          /* borrowed */
    const fg_model_pair_task *task; /* borrowed */
    json_t *about;                  /* owned: specs, configs, formats, names */
    fg_tensors tables[2];           /* owned: decoded from rank 0's; empty where a plan has them */
    fg_plan assemblies[2];          /* owned: decoded from rank 0's; without outputs: there is none */
    fg_dtype *rounded;              /* owned: that of the source's side, or NULL */
    fg_model *models[FG_PAIR_MODELS];
    unsigned model_count;
    fg_row_edits edits; /* rows of the vocabulary that reference and unrounded source have otherwise than
                         their files */
    fg_pair_prompt prompts[FG_PAIR_PROMPTS]; /* a text, then one with an image; or one of the two */
    unsigned prompt_count;
    fg_image made_image; /* one made up, or received from rank 0 */
} fg_model_pair;

/* Collective. `task` must outlive the pair. FG_ERR_DIFFER when the models are not of one shape. The pair is
 * to be closed in any case. Reads no weights. */
fg_status fg_model_pair_bind(fg_model_pair *pair, const fg_ranks *ranks, const fg_model_pair_task *task,
                             fg_error *err);
/* The same; then FG_ERR_DIFFER when the candidate's rows of the vocabulary are not as `task->rows` asks. */
fg_status fg_model_pair_open(fg_model_pair *pair, const fg_ranks *ranks, const fg_model_pair_task *task,
                             fg_error *err);
void fg_model_pair_close(fg_model_pair *pair);

/* Rows that both vocabularies have. */
uint64_t fg_model_pair_vocab(const fg_model_pair *pair);

#endif
