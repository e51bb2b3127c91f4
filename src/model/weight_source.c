#include "model/weight_source.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

enum { CHUNK = 16384 }; /* elements at a time: they stay in the second-level cache until they are converted */

void fg_weight_source_close(fg_weight_source *weights) {
    if (weights->close) weights->close(weights->context);
    *weights = (fg_weight_source){0};
}

fg_status fg_weight_source_read_f32(const fg_weight_source *weights, const fg_weight *weight, uint64_t first,
                                    uint64_t count, float *out, fg_error *err) {
    double stored[CHUNK];
    for (uint64_t done = 0, part; done < count; done += part) {
        part = fg_min(CHUNK, count - done);
        FG_CALL(weights->read(weights->context, weight, first + done, part, stored, err));
        fg_cast_to_f32(weight->dtype, stored, out + done, part);
    }
    return FG_OK;
}

/* ---- a checkpoint's files, as they are or rounded ---- */

typedef struct files {
    const fg_tensors *table; /* borrowed */
    fg_reader *reader;
    fg_dtype *rounded; /* owned or NULL; for each tensor the type that it is rounded to */
} files;

static void files_close(void *context) {
    files *f = context;
    if (!f) return;
    fg_reader_free(&f->reader);
    fg_free(f->rounded);
    fg_free(f);
}

/* The type of the numbers that are read of a tensor. */
static fg_dtype seen_dtype(const files *f, const fg_tensor *tensor) {
    fg_dtype rounded = f->rounded ? f->rounded[tensor - f->table->items] : FG_DTYPE_NONE;
    return rounded == FG_DTYPE_NONE ? tensor->dtype : rounded;
}

static const char *files_name_of(void *context, uint32_t index) {
    const files *f = context;
    return index < f->table->count ? f->table->items[index].name : NULL;
}

static bool files_find(void *context, const char *name, fg_weight *weight) {
    const files *f = context;
    const fg_tensor *tensor = fg_tensors_find(f->table, name);
    if (!tensor) return false;
    *weight = (fg_weight){.index = (uint32_t)(tensor - f->table->items),
                          .dtype = seen_dtype(f, tensor),
                          .rank = tensor->rank,
                          .elements = tensor->elements};
    memcpy(weight->shape, tensor->shape, tensor->rank * sizeof *tensor->shape);
    return true;
}

static fg_status files_read(void *context, const fg_weight *weight, uint64_t first, uint64_t count, void *out,
                            fg_error *err) {
    const files *f = context;
    const fg_tensor *tensor = &f->table->items[weight->index];
    fg_dtype dtype = seen_dtype(f, tensor);
    double stored[CHUNK];
    if (dtype == tensor->dtype) return fg_reader_read(f->reader, tensor, first, count, out, err);
    for (uint64_t done = 0, part; done < count; done += part) {
        part = fg_min(CHUNK, count - done);
        FG_CALL(fg_reader_read(f->reader, tensor, first + done, part, stored, err));
        fg_cast(tensor->dtype, stored, dtype, (char *)out + done * fg_dtype_size(dtype), part);
    }
    return FG_OK;
}

static fg_status files_open(fg_weight_source *weights, const fg_tensors *table, files **opened,
                            fg_error *err) {
    fg_status status = FG_OK;
    files *f = NULL;
    *weights = (fg_weight_source){0};
    FG_NEW(f, 1);
    f->table = table;
    FG_TRY(fg_reader_new(&f->reader, table, err));
    *weights = (fg_weight_source){
        .context = f, .find = files_find, .read = files_read, .name_of = files_name_of, .close = files_close};
    *opened = f;
    f = NULL;
done:
    files_close(f);
    return status;
}

fg_status fg_weight_source_from_tensors(fg_weight_source *weights, const fg_tensors *table, fg_error *err) {
    files *f;
    return files_open(weights, table, &f, err);
}

fg_status fg_weight_source_rounded_to(fg_weight_source *weights, const fg_tensors *table, fg_dtype dtype,
                                      fg_error *err) {
    fg_status status = FG_OK;
    files *f = NULL;
    FG_TRY(files_open(weights, table, &f, err));
    if (dtype == FG_DTYPE_NONE) goto done;
    FG_NEW(f->rounded, table->count);
    for (size_t i = 0; i < table->count; i++)
        if (fg_cast_possible(table->items[i].dtype, dtype)) f->rounded[i] = dtype;
done:
    if (status != FG_OK) fg_weight_source_close(weights);
    return status;
}

/* The type of the outputs that copy from each source. */
static fg_status round_copied(const fg_plan *plan, const fg_output *output, fg_dtype *rounded,
                              fg_error *err) {
    for (size_t p = 0; p < output->piece_count; p++) {
        const fg_piece *piece = &plan->pieces[output->first_piece + p];
        if (piece->kind != FG_PIECE_COPY) continue;
        const fg_tensor *source = &plan->source.items[piece->source];
        fg_dtype *to = &rounded[piece->source];
        if (*to != FG_DTYPE_NONE && *to != output->dtype)
            return fg_fail(
                err, FG_ERR_BUG,
                "tensor %s feeds outputs of types %s and %s: which rounding to prove is not defined",
                source->name, fg_dtype_name(*to), fg_dtype_name(output->dtype));
        if (!fg_cast_possible(source->dtype, output->dtype))
            return fg_fail(err, FG_ERR_BUG, "tensor %s: no cast from %s to %s", source->name,
                           fg_dtype_name(source->dtype), fg_dtype_name(output->dtype));
        *to = output->dtype;
    }
    return FG_OK;
}

/* The type that all outputs share; FG_DTYPE_NONE if they have several. */
static fg_dtype common_dtype(const fg_plan *plan) {
    fg_dtype common = plan->output_count ? plan->outputs[0].dtype : FG_DTYPE_NONE;
    for (size_t o = 1; o < plan->output_count; o++)
        if (plan->outputs[o].dtype != common) return FG_DTYPE_NONE;
    return common;
}

/* A dropped tensor may be read all the same: a tied head is compared with the embedding. A cast would have
 * rounded it like the others. */
static void round_dropped(const fg_plan *plan, fg_dtype *rounded) {
    fg_dtype common = common_dtype(plan);
    for (size_t i = 0; i < plan->dropped_count; i++) {
        uint32_t source = plan->dropped[i].source;
        if (fg_cast_possible(plan->source.items[source].dtype, common)) rounded[source] = common;
    }
}

static fg_status find_rounding(const fg_plan *plan, fg_dtype *rounded, fg_error *err) {
    for (size_t o = 0; o < plan->output_count; o++)
        FG_CALL(round_copied(plan, &plan->outputs[o], rounded, err));
    round_dropped(plan, rounded);
    return FG_OK;
}

fg_status fg_weight_rounding(const fg_plan *plan, fg_dtype **rounded, fg_error *err) {
    fg_status status = FG_OK;
    fg_dtype *found = NULL;
    FG_NEW(found, plan->source.count + 1);
    FG_TRY(find_rounding(plan, found, err));
    *rounded = found;
    found = NULL;
done:
    fg_free(found);
    return status;
}

fg_status fg_weight_source_rounded(fg_weight_source *weights, const fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    files *f = NULL;
    FG_TRY(files_open(weights, &plan->source, &f, err));
    FG_TRY(fg_weight_rounding(plan, &f->rounded, err));
done:
    if (status != FG_OK) fg_weight_source_close(weights);
    return status;
}

/* ---- the outputs of a plan ---- */

typedef struct planned {
    const fg_plan *plan; /* borrowed */
    fg_copier *copier;
    fg_map by_name;
    fg_dtype *rounded; /* owned or NULL; for each output the type that it is rounded to */
} planned;

static void planned_close(void *context) {
    planned *p = context;
    if (!p) return;
    fg_copier_free(&p->copier);
    fg_map_free(&p->by_name);
    fg_free(p->rounded);
    fg_free(p);
}

static fg_dtype planned_dtype(const planned *p, size_t output) {
    fg_dtype rounded = p->rounded ? p->rounded[output] : FG_DTYPE_NONE;
    return rounded == FG_DTYPE_NONE ? p->plan->outputs[output].dtype : rounded;
}

static const char *planned_name_of(void *context, uint32_t index) {
    const planned *p = context;
    return index < p->plan->output_count ? p->plan->outputs[index].name : NULL;
}

static bool planned_find(void *context, const char *name, fg_weight *weight) {
    const planned *p = context;
    int64_t index = fg_map_get(&p->by_name, name);
    if (index == FG_MAP_NONE) return false;
    const fg_output *output = &p->plan->outputs[index];
    *weight = (fg_weight){.index = (uint32_t)index,
                          .dtype = planned_dtype(p, (size_t)index),
                          .rank = output->rank,
                          .elements = output->elements};
    memcpy(weight->shape, output->shape, output->rank * sizeof *output->shape);
    return true;
}

static fg_status planned_read(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                              void *out, fg_error *err) {
    planned *p = context;
    const fg_output *output = &p->plan->outputs[weight->index];
    fg_dtype dtype = planned_dtype(p, weight->index);
    double stored[CHUNK];
    if (dtype == output->dtype) return fg_copier_read(p->copier, weight->index, first, count, out, err);
    for (uint64_t done = 0, part; done < count; done += part) {
        part = fg_min(CHUNK, count - done);
        FG_CALL(fg_copier_read(p->copier, weight->index, first + done, part, stored, err));
        fg_cast(output->dtype, stored, dtype, (char *)out + done * fg_dtype_size(dtype), part);
    }
    return FG_OK;
}

/* Takes `rounded` over. */
static fg_status planned_open(fg_weight_source *weights, const fg_plan *plan, fg_dtype *rounded,
                              fg_error *err) {
    fg_status status = FG_OK;
    planned *p = fg_alloc(1, sizeof *p, err);
    *weights = (fg_weight_source){0};
    if (!p) fg_free(rounded);
    if (!p) return FG_ERR_MEMORY;
    p->rounded = rounded;
    p->plan = plan;
    FG_TRY(fg_copier_new(&p->copier, plan, NULL, err));
    for (size_t o = 0; o < plan->output_count; o++)
        FG_TRY(fg_map_set(&p->by_name, plan->outputs[o].name, (uint32_t)o, err));
    *weights = (fg_weight_source){.context = p,
                                  .find = planned_find,
                                  .read = planned_read,
                                  .name_of = planned_name_of,
                                  .close = planned_close};
    p = NULL;
done:
    planned_close(p);
    return status;
}

fg_status fg_weight_source_from_plan(fg_weight_source *weights, const fg_plan *plan, fg_error *err) {
    return planned_open(weights, plan, NULL, err);
}

fg_status fg_weight_source_plan_rounded(fg_weight_source *weights, const fg_plan *plan,
                                        const fg_dtype *rounded, fg_error *err) {
    fg_dtype *own;
    FG_CALL_NEW(own, fg_alloc(plan->output_count + 1, sizeof *own, err));
    if (plan->output_count) memcpy(own, rounded, plan->output_count * sizeof *own);
    return planned_open(weights, plan, own, err);
}

fg_status fg_weight_source_plan_rounded_to(fg_weight_source *weights, const fg_plan *plan, fg_dtype dtype,
                                           fg_error *err) {
    fg_dtype *own;
    if (dtype == FG_DTYPE_NONE) return planned_open(weights, plan, NULL, err);
    FG_CALL_NEW(own, fg_alloc(plan->output_count + 1, sizeof *own, err));
    for (size_t o = 0; o < plan->output_count; o++)
        if (fg_cast_possible(plan->outputs[o].dtype, dtype)) own[o] = dtype;
    return planned_open(weights, plan, own, err);
}
