/* Computing any range of an output in memory.
 *
 * Invariant: every element of the range is set, by the one piece that covers it; the plan was checked.
 */
#ifndef FG_COPY_FILL_H
#define FG_COPY_FILL_H

#include "copy/mean.h"
#include "copy/strided_read.h"

/* 256 KiB and what the kernel does with them stay in the second-level cache: measured on a virtual machine
 * with 2 cores, blocks of 1 MiB took three times as long. `scripts/bench blocks` compiles others and compares
 * them. */
#ifndef FG_BLOCK_KIB
#define FG_BLOCK_KIB 256
#endif

enum {
    FG_BLOCK_BYTES = FG_BLOCK_KIB << 10, /* what is read and written at once where no order is changed */
    FG_WINDOW_BYTES =
        8 << 20, /* what is computed at once where rows become columns: the longer the better for reads */
    FG_LONG_RUN = 256 << 10, /* bytes from which on a run inside an output is copied by itself */
};

typedef struct fg_filler {
    const fg_plan *plan; /* borrowed */
    fg_strided_reader strided;
    fg_mean mean;
    struct fg_filler *matrices; /* owned; of plan->matrices; NULL: there are none */
} fg_filler;

fg_status fg_filler_new(fg_filler *filler, const fg_plan *plan, fg_error *err);
void fg_filler_free(fg_filler *filler);

/* Elements [range->origin, range->origin + count) of an output into range->target. */
fg_status fg_filler_fill(fg_filler *filler, const fg_output *output, const fg_range *range, uint64_t count,
                         fg_error *err);

/* How many elements of an output are computed at once, beginning at multiples of `unit`. */
typedef struct fg_block_size {
    uint64_t unit, window;
} fg_block_size;
fg_block_size fg_filler_block_size(const fg_filler *filler, const fg_output *output);

/* What lies at element `first` of an output. */
typedef enum fg_segment_kind {
    FG_SEGMENT_MIXED, /* to be computed with fg_filler_fill */
    FG_SEGMENT_RUN,   /* consecutive elements of one tensor that lie consecutively in its file */
    FG_SEGMENT_ZERO,  /* zeros */
} fg_segment_kind;
typedef struct fg_segment {
    fg_segment_kind kind;
    uint64_t end;            /* first output element that is no part of it; at most what was asked for */
    const fg_tensor *tensor; /* RUN */
    uint64_t from;           /* RUN: the source element that element `first` is */
} fg_segment;
fg_segment fg_filler_segment(const fg_filler *filler, const fg_output *output, uint64_t first, uint64_t end);

#endif
