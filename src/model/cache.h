/* What mixers keep of earlier positions: keys and values of each, or a state of fixed size. */
#ifndef FG_MODEL_CACHE_H
#define FG_MODEL_CACHE_H

#include "model/workspace.h"

/* In numbers. */
typedef struct fg_cache_size {
    uint64_t per_position; /* kept for each position */
    uint64_t fixed;        /* kept once, for all positions so far; zeros before the first */
} fg_cache_size;

/* That of one block. Its mixer says what is where. */
typedef struct fg_layer_cache {
    fg_real *positions; /* [capacity, per_position] */
    fg_real *fixed;     /* [fixed] */
    uint64_t capacity;  /* positions */
    uint64_t filled;    /* positions that were given so far */
} fg_layer_cache;

fg_status fg_layer_cache_make(fg_layer_cache *cache, const fg_workspace *w, const fg_cache_size *size,
                              uint64_t capacity, fg_error *err);
void fg_layer_cache_free(fg_layer_cache *cache, const fg_workspace *w);
/* Checks that the tokens at [position, position + count) can follow, and begins a fixed state again at
 * position 0: such a state cannot go back to an earlier position. */
fg_status fg_layer_cache_continue(fg_layer_cache *cache, const fg_workspace *w, const fg_cache_size *size,
                                  uint64_t block, uint64_t position, uint64_t count, fg_error *err);

#endif
