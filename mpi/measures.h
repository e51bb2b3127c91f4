/* How far hidden states of two models are apart, half-block by half-block: after the embedding, for each
 * block what the mixer and the MLP add and what the block gives, and after the final norm of each
 * prediction head. The same of a vision encoder: after the embedding of the patches, for each block, and
 * after the adapter, which takes the place of a final norm. They are compared while the models run: what
 * the reference gives is kept until the candidate gives the same, over all tokens or patches of the prompt.
 * Where a rank cannot keep all that, the models take turns after as many tokens as it can keep (pipeline.h).
 * With full attention all tokens run at once: a point of which a part was not kept is not measured at all.
 *
 * Invariant: one rank of the stage that runs a block measures it, and sees all tokens of both models in their
 * order; so the figures do not depend on the number of ranks.
 */
#ifndef FG_MPI_MEASURES_H
#define FG_MPI_MEASURES_H

#include "dump.h"
#include "model/compare.h"

typedef struct fg_measures {
    uint64_t blocks, heads; /* of the models' shape */
    size_t count;
    fg_compare *totals;         /* owned; [count] */
    uint64_t *lost;             /* owned; [count]; not 0: it was not measured */
    struct fg_kept_state *kept; /* owned; those of the reference that wait */
    uint64_t kept_bytes;
} fg_measures;

/* Where it was measured. `of`: the block, or the prediction head of a final norm. */
typedef struct fg_measure_point {
    fg_dump_item item;
    uint64_t of;
} fg_measure_point;

/* On every rank, for models of this shape; an encoder has one head. To be freed in any case. */
fg_status fg_measures_begin(fg_measures *measures, uint64_t blocks, uint64_t heads, fg_error *err);
/* Hidden states [count, width] of the tokens from `position` on. */
typedef struct fg_measured {
    fg_measure_point point;
    uint64_t position, count, width;
    const float *values;
    const float *reference; /* of the candidate: what the reference gave; NULL: it is to be kept for it */
} fg_measured;

/* Not collective. Of a model that is neither reference nor candidate nothing is done. */
fg_status fg_measures_add(fg_measures *measures, unsigned model, const fg_measured *measured, fg_error *err);
/* What a rank keeps at most, if one model gives so many numbers before the other. */
uint64_t fg_measures_bytes(uint64_t numbers);
/* Half-blocks, as a block has them. */
enum { FG_MEASURES_OF_BLOCK = 3 };
/* So many tokens of this width can be kept of all half-blocks of a block, at least one. */
uint64_t fg_measures_tokens(uint64_t width);
/* Collective, after an agreement: every rank gets what all have measured. */
fg_status fg_measures_join(fg_measures *measures, const fg_ranks *ranks, fg_error *err);
void fg_measures_free(fg_measures *measures);

/* The point that is number `index` of `count`, in the order of computing. */
fg_measure_point fg_measures_point(const fg_measures *measures, size_t index);

#endif
