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
#include "model/sublayer_weights.h"

/* One call of a mixer or MLP: tokens at [position, position + count), their hidden states, and where the
 * result goes. A block runs its tokens in such calls of some tiles each, one after the other. */
typedef struct fg_block_call {
    fg_workspace *work;
    const void *settings;
    const fg_sublayer_weights *weights;
    fg_layer_cache *cache; /* of a mixer */
    fg_mask mask;
    bool sees_ahead; /* a token sees all `given` positions, by the mask or as the mixer's own */
    uint64_t position, count, hidden;
    uint64_t given;       /* positions given to the block so far; at least position + count */
    uint64_t length;      /* tokens of the sequence; at least `given` */
    uint64_t columns;     /* of an image: so many patches are in a row; 0: tokens of a text */
    const fg_real *input; /* [count, hidden]; behind the half's norm, if there is one */
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
    /* Puts into the cache what tokens of other calls see of these: before those `run`.
     * Leaves `output` alone. NULL: nothing. */
    fg_status (*fill)(const fg_block_call *call, fg_error *err);
    fg_status (*run)(const fg_block_call *call, fg_error *err);

    fg_cache_size (*cache_size)(const void *settings); /* NULL: it keeps nothing */
    bool (*sees_ahead)(const void *settings);          /* a token sees those after it; NULL: never */
    /* The name of something that it holds and no call runs, from 0; NULL: behind the last. NULL: nothing. */
    const char *(*idle)(const void *settings, size_t index);
    uint64_t (*window)(const void *settings); /* tokens that one sees, 0: all; NULL: all */
    /* About how many numbers a call with `tokens` tokens, the last of `positions`, needs besides input and
     * output. */
    uint64_t (*scratch)(const void *settings, uint64_t tokens, uint64_t positions);
    uint64_t states; /* hidden states of a token that it needs besides these */
} fg_sublayer_kind;

/* Reads settings, whose sizes may refer to those of source->outer. They are owned by the caller, on failure
 * too. */
fg_status fg_sublayer_settings_read(const fg_sublayer_kind *kind, const fg_hyperparameters_source *source,
                                    void **settings, fg_error *err);
void fg_sublayer_settings_free(const fg_sublayer_kind *kind, void **settings);

/* The words of "mixer" and "mlp"; an fg_sublayer_kind; NULL: unknown. */
const void *fg_mixer_find(const char *word);
const void *fg_mlp_find(const char *word);
/* Kind number `index`, mixers first; NULL: there are no more. */
const fg_sublayer_kind *fg_sublayer_kind_at(size_t index);

#endif
