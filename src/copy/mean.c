#include "copy/mean.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

/* Columns that are computed together: 1 MiB of memory, and one pass over any real embedding. */
enum { COLUMNS = 1 << 16 };

static fg_status make_room(fg_mean *mean, fg_error *err) {
    if (!mean->sums) FG_CALL_NEW(mean->sums, fg_alloc_buffer(COLUMNS * sizeof *mean->sums, err));
    if (!mean->values) FG_CALL_NEW(mean->values, fg_alloc_buffer(COLUMNS * sizeof *mean->values, err));
    if (!mean->row) FG_CALL_NEW(mean->row, fg_alloc_buffer(COLUMNS * sizeof *mean->row, err));
    return FG_OK;
}

static void add_row(fg_mean *mean, fg_dtype dtype, const unsigned char *row) {
    fg_cast_to_f32(dtype, row, mean->row, mean->count);
    for (uint64_t i = 0; i < mean->count; i++) mean->sums[i] += (double)mean->row[i];
}

/* Which of two NaNs a sum keeps is up to the compiler, so there is only one. */
static float mean_of(double sum, uint64_t rows) {
    float value = (float)(sum / (double)rows);
    return isnan(value) ? NAN : value;
}

fg_status fg_mean_columns(fg_mean *mean, fg_strided_reader *strided, const fg_tensor *tensor, uint64_t column,
                          fg_error *err) {
    if (mean->tensor == tensor && column >= mean->first && column - mean->first < mean->count) return FG_OK;
    mean->tensor = NULL;
    if (!tensor->rank || !tensor->elements)
        return fg_fail(err, FG_ERR_BUG, "tensor \"%s\": the mean of no rows is asked for", tensor->name);
    uint64_t rows = tensor->shape[0], width = tensor->elements / rows, size = fg_dtype_size(tensor->dtype);
    if (column >= width)
        return fg_fail(err, FG_ERR_BUG, "tensor \"%s\": it has no such column", tensor->name);
    FG_CALL(make_room(mean, err));
    FG_CALL(fg_strided_read_strip(strided, err));
    mean->first = column - column % COLUMNS;
    mean->count = fg_min(COLUMNS, width - mean->first);
    memset(mean->sums, 0, mean->count * sizeof *mean->sums);
    uint64_t together = mean->count == width ? FG_STRIP_BYTES / (width * size) : 1, count;
    for (uint64_t row = 0; row < rows; row += count) {
        count = fg_min(together, rows - row);
        uint64_t loaded = (count - 1) * width + mean->count;
        FG_CALL(
            fg_strided_read_read(strided, tensor, row * width + mean->first, loaded, strided->strip, err));
        for (uint64_t i = 0; i < count; i++) add_row(mean, tensor->dtype, strided->strip + i * width * size);
    }
    for (uint64_t i = 0; i < mean->count; i++) mean->values[i] = mean_of(mean->sums[i], rows);
    mean->tensor = tensor;
    return FG_OK;
}

void fg_mean_free(fg_mean *mean) {
    fg_free(mean->sums);
    fg_free(mean->values);
    fg_free(mean->row);
    *mean = (fg_mean){0};
}
