/* The blocks of several models, spread over the ranks: rank 0 embeds, each rank runs its blocks on the hidden
 * states and sends them to the next, the last applies the final norm. With several prediction heads each has
 * a block of its own after the shared blocks: the rank that holds it applies it and the head's final norm to
 * a copy, and sends on what it received.
 *
 * A message is one model's hidden states of one micro-batch of tokens, so that neighbouring ranks work on
 * different ones. Micro-batches are used when every rank can cache its weights as float32; else one pass
 * per model reads each weight once.
 *
 * Two uses: a proof runs all tokens once (fg_pipeline_run); a generation first its prompt and then one token
 * after the other (fg_pipeline_advance), with a KV cache.
 *
 * Digests find the first difference: each rank makes one of what each sublayer of its blocks adds to the
 * residual stream.
 */
#ifndef FG_MPI_PIPELINE_H
#define FG_MPI_PIPELINE_H

#include "dump.h"
#include "model_pair.h"
#include "report/progress.h"

/* Places, in the order of computing: the embedding, then two for each block (mixer, MLP), then the final
 * norms, one a prediction head. */
static inline uint64_t fg_place_of(uint64_t block, fg_sublayer sublayer) {
    return 1 + FG_SUB_COUNT * block + (uint64_t)sublayer;
}
static inline uint64_t fg_place_final_norm(uint64_t blocks, uint64_t head) {
    return 1 + FG_SUB_COUNT * blocks + head;
}

typedef struct fg_pipeline {
    const fg_model_pair *pair; /* borrowed; its models are of one shape but for the vocabulary */
    unsigned model_count;      /* the first so many of its models run */
    const uint32_t *token_ids; /* borrowed; NULL: the pair's */
    uint64_t room;           /* a generation: positions that are kept, the pair's tokens among them; else 0 */
    fg_dump *dump;           /* borrowed; NULL: none. Models 0 and 1 are written */
    fg_progress_style style; /* of a run */

    uint64_t hidden, blocks, trunk, heads; /* of the models' shape */
    uint64_t first_block, block_count;     /* this rank's */
    uint64_t batch;                        /* tokens in a micro-batch */
    fg_cache *caches[FG_PAIR_MODELS];
    float *stream; /* [batch, hidden] and one float more: whether an earlier rank failed */
    float *aside;  /* [batch, hidden]: what a prediction head's own block makes of the stream */
    float *normed
        [FG_PAIR_MODELS]; /* on every rank, after the final norm: of a run [heads, tokens, hidden]; of an
                             advance [hidden], the last token's of the first head */
    fg_progress progress;
    uint64_t done_bytes;
    uint64_t *digests[FG_PAIR_MODELS]; /* after a run, on every rank: one a place */
} fg_pipeline;

/* FG_ERR_USAGE: more tokens than can be run at once. */
fg_status fg_pipeline_check(const fg_model_pair *pair, fg_error *err);
/* Collective. About what the rank that needs most allocates for it: buffers, KV caches, cached weights.
 * `pipeline` has its upper half. */
uint64_t fg_pipeline_expected_bytes(fg_pipeline *pipeline);
/* Collective. Fills the lower half: shares of blocks, micro-batches, buffers. */
fg_status fg_pipeline_open(fg_pipeline *pipeline, fg_error *err);
/* Collective. All tokens of the pair. */
fg_status fg_pipeline_run(fg_pipeline *pipeline, fg_error *err);
/* Collective. The tokens [position, position + count), which continue what came before. */
fg_status fg_pipeline_advance(fg_pipeline *pipeline, uint64_t position, uint64_t count, fg_error *err);
void fg_pipeline_close(fg_pipeline *pipeline);

#endif
