#include "copy/fill.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

fg_status fg_filler_new(fg_filler *filler, const fg_plan *plan, fg_error *err) {
    *filler = (fg_filler){.plan = plan};
    FG_CALL(fg_reader_new(&filler->strided.reader, &plan->source, err));
    if (!plan->matrices) return FG_OK;
    FG_CALL_NEW(filler->matrices, fg_alloc(1, sizeof *filler->matrices, err));
    return fg_filler_new(filler->matrices, plan->matrices, err);
}

void fg_filler_free(fg_filler *filler) {
    if (filler->matrices) fg_filler_free(filler->matrices); /* which has none */
    fg_free(filler->matrices);
    fg_reader_free(&filler->strided.reader);
    fg_strided_read_free(&filler->strided);
    fg_mean_free(&filler->mean);
}

/* ---- one piece ---- */

typedef struct work {
    fg_filler *filler;
    const fg_tensor *tensor;
    const fg_output *matrix; /* that a mean is of; NULL: of the tensor */
    const fg_range *range;
    uint64_t size; /* bytes an element of the output */
} work;

static unsigned char *target_of(const work *w, uint64_t to) {
    return w->range->target + (to - w->range->origin) * w->size;
}

static fg_status copy_part(void *context, const fg_box *part, fg_error *err) {
    work *w = context;
    return fg_strided_read_box(&w->filler->strided, w->tensor, part, w->range, err);
}

/* Recursion no deeper than FG_MAX_DIMS. */
static void clear_level(const work *w, const fg_box *part, uint32_t level, uint64_t to) {
    if (level + 1 == part->rank && part->to_stride[level] == 1) {
        memset(target_of(w, to), 0, part->extent[level] * w->size);
        return;
    }
    for (uint64_t i = 0; i < part->extent[level]; i++) {
        uint64_t here = to + i * part->to_stride[level];
        if (level + 1 < part->rank) {
            clear_level(w, part, level + 1, here);
        } else {
            memset(target_of(w, here), 0, w->size);
        }
    }
}

static fg_status clear_part(void *context, const fg_box *part, fg_error *err) {
    (void)err;
    clear_level(context, part, 0, part->to);
    return FG_OK;
}

/* ---- means ---- */

static fg_status read_tensor(void *context, uint64_t first, uint64_t count, void *buffer, fg_error *err) {
    const work *w = context;
    return fg_strided_read_read(&w->filler->strided, w->tensor, first, count, buffer, err);
}

static fg_status read_matrix(void *context, uint64_t first, uint64_t count, void *buffer, fg_error *err) {
    const work *w = context;
    const fg_range range = {.dtype = w->matrix->dtype, .origin = first, .target = buffer};
    return fg_filler_fill(w->filler->matrices, w->matrix, &range, count, err);
}

static fg_mean_rows rows_of(const work *w) {
    const fg_output *m = w->matrix;
    const fg_tensor *t = w->tensor;
    uint64_t rows = m ? m->shape[0] : t->rank ? t->shape[0] : 0, elements = m ? m->elements : t->elements;
    return (fg_mean_rows){.identity = m ? (const void *)m : t,
                          .name = m ? m->name : t->name,
                          .dtype = m ? m->dtype : t->dtype,
                          .rows = rows,
                          .columns = rows ? elements / rows : 0,
                          .read = m ? read_matrix : read_tensor,
                          .context = (void *)(uintptr_t)w};
}

/* `count` columns from `column` on to consecutive elements. */
static fg_status put_means(const work *w, uint64_t column, uint64_t to, uint64_t count, fg_error *err) {
    fg_mean *mean = &w->filler->mean;
    const fg_mean_rows rows = rows_of(w);
    for (uint64_t done = 0, part; done < count; done += part) {
        FG_CALL(fg_mean_columns(mean, &rows, column + done, err));
        uint64_t at = to + done, inside = column + done - mean->first;
        part = fg_min(count - done, mean->count - inside);
        /* those outside of the counted range are computed for the sake of a window */
        uint64_t first = fg_min(fg_max(w->range->count_first, at), at + part);
        uint64_t end = fg_max(first, fg_min(w->range->count_end, at + part));
        fg_cast(FG_F32, mean->values + inside, w->range->dtype, target_of(w, at), first - at);
        w->filler->strided.overflows += fg_cast(FG_F32, mean->values + inside + (first - at), w->range->dtype,
                                                target_of(w, first), end - first);
        fg_cast(FG_F32, mean->values + inside + (end - at), w->range->dtype, target_of(w, end),
                at + part - end);
    }
    return FG_OK;
}

static fg_status mean_level(const work *w, const fg_box *part, uint32_t level, uint64_t from, uint64_t to,
                            fg_error *err) {
    bool last = level + 1 == part->rank;
    if (last && part->from_stride[level] == 1 && part->to_stride[level] == 1)
        return put_means(w, from, to, part->extent[level], err);
    for (uint64_t i = 0; i < part->extent[level]; i++) {
        uint64_t column = from + i * part->from_stride[level], here = to + i * part->to_stride[level];
        FG_CALL(last ? put_means(w, column, here, 1, err)
                     : mean_level(w, part, level + 1, column, here, err));
    }
    return FG_OK;
}

static fg_status mean_part(void *context, const fg_box *part, fg_error *err) {
    const work *w = context;
    if (!fg_cast_possible(FG_F32, w->range->dtype)) {
        return fg_fail(err, FG_ERR_BUG, "tensor \"%s\": a plan asks for the mean of its rows as %s",
                       w->tensor->name, fg_dtype_name(w->range->dtype));
    }
    return mean_level(w, part, 0, part->from, part->to, err);
}

/* ---- outputs ---- */

static const fg_piece *piece_of(const fg_filler *filler, const fg_output *output, size_t index) {
    return &filler->plan->pieces[output->first_piece + index];
}

static const fg_tensor *source_of(const fg_filler *filler, const fg_piece *piece) {
    return piece->kind == FG_PIECE_ZERO ? NULL : &filler->plan->source.items[piece->source];
}

fg_status fg_filler_fill(fg_filler *filler, const fg_output *output, const fg_range *range, uint64_t count,
                         fg_error *err) {
    static const fg_box_visit visits[] = {
        [FG_PIECE_COPY] = copy_part, [FG_PIECE_ZERO] = clear_part, [FG_PIECE_MEAN] = mean_part};
    fg_status status = FG_OK;
    for (size_t i = 0; i < output->piece_count; i++) {
        const fg_piece *piece = piece_of(filler, output, i);
        work w = {.filler = filler, .range = range, .size = fg_dtype_size(output->dtype)};
        fg_box box;
        w.tensor = source_of(filler, piece);
        w.matrix = fg_piece_matrix(filler->plan, piece);
        if (piece->to >= range->origin + count) break; /* pieces are sorted by `to` */
        if (!fg_box_of_piece(piece, &box)) continue;
        FG_TRY(fg_box_clip(&box, range->origin, range->origin + count, visits[piece->kind], &w, err));
    }
done:
    if (status != FG_OK) fg_where(err, "computing tensor \"%s\"", output->name);
    return status;
}

/* ---- block sizes and runs ---- */

/* Elements of the output between neighbours of the source: 1 where order is kept. */
static uint64_t distance(const fg_box *box) {
    for (uint32_t i = 0; i < box->rank; i++) {
        if (box->from_stride[i] == 1) return box->to_stride[i];
    }
    return 1;
}

fg_block_size fg_filler_block_size(const fg_filler *filler, const fg_output *output) {
    fg_block_size block_size = {.unit = 1};
    uint64_t size = fg_dtype_size(output->dtype);
    bool shuffled = false;
    for (size_t i = 0; i < output->piece_count; i++) {
        const fg_piece *piece = piece_of(filler, output, i);
        fg_box box;
        if (piece->kind != FG_PIECE_COPY || !fg_box_of_piece(piece, &box)) continue;
        block_size.unit = fg_max(block_size.unit, distance(&box));
        if (!source_of(filler, piece)->contiguous) shuffled = true;
    }
    if (block_size.unit > 1) shuffled = true;
    if (block_size.unit > FG_WINDOW_BYTES / 2 / size) block_size.unit = 1; /* too long to be computed whole */
    block_size.window = (shuffled ? FG_WINDOW_BYTES : FG_BLOCK_BYTES) / size;
    block_size.window -= block_size.window % block_size.unit;
    return block_size;
}

fg_segment fg_filler_segment(const fg_filler *filler, const fg_output *output, uint64_t first, uint64_t end) {
    fg_segment segment = {.kind = FG_SEGMENT_MIXED, .end = end};
    uint64_t long_run = FG_LONG_RUN / fg_dtype_size(output->dtype);
    for (size_t i = 0; i < output->piece_count; i++) {
        const fg_piece *piece = piece_of(filler, output, i);
        const fg_tensor *tensor = source_of(filler, piece);
        fg_box box;
        if (piece->to >= segment.end) break;
        if (piece->kind == FG_PIECE_MEAN || (tensor && !tensor->contiguous)) continue;
        if (!fg_box_of_piece(piece, &box) || !fg_box_is_run(&box) || fg_box_end(&box) <= first) continue;
        if (box.extent[0] < long_run && box.extent[0] < output->elements) continue;
        if (box.to > first) {
            segment.end = box.to;
            break;
        }
        return (fg_segment){.kind = tensor ? FG_SEGMENT_RUN : FG_SEGMENT_ZERO,
                            .end = fg_min(end, fg_box_end(&box)),
                            .tensor = tensor,
                            .from = box.from + (first - box.to)};
    }
    return segment;
}
