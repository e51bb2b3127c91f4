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
    if (!mean->strip) FG_CALL_NEW(mean->strip, fg_alloc_buffer(FG_STRIP_BYTES, err));
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

/* Sums the columns that `mean` is to hold. */
static fg_status add_rows(fg_mean *mean, const fg_mean_rows *rows, fg_error *err) {
    uint64_t size = fg_dtype_size(rows->dtype), count;
    uint64_t together = mean->count == rows->columns ? FG_STRIP_BYTES / (rows->columns * size) : 1;
    for (uint64_t row = 0; row < rows->rows; row += count) {
        count = fg_min(together, rows->rows - row);
        uint64_t loaded = (count - 1) * rows->columns + mean->count;
        FG_CALL(rows->read(rows->context, row * rows->columns + mean->first, loaded, mean->strip, err));
        for (uint64_t i = 0; i < count; i++)
            add_row(mean, rows->dtype, mean->strip + i * rows->columns * size);
    }
    return FG_OK;
}

fg_status fg_mean_columns(fg_mean *mean, const fg_mean_rows *rows, uint64_t column, fg_error *err) {
    if (mean->identity == rows->identity && column >= mean->first && column - mean->first < mean->count)
        return FG_OK;
    mean->identity = NULL;
    if (!rows->rows || !rows->columns)
        return fg_fail(err, FG_ERR_BUG, "tensor \"%s\": the mean of no rows is asked for", rows->name);
    if (column >= rows->columns)
        return fg_fail(err, FG_ERR_BUG, "tensor \"%s\": it has no such column", rows->name);
    FG_CALL(make_room(mean, err));
    mean->first = column - column % COLUMNS;
    mean->count = fg_min(COLUMNS, rows->columns - mean->first);
    memset(mean->sums, 0, mean->count * sizeof *mean->sums);
    FG_CALL(add_rows(mean, rows, err));
    for (uint64_t i = 0; i < mean->count; i++) mean->values[i] = mean_of(mean->sums[i], rows->rows);
    mean->identity = rows->identity;
    return FG_OK;
}

void fg_mean_free(fg_mean *mean) {
    fg_free(mean->sums);
    fg_free(mean->values);
    fg_free(mean->row);
    fg_free(mean->strip);
    *mean = (fg_mean){0};
}
