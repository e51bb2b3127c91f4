#include "copy/copier.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/batch_copy.h"
#include "copy/fill.h"
#include "copy/sink.h"
#include "store/cast.h"

/* A range of an output that was computed and may be asked for again. */
typedef struct window {
    unsigned char *bytes; /* owned; FG_WINDOW_BYTES, made when needed */
    size_t output;
    uint64_t origin, first, end; /* [first, end) may be used; element `origin` is at bytes[0] */
} window;

struct fg_copier {
    const fg_plan *plan; /* borrowed */
    fg_filler filler;
    fg_sink sink;
    unsigned char *block; /* owned; FG_BLOCK_BYTES */
    window window;
    fg_block_size block_size; /* of output `block_size_output` */
    size_t block_size_output;
};

fg_status fg_copier_new(fg_copier **copier, const fg_plan *plan, const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    fg_copier *c = NULL;
    FG_NEW(c, 1);
    c->plan = plan;
    c->block_size_output = SIZE_MAX;
    FG_TRY(fg_filler_new(&c->filler, plan, err));
    FG_TRY(fg_sink_new(&c->sink, plan, directory, err));
    FG_TRY_NEW(c->block, fg_alloc_buffer(FG_BLOCK_BYTES, err));
    *copier = c;
    c = NULL;
done:
    fg_copier_free(&c);
    return status;
}

fg_status fg_copier_finish(fg_copier *copier, fg_error *err) {
    return fg_sink_finish(&copier->sink, err);
}

void fg_copier_free(fg_copier **copier) {
    fg_copier *c = *copier;
    if (!c) return;
    fg_filler_free(&c->filler);
    fg_sink_free(&c->sink);
    fg_free(c->block);
    fg_free(c->window.bytes);
    fg_free(c);
    *copier = NULL;
}

fg_copy_totals fg_copier_totals(const fg_copier *copier) {
    const fg_filler *matrices = copier->filler.matrices;
    return (fg_copy_totals){
        .bytes_read = copier->filler.strided.bytes_read + (matrices ? matrices->strided.bytes_read : 0),
        .bytes_written = copier->sink.bytes_written,
        .bytes_skipped = copier->sink.bytes_skipped,
        .values = {.overflows = copier->filler.strided.overflows, .non_finite = copier->sink.non_finite}};
}

void fg_copier_count_non_finite(fg_copier *copier) {
    copier->sink.counts = true;
}

const fg_plan *fg_copier_plan(const fg_copier *copier) {
    return copier->plan;
}

static fg_block_size block_size_of(fg_copier *copier, size_t output) {
    if (copier->block_size_output != output) {
        copier->block_size = fg_filler_block_size(&copier->filler, &copier->plan->outputs[output]);
        copier->block_size_output = output;
    }
    return copier->block_size;
}

/* Makes the window hold element `first` of an output, and as many after it as fit and `limit` allows.
 * Overflows are counted from `first` to `counted_end`; the window must not be used beyond that by a caller
 * that counts. */
static fg_status fill_window(fg_copier *copier, size_t output, uint64_t first, uint64_t limit,
                             uint64_t counted_end, fg_error *err) {
    window *w = &copier->window;
    const fg_output *o = &copier->plan->outputs[output];
    fg_block_size block_size = block_size_of(copier, output);
    w->first = w->end = 0;
    if (!w->bytes) FG_CALL_NEW(w->bytes, fg_alloc_buffer(FG_WINDOW_BYTES, err));
    uint64_t origin = first - first % block_size.unit, end = limit;
    if (end % block_size.unit) end += block_size.unit - end % block_size.unit;
    end = fg_min(fg_min(end, origin + block_size.window), o->elements);
    fg_range range = {.dtype = o->dtype,
                      .origin = origin,
                      .count_first = first,
                      .count_end = fg_min(counted_end, end),
                      .target = w->bytes};
    FG_CALL(fg_filler_fill(&copier->filler, o, &range, end - origin, err));
    w->output = output;
    w->origin = origin;
    w->first = counted_end ? first : origin;
    w->end = counted_end ? fg_min(counted_end, end) : end;
    return FG_OK;
}

static bool in_window(const window *w, size_t output, uint64_t element) {
    return w->output == output && element >= w->first && element < w->end;
}

/* ---- writing ---- */

/* A range of an output that is copied from one run of a file. */
typedef struct run {
    size_t output;
    const fg_tensor *tensor;
    uint64_t to, end, from; /* output elements; source element of `to` */
    uint64_t data_end;      /* byte of the file up to which there is data for sure */
} run;

/* Passes over a hole of the source at `r->to`, if there is one. */
static fg_status skip_hole(fg_copier *copier, run *r, fg_error *err) {
    const fg_file *file;
    uint64_t size = fg_dtype_size(r->tensor->dtype), at = r->tensor->offset + r->from * size;
    uint64_t limit = at + (r->end - r->to) * size;
    if (at < r->data_end) return FG_OK;
    FG_CALL(fg_reader_file(copier->filler.strided.reader, r->tensor->file, &file, err));
    uint64_t data = fg_file_next_data(file, at, limit), count = (data - at) / size;
    if (!count) {
        r->data_end = fg_max(fg_file_next_hole(file, data, limit), at + 1);
        return FG_OK;
    }
    FG_CALL(fg_sink_put(&copier->sink, r->output, r->to, count, NULL, err));
    r->to += count;
    r->from += count;
    return FG_OK;
}

/* One block of it, up to a multiple of the block size in the shard. */
static fg_status copy_block(fg_copier *copier, run *r, fg_error *err) {
    const fg_output *o = &copier->plan->outputs[r->output];
    fg_strided_reader *strided = &copier->filler.strided;
    uint64_t size = fg_dtype_size(o->dtype), stored = fg_dtype_size(r->tensor->dtype);
    uint64_t room = (FG_BLOCK_BYTES - (o->offset + r->to * size) % FG_BLOCK_BYTES) / size;
    uint64_t data = r->data_end - (r->tensor->offset + r->from * stored);
    uint64_t count = fg_min(fg_max(room, 1), FG_STRIP_BYTES / stored);
    count = fg_min(fg_min(count, r->end - r->to), (data + stored - 1) / stored);
    if (r->tensor->dtype == o->dtype) {
        FG_CALL(fg_strided_read_read(strided, r->tensor, r->from, count, copier->block, err));
    } else {
        FG_CALL(fg_strided_read_read(strided, r->tensor, r->from, count, strided->strip, err));
        strided->overflows += fg_cast(r->tensor->dtype, strided->strip, o->dtype, copier->block, count);
    }
    FG_CALL(fg_sink_put(&copier->sink, r->output, r->to, count, copier->block, err));
    r->to += count;
    r->from += count;
    return FG_OK;
}

static fg_status write_run(fg_copier *copier, size_t output, uint64_t first, const fg_segment *segment,
                           fg_error *err) {
    run r = {
        .output = output, .tensor = segment->tensor, .to = first, .end = segment->end, .from = segment->from};
    fg_dtype dtype = copier->plan->outputs[output].dtype;
    if (r.tensor->dtype != dtype)
        FG_CALL(fg_strided_read_prepare(&copier->filler.strided, r.tensor, dtype, err));
    while (r.to < r.end && !copier->sink.stopped) {
        FG_CALL(skip_hole(copier, &r, err));
        if (r.to < r.end && !copier->sink.stopped &&
            r.data_end > r.tensor->offset + r.from * fg_dtype_size(r.tensor->dtype))
            FG_CALL(copy_block(copier, &r, err));
    }
    return FG_OK;
}

static fg_status write_mixed(fg_copier *copier, size_t output, uint64_t first, uint64_t end, fg_error *err) {
    const window *w = &copier->window;
    uint64_t size = fg_dtype_size(copier->plan->outputs[output].dtype);
    copier->window.end = 0; /* it may have been computed without counting */
    while (first < end && !copier->sink.stopped) {
        FG_CALL(fill_window(copier, output, first, end, end, err));
        uint64_t count = w->end - first;
        FG_CALL(fg_sink_put(&copier->sink, output, first, count, w->bytes + (first - w->origin) * size, err));
        first += count;
    }
    return FG_OK;
}

static fg_status write_range(fg_copier *copier, const fg_work_item *item, fg_error *err) {
    const fg_output *o = &copier->plan->outputs[item->output];
    uint64_t first = item->first, end = item->first + item->count;
    while (first < end && !copier->sink.stopped) {
        fg_segment segment = fg_filler_segment(&copier->filler, o, first, end);
        if (segment.kind == FG_SEGMENT_RUN) {
            FG_CALL(write_run(copier, item->output, first, &segment, err));
        } else if (segment.kind == FG_SEGMENT_ZERO) {
            FG_CALL(fg_sink_put(&copier->sink, item->output, first, segment.end - first, NULL, err));
        } else {
            FG_CALL(write_mixed(copier, item->output, first, segment.end, err));
        }
        first = segment.end;
    }
    return FG_OK;
}

/* An item must lie inside the plan; one whose checksums are wanted must consist of whole checksum blocks. */
static fg_status check_item(const fg_copier *copier, const fg_work_item *item, bool digests, fg_error *err) {
    uint64_t outputs = copier->plan->output_count;
    if (item->output >= outputs || item->outputs > outputs - item->output)
        return fg_fail(err, FG_ERR_BUG, "a work item has outputs that the plan does not have");
    if (!item->count) return FG_OK;
    const fg_output *o = &copier->plan->outputs[item->output];
    if (item->first > o->elements || item->count > o->elements - item->first)
        return fg_fail(err, FG_ERR_BUG, "a work item reaches beyond the end of \"%s\"", o->name);
    uint64_t size = fg_dtype_size(o->dtype), end = item->first + item->count;
    bool whole = item->first * size % FG_WORK_ITEM_BYTES == 0 &&
                 (end == o->elements || end * size % FG_WORK_ITEM_BYTES == 0);
    if (digests && !whole)
        return fg_fail(err, FG_ERR_BUG, "a work item of \"%s\" cuts a checksum block", o->name);
    return FG_OK;
}

fg_status fg_copier_run(fg_copier *copier, const fg_work_item *item, uint64_t *digests,
                        fg_copy_progress progress, void *context, bool *stopped, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(check_item(copier, item, digests != NULL, err));
    fg_sink_begin(&copier->sink, digests, progress, context);
    if (item->count) {
        FG_TRY(write_range(copier, item, err));
    } else {
        FG_TRY(fg_batch_copy_run(&copier->filler, &copier->sink, item, copier->block, err));
    }
    fg_sink_end(&copier->sink);
done:
    if (stopped) *stopped = status == FG_OK && copier->sink.stopped;
    if (status != FG_OK && item->count)
        fg_where(err, "copying tensor \"%s\"", copier->plan->outputs[item->output].name);
    return status;
}

/* ---- reading ---- */

static fg_status read_run(fg_copier *copier, const fg_output *o, const fg_segment *segment, uint64_t count,
                          unsigned char *to, fg_error *err) {
    fg_strided_reader *strided = &copier->filler.strided;
    const fg_tensor *tensor = segment->tensor;
    if (tensor->dtype == o->dtype)
        return fg_strided_read_read(strided, tensor, segment->from, count, to, err);
    FG_CALL(fg_strided_read_prepare(strided, tensor, o->dtype, err));
    uint64_t room = FG_BLOCK_BYTES / fg_dtype_size(tensor->dtype), part;
    for (uint64_t done = 0; done < count; done += part) {
        part = fg_min(room, count - done);
        FG_CALL(fg_strided_read_read(strided, tensor, segment->from + done, part, strided->strip, err));
        fg_cast(tensor->dtype, strided->strip, o->dtype, to + done * fg_dtype_size(o->dtype), part);
    }
    return FG_OK;
}

/* Through the window where a whole one is worth computing, else right into the buffer. */
static fg_status read_mixed(fg_copier *copier, size_t output, uint64_t first, uint64_t end, unsigned char *to,
                            fg_error *err) {
    const fg_output *o = &copier->plan->outputs[output];
    const window *w = &copier->window;
    uint64_t size = fg_dtype_size(o->dtype);
    if (block_size_of(copier, output).window * size <= FG_BLOCK_BYTES) {
        fg_range range = {.dtype = o->dtype, .origin = first, .target = to};
        return fg_filler_fill(&copier->filler, o, &range, end - first, err);
    }
    while (first < end) {
        if (!in_window(w, output, first)) FG_CALL(fill_window(copier, output, first, o->elements, 0, err));
        uint64_t count = fg_min(w->end, end) - first;
        memcpy(to, w->bytes + (first - w->origin) * size, count * size);
        first += count;
        to += count * size;
    }
    return FG_OK;
}

fg_status fg_copier_read(fg_copier *copier, size_t output, uint64_t first, uint64_t count, void *buffer,
                         fg_error *err) {
    fg_work_item item = {.output = (uint32_t)output, .first = first, .count = count};
    unsigned char *to = buffer;
    FG_CALL(check_item(copier, &item, false, err));
    const fg_output *o = &copier->plan->outputs[output];
    for (uint64_t end = first + count; first < end;) {
        fg_segment segment = fg_filler_segment(&copier->filler, o, first, end);
        uint64_t part = segment.end - first;
        if (segment.kind == FG_SEGMENT_RUN) {
            FG_CALL(read_run(copier, o, &segment, part, to, err));
        } else if (segment.kind == FG_SEGMENT_ZERO) {
            memset(to, 0, part * fg_dtype_size(o->dtype));
        } else {
            FG_CALL(read_mixed(copier, output, first, segment.end, to, err));
        }
        to += part * fg_dtype_size(o->dtype);
        first = segment.end;
    }
    return FG_OK;
}
