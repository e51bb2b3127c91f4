/* Strided sets of elements as boxes of digits in a mixed radix number system (Knuth, The Art of Computer
 * Programming, volume 2, section 4.1).
 *
 * If the strides of all sets divide each other (1 | 32 | 4096 | ...), they are the places of a mixed radix
 * number system, and each set is one or a few boxes: an interval of digits at each place. Boxes can be
 * compared place by place, without looking at elements.
 *
 * A set may have a shadow: for each element a position elsewhere (a piece's place in its source), which is
 * linear in the digits of a box.
 */
#ifndef FG_PLAN_MIXED_RADIX_H
#define FG_PLAN_MIXED_RADIX_H

#include "plan/plan.h"

enum {
    FG_PLACES_MAX = 12,
    FG_PROGRESSION_MAX = FG_MAX_DIMS + FG_PLACES_MAX, /* dimensions of a set while it is cut */
};

/* Place values, highest first; the last is 1. `size[p]` digits at place p. */
typedef struct fg_places {
    uint32_t count;
    uint64_t stride[FG_PLACES_MAX], size[FG_PLACES_MAX];
} fg_places;

/* A strided set of elements, outermost dimension first, every extent greater than 1, each stride greater than
 * what lies inside it reaches. */
typedef struct fg_progression {
    uint32_t dims;
    uint64_t start, extent[FG_PROGRESSION_MAX], stride[FG_PROGRESSION_MAX];
    uint64_t shadow, shadow_stride[FG_PROGRESSION_MAX];
} fg_progression;

/* The elements whose digit at each place p lies in [low[p], high[p]); the one of the lowest digits has its
 * shadow at `shadow`. */
typedef struct fg_digit_box {
    uint64_t low[FG_PLACES_MAX], high[FG_PLACES_MAX];
    uint64_t shadow, shadow_stride[FG_PLACES_MAX];
} fg_digit_box;

typedef struct fg_digit_boxes {
    fg_digit_box *items; /* owned */
    size_t count, capacity;
} fg_digit_boxes;

/* The set of a piece's elements in its output, with its source positions as shadow; or the other way round.
 * False if it may meet itself. The piece must lie inside what it refers to. */
bool fg_progression_of_output(const fg_piece *piece, fg_progression *progression);
bool fg_progression_of_source(const fg_piece *piece, fg_progression *progression);
/* Whether the elements follow each other without gaps. */
bool fg_progression_is_run(const fg_progression *progression);

/* Adds the strides of a set to the places (begun with {0}); false if there are too many. */
bool fg_places_add(fg_places *places, const fg_progression *progression);
/* Puts them in order and gives them sizes, for numbers below `elements`; false if they do not divide each
 * other. */
bool fg_places_sort(fg_places *places, uint64_t elements);

/* Appends the boxes of a set whose strides are places. `name` is the tensor's, for messages; FG_ERR_BUG if
 * the set is too finely cut. */
fg_status fg_digit_boxes_add(fg_digit_boxes *boxes, const fg_places *places,
                             const fg_progression *progression, const char *name, fg_error *err);
void fg_digit_boxes_free(fg_digit_boxes *boxes);

#endif
