/* Generation: both models of a pair continue the pair's tokens, each with its own KV cache, and must choose
 * the same tokens.
 *
 * The prompt goes through the pipeline in one pass, then each new token alone. Ranks compute their slices of
 * the vocabulary; the token is the largest logit of all slices (the lowest id of equals), or it is drawn on
 * rank 0 from the logits in the order of ids, so that it is the same for every number of ranks. Only tokens
 * that both vocabularies have are chosen.
 *
 * Invariant: both models see the same tokens; a generation ends with the first that they choose differently.
 */
#ifndef FG_MPI_GENERATE_H
#define FG_MPI_GENERATE_H

#include <stdio.h>

#include "base/json.h"
#include "model_pair.h"
#include "tokenizer/id_list.h"
#include "tokenizer/tokenizer_files.h"
#include "tokens/sample.h"

/* As rank 0 knows it. */
typedef struct fg_generation_task {
    uint64_t limit; /* new tokens, at least 1 */
    fg_sampling sampling;
    const json_t *end_ids;               /* tokens that end it: an id, a list of ids, or NULL; borrowed */
    const fg_tokenizer_files *tokenizer; /* gives the text; NULL: there is none. Borrowed */
    FILE *out; /* gets text (without a tokenizer ids) as it comes; NULL: it is not printed */
} fg_generation_task;

typedef enum fg_generation_end { FG_END_LIMIT, FG_END_TOKEN, FG_END_DIFFERENCE } fg_generation_end;

typedef struct fg_generation {
    fg_id_list tokens; /* owned; the candidate's, without the prompt; every rank */
    fg_generation_end end;
    uint32_t reference_token; /* at a difference: what the reference chose in place of the last token */
    uint64_t prompt_tokens;
    fg_sampling sampling;
    double seconds,
        tokens_per_second; /* the first token's time, with the prompt's, counts in `seconds` only */
    bool has_text;         /* rank 0, as what follows */
    fg_buffer text;        /* owned; without special tokens */
    fg_buffer end_text;    /* owned; of the token that ended it */
} fg_generation;

/* Collective. Refuses, before anything is computed, a number of tokens or ids of end tokens that cannot be;
 * else `bytes` gets about what the rank that needs most allocates. */
fg_status fg_generation_check(const fg_model_pair *pair, const fg_generation_task *task, uint64_t *bytes,
                              fg_error *err);
/* Collective. FG_OK when it could be carried out, whatever the result, which is to be freed in any case. */
fg_status fg_generate(const fg_model_pair *pair, const fg_generation_task *task, fg_generation *result,
                      fg_error *err);
void fg_generation_free(fg_generation *result);

/* The "generation" part of the report. */
fg_status fg_generation_report(const fg_generation *result, json_t *report, fg_error *err);

#endif
