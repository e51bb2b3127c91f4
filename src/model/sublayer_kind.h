/* A kind of mixer or MLP: what converters/models names by one word.
 *
 * Invariant: only the file of a kind knows its settings, the roles of its weights, and what it keeps of
 * earlier positions; others pass them on. A new kind is a file and a row in sublayer_kinds.c.
 */
#ifndef FG_MODEL_SUBLAYER_KIND_H
#define FG_MODEL_SUBLAYER_KIND_H

#include "model/cache.h"
#include "model/hyperparameters.h"
#include "model/sublayer.h"
#include "model/weight_lookup.h"

/* One call of a mixer or MLP: tokens at [position, position + count), their normed hidden states, and where
 * the result goes. */
typedef struct fg_block_call {
    fg_workspace *work;
    const void *settings;
    const fg_sublayer_weights *weights;
    fg_layer_cache *cache; /* of a mixer */
    fg_mask mask;
    uint64_t position, count, hidden;
    const fg_real *input; /* [count, hidden] */
    fg_real *output;      /* [count, hidden] */
} fg_block_call;

typedef struct fg_sublayer_kind {
    const char *word;
    /* Its settings: `settings_size` bytes that begin as zeros, filled by the rows and then by `read`. */
    size_t settings_size;
    const fg_hyperparameter *rows;
    size_t row_count;
    /* What rows cannot say, and what settings must be like together. NULL: nothing. */
    fg_status (*read)(void *settings, const fg_hyperparameters_source *source, fg_error *err);
    void (*release)(void *settings); /* what they own; NULL: nothing */

    fg_status (*bind)(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err);
    fg_status (*run)(const fg_block_call *call, fg_error *err);

    fg_cache_size (*cache_size)(const void *settings); /* NULL: it keeps nothing */
    bool (*sees_ahead)(const void *settings);          /* a token sees those after it; NULL: never */
    /* About how many numbers it needs for each of `tokens` tokens besides input and output. */
    uint64_t (*scratch)(const void *settings, uint64_t tokens);
} fg_sublayer_kind;

/* The words of "mixer" and "mlp"; an fg_sublayer_kind; NULL: unknown. */
const void *fg_mixer_find(const char *word);
const void *fg_mlp_find(const char *word);
/* Kind number `index`, mixers first; NULL: there are no more. */
const fg_sublayer_kind *fg_sublayer_kind_at(size_t index);

#endif
