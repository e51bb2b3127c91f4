#include "model/workspace.h"

#include "base/alloc.h"
#include "base/checked.h"

fg_status fg_workspace_open(fg_workspace *w, const fg_device *device, fg_weight_source weights,
                            fg_error *err) {
    *w = (fg_workspace){.device = device, .weights = weights};
    fg_status status = device->open(&w->state, err);
    if (status != FG_OK) fg_workspace_close(w);
    return status;
}

void fg_workspace_close(fg_workspace *w) {
    fg_scratch *scratch[] = {&w->scores, &w->panel, &w->vector, &w->angles};
    fg_host_scratch *host[] = {&w->stored, &w->cosines, &w->frequencies, &w->seen, &w->slab, &w->strip};
    for (size_t i = 0; w->state && i < sizeof scratch / sizeof *scratch; i++) fg_scratch_free(w, scratch[i]);
    for (size_t i = 0; w->state && i < FG_STATES; i++) fg_scratch_free(w, &w->states[i]);
    for (size_t i = 0; i < w->vector_count; i++) w->device->release(w->state, w->vectors[i].values);
    fg_free(w->vectors);
    for (size_t i = 0; i < sizeof host / sizeof *host; i++) fg_free(host[i]->bytes);
    if (w->state) w->device->close(w->state);
    fg_weight_source_close(&w->weights);
    *w = (fg_workspace){0};
}

uint64_t fg_workspace_room(const fg_workspace *w) {
    if (w->device->room) return w->device->room(w->state);
    return w->cache_limit > w->cached_bytes ? w->cache_limit - w->cached_bytes : 0;
}

static fg_status too_large(uint64_t rows, uint64_t columns, fg_error *err) {
    return fg_fail(err, FG_ERR_MEMORY, "activations of %llu x %llu numbers do not fit into memory",
                   (unsigned long long)rows, (unsigned long long)columns);
}

fg_status fg_scratch_fit(fg_workspace *w, fg_scratch *scratch, uint64_t rows, uint64_t columns,
                         fg_error *err) {
    uint64_t count, bytes;
    if (!fg_mul(rows, columns, &count) || !fg_mul(count, sizeof(float), &bytes))
        return too_large(rows, columns, err);
    if (scratch->values && count <= scratch->count) return FG_OK;
    if (!w->device->host_memory) count = fg_max(count, scratch->count + scratch->count / 4);
    fg_scratch_free(w, scratch);
    FG_CALL(w->device->allocate(w->state, count, &scratch->values, err));
    scratch->count = count;
    return FG_OK;
}

void fg_scratch_free(fg_workspace *w, fg_scratch *scratch) {
    w->device->release(w->state, scratch->values);
    *scratch = (fg_scratch){0};
}

fg_status fg_host_scratch_fit(fg_host_scratch *scratch, uint64_t rows, uint64_t columns, size_t size,
                              fg_error *err) {
    uint64_t bytes;
    if (!fg_mul(rows, columns, &bytes) || !fg_mul(bytes, size, &bytes)) return too_large(rows, columns, err);
    if (scratch->bytes && bytes <= scratch->size) return FG_OK;
    fg_free(scratch->bytes);
    *scratch = (fg_host_scratch){0};
    FG_CALL_NEW(scratch->bytes, fg_alloc_buffer(bytes, err));
    scratch->size = bytes;
    return FG_OK;
}

fg_status fg_workspace_view(fg_workspace *w, fg_scratch *scratch, float *values, uint64_t rows,
                            uint64_t columns, fg_real **view, fg_error *err) {
    *view = (fg_real *)values;
    if (w->device->host_memory) return FG_OK;
    fg_status status = fg_scratch_fit(w, scratch, rows, columns, err);
    *view = scratch->values;
    return status;
}

fg_status fg_workspace_see(fg_workspace *w, const fg_real *values, uint64_t count, const float **seen,
                           fg_error *err) {
    *seen = (const float *)values;
    if (w->device->host_memory) return FG_OK;
    FG_CALL(fg_host_scratch_fit(&w->seen, 1, count, sizeof **seen, err));
    *seen = w->seen.bytes;
    return w->device->get(w->state, values, count, w->seen.bytes, err);
}

/* Where stored elements are read to. */
static fg_status stage(fg_workspace *w, uint64_t count, size_t size, void **stored, fg_error *err) {
    if (w->device->stage) {
        *stored = w->device->stage(w->state, count * size, err);
        return *stored ? FG_OK : (fg_status)err->status;
    }
    FG_CALL(fg_host_scratch_fit(&w->stored, 1, w->device->load_bytes, 1, err));
    *stored = w->stored.bytes;
    return FG_OK;
}

fg_status fg_workspace_load(fg_workspace *w, const fg_weight *weight, uint64_t first, uint64_t count,
                            fg_dtype as, fg_real *to, fg_error *err) {
    const fg_weight_source *source = &w->weights;
    size_t size = fg_dtype_size(weight->dtype), made = fg_dtype_size(as);
    uint64_t most = w->device->load_bytes / size;
    if (w->device->host_memory && weight->dtype == FG_F32)
        return source->read(source->context, weight, first, count, to, err);
    for (uint64_t done = 0, part; done < count; done += part) {
        void *stored;
        part = fg_min(most, count - done);
        FG_CALL(stage(w, part, size, &stored, err));
        FG_CALL(source->read(source->context, weight, first + done, part, stored, err));
        FG_CALL(w->device->load(w->state, weight->dtype, stored, part, as, fg_real_at(to, done * made), err));
    }
    return FG_OK;
}

/* ---- vectors ---- */

/* One that is kept; they are asked for in the same order again and again. NULL: it is not. */
static const fg_real *find_vector(fg_workspace *w, const fg_weight *weight, uint64_t first, uint64_t size) {
    for (size_t tried = 0; tried < w->vector_count; tried++) {
        size_t i = (w->vector_next + tried) % w->vector_count;
        const fg_kept_vector *v = &w->vectors[i];
        if (v->index != weight->index || v->first != first || v->size != size) continue;
        w->vector_next = i + 1;
        return v->values;
    }
    return NULL;
}

/* Where the device has room for it: else NULL. */
static fg_status keep_vector(fg_workspace *w, const fg_weight *weight, uint64_t first, uint64_t size,
                             const fg_real **values, fg_error *err) {
    fg_kept_vector *v;
    if (size * sizeof(float) > fg_workspace_room(w)) return FG_OK;
    FG_CALL(fg_grow(&w->vectors, w->vector_count, &w->vector_capacity, sizeof *v, err));
    v = &w->vectors[w->vector_count];
    *v = (fg_kept_vector){.index = weight->index, .first = first, .size = size};
    FG_CALL(w->device->allocate(w->state, size, &v->values, err));
    w->vector_count++; /* from now on it is freed */
    fg_status status = fg_workspace_load(w, weight, first, size, FG_F32, v->values, err);
    if (status != FG_OK) v->size = 0; /* not to be found */
    *values = v->values;
    return status;
}

fg_status fg_workspace_vector(fg_workspace *w, const fg_weight *weight, uint64_t first, uint64_t size,
                              const fg_real **values, fg_error *err) {
    *values = find_vector(w, weight, first, size);
    if (!*values && w->device->room) FG_CALL(keep_vector(w, weight, first, size, values, err));
    if (*values) return FG_OK;
    FG_CALL(fg_scratch_fit(w, &w->vector, 1, size, err));
    *values = w->vector.values;
    return fg_workspace_load(w, weight, first, size, FG_F32, w->vector.values, err);
}
