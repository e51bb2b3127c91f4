/* The blocks of several models, spread over the ranks: stages have blocks in turns (grid.h), the ranks of a
 * stage run each of them together. The stage of the first block embeds, that of the last applies the final
 * norm. With several prediction heads each has a block of its own after the shared blocks: the stage that
 * holds it applies it and the head's final norm to a copy, and sends on what it received.
 *
 * Hidden states of one model and one micro-batch of tokens go from stage to stage, so that stages work on
 * different ones. A micro-batch is all tokens or a number of whole tiles (model/tile.h): logits have the same
 * bits for every number of ranks.
 *
 * Memory of a rank, in numbers: tokens * hidden * models for hidden states; keys and values of one block, or,
 * for a generation, of all blocks of the stage; weights, where they fit into the cache; what
 * fg_model_scratch_bytes says; and what the grid takes.
 *
 * Two uses: a proof runs all tokens once (fg_pipeline_run); a generation first its prompt and then one token
 * after the other (fg_pipeline_advance), with a KV cache.
 *
 * Digests find the first difference: each stage makes one of what each sublayer of its blocks adds to the
 * residual stream, that of the first block also of an image's way (vision_pass.h).
 */
#ifndef FG_MPI_PIPELINE_H
#define FG_MPI_PIPELINE_H

#include "dump.h"
#include "grid.h"
#include "measures.h"
#include "model_pair.h"
#include "places.h"
#include "report/progress.h"
#include "tally.h"

typedef struct fg_pipeline {
    const fg_model_pair *pair;    /* borrowed; its models are of one shape but for the vocabulary */
    unsigned model_count;         /* the first so many of its models run */
    const fg_pair_prompt *prompt; /* borrowed; of the pair */
    const uint32_t *token_ids;    /* borrowed; NULL: the prompt's */
    uint64_t room; /* a generation: positions that are kept, the prompt's tokens among them; else 0 */
    fg_dump *dump; /* borrowed; NULL: none. Models 0 and 1 are written */
    /* borrowed; NULL: none; of the vision encoder, with an image. Models 0 and 1 are compared */
    fg_measures *measures, *vision_measures;
    fg_progress_style style; /* of a run */

    uint64_t hidden, blocks, trunk, heads; /* of the models' shape */
    fg_proof_places places;
    fg_grid grid;
    uint64_t batch; /* tokens in a micro-batch */
    fg_cache
        *caches[FG_PAIR_MODELS]; /* of a generation all blocks of the stage, of a run the one that runs */
    /* With blocks of prediction heads: hidden states on their way, [tokens, hidden], of an advance [batch,
     * hidden]; and [batch, hidden], what a head's own block makes of them. Else hidden states are on their
     * way where their result goes, and all are NULL. */
    float *stream[FG_PAIR_MODELS], *aside;
    float *normed
        [FG_PAIR_MODELS]; /* on every rank, after the final norm: of a run [heads, tokens, hidden]; of an
                             advance [hidden], the last token's of the first head */
    float *image_rows[FG_PAIR_MODELS]; /* stage 0: [patches, hidden], what image tokens get; NULL: no image */
    fg_progress progress;
    fg_tally tally;                    /* of a run: bytes of weights that were used */
    uint64_t *digests[FG_PAIR_MODELS]; /* after a run, on every rank: one a place */
} fg_pipeline;

/* FG_ERR_USAGE: more tokens than can be run at once. */
fg_status fg_pipeline_check(const fg_model_pair *pair, const fg_pair_prompt *prompt, fg_error *err);
/* Collective. About what the rank that needs most allocates for it: buffers, KV caches, cached weights.
 * `pipeline` has its upper half. */
uint64_t fg_pipeline_expected_bytes(fg_pipeline *pipeline);
/* Collective. Fills the lower half: shares of blocks, micro-batches, buffers. */
fg_status fg_pipeline_open(fg_pipeline *pipeline, fg_error *err);
/* Collective. All tokens of the prompt. */
fg_status fg_pipeline_run(fg_pipeline *pipeline, fg_error *err);
/* Collective. The tokens [position, position + count), which continue what came before. */
fg_status fg_pipeline_advance(fg_pipeline *pipeline, uint64_t position, uint64_t count, fg_error *err);
/* Collective, in any case. */
void fg_pipeline_close(fg_pipeline *pipeline);

/* So many bytes of weights have been used by this rank. */
void fg_pipeline_count(fg_pipeline *pipeline, uint64_t bytes);
/* Whether this rank is the one that reports what its stage finds in a block. */
bool fg_pipeline_speaks_for(const fg_pipeline *pipeline, uint64_t block);

#endif
