#include "plan/mixed_radix.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

/* ---- sets ---- */

/* Without dimensions of one element. */
static bool begin(const fg_piece *piece, uint64_t start, const uint64_t *stride, uint64_t shadow,
                  const uint64_t *shadow_stride, fg_progression *p) {
    uint64_t reach = 0; /* of the dimensions inside */
    p->dims = 0;
    p->start = start;
    p->shadow = shadow;
    for (uint32_t d = 0; d < piece->dims; d++) {
        if (piece->extent[d] == 1) continue;
        p->extent[p->dims] = piece->extent[d];
        p->stride[p->dims] = stride[d];
        p->shadow_stride[p->dims++] = shadow_stride[d];
    }
    for (uint32_t d = p->dims; d-- > 0;) {
        if (p->stride[d] <= reach) return false;
        reach += (p->extent[d] - 1) * p->stride[d]; /* inside the tensor: cannot overflow */
    }
    return true;
}

bool fg_progression_of_output(const fg_piece *piece, fg_progression *progression) {
    return begin(piece, piece->to, piece->to_stride, piece->from, piece->from_stride, progression);
}

static void swap(uint64_t *a, uint64_t *b) {
    uint64_t held = *a;
    *a = *b;
    *b = held;
}

/* The dimensions of a piece are in the order of the output; here the largest stride of the source comes
 * first. */
bool fg_progression_of_source(const fg_piece *piece, fg_progression *progression) {
    fg_piece sorted = *piece;
    for (uint32_t d = 1; d < sorted.dims; d++) {
        for (uint32_t e = d; e && sorted.from_stride[e - 1] < sorted.from_stride[e]; e--) {
            swap(&sorted.extent[e], &sorted.extent[e - 1]);
            swap(&sorted.from_stride[e], &sorted.from_stride[e - 1]);
            swap(&sorted.to_stride[e], &sorted.to_stride[e - 1]);
        }
    }
    return begin(&sorted, sorted.from, sorted.from_stride, sorted.to, sorted.to_stride, progression);
}

bool fg_progression_is_run(const fg_progression *progression) {
    uint64_t stride = 1;
    for (uint32_t d = progression->dims; d-- > 0; stride *= progression->extent[d]) {
        if (progression->stride[d] != stride) return false;
    }
    return true;
}

/* ---- places ---- */

static bool add_place(fg_places *places, uint64_t stride) {
    for (uint32_t p = 0; p < places->count; p++) {
        if (places->stride[p] == stride) return true;
    }
    if (places->count == FG_PLACES_MAX) return false;
    places->stride[places->count++] = stride;
    return true;
}

bool fg_places_add(fg_places *places, const fg_progression *progression) {
    bool fits = add_place(places, 1);
    for (uint32_t d = 0; d < progression->dims && fits; d++) fits = add_place(places, progression->stride[d]);
    return fits;
}

static int descending(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x < y) - (x > y);
}

bool fg_places_sort(fg_places *places, uint64_t elements) {
    uint64_t above = elements;
    qsort(places->stride, places->count, sizeof *places->stride, descending);
    for (uint32_t p = 0; p < places->count; p++) {
        if (above % places->stride[p]) return false;
        places->size[p] = above / places->stride[p];
        above = places->stride[p];
    }
    return true;
}

/* ---- boxes ---- */

typedef struct cutter {
    fg_digit_boxes *boxes;
    const fg_places *places;
    const char *name;
    fg_error *err;
} cutter;

static uint32_t place_of(const fg_places *places, uint64_t stride) {
    uint32_t p = 0;
    while (places->stride[p] != stride) p++;
    return p;
}

static uint64_t digit(const fg_places *places, uint64_t element, uint32_t place) {
    return element / places->stride[place] % places->size[place];
}

static fg_status add(const cutter *c, const fg_progression *p);

/* Makes dimension `d` two: `rounds` of `size` elements each. */
static fg_status split(const cutter *c, fg_progression *p, uint32_t d, uint64_t rounds, uint64_t size) {
    if (p->dims == FG_PROGRESSION_MAX)
        return fg_fail(c->err, FG_ERR_BUG, "plan: tensor \"%s\": too many parts", c->name);
    size_t behind = (p->dims - d) * sizeof *p->extent;
    memmove(p->extent + d + 1, p->extent + d, behind);
    memmove(p->stride + d + 1, p->stride + d, behind);
    memmove(p->shadow_stride + d + 1, p->shadow_stride + d, behind);
    p->dims++;
    p->extent[d] = rounds;
    p->extent[d + 1] = size;
    p->stride[d] *= size;
    p->shadow_stride[d] *= size;
    return FG_OK;
}

/* Cuts dimension `d`, which runs over the end of its digit: up to that end, whole rounds (a dimension more),
 * and the rest. */
static fg_status cut(const cutter *c, const fg_progression *p, uint32_t d) {
    fg_error *err = c->err;
    uint32_t place = place_of(c->places, p->stride[d]);
    uint64_t size = c->places->size[place], first = digit(c->places, p->start, place), extent = p->extent[d];
    uint64_t head = first ? fg_min(size - first, extent) : 0;
    uint64_t rounds = (extent - head) / size, tail = (extent - head) % size;
    uint64_t counts[3] = {head, rounds * size, tail}, done = 0;
    for (uint32_t i = 0; i < 3; done += counts[i++]) {
        fg_progression part = *p;
        if (!counts[i]) continue;
        part.start += done * p->stride[d];
        part.shadow += done * p->shadow_stride[d];
        part.extent[d] = counts[i];
        if (i == 1 && rounds > 1) FG_CALL(split(c, &part, d, rounds, size));
        FG_CALL(add(c, &part));
    }
    return FG_OK;
}

static fg_status add(const cutter *c, const fg_progression *p) {
    fg_error *err = c->err;
    fg_digit_box box = {.shadow = p->shadow};
    for (uint32_t place = 0; place < c->places->count; place++) {
        box.low[place] = digit(c->places, p->start, place);
        box.high[place] = box.low[place] + 1;
    }
    /* From the inside: what is cut there moves the start of the dimensions outside. */
    for (uint32_t d = p->dims; d-- > 0;) {
        if (p->extent[d] == 1) continue;
        uint32_t place = place_of(c->places, p->stride[d]);
        if (p->extent[d] > c->places->size[place] - box.low[place]) return cut(c, p, d);
        box.high[place] = box.low[place] + p->extent[d];
        box.shadow_stride[place] = p->shadow_stride[d];
    }
    FG_CALL(fg_grow(&c->boxes->items, c->boxes->count, &c->boxes->capacity, sizeof *c->boxes->items, err));
    c->boxes->items[c->boxes->count++] = box;
    return FG_OK;
}

fg_status fg_digit_boxes_add(fg_digit_boxes *boxes, const fg_places *places,
                             const fg_progression *progression, const char *name, fg_error *err) {
    cutter c = {.boxes = boxes, .places = places, .name = name, .err = err};
    return add(&c, progression);
}

void fg_digit_boxes_free(fg_digit_boxes *boxes) {
    fg_free(boxes->items);
    *boxes = (fg_digit_boxes){0};
}
