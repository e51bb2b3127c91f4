#include "copy/boxes.h"

#include "base/checked.h"

static void swap(uint64_t *a, uint64_t *b) {
    uint64_t c = *a;
    *a = *b;
    *b = c;
}

/* Descending strides of the output: then a range of it is few sub-boxes. */
static void order(fg_box *box) {
    for (uint32_t i = 1; i < box->rank; i++) {
        for (uint32_t j = i; j > 0 && box->to_stride[j - 1] < box->to_stride[j]; j--) {
            swap(&box->extent[j - 1], &box->extent[j]);
            swap(&box->from_stride[j - 1], &box->from_stride[j]);
            swap(&box->to_stride[j - 1], &box->to_stride[j]);
        }
    }
}

/* Drops dimensions of size 1 and joins those that run on into each other on both sides. */
static void fold(fg_box *box) {
    uint32_t rank = 0;
    for (uint32_t i = 0; i < box->rank; i++) {
        if (box->extent[i] == 1) continue;
        uint64_t extent = box->extent[i], from = box->from_stride[i], to = box->to_stride[i];
        if (rank && box->from_stride[rank - 1] == extent * from && box->to_stride[rank - 1] == extent * to) {
            box->extent[rank - 1] *= extent;
            box->from_stride[rank - 1] = from;
            box->to_stride[rank - 1] = to;
            continue;
        }
        box->extent[rank] = extent;
        box->from_stride[rank] = from;
        box->to_stride[rank] = to;
        rank++;
    }
    if (!rank) {
        box->extent[0] = box->from_stride[0] = box->to_stride[0] = 1;
        rank = 1;
    }
    box->rank = rank;
}

bool fg_box_of_piece(const fg_piece *piece, fg_box *box) {
    *box = (fg_box){.rank = piece->dims, .from = piece->from, .to = piece->to};
    for (uint32_t i = 0; i < piece->dims; i++) {
        if (!piece->extent[i]) return false;
        box->extent[i] = piece->extent[i];
        box->from_stride[i] = piece->from_stride[i];
        box->to_stride[i] = piece->to_stride[i];
        if (piece->kind == FG_PIECE_ZERO) box->from_stride[i] = piece->to_stride[i];
    }
    if (piece->kind == FG_PIECE_ZERO) box->from = piece->to;
    order(box);
    fold(box);
    return true;
}

bool fg_box_is_run(const fg_box *box) {
    return box->rank == 1 && box->from_stride[0] == 1 && box->to_stride[0] == 1;
}

/* From the first element to the last of dimensions `level` and after, on the output side. */
static uint64_t reach(const fg_box *box, uint32_t level) {
    uint64_t sum = 0;
    for (uint32_t i = level; i < box->rank; i++) sum += (box->extent[i] - 1) * box->to_stride[i];
    return sum;
}

uint64_t fg_box_end(const fg_box *box) {
    return box->to + reach(box, 0) + 1;
}

/* The first index whose element, `ahead` elements before `limit` at least, lies at or after `limit`; at most
 * `extent`. */
static uint64_t index_at(uint64_t limit, uint64_t position, uint64_t ahead, uint64_t stride,
                         uint64_t extent) {
    if (limit <= position + ahead) return 0;
    return fg_min(extent, (limit - position - ahead + stride - 1) / stride);
}

typedef struct clip {
    const fg_box *box;
    uint64_t first, end;
    fg_box_visit visit;
    void *context;
} clip;

static fg_status emit(const clip *c, uint32_t level, uint64_t from, uint64_t to, uint64_t begin, uint64_t end,
                      fg_error *err) {
    fg_box part = {.rank = c->box->rank - level,
                   .from = from + begin * c->box->from_stride[level],
                   .to = to + begin * c->box->to_stride[level]};
    for (uint32_t i = 0; i < part.rank; i++) {
        part.extent[i] = i ? c->box->extent[level + i] : end - begin;
        part.from_stride[i] = c->box->from_stride[level + i];
        part.to_stride[i] = c->box->to_stride[level + i];
    }
    fold(&part);
    return c->visit(c->context, &part, err);
}

/* Dimensions `level` and after, which begin at `from` and `to`: indices that lie inside the range with all
 * their elements are one sub-box, those that do with some are looked into. */
static fg_status clip_level(const clip *c, uint32_t level, uint64_t from, uint64_t to, fg_error *err) {
    uint64_t step = c->box->to_stride[level], extent = c->box->extent[level],
             inner = reach(c->box, level + 1);
    if (!step) return fg_fail(err, FG_ERR_BUG, "a piece of the plan fills an element twice");
    uint64_t touched = index_at(c->first, to, inner, step, extent);
    uint64_t touched_end = index_at(c->end, to, 0, step, extent);
    uint64_t whole = index_at(c->first, to, 0, step, extent);
    uint64_t whole_end = index_at(c->end, to, inner, step, extent);
    if (whole > touched_end) whole = touched_end;
    if (whole_end < whole) whole_end = whole;
    for (uint64_t i = touched; i < whole && level + 1 < c->box->rank; i++) {
        FG_CALL(clip_level(c, level + 1, from + i * c->box->from_stride[level], to + i * step, err));
    }
    if (whole < whole_end) FG_CALL(emit(c, level, from, to, whole, whole_end, err));
    for (uint64_t i = whole_end; i < touched_end && level + 1 < c->box->rank; i++) {
        FG_CALL(clip_level(c, level + 1, from + i * c->box->from_stride[level], to + i * step, err));
    }
    return FG_OK;
}

fg_status fg_box_clip(const fg_box *box, uint64_t first, uint64_t end, fg_box_visit visit, void *context,
                      fg_error *err) {
    if (first >= end || box->to >= end || fg_box_end(box) <= first) return FG_OK;
    clip c = {.box = box, .first = first, .end = end, .visit = visit, .context = context};
    return clip_level(&c, 0, box->from, box->to, err);
}
