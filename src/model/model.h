/* Inside of a bound model: for the files of src/model only. */
#ifndef FG_MODEL_MODEL_H
#define FG_MODEL_MODEL_H

#include "model/forward.h"
#include "model/stack.h"
#include "model/vision_encoder.h"

struct fg_model {
    fg_model_shape shape;
    fg_model_settings settings;
    fg_workspace work;
    fg_mask mask;
    uint64_t length;  /* of the prompt; 0: not said */
    fg_stack decoder; /* shape.blocks blocks */
    fg_vision_encoder vision;
    fg_matrix embedding, head;
    fg_matrix tied_head;          /* what a tied model's store holds as its head; without a name if nothing */
    uint64_t tied_row, tied_rows; /* the rows of it that were compared last */
    fg_norm *final_norms;         /* owned; one a prediction head */

    fg_scratch input, output; /* hidden states, or logits, of one call */
};

struct fg_cache {
    const fg_workspace *work; /* borrowed; the model's */
    uint64_t first, step, count;
    fg_layer_cache *blocks; /* owned */
};

#endif
