/* The mean of the rows of a tensor: what new rows of an embedding hold.
 *
 * Invariant: a value is the sum of a column in float64, top to bottom, divided by the number of rows and
 * rounded to float32: the same for whoever computes it.
 */
#ifndef FG_COPY_MEAN_H
#define FG_COPY_MEAN_H

#include "copy/strided_read.h"

/* Start from zeros; free with fg_mean_free. Keeps the last range of columns that was computed. */
typedef struct fg_mean {
    const fg_tensor *tensor;
    uint64_t first, count; /* columns that `values` holds */
    double *sums;          /* owned */
    float *values, *row;   /* owned */
} fg_mean;

/* The means of columns [*first, *first + *count) around `column` are in mean->values afterwards. A column is
 * what an index of dimension 0 leaves: `elements / shape[0]` of them. */
fg_status fg_mean_columns(fg_mean *mean, fg_strided_reader *strided, const fg_tensor *tensor, uint64_t column,
                          fg_error *err);
void fg_mean_free(fg_mean *mean);

#endif
