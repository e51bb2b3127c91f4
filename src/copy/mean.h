/* The mean of the rows of a tensor: what new rows of an embedding hold.
 *
 * Invariant: a value is the sum of a column in float64, top to bottom, divided by the number of rows and
 * rounded to float32: the same for whoever computes it.
 */
#ifndef FG_COPY_MEAN_H
#define FG_COPY_MEAN_H

#include "copy/strided_read.h"

/* The rows that a mean is of. */
typedef struct fg_mean_rows {
    const void *identity; /* what tells them from others of the same plan: the tensor, or the output */
    const char *name;
    fg_dtype dtype;
    uint64_t rows, columns;
    /* Elements [first, first + count), row by row, into `buffer`. */
    fg_status (*read)(void *context, uint64_t first, uint64_t count, void *buffer, fg_error *err);
    void *context;
} fg_mean_rows;

/* Start from zeros; free with fg_mean_free. Keeps the last range of columns that was computed. */
typedef struct fg_mean {
    const void *identity;
    uint64_t first, count; /* columns that `values` holds */
    double *sums;          /* owned */
    float *values, *row;   /* owned */
    unsigned char *strip;  /* owned; FG_STRIP_BYTES of rows as they are */
} fg_mean;

/* The means of columns [mean->first, mean->first + mean->count) around `column` are in mean->values
 * afterwards. A column is what an index of dimension 0 leaves. */
fg_status fg_mean_columns(fg_mean *mean, const fg_mean_rows *rows, uint64_t column, fg_error *err);
void fg_mean_free(fg_mean *mean);

#endif
