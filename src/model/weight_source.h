/* Where the forward pass gets numbers from: tensors by name, elements as they are stored.
 *
 * Sources: a checkpoint's files, as they are or rounded as a cast rounds them (for the proof of a conversion
 * with casts, and for comparing models of two types); and the outputs of a plan (what a conversion would
 * write, for --dry-run).
 */
#ifndef FG_MODEL_WEIGHT_SOURCE_H
#define FG_MODEL_WEIGHT_SOURCE_H

#include "copy/copier.h"
#include "plan/plan.h"

typedef struct fg_weight {
    uint32_t index; /* the source's own number */
    fg_dtype dtype; /* of the elements as they are read */
    uint32_t rank;
    uint64_t shape[FG_MAX_DIMS];
    uint64_t elements;
} fg_weight;

typedef struct fg_weight_source {
    void *context; /* owned */
    bool (*find)(void *context, const char *name, fg_weight *weight);
    /* `count` elements from element `first`, row-major, of the weight's dtype. */
    fg_status (*read)(void *context, const fg_weight *weight, uint64_t first, uint64_t count, void *out,
                      fg_error *err);
    /* The name of its tensor with this index; NULL: indexes end before. The member may be NULL: it does not
     * say. */
    const char *(*name_of)(void *context, uint32_t index);
    void (*close)(void *context);
} fg_weight_source;

/* All borrow the table or plan. */
fg_status fg_weight_source_from_tensors(fg_weight_source *weights, const fg_tensors *table, fg_error *err);
/* Each tensor that can be cast is rounded to `dtype`; FG_DTYPE_NONE: none is. */
fg_status fg_weight_source_rounded_to(fg_weight_source *weights, const fg_tensors *table, fg_dtype dtype,
                                      fg_error *err);
fg_status fg_weight_source_from_plan(fg_weight_source *weights, const fg_plan *plan, fg_error *err);
/* The outputs of a plan, each rounded to what `rounded` (copied) has for it; FG_DTYPE_NONE: it is not. */
fg_status fg_weight_source_plan_rounded(fg_weight_source *weights, const fg_plan *plan,
                                        const fg_dtype *rounded, fg_error *err);
/* The same, and each that can be cast is rounded to `dtype`. */
fg_status fg_weight_source_plan_rounded_to(fg_weight_source *weights, const fg_plan *plan, fg_dtype dtype,
                                           fg_error *err);
/* The plan's sources, each rounded to the dtype of the outputs that it feeds; those that the plan drops, to
 * the dtype of all outputs if they share one. */
fg_status fg_weight_source_rounded(fg_weight_source *weights, const fg_plan *plan, fg_error *err);
/* What that rounds each source of the plan to, newly allocated: one entry each, FG_DTYPE_NONE: nothing. */
fg_status fg_weight_rounding(const fg_plan *plan, fg_dtype **rounded, fg_error *err);
/* The same elements as float32: for those who look at a few. */
fg_status fg_weight_source_read_f32(const fg_weight_source *weights, const fg_weight *weight, uint64_t first,
                                    uint64_t count, float *out, fg_error *err);
void fg_weight_source_close(fg_weight_source *weights);

#endif
