/* Inside of a bound model: for the files of src/model only. */
#ifndef FG_MODEL_MODEL_H
#define FG_MODEL_MODEL_H

#include "model/block_kinds.h"
#include "model/forward.h"

typedef struct fg_block {
    const fg_block_kind *kind;
    fg_sublayer_weights sublayers[FG_SUB_COUNT];
} fg_block;

/* What the block's mixer keeps of earlier positions. */
fg_cache_size fg_block_cache_size(const fg_block *block);

struct fg_model {
    fg_model_shape shape;
    fg_model_settings settings;
    fg_workspace work;
    fg_mask mask;
    fg_block_kinds kinds;
    fg_block *blocks; /* owned; shape.blocks of them */
    fg_matrix embedding, head;
    fg_matrix tied_head;          /* what a tied model's store holds as its head; without a name if nothing */
    uint64_t tied_row, tied_rows; /* the rows of it that were compared last */
    fg_vector *final_norms;       /* owned; one a prediction head */

    fg_scratch input, output, normed, added; /* hidden states, or logits, of one call */
};

struct fg_cache {
    const fg_workspace *work; /* borrowed; the model's */
    uint64_t first, count;
    fg_layer_cache *blocks; /* owned */
};

#endif
