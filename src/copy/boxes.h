/* Boxes: the part of a piece that falls into a range of an output, as sub-boxes in a simple form.
 *
 * Invariant: a box made here holds at least one element; no extent is 1 unless it is the only one; dimensions
 * that run on into each other on both sides are one dimension.
 */
#ifndef FG_COPY_BOXES_H
#define FG_COPY_BOXES_H

#include "plan/plan.h"

/* Like fg_piece: positions and strides count elements, dimensions have descending strides on the output side.
 */
typedef struct fg_box {
    uint32_t rank; /* at least 1 */
    uint64_t extent[FG_MAX_DIMS];
    uint64_t from, from_stride[FG_MAX_DIMS];
    uint64_t to, to_stride[FG_MAX_DIMS];
} fg_box;

/* False if the piece has no elements. A fill by zeros has no source side: its positions there repeat the
 * output's. */
bool fg_box_of_piece(const fg_piece *piece, fg_box *box);

/* Consecutive elements on both sides. */
bool fg_box_is_run(const fg_box *box);

/* The output element after the last one that the box reaches. */
uint64_t fg_box_end(const fg_box *box);

/* Calls `visit` for sub-boxes that together are the elements of `box` in [first, end) of the output. */
typedef fg_status (*fg_box_visit)(void *context, const fg_box *part, fg_error *err);
fg_status fg_box_clip(const fg_box *box, uint64_t first, uint64_t end, fg_box_visit visit, void *context,
                      fg_error *err);

#endif
