/* Reading elements of tensors whatever their strides (the fg_reader part of tensors.h). */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/tensors.h"

enum {
    OPEN_FILES = 64,
    BUFFER = 1 << 20, /* bytes read at once before they are gathered */
    CHEAP_GAP = 4096, /* reading this many unwanted bytes costs less than another system call */
};

typedef struct slot {
    fg_file file;
    uint32_t index;
    uint64_t used; /* the reader's clock when it was last asked for */
} slot;

struct fg_reader {
    const fg_tensors *table;
    slot slots[OPEN_FILES];
    size_t count;
    uint64_t clock;
    unsigned char *buffer; /* BUFFER bytes, made when first needed */
};

fg_status fg_reader_new(fg_reader **reader, const fg_tensors *table, fg_error *err) {
    FG_CALL_NEW(*reader, fg_alloc(1, sizeof **reader, err));
    (*reader)->table = table;
    return FG_OK;
}

void fg_reader_free(fg_reader **reader) {
    fg_reader *r = *reader;
    if (!r) return;
    for (size_t i = 0; i < r->count; i++) fg_file_close(&r->slots[i].file);
    fg_free(r->buffer);
    fg_free(r);
    *reader = NULL;
}

/* A slot to open another file in: a new one, or that of the file which was not asked for the longest. */
static slot *vacate(fg_reader *reader) {
    if (reader->count < OPEN_FILES) return &reader->slots[reader->count];
    slot *oldest = reader->slots;
    for (size_t i = 1; i < OPEN_FILES; i++) {
        if (reader->slots[i].used < oldest->used) oldest = &reader->slots[i];
    }
    fg_file_close(&oldest->file);
    *oldest = reader->slots[--reader->count];
    return &reader->slots[reader->count];
}

fg_status fg_reader_file(fg_reader *reader, uint32_t file, const fg_file **open, fg_error *err) {
    *open = NULL;
    if (file >= reader->table->file_count) return fg_fail(err, FG_ERR_BUG, "no file has the number %u", file);
    for (size_t i = 0; i < reader->count && !*open; i++) {
        if (reader->slots[i].index != file) continue;
        reader->slots[i].used = ++reader->clock;
        *open = &reader->slots[i].file;
    }
    if (*open) return FG_OK;
    slot *into = vacate(reader);
    FG_CALL(fg_file_open(&into->file, reader->table->files[file], FG_OPEN_READ, err));
    into->index = file;
    into->used = ++reader->clock;
    reader->count++;
    FG_CALL(fg_tensors_check_file(reader->table, file, err));
    *open = &into->file;
    return FG_OK;
}

/* ---- gathering ---- */

/* A box of elements: dimensions in the order of the file (largest stride first), each with its stride in the
 * file and in the target, in elements. */
typedef struct box {
    const fg_file *file;
    unsigned char *buffer;
    size_t size; /* bytes an element */
    uint32_t rank;
    uint64_t shape[FG_MAX_DIMS], from[FG_MAX_DIMS], to[FG_MAX_DIMS];
    uint64_t span[FG_MAX_DIMS +
                  1]; /* elements from the first to the last of dimensions i, i+1, ..., in the file */
    bool dense[FG_MAX_DIMS + 1]; /* dimensions i, i+1, ... are worth reading in one go, gaps included */
} box;

static void order(box *b) {
    for (uint32_t i = 1; i < b->rank; i++) {
        for (uint32_t j = i; j > 0 && b->from[j - 1] < b->from[j]; j--) {
            uint64_t shape = b->shape[j], from = b->from[j], to = b->to[j];
            b->shape[j] = b->shape[j - 1], b->from[j] = b->from[j - 1], b->to[j] = b->to[j - 1];
            b->shape[j - 1] = shape, b->from[j - 1] = from, b->to[j - 1] = to;
        }
    }
    b->span[b->rank] = 1;
    b->dense[b->rank] = true;
    for (uint32_t i = b->rank; i-- > 0;) {
        uint64_t inner = b->span[i + 1];
        b->span[i] = inner + (b->shape[i] - 1) * b->from[i];
        b->dense[i] = b->dense[i + 1] && (b->from[i] <= inner || (b->from[i] - inner) * b->size <= CHEAP_GAP);
    }
}

static void pick(const unsigned char *from, uint64_t from_step, unsigned char *to, uint64_t to_step,
                 uint64_t count, size_t size) {
    switch (size) {
    case 1:
        for (uint64_t i = 0; i < count; i++) to[i * to_step] = from[i * from_step];
        return;
    case 2:
        for (uint64_t i = 0; i < count; i++) memcpy(to + i * to_step * 2, from + i * from_step * 2, 2);
        return;
    case 4:
        for (uint64_t i = 0; i < count; i++) memcpy(to + i * to_step * 4, from + i * from_step * 4, 4);
        return;
    default:
        for (uint64_t i = 0; i < count; i++)
            memcpy(to + i * to_step * size, from + i * from_step * size, size);
    }
}

/* Copies `count` indices of dimension `level` and all of the dimensions after it from the buffer to the
 * target. */
static void gather(const box *b, uint32_t level, uint64_t count, const unsigned char *from,
                   unsigned char *to) {
    if (level == b->rank) {
        memcpy(to, from, b->size);
    } else if (level + 1 == b->rank) {
        pick(from, b->from[level], to, b->to[level], count, b->size);
    } else {
        for (uint64_t i = 0; i < count; i++) {
            gather(b, level + 1, b->shape[level + 1], from + i * b->from[level] * b->size,
                   to + i * b->to[level] * b->size);
        }
    }
}

/* Reads dimensions `level` and after, of which those after it fit into the buffer together. */
static fg_status read_runs(const box *b, uint32_t level, uint64_t offset, unsigned char *to, fg_error *err) {
    if (level + 1 == b->rank && b->from[level] == 1 && b->to[level] == 1)
        return fg_file_read(b->file, to, b->shape[level] * b->size, offset, err);
    uint64_t inner = b->span[level + 1], room = BUFFER / b->size, step = fg_max(b->from[level], 1);
    uint64_t most = b->from[level] ? 1 + (room - inner) / step : b->shape[level];
    for (uint64_t i = 0; i < b->shape[level]; i += most) {
        uint64_t count = fg_min(most, b->shape[level] - i);
        uint64_t bytes = (inner + (count - 1) * b->from[level]) * b->size;
        fg_status status =
            fg_file_read(b->file, b->buffer, bytes, offset + i * b->from[level] * b->size, err);
        if (status != FG_OK) return status;
        gather(b, level, count, b->buffer, to + i * b->to[level] * b->size);
    }
    return FG_OK;
}

/* Recursion no deeper than FG_MAX_DIMS. */
static fg_status read_box(const box *b, uint32_t level, uint64_t offset, unsigned char *to, fg_error *err) {
    if (level == b->rank) return fg_file_read(b->file, to, b->size, offset, err);
    if (b->dense[level] && b->span[level + 1] <= BUFFER / b->size)
        return read_runs(b, level, offset, to, err);
    for (uint64_t i = 0; i < b->shape[level]; i++) {
        FG_CALL(read_box(b, level + 1, offset + i * b->from[level] * b->size, to + i * b->to[level] * b->size,
                         err));
    }
    return FG_OK;
}

/* Reads indices `first` to `first + count` of dimension `dim`, whole. */
static fg_status read_slab(fg_reader *reader, const fg_file *file, const fg_tensor *t, uint32_t dim,
                           uint64_t offset, uint64_t first, uint64_t count, unsigned char *to,
                           fg_error *err) {
    box b = {.file = file, .buffer = reader->buffer, .size = fg_dtype_size(t->dtype)};
    uint64_t stride = 1;
    for (uint32_t i = t->rank; i-- > dim;) {
        uint64_t shape = i == dim ? count : t->shape[i];
        if (shape > 1) {
            b.shape[b.rank] = shape, b.from[b.rank] = t->stride[i], b.to[b.rank] = stride;
            b.rank++;
        }
        stride *= shape;
    }
    order(&b);
    return read_box(&b, 0, offset + first * t->stride[dim] * b.size, to, err);
}

/* `count` elements from element `first` of dimensions `dim` and after: an incomplete index of `dim` at the
 * front, whole ones, an incomplete one at the end. */
static fg_status read_part(fg_reader *reader, const fg_file *file, const fg_tensor *t, uint32_t dim,
                           uint64_t offset, uint64_t first, uint64_t count, unsigned char *to,
                           fg_error *err) {
    uint64_t inner = 1, size = fg_dtype_size(t->dtype);
    for (uint32_t i = dim + 1; i < t->rank; i++) inner *= t->shape[i];
    while (count) {
        uint64_t index = first / inner, skip = first % inner, done = 0;
        if (skip || count < inner) {
            done = fg_min(count, inner - skip);
            FG_CALL(read_part(reader, file, t, dim + 1, offset + index * t->stride[dim] * size, skip, done,
                              to, err));
        } else {
            done = count / inner * inner;
            FG_CALL(read_slab(reader, file, t, dim, offset, index, count / inner, to, err));
        }
        first += done;
        count -= done;
        to += done * size;
    }
    return FG_OK;
}

fg_status fg_reader_read(fg_reader *reader, const fg_tensor *tensor, uint64_t first, uint64_t count,
                         void *buffer, fg_error *err) {
    fg_status status = FG_OK;
    const fg_file *file;
    uint64_t size = fg_dtype_size(tensor->dtype);
    if (first > tensor->elements || count > tensor->elements - first) {
        return fg_fail(err, FG_ERR_BUG,
                       "tensor \"%s\": elements %" PRIu64 " to %" PRIu64 " of %" PRIu64 " asked for",
                       tensor->name, first, first + count, tensor->elements);
    }
    if (!count) return FG_OK;
    FG_TRY(fg_reader_file(reader, tensor->file, &file, err));
    if (tensor->contiguous) {
        FG_TRY(fg_file_read(file, buffer, count * size, tensor->offset + first * size, err));
    } else {
        if (!reader->buffer) FG_TRY_NEW(reader->buffer, fg_alloc_buffer(BUFFER, err));
        FG_TRY(read_part(reader, file, tensor, 0, tensor->offset, first, count, buffer, err));
    }
done:
    if (status != FG_OK) fg_where(err, "reading tensor \"%s\"", tensor->name);
    return status;
}
