/* Which numbers of a model's weights its forward pass reads. A proof says nothing of the others.
 *
 * Invariant: each range lies within its tensor.
 */
#ifndef FG_MODEL_UNREAD_H
#define FG_MODEL_UNREAD_H

#include "base/json.h"
#include "model/weight_source.h"

typedef struct fg_read_range {
    uint32_t tensor;     /* fg_weight's index */
    uint64_t first, end; /* stored elements */
} fg_read_range;

/* Start from zeros. */
typedef struct fg_read_ranges {
    fg_read_range *items; /* owned */
    size_t count, capacity;
} fg_read_ranges;

fg_status fg_read_ranges_add(fg_read_ranges *ranges, const fg_weight *weight, uint64_t first, uint64_t count,
                             fg_error *err);
void fg_read_ranges_free(fg_read_ranges *ranges);

/* Every element of every tensor of the source lies in a range, except in tensors whose names end as `unread`
 * lists. Else FG_ERR_INPUT. A source that does not say what it has is not checked. Sorts the ranges. */
fg_status fg_read_ranges_check(fg_read_ranges *ranges, const fg_weight_source *weights, const json_t *unread,
                               fg_error *err);

#endif
