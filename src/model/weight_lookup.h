/* Which tensor of the store, and which box of it, plays a role: "weights" of a SIDE (model/spec.h).
 *
 * Invariant: what is bound was found under exactly one name, has a float type and the shape that the settings
 * say, and is written down as read.
 */
#ifndef FG_MODEL_WEIGHT_LOOKUP_H
#define FG_MODEL_WEIGHT_LOOKUP_H

#include "base/json.h"
#include "model/matrix.h"
#include "model/unread.h"

/* Where names are looked up, and what stands for their placeholders. All borrowed. */
typedef struct fg_binder {
    const fg_weight_source *weights;
    const json_t *side; /* formats/FORMAT of the spec */
    const char *format;
    const json_t *config;     /* in which expressions of "rows" are evaluated: the block's, or the model's */
    uint64_t hidden, blocks;  /* hidden size; blocks that lead to the first prediction head */
    uint64_t block, head;     /* counted among all blocks; prediction head */
    uint64_t expert, experts; /* number and count; 0 of 0 where there are none */
    const char *mixer;        /* the name of one of several mixers of a block; NULL: it has one */
    fg_read_ranges *read;     /* what was bound so far */
} fg_binder;

/* Looks a role's weight up and checks its shape. */
fg_status fg_bind_matrix(const fg_binder *binder, const char *role, uint64_t rows, uint64_t columns,
                         fg_matrix *matrix, fg_error *err);
fg_status fg_bind_vector(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                         fg_error *err);
/* The same, but a vector that a store may lack, as "optional" of the spec says, stays as it is. */
fg_status fg_bind_optional(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                           fg_error *err);
/* A matrix and, if `biased`, its bias, whose role is that of the matrix and ".bias". */
fg_status fg_bind_linear(const fg_binder *binder, const char *role, bool biased, uint64_t rows,
                         uint64_t columns, fg_matrix *matrix, fg_error *err);
/* Whether the store holds a weight of that role. */
fg_status fg_bind_has(const fg_binder *binder, const char *role, bool *there, fg_error *err);

#endif
