/* Bringing boxes of source tensors into a stretch of an output in memory: strides, transposes, casts.
 *
 * Invariant: what an element becomes depends on its value and the two dtypes only. Reads go through strips of
 * bounded size; several rows of a strip are read with one call when the gap between them is cheap.
 */
#ifndef FG_COPY_GATHER_H
#define FG_COPY_GATHER_H

#include "copy/boxes.h"

enum { FG_STRIP_BYTES = 2 << 20 };

/* What does not change between stretches. Start from zeros and set `reader`; free with fg_gather_free. */
typedef struct fg_gather {
    fg_reader *reader;              /* borrowed */
    unsigned char *strip, *cast;    /* owned; FG_STRIP_BYTES each, made when needed */
    uint64_t bytes_read, overflows; /* so far */
} fg_gather;

/* A stretch of an output: target[0] is element `origin`. Overflows of casts are counted for the elements in
 * [count_first, count_end) only. */
typedef struct fg_stretch {
    fg_dtype dtype;
    uint64_t origin, count_first, count_end;
    unsigned char *target;
} fg_stretch;

/* Copies the box of `tensor` to its place. All elements of the box lie in the stretch. */
fg_status fg_gather_box(fg_gather *gather, const fg_tensor *tensor, const fg_box *box,
                        const fg_stretch *stretch, fg_error *err);
/* `count` raw elements of a tensor, counted. */
fg_status fg_gather_read(fg_gather *gather, const fg_tensor *tensor, uint64_t first, uint64_t count,
                         void *buffer, fg_error *err);
/* Makes sure that `strip`, and `cast` if asked for, are there. */
fg_status fg_gather_buffers(fg_gather *gather, bool cast, fg_error *err);
void fg_gather_free(fg_gather *gather);

#endif
