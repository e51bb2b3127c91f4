/* What a model computes in: its device, its weights, and memory that every call uses again.
 *
 * Invariant: memory grows to the largest call's needs and never with the number of calls. Contents are lost
 * from one call of a mixer or MLP to the next.
 */
#ifndef FG_MODEL_WORKSPACE_H
#define FG_MODEL_WORKSPACE_H

#include "device/device.h"
#include "model/tile.h"
#include "model/weight_source.h"

/* Memory of the device that grows and is reused. Start from zeros. */
typedef struct fg_scratch {
    fg_real *values; /* owned */
    uint64_t count;
} fg_scratch;

/* The same on the host. */
typedef struct fg_host_scratch {
    void *bytes; /* owned */
    uint64_t size;
} fg_host_scratch;

/* Whose angles a table has. */
typedef struct fg_angles {
    const void *of;
    uint64_t position, length, columns, count;
} fg_angles;

/* A vector that a device with memory of its own keeps. */
typedef struct fg_kept_vector {
    uint32_t index; /* of its tensor */
    uint64_t first, size;
    fg_real *values; /* owned */
} fg_kept_vector;

enum { FG_STATES = 6 };

typedef struct fg_workspace {
    const fg_device *device;
    void *state;              /* the device's */
    fg_weight_source weights; /* owned */

    fg_scratch states[FG_STATES], scores; /* of the mixer or MLP that runs */
    fg_scratch panel, vector;             /* of weights; of a norm or bias */
    fg_scratch angles;                    /* see model/rotary.h */
    fg_angles angles_key;                 /* whose they are; zeros: nobody's */

    fg_host_scratch stored, cosines, frequencies, seen;
    fg_host_scratch slab, strip; /* rows [slab_row, slab_row + slab_rows) of a transposed matrix, as stored */
    const void *slab_of;
    uint64_t slab_row, slab_rows;
    uint64_t wanted_row, wanted_end; /* the rows that the product which runs asks for; 0: none runs */

    fg_kept_vector *vectors; /* owned; in the order in which they were first asked for */
    size_t vector_count, vector_capacity, vector_next; /* the one that is probably asked for next */

    uint64_t cache_limit,
        cached_bytes; /* of panels as float32; the device's own memory has no limit but it */

    const struct fg_row_sharing *sharing; /* borrowed; model/row_sharing.h; NULL: this process computes all */
} fg_workspace;

/* Takes over `weights`, and closes them on failure. */
fg_status fg_workspace_open(fg_workspace *w, const fg_device *device, fg_weight_source weights,
                            fg_error *err);
void fg_workspace_close(fg_workspace *w);

/* Bytes of panels that may still be cached. */
uint64_t fg_workspace_room(const fg_workspace *w);

/* At least `rows` x `columns` numbers; old contents are lost. */
fg_status fg_scratch_fit(fg_workspace *w, fg_scratch *scratch, uint64_t rows, uint64_t columns,
                         fg_error *err);
void fg_scratch_free(fg_workspace *w, fg_scratch *scratch);
fg_status fg_host_scratch_fit(fg_host_scratch *scratch, uint64_t rows, uint64_t columns, size_t size,
                              fg_error *err);

/* Where the device works on the host's `values` [rows, columns]: on a device that shares the host's memory
 * there, else in `scratch`. put and get bring what is in them there, and back here. */
fg_status fg_workspace_view(fg_workspace *w, fg_scratch *scratch, float *values, uint64_t rows,
                            uint64_t columns, fg_real **view, fg_error *err);
/* `count` numbers of the device for the host to look at, until the next call. */
fg_status fg_workspace_see(fg_workspace *w, const fg_real *values, uint64_t count, const float **seen,
                           fg_error *err);
/* `size` elements of a weight from element `first`, as float32, until the next call. */
fg_status fg_workspace_vector(fg_workspace *w, const fg_weight *weight, uint64_t first, uint64_t size,
                              const fg_real **values, fg_error *err);

/* So many bytes further on; the device's memory. */
static inline fg_real *fg_real_at(fg_real *values, uint64_t bytes) {
    return (fg_real *)((char *)values + bytes);
}

/* `count` elements of a weight from element `first`, as float32 or as they are stored: device.h's `load`. */
fg_status fg_workspace_load(fg_workspace *w, const fg_weight *weight, uint64_t first, uint64_t count,
                            fg_dtype as, fg_real *to, fg_error *err);

#endif
