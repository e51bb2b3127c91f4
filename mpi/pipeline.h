/* The blocks of several models, spread over the ranks: rank 0 embeds, each rank carries hidden states through
 * its blocks and hands them to the next, the last applies the final norm.
 *
 * What flows is one model and one micro-batch of tokens at a time, so that neighbouring ranks work on
 * different ones. Micro-batches are used when the rank's widened weights can be kept in memory; else one pass
 * per model reads each weight once.
 *
 * Where models part is found by digests: each rank adds a digest of what each half of each of its blocks adds
 * to the stream.
 */
#ifndef FG_MPI_PIPELINE_H
#define FG_MPI_PIPELINE_H

#include "dump.h"
#include "model/forward.h"
#include "ranks.h"
#include "report/progress.h"

enum { FG_PIPELINE_MODELS = 3 };

/* Places, in the order of computing: the embedding, then two for each block (mixer, MLP), then the final
 * norm. */
static inline uint64_t fg_place_of(uint64_t block, fg_sublayer sublayer) {
    return 1 + FG_SUB_COUNT * block + (uint64_t)sublayer;
}
static inline uint64_t fg_place_final_norm(uint64_t blocks) {
    return 1 + FG_SUB_COUNT * blocks;
}

typedef struct fg_pipeline {
    const fg_ranks *ranks;
    fg_model *models[FG_PIPELINE_MODELS]; /* of one shape but for the vocabulary; borrowed */
    unsigned model_count;
    const uint32_t *token_ids; /* borrowed */
    uint64_t tokens, hidden, blocks;
    uint64_t first_block, block_count; /* this rank's */
    uint64_t batch;                    /* tokens in a micro-batch */
    bool one_batch;                    /* every token sees every other: no micro-batches */
    fg_cache *caches[FG_PIPELINE_MODELS];
    float *stream; /* [batch, hidden] and one float more: whether an earlier rank failed */
    float
        *normed[FG_PIPELINE_MODELS]; /* after the run, on every rank: [tokens, hidden] after the final norm */
    uint64_t *digests[FG_PIPELINE_MODELS]; /* after the run, on every rank: one a place */
    fg_dump *dump;                         /* borrowed; NULL: none. Models 0 and 1 are written */
    fg_progress_style style;
} fg_pipeline;

/* Collective. Fills what is not borrowed: shares of blocks, micro-batches, buffers. */
fg_status fg_pipeline_open(fg_pipeline *pipeline, fg_error *err);
/* Collective. */
fg_status fg_pipeline_run(fg_pipeline *pipeline, fg_error *err);
void fg_pipeline_close(fg_pipeline *pipeline);

#endif
