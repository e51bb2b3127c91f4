/* How tiling is proved, cheapest way first:
 *
 *  1. A piece whose strides are nested (each greater than what lies inside it reaches) never meets itself. If
 * the elements of all pieces add up to the output's, one piece alone is enough: nothing can be left out.
 *  2. Pieces that are runs must follow each other.
 *  3. If the strides of all pieces divide each other (1 | 32 | 4096 | ...), they are the places of a mixed
 * radix number system in which each piece is one or a few boxes: intervals of digits. Boxes are compared with
 * each other digit by digit, from the highest.
 *  4. What is left (layouts that do not nest) is counted element by element, up to a limit.
 */
#include "plan/tiling.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "plan/mixed_radix.h"

enum { MAX_COUNTED = 1 << 28 }; /* elements that are counted one by one: 32 MiB of bits */

typedef struct tiling {
    const fg_output *output;
    fg_places places;
    fg_digit_boxes boxes;
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

static uint64_t volume(const fg_piece *piece) {
    uint64_t product = 1;
    for (uint32_t d = 0; d < piece->dims; d++) product *= piece->extent[d];
    return product;
}

/* ---- 3: digits ---- */

/* Finds the places; false if the strides do not divide each other or are too many. */
static bool find_places(const fg_output *output, const fg_piece *pieces, size_t count, fg_places *places) {
    for (size_t i = 0; i < count; i++) {
        fg_progression p;
        fg_progression_of_output(&pieces[i], &p);
        if (!fg_places_add(places, &p)) return false;
    }
    return fg_places_sort(places, output->elements);
}

/* Whether the boxes `members` tile all digits from `place` on; `element` is the first element of the slab.
 * `room` has space for `count` members for each place from this one on. */
static fg_status check_slab(const tiling *t, const uint32_t *members, size_t count, uint32_t place,
                            uint64_t element, uint32_t *room) {
    fg_error *err = t->err;
    if (place == t->places.count) return count == 1 ? FG_OK : wrong_cover(t->output, element, count, err);
    for (uint64_t at = 0; at < t->places.size[place];) {
        uint64_t next = t->places.size[place];
        size_t inside = 0;
        for (size_t i = 0; i < count; i++) {
            const fg_digit_box *b = &t->boxes.items[members[i]];
            if (b->low[place] > at)
                next = fg_min(next, b->low[place]);
            else if (b->high[place] > at) {
                next = fg_min(next, b->high[place]);
                room[inside++] = members[i];
            }
        }
        uint64_t first = element + at * t->places.stride[place];
        if (!inside) FG_CALL(wrong_cover(t->output, first, 0, err));
        FG_CALL(check_slab(t, room, inside, place + 1, first, room + inside));
        at = next;
    }
    return FG_OK;
}

static fg_status check_boxes(tiling *t, const fg_piece *pieces, size_t count) {
    fg_status status = FG_OK;
    fg_error *err = t->err;
    uint32_t *room = NULL;
    for (size_t i = 0; i < count; i++) {
        fg_progression p;
        fg_progression_of_output(&pieces[i], &p);
        FG_TRY(fg_digit_boxes_add(&t->boxes, &t->places, &p, t->output->name, err));
    }
    FG_NEW(room, t->boxes.count * (t->places.count + 1));
    for (size_t i = 0; i < t->boxes.count; i++) room[i] = (uint32_t)i;
    FG_TRY(check_slab(t, room, t->boxes.count, 0, 0, room + t->boxes.count));
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
        fg_progression p;
        if (!fg_progression_of_output(&pieces[i], &p))
            FG_FAIL(err, FG_ERR_BUG, "plan: output \"%s\": piece %zu does not go through it in order",
                    output->name, i);
        runs = runs && fg_progression_is_run(&p);
        if (!fg_add(total, volume(&pieces[i]), &total)) total = UINT64_MAX;
    }
    /* Runs tell where they fail even if the sum is wrong. */
    if (runs) FG_TRY(check_runs(output, pieces, count, err));
    if (total != output->elements) {
        FG_FAIL(err, FG_ERR_BUG,
                "plan: output \"%s\": its pieces have %" PRIu64 " elements, expected %" PRIu64, output->name,
                total, output->elements);
    }
    if (runs || count == 1) goto done;
    if (find_places(output, pieces, count, &t.places))
        FG_TRY(check_boxes(&t, pieces, count));
    else
        FG_TRY(check_elements(output, pieces, count, err));
done:
    fg_digit_boxes_free(&t.boxes);
    return status;
}
