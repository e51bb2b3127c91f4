/* Comparing another checkpoint with a plan (fg_copier_verify of copier.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/copier.h"
#include "copy/fill.h"
#include "store/cast.h"

enum { INDEX_TEXT = 160, VALUE_TEXT = 64 };

/* "[i, j]" of element `position` in row-major order. */
static const char *index_text(const fg_output *output, uint64_t position, char *buffer) {
    uint64_t index[FG_MAX_DIMS] = {0};
    for (uint32_t i = output->rank; i-- > 0;) {
        index[i] = position % output->shape[i];
        position /= output->shape[i];
    }
    size_t used = (size_t)snprintf(buffer, INDEX_TEXT, "[");
    for (uint32_t i = 0; i < output->rank; i++)
        used += (size_t)snprintf(buffer + used, INDEX_TEXT - used, "%s%" PRIu64, i ? ", " : "", index[i]);
    snprintf(buffer + used, INDEX_TEXT - used, "]");
    return buffer;
}

/* The bits of an element as an unsigned number. */
static uint64_t bits_of(fg_dtype dtype, const unsigned char *bytes) {
    uint64_t bits = 0;
    memcpy(&bits, bytes, fg_dtype_size(dtype));
    return bits;
}

/* "0.5 (0x3f00)" for floats, digits for the rest. */
static const char *value_text(fg_dtype dtype, const unsigned char *bytes, char *buffer) {
    uint64_t bits = bits_of(dtype, bytes);
    int digits = (int)fg_dtype_size(dtype) * 2, shift = 64 - 4 * digits;
    bool is_signed = dtype == FG_I8 || dtype == FG_I16 || dtype == FG_I32 || dtype == FG_I64;
    if (fg_dtype_is_float(dtype)) {
        double value;
        float narrow;
        fg_cast_to_f32(dtype, bytes, &narrow, 1);
        value = (double)narrow;
        if (dtype == FG_F64) memcpy(&value, bytes, sizeof value);
        snprintf(buffer, VALUE_TEXT, "%.*g (0x%0*" PRIx64 ")", dtype == FG_F64 ? 17 : 9, value, digits, bits);
    } else if (is_signed) {
        snprintf(buffer, VALUE_TEXT, "%" PRId64, (int64_t)(bits << shift) >> shift);
    } else {
        snprintf(buffer, VALUE_TEXT, "%" PRIu64, bits);
    }
    return buffer;
}

static fg_status report(const fg_output *output, const char *file, uint64_t position,
                        const unsigned char *found, const unsigned char *expected, fg_error *err) {
    char index[INDEX_TEXT], found_text[VALUE_TEXT], expected_text[VALUE_TEXT];
    return fg_fail(err, FG_ERR_DIFFER, "%s: tensor \"%s\": element %s is %s, expected %s", file, output->name,
                   index_text(output, position, index), value_text(output->dtype, found, found_text),
                   value_text(output->dtype, expected, expected_text));
}

/* The tensor of the same name, which must have the same dtype and shape. */
static fg_status find_tensor(const fg_output *output, const fg_tensors *other, const fg_tensor **tensor,
                             fg_error *err) {
    char found[128], expected[128];
    fg_tensor wanted = {.dtype = output->dtype, .rank = output->rank};
    const fg_tensor *t = *tensor = fg_tensors_find(other, output->name);
    memcpy(wanted.shape, output->shape, sizeof wanted.shape);
    if (!t) return fg_fail(err, FG_ERR_DIFFER, "tensor \"%s\" is missing", output->name);
    bool same = t->dtype == output->dtype && t->rank == output->rank &&
                memcmp(t->shape, output->shape, output->rank * sizeof *t->shape) == 0;
    if (same) return FG_OK;
    return fg_fail(err, FG_ERR_DIFFER, "%s: tensor \"%s\" is %s, expected %s", other->files[t->file],
                   output->name, fg_tensor_text(t, found, sizeof found),
                   fg_tensor_text(&wanted, expected, sizeof expected));
}

typedef struct buffers {
    unsigned char *found, *expected; /* FG_BLOCK_BYTES each */
} buffers;

static fg_status check_output(fg_copier *copier, const fg_output *output, size_t index,
                              const fg_tensors *other, fg_reader *reader, uint64_t first, uint64_t end,
                              const buffers *b, fg_error *err) {
    const fg_tensor *tensor;
    uint64_t size = fg_dtype_size(output->dtype), count;
    FG_CALL(find_tensor(output, other, &tensor, err));
    for (; first < end; first += count) {
        count = fg_min(FG_BLOCK_BYTES / size, end - first);
        FG_CALL(fg_copier_read(copier, index, first, count, b->expected, err));
        FG_CALL(fg_reader_read(reader, tensor, first, count, b->found, err));
        if (memcmp(b->found, b->expected, count * size) == 0) continue;
        uint64_t at = 0;
        while (memcmp(b->found + at * size, b->expected + at * size, size) == 0) at++;
        FG_CALL(report(output, other->files[tensor->file], first + at, b->found + at * size,
                       b->expected + at * size, err));
    }
    return FG_OK;
}

fg_status fg_copier_verify(fg_copier *copier, const fg_work_item *item, const fg_tensors *other,
                           fg_reader *reader, fg_error *err) {
    fg_status status = FG_OK;
    const fg_plan *plan = fg_copier_plan(copier);
    buffers b = {0};
    uint32_t outputs = item->count ? 1 : item->outputs;
    if (item->output >= plan->output_count || outputs > plan->output_count - item->output)
        return fg_fail(err, FG_ERR_BUG, "a work item has outputs that the plan does not have");
    FG_TRY_NEW(b.found, fg_alloc_buffer(FG_BLOCK_BYTES, err));
    FG_TRY_NEW(b.expected, fg_alloc_buffer(FG_BLOCK_BYTES, err));
    for (uint32_t i = 0; i < outputs; i++) {
        const fg_output *output = &plan->outputs[item->output + i];
        uint64_t end = item->count ? item->first + item->count : output->elements;
        FG_TRY(check_output(copier, output, item->output + i, other, reader, item->first, end, &b, err));
    }
done:
    fg_free(b.found);
    fg_free(b.expected);
    return status;
}
