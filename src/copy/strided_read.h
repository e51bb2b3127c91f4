/* Bringing boxes of source tensors into a range of an output in memory: strides, transposes, casts.
 *
 * Invariant: what an element becomes depends on its value and the two dtypes only. Reads go through strips of
 * bounded size; several rows of a strip are read with one call when the gap between them is cheap.
 */
#ifndef FG_COPY_STRIDED_READ_H
#define FG_COPY_STRIDED_READ_H

#include "copy/boxes.h"

enum { FG_STRIP_BYTES = 2 << 20 };

/* What does not change between ranges. Start from zeros and set `reader`; free with fg_strided_read_free. */
typedef struct fg_strided_reader {
    fg_reader *reader;              /* borrowed */
    unsigned char *strip, *cast;    /* owned; FG_STRIP_BYTES each, made when needed */
    uint64_t bytes_read, overflows; /* so far */
} fg_strided_reader;

/* A range of an output: target[0] is element `origin`. Overflows of casts are counted for the elements in
 * [count_first, count_end) only. */
typedef struct fg_range {
    fg_dtype dtype;
    uint64_t origin, count_first, count_end;
    unsigned char *target;
} fg_range;

/* Copies the box of `tensor` to its place. All elements of the box lie in the range. */
fg_status fg_strided_read_box(fg_strided_reader *strided, const fg_tensor *tensor, const fg_box *box,
                              const fg_range *range, fg_error *err);
/* `count` raw elements of a tensor, counted. */
fg_status fg_strided_read_read(fg_strided_reader *strided, const fg_tensor *tensor, uint64_t first,
                               uint64_t count, void *buffer, fg_error *err);
/* Makes sure that `strip` is there, for elements of `tensor` that become `dtype`. FG_ERR_BUG if they
 * cannot. */
fg_status fg_strided_read_prepare(fg_strided_reader *strided, const fg_tensor *tensor, fg_dtype dtype,
                                  fg_error *err);
void fg_strided_read_free(fg_strided_reader *strided);

#endif
