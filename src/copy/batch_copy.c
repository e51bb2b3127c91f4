#include "copy/batch_copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

/* From so many bytes on it is worth asking whether the source has a hole there. */
enum { HOLE_WORTH_ASKING = 64 << 10 };

typedef struct output_place {
    uint64_t offset, bytes; /* in the shard */
    uint32_t shard, output;
} output_place;

static int by_place(const void *a, const void *b) {
    const output_place *x = a, *y = b;
    if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->output < y->output ? -1 : x->output > y->output;
}

/* Outputs that lie side by side in a shard, and the buffer that takes their bytes. */
typedef struct batch {
    fg_filler *filler;
    const output_place *places;
    size_t count;
    unsigned char *block;
    uint64_t bytes;
    bool zero; /* nothing but holes and zeros so far */
} batch;

static const fg_output *output_at(const batch *b, size_t index) {
    return &b->filler->plan->outputs[b->places[index].output];
}

/* Whether all of output `index` comes from one run of a file; `from` is the byte there. */
static bool run_at(const batch *b, size_t index, fg_segment *segment, uint64_t *from) {
    const fg_output *output = output_at(b, index);
    *segment = fg_filler_segment(b->filler, output, 0, output->elements);
    if (segment->kind != FG_SEGMENT_RUN || segment->end != output->elements) return false;
    *from = segment->tensor->offset + segment->from * fg_dtype_size(segment->tensor->dtype);
    return true;
}

/* How many outputs from `index` on follow each other in one source file too, with the same dtypes. */
static size_t neighbours(const batch *b, size_t index, const fg_segment *head, uint64_t from,
                         uint64_t *elements) {
    uint64_t size = fg_dtype_size(head->tensor->dtype), limit = FG_STRIP_BYTES / size;
    size_t count = 1;
    *elements = output_at(b, index)->elements;
    for (; index + count < b->count; count++) {
        const fg_output *next = output_at(b, index + count);
        fg_segment segment;
        uint64_t at;
        if (next->dtype != output_at(b, index)->dtype || *elements + next->elements > limit) break;
        if (!run_at(b, index + count, &segment, &at) || at != from + *elements * size) break;
        if (segment.tensor->file != head->tensor->file || segment.tensor->dtype != head->tensor->dtype) break;
        *elements += next->elements;
    }
    return count;
}

static fg_status read_run(batch *b, const fg_segment *head, uint64_t from, fg_dtype dtype, uint64_t elements,
                          unsigned char *to, fg_error *err) {
    fg_strided_reader *strided = &b->filler->strided;
    const fg_file *file;
    fg_dtype stored = head->tensor->dtype;
    uint64_t size = elements * fg_dtype_size(stored);
    FG_CALL(fg_reader_file(strided->reader, head->tensor->file, &file, err));
    if (size >= HOLE_WORTH_ASKING && fg_file_next_data(file, from, from + size) == from + size) {
        memset(to, 0, elements * fg_dtype_size(dtype));
        return FG_OK;
    }
    b->zero = false;
    strided->bytes_read += size;
    if (stored == dtype) return fg_file_read(file, to, size, from, err);
    FG_CALL(fg_strided_read_prepare(strided, head->tensor, dtype, err));
    FG_CALL(fg_file_read(file, strided->strip, size, from, err));
    strided->overflows += fg_cast(stored, strided->strip, dtype, to, elements);
    return FG_OK;
}

/* Computes output `index` and, if they can be read together, those after it; `done` is how many. */
static fg_status load(batch *b, size_t index, unsigned char *to, size_t *done, fg_error *err) {
    const fg_output *output = output_at(b, index);
    fg_segment segment;
    uint64_t from, elements = output->elements;
    *done = 1;
    if (!elements) return FG_OK;
    if (run_at(b, index, &segment, &from)) {
        *done = neighbours(b, index, &segment, from, &elements);
        FG_CALL(read_run(b, &segment, from, output->dtype, elements, to, err));
    } else if (segment.kind == FG_SEGMENT_ZERO && segment.end == elements) {
        memset(to, 0, elements * fg_dtype_size(output->dtype));
    } else {
        b->zero = false;
        fg_range range = {.dtype = output->dtype, .count_end = elements, .target = to};
        FG_CALL(fg_filler_fill(b->filler, output, &range, elements, err));
    }
    return FG_OK;
}

static fg_status run_batch(batch *b, fg_sink *sink, fg_error *err) {
    uint64_t at = 0;
    for (size_t i = 0, done; i < b->count; i += done) {
        FG_CALL(load(b, i, b->block + at, &done, err));
        for (size_t k = i; k < i + done; k++) {
            fg_sink_digest_whole(sink, b->places[k].output, b->block + at);
            at += b->places[k].bytes;
        }
    }
    if (b->bytes)
        FG_CALL(fg_sink_put_raw(sink, b->places[0].shard, b->places[0].offset, b->zero ? NULL : b->block,
                                b->bytes, err));
    return FG_OK;
}

fg_status fg_batch_copy_run(fg_filler *filler, fg_sink *sink, const fg_work_item *item, unsigned char *block,
                            fg_error *err) {
    fg_status status = FG_OK;
    output_place *places = NULL;
    FG_NEW(places, item->outputs);
    for (uint32_t i = 0; i < item->outputs; i++) {
        const fg_output *output = &filler->plan->outputs[item->output + i];
        places[i] = (output_place){output->offset, fg_output_bytes(output), output->shard, item->output + i};
        if (places[i].bytes > FG_BLOCK_BYTES)
            FG_FAIL(err, FG_ERR_BUG, "\"%s\" is no small output", output->name);
    }
    qsort(places, item->outputs, sizeof *places, by_place);
    for (size_t i = 0; i < item->outputs && !sink->stopped;) {
        batch b = {.filler = filler, .places = places + i, .block = block, .zero = true};
        uint64_t end = places[i].offset;
        for (; i < item->outputs; i++, b.count++) {
            const output_place *next = &places[i];
            if (next->shard != b.places->shard || next->offset != end ||
                b.bytes + next->bytes > FG_BLOCK_BYTES)
                break;
            b.bytes += next->bytes;
            end += next->bytes;
        }
        FG_TRY(run_batch(&b, sink, err));
    }
done:
    fg_free(places);
    return status;
}
