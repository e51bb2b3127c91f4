/* How tiling is proved, cheapest way first:
 *
 *  1. A piece whose strides are nested (each greater than what lies inside it reaches) never meets itself. If
 * the elements of all pieces add up to the output's, one piece alone is enough: nothing can be left out.
 *  2. Pieces that are runs must follow each other.
 *  3. If the strides of all pieces divide each other (1 | 32 | 4096 | ...), they are the places of a mixed
 * radix number system in which each piece is one or a few boxes: intervals of digits. Boxes are held against
 * each other digit by digit, from the highest.
 *  4. What is left (layouts that do not nest) is counted element by element, up to a limit.
 */
#include "convert/plan_tiling.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

enum {
    MAX_AXES = 12,
    MAX_PARTS = FG_MAX_DIMS + MAX_AXES, /* dimensions of a piece while it is cut */
    MAX_COUNTED = 1 << 28,              /* elements that are counted one by one: 32 MiB of bits */
};

/* The place values of the number system, highest first; the last is 1. `size[a]` digits at place a. */
typedef struct axes {
    uint32_t count;
    uint64_t stride[MAX_AXES], size[MAX_AXES];
} axes;

/* Elements whose digit at each place lies in [low, high). */
typedef struct box {
    uint64_t low[MAX_AXES], high[MAX_AXES];
} box;

/* A strided set of elements, outermost dimension first, every extent greater than 1. */
typedef struct progression {
    uint32_t dims;
    uint64_t start, extent[MAX_PARTS], stride[MAX_PARTS];
} progression;

typedef struct tiling {
    const fg_output *output;
    axes axes;
    box *boxes; /* owned */
    size_t count, capacity;
    fg_error *err;
} tiling;

bool fg_box_last(uint32_t dims, const uint64_t *extent, const uint64_t *stride, uint64_t start,
                 uint64_t *last) {
    uint64_t step;
    *last = start;
    for (uint32_t d = 0; d < dims; d++) {
        if (!extent[d] || !fg_mul(extent[d] - 1, stride[d], &step) || !fg_add(*last, step, last))
            return false;
    }
    return true;
}

static fg_status wrong_cover(const fg_output *output, uint64_t element, size_t times, fg_error *err) {
    return fg_fail(err, FG_ERR_BUG,
                   "plan: output \"%s\": element %" PRIu64 " is covered %zu times, expected once",
                   output->name, element, times);
}

/* The piece's box without dimensions of one element; false if it may meet itself. */
static bool to_progression(const fg_piece *piece, progression *p) {
    uint64_t reach = 0; /* of the dimensions inside */
    *p = (progression){.start = piece->to};
    for (uint32_t d = 0; d < piece->dims; d++) {
        if (piece->extent[d] == 1) continue;
        p->extent[p->dims] = piece->extent[d];
        p->stride[p->dims++] = piece->to_stride[d];
    }
    for (uint32_t d = p->dims; d-- > 0;) {
        if (p->stride[d] <= reach) return false;
        reach += (p->extent[d] - 1) * p->stride[d]; /* inside the output: cannot overflow */
    }
    return true;
}

static bool is_run(const progression *p) {
    uint64_t stride = 1;
    for (uint32_t d = p->dims; d-- > 0; stride *= p->extent[d]) {
        if (p->stride[d] != stride) return false;
    }
    return true;
}

static uint64_t volume(const fg_piece *piece) {
    uint64_t product = 1;
    for (uint32_t d = 0; d < piece->dims; d++) product *= piece->extent[d];
    return product;
}

/* ---- 3: digits ---- */

static int descending(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x < y) - (x > y);
}

/* Finds the places; false if the strides do not divide each other or are too many. */
static bool find_axes(const fg_output *output, const fg_piece *pieces, size_t count, axes *result) {
    *result = (axes){.count = 1, .stride = {1}};
    for (size_t i = 0; i < count; i++) {
        progression p;
        to_progression(&pieces[i], &p);
        for (uint32_t d = 0; d < p.dims; d++) {
            uint32_t a = 0;
            while (a < result->count && result->stride[a] != p.stride[d]) a++;
            if (a < result->count) continue;
            if (result->count == MAX_AXES) return false;
            result->stride[result->count++] = p.stride[d];
        }
    }
    qsort(result->stride, result->count, sizeof *result->stride, descending);
    uint64_t above = output->elements;
    for (uint32_t a = 0; a < result->count; a++) {
        if (above % result->stride[a]) return false;
        result->size[a] = above / result->stride[a];
        above = result->stride[a];
    }
    return true;
}

static uint32_t axis_of(const axes *places, uint64_t stride) {
    uint32_t a = 0;
    while (places->stride[a] != stride) a++;
    return a;
}

static uint64_t digit(const axes *places, uint64_t element, uint32_t axis) {
    return element / places->stride[axis] % places->size[axis];
}

static fg_status add_boxes(tiling *t, const progression *p);

/* Cuts dimension `d`, which runs over the end of its digit: up to that end, whole rounds (a dimension more),
 * and the rest. */
static fg_status cut(tiling *t, const progression *p, uint32_t d) {
    fg_status status = FG_OK;
    uint32_t axis = axis_of(&t->axes, p->stride[d]);
    uint64_t size = t->axes.size[axis], begin = digit(&t->axes, p->start, axis), extent = p->extent[d];
    uint64_t head = begin ? fg_min(size - begin, extent) : 0;
    uint64_t rounds = (extent - head) / size, tail = (extent - head) % size;
    uint64_t counts[3] = {head, rounds * size, tail};
    progression part = *p;
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t after = part.start + counts[i] * p->stride[d];
        if (counts[i]) {
            progression piece = part;
            piece.extent[d] = counts[i];
            if (i == 1 && rounds > 1) {
                if (p->dims == MAX_PARTS)
                    FG_TRY(
                        fg_fail(t->err, FG_ERR_BUG, "plan: output \"%s\": too many parts", t->output->name));
                memmove(piece.extent + d + 1, p->extent + d, (p->dims - d) * sizeof *p->extent);
                memmove(piece.stride + d + 1, p->stride + d, (p->dims - d) * sizeof *p->stride);
                piece.dims++;
                piece.extent[d] = rounds;
                piece.stride[d] = p->stride[d] * size;
                piece.extent[d + 1] = size;
            }
            FG_TRY(add_boxes(t, &piece));
        }
        part.start = after;
    }
done:
    return status;
}

static fg_status add_boxes(tiling *t, const progression *p) {
    fg_status status = FG_OK;
    box b = {0};
    for (uint32_t a = 0; a < t->axes.count; a++) {
        b.low[a] = digit(&t->axes, p->start, a);
        b.high[a] = b.low[a] + 1;
    }
    /* From the inside: what is cut there moves the start of the dimensions outside. */
    for (uint32_t d = p->dims; d-- > 0;) {
        if (p->extent[d] == 1) continue;
        uint32_t axis = axis_of(&t->axes, p->stride[d]);
        if (p->extent[d] > t->axes.size[axis] - b.low[axis]) return cut(t, p, d);
        b.high[axis] = b.low[axis] + p->extent[d];
    }
    FG_TRY(fg_grow(&t->boxes, t->count, &t->capacity, sizeof *t->boxes, t->err));
    t->boxes[t->count++] = b;
done:
    return status;
}

/* Whether the boxes `members` tile all digits from `axis` on; `element` is the first element of the slab.
 * `room` has space for `count` members for each axis from this one on. */
static fg_status check_slab(const tiling *t, const uint32_t *members, size_t count, uint32_t axis,
                            uint64_t element, uint32_t *room) {
    fg_status status = FG_OK;
    if (axis == t->axes.count) return count == 1 ? FG_OK : wrong_cover(t->output, element, count, t->err);
    for (uint64_t at = 0; at < t->axes.size[axis];) {
        uint64_t next = t->axes.size[axis];
        size_t inside = 0;
        for (size_t i = 0; i < count; i++) {
            const box *b = &t->boxes[members[i]];
            if (b->low[axis] > at)
                next = fg_min(next, b->low[axis]);
            else if (b->high[axis] > at) {
                next = fg_min(next, b->high[axis]);
                room[inside++] = members[i];
            }
        }
        uint64_t first = element + at * t->axes.stride[axis];
        if (!inside) FG_TRY(wrong_cover(t->output, first, 0, t->err));
        FG_TRY(check_slab(t, room, inside, axis + 1, first, room + inside));
        at = next;
    }
done:
    return status;
}

static fg_status check_boxes(tiling *t, const fg_piece *pieces, size_t count) {
    fg_status status = FG_OK;
    fg_error *err = t->err;
    uint32_t *room = NULL;
    for (size_t i = 0; i < count; i++) {
        progression p;
        to_progression(&pieces[i], &p);
        FG_TRY(add_boxes(t, &p));
    }
    FG_NEW(room, t->count * (t->axes.count + 1));
    for (size_t i = 0; i < t->count; i++) room[i] = (uint32_t)i;
    FG_TRY(check_slab(t, room, t->count, 0, 0, room + t->count));
done:
    fg_free(room);
    return status;
}

/* ---- 2 and 4 ---- */

/* `pieces` are sorted by where they begin. */
static fg_status check_runs(const fg_output *output, const fg_piece *pieces, size_t count, fg_error *err) {
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].to != at)
            return wrong_cover(output, fg_min(at, pieces[i].to), pieces[i].to > at ? 0 : 2, err);
        at += volume(&pieces[i]);
    }
    return FG_OK;
}

/* Marks each element; stops at the first that is marked already. */
static fg_status mark(const fg_output *output, const fg_piece *piece, unsigned char *bits, fg_error *err) {
    uint64_t index[FG_MAX_DIMS] = {0}, element = piece->to, left = volume(piece);
    for (; left; left--) {
        unsigned char bit = (unsigned char)(1u << element % 8);
        if (bits[element / 8] & bit) return wrong_cover(output, element, 2, err);
        bits[element / 8] |= bit;
        for (uint32_t d = piece->dims; d-- > 0;) {
            element += piece->to_stride[d];
            if (++index[d] < piece->extent[d]) break;
            element -= piece->extent[d] * piece->to_stride[d];
            index[d] = 0;
        }
    }
    return FG_OK;
}

/* The volumes add up: no element twice means each element once. */
static fg_status check_elements(const fg_output *output, const fg_piece *pieces, size_t count,
                                fg_error *err) {
    fg_status status = FG_OK;
    unsigned char *bits = NULL;
    if (output->elements > MAX_COUNTED) {
        return fg_fail(err, FG_ERR_BUG,
                       "plan: output \"%s\": its pieces have strides that do not divide each other",
                       output->name);
    }
    FG_NEW(bits, output->elements / 8 + 1);
    for (size_t i = 0; i < count; i++) FG_TRY(mark(output, &pieces[i], bits, err));
done:
    fg_free(bits);
    return status;
}

fg_status fg_tiling_check(const fg_output *output, const fg_piece *pieces, size_t count, fg_error *err) {
    fg_status status = FG_OK;
    tiling t = {.output = output, .err = err};
    uint64_t total = 0;
    bool runs = true;
    for (size_t i = 0; i < count; i++) {
        progression p;
        if (!to_progression(&pieces[i], &p))
            FG_TRY(fg_fail(err, FG_ERR_BUG, "plan: output \"%s\": piece %zu does not go through it in order",
                           output->name, i));
        runs = runs && is_run(&p);
        if (!fg_add(total, volume(&pieces[i]), &total)) total = UINT64_MAX;
    }
    /* Runs tell where they fail even if the sum is wrong. */
    if (runs) FG_TRY(check_runs(output, pieces, count, err));
    if (total != output->elements) {
        FG_TRY(fg_fail(err, FG_ERR_BUG,
                       "plan: output \"%s\": its pieces have %" PRIu64 " elements, expected %" PRIu64,
                       output->name, total, output->elements));
    }
    if (runs || count == 1) goto done;
    if (find_axes(output, pieces, count, &t.axes))
        FG_TRY(check_boxes(&t, pieces, count));
    else
        FG_TRY(check_elements(output, pieces, count, err));
done:
    fg_free(t.boxes);
    return status;
}
