#include "copy/strided_read.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/transpose.h"
#include "store/cast.h"

/* Reading this many unwanted bytes costs less than another system call. */
enum { CHEAP_GAP = 4096 };

/* One box on its way: its dimensions in the order of the source, largest stride first. */
typedef struct strided_copy {
    fg_strided_reader *strided;
    const fg_tensor *tensor;
    const fg_range *range;
    size_t from_size, to_size; /* bytes an element */
    uint64_t room;             /* elements that fit into a strip, before and after the cast */
    uint32_t rank;
    uint64_t extent[FG_MAX_DIMS], from[FG_MAX_DIMS], to[FG_MAX_DIMS];
    uint64_t span[FG_MAX_DIMS +
                  1]; /* elements from the first to the last of dimensions i, i + 1, ... in the source */
    bool dense[FG_MAX_DIMS + 1]; /* dimensions i, i + 1, ... are worth reading in one go, gaps included */
} strided_copy;

static fg_status make_strip(fg_strided_reader *strided, fg_error *err) {
    if (!strided->strip) FG_CALL_NEW(strided->strip, fg_alloc_buffer(FG_STRIP_BYTES, err));
    return FG_OK;
}

fg_status fg_strided_read_prepare(fg_strided_reader *strided, const fg_tensor *tensor, fg_dtype dtype,
                                  fg_error *err) {
    if (!fg_cast_possible(tensor->dtype, dtype)) {
        return fg_fail(err, FG_ERR_BUG, "tensor \"%s\": a plan casts %s to %s", tensor->name,
                       fg_dtype_name(tensor->dtype), fg_dtype_name(dtype));
    }
    return make_strip(strided, err);
}

void fg_strided_read_free(fg_strided_reader *strided) {
    fg_free(strided->strip);
    fg_free(strided->cast);
    *strided = (fg_strided_reader){0};
}

fg_status fg_strided_read_read(fg_strided_reader *strided, const fg_tensor *tensor, uint64_t first,
                               uint64_t count, void *buffer, fg_error *err) {
    strided->bytes_read += count * fg_dtype_size(tensor->dtype);
    return fg_reader_read(strided->reader, tensor, first, count, buffer, err);
}

/* ---- from a strip to the range ---- */

/* Dimensions of what a strip holds: extent, stride in the strip, stride in the output; outer loops first. */
typedef struct inner_box {
    uint32_t rank;
    uint64_t extent[FG_MAX_DIMS], from[FG_MAX_DIMS], to[FG_MAX_DIMS];
} inner_box;

static void move_last(inner_box *p, uint32_t index) {
    for (uint32_t i = index; i + 1 < p->rank; i++) {
        uint64_t extent = p->extent[i], from = p->from[i], to = p->to[i];
        p->extent[i] = p->extent[i + 1], p->from[i] = p->from[i + 1], p->to[i] = p->to[i + 1];
        p->extent[i + 1] = extent, p->from[i + 1] = from, p->to[i + 1] = to;
    }
}

/* Puts the dimension that is consecutive in the output last and, if another one is consecutive in the strip,
 * that one before it. */
static void choose_inner(inner_box *p) {
    uint32_t target = 0;
    for (uint32_t i = 1; i < p->rank; i++) {
        if (p->to[i] < p->to[target]) target = i;
    }
    move_last(p, target);
    for (uint32_t i = 0; i + 1 < p->rank; i++) {
        if (p->from[i] != 1) continue;
        move_last(p, i);
        move_last(p, p->rank - 2);
        return;
    }
}

static void pick(const unsigned char *from, uint64_t from_step, unsigned char *to, uint64_t to_step,
                 uint64_t count, size_t size) {
    for (uint64_t i = 0; i < count; i++) memcpy(to + i * to_step * size, from + i * from_step * size, size);
}

static void pick_sized(const unsigned char *from, uint64_t from_step, unsigned char *to, uint64_t to_step,
                       uint64_t count, size_t size) {
    if (size == 2) {
        pick(from, from_step, to, to_step, count, 2);
    } else if (size == 4) {
        pick(from, from_step, to, to_step, count, 4);
    } else {
        pick(from, from_step, to, to_step, count, size);
    }
}

/* Recursion no deeper than FG_MAX_DIMS. */
static void scatter(const inner_box *p, uint32_t level, const unsigned char *from, unsigned char *to,
                    size_t size) {
    uint32_t left = p->rank - level;
    if (left == 1) {
        if (p->from[level] == 1 && p->to[level] == 1) {
            memcpy(to, from, p->extent[level] * size);
        } else {
            pick_sized(from, p->from[level], to, p->to[level], p->extent[level], size);
        }
    } else if (left == 2 && p->from[level] == 1 && p->to[level + 1] == 1 && p->from[level + 1] != 1) {
        fg_transpose(from, p->from[level + 1], to, p->to[level], p->extent[level + 1], p->extent[level],
                     size);
    } else {
        for (uint64_t i = 0; i < p->extent[level]; i++)
            scatter(p, level + 1, from + i * p->from[level] * size, to + i * p->to[level] * size, size);
    }
}

/* Overflows one by one: what was cast together may hold elements that are not to be counted. */
static void count_overflows(const strided_copy *j, const inner_box *p, uint32_t level,
                            const unsigned char *from, uint64_t to) {
    unsigned char ignored[8];
    for (uint64_t i = 0; i < p->extent[level]; i++) {
        const unsigned char *here = from + i * p->from[level] * j->from_size;
        uint64_t there = to + i * p->to[level];
        if (level + 1 < p->rank) {
            count_overflows(j, p, level + 1, here, there);
        } else if (there >= j->range->count_first && there < j->range->count_end) {
            j->strided->overflows += fg_cast(j->tensor->dtype, here, j->range->dtype, ignored, 1);
        }
    }
}

/* The strip holds `count` indices of dimension `level`, `pitch` elements apart, and all dimensions after it:
 * `loaded` elements in all. Casts them and puts them where output element `to` and those after it belong. */
static void finish(const strided_copy *j, uint32_t level, uint64_t count, uint64_t pitch, uint64_t loaded,
                   uint64_t to) {
    inner_box p = {.rank = j->rank - level};
    for (uint32_t i = 0; i < p.rank; i++) {
        p.extent[i] = i ? j->extent[level + i] : count;
        p.from[i] = i ? j->from[level + i] : pitch;
        p.to[i] = j->to[level + i];
    }
    choose_inner(&p);
    const unsigned char *values = j->strided->strip;
    if (j->tensor->dtype != j->range->dtype) {
        values = j->strided->cast;
        if (fg_cast(j->tensor->dtype, j->strided->strip, j->range->dtype, j->strided->cast, loaded))
            count_overflows(j, &p, 0, j->strided->strip, to);
    }
    scatter(&p, 0, values, j->range->target + (to - j->range->origin) * j->to_size, j->to_size);
}

/* ---- from the source to a strip ---- */

/* One read for several indices of dimension `level`, with what lies between them. */
static fg_status load_span(const strided_copy *j, uint32_t level, uint64_t from, uint64_t to, fg_error *err) {
    uint64_t inner = j->span[level + 1], step = j->from[level];
    uint64_t most = step ? 1 + (j->room - inner) / step : j->extent[level];
    for (uint64_t i = 0; i < j->extent[level]; i += most) {
        uint64_t count = fg_min(most, j->extent[level] - i), loaded = inner + (count - 1) * step;
        FG_CALL(fg_strided_read_read(j->strided, j->tensor, from + i * step, loaded, j->strided->strip, err));
        finish(j, level, count, step, loaded, to + i * j->to[level]);
    }
    return FG_OK;
}

/* One read for each index of dimension `level`, packed close together. */
static fg_status load_units(const strided_copy *j, uint32_t level, uint64_t from, uint64_t to,
                            fg_error *err) {
    uint64_t unit = j->span[level + 1], most = j->room / unit, count;
    for (uint64_t i = 0; i < j->extent[level]; i += count) {
        count = fg_min(most, j->extent[level] - i);
        for (uint64_t k = 0; k < count; k++) {
            unsigned char *at = j->strided->strip + k * unit * j->from_size;
            FG_CALL(
                fg_strided_read_read(j->strided, j->tensor, from + (i + k) * j->from[level], unit, at, err));
        }
        finish(j, level, count, unit, count * unit, to + i * j->to[level]);
    }
    return FG_OK;
}

/* Recursion no deeper than FG_MAX_DIMS. */
static fg_status load(const strided_copy *j, uint32_t level, uint64_t from, uint64_t to, fg_error *err) {
    bool last = level + 1 == j->rank, same = j->tensor->dtype == j->range->dtype;
    if (last && same && j->from[level] == 1 && j->to[level] == 1) {
        unsigned char *at = j->range->target + (to - j->range->origin) * j->to_size;
        return fg_strided_read_read(j->strided, j->tensor, from, j->extent[level], at, err);
    }
    if (j->dense[level] && j->span[level + 1] <= j->room) return load_span(j, level, from, to, err);
    bool run_inside = same && level + 2 == j->rank && j->from[level + 1] == 1 && j->to[level + 1] == 1;
    if (j->dense[level + 1] && j->span[level + 1] <= j->room && !run_inside)
        return load_units(j, level, from, to, err);
    if (last) return fg_fail(err, FG_ERR_BUG, "an element larger than a strip");
    for (uint64_t i = 0; i < j->extent[level]; i++)
        FG_CALL(load(j, level + 1, from + i * j->from[level], to + i * j->to[level], err));
    return FG_OK;
}

static void take_box(strided_copy *j, const fg_box *box) {
    j->rank = box->rank;
    for (uint32_t i = 0; i < box->rank; i++) {
        uint32_t at = i;
        for (; at > 0 && j->from[at - 1] < box->from_stride[i]; at--) {
            j->extent[at] = j->extent[at - 1], j->from[at] = j->from[at - 1], j->to[at] = j->to[at - 1];
        }
        j->extent[at] = box->extent[i], j->from[at] = box->from_stride[i], j->to[at] = box->to_stride[i];
    }
    j->span[j->rank] = 1;
    j->dense[j->rank] = true;
    for (uint32_t i = j->rank; i-- > 0;) {
        uint64_t inner = j->span[i + 1];
        bool cheap = j->from[i] <= inner || (j->from[i] - inner) * j->from_size <= CHEAP_GAP;
        j->span[i] = inner + (j->extent[i] - 1) * j->from[i];
        j->dense[i] = j->dense[i + 1] && cheap;
    }
}

fg_status fg_strided_read_box(fg_strided_reader *strided, const fg_tensor *tensor, const fg_box *box,
                              const fg_range *range, fg_error *err) {
    strided_copy j = {.strided = strided,
                      .tensor = tensor,
                      .range = range,
                      .from_size = fg_dtype_size(tensor->dtype),
                      .to_size = fg_dtype_size(range->dtype)};
    j.room = FG_STRIP_BYTES / fg_max(j.from_size, j.to_size);
    take_box(&j, box);
    FG_CALL(fg_strided_read_prepare(strided, tensor, range->dtype, err));
    if (tensor->dtype != range->dtype && !strided->cast)
        FG_CALL_NEW(strided->cast, fg_alloc_buffer(FG_STRIP_BYTES, err));
    return load(&j, 0, box->from, box->to, err);
}
