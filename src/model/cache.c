#include "model/cache.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

fg_status fg_layer_cache_make(fg_layer_cache *cache, const fg_workspace *w, const fg_cache_size *size,
                              uint64_t capacity, fg_error *err) {
    fg_status status = FG_OK;
    uint64_t count = 0, bytes = 0;
    if (!fg_mul(size->per_position, capacity, &count) || !fg_mul(count, sizeof(float), &bytes))
        FG_FAIL(err, FG_ERR_MEMORY, "a KV cache of %llu positions does not fit into memory",
                (unsigned long long)capacity);
    FG_TRY(w->device->allocate(w->state, count, &cache->positions, err));
    if (size->fixed) FG_TRY(w->device->allocate(w->state, size->fixed, &cache->fixed, err));
    cache->capacity = capacity;
done:
    return status;
}

void fg_layer_cache_free(fg_layer_cache *cache, const fg_workspace *w) {
    w->device->release(w->state, cache->positions);
    w->device->release(w->state, cache->fixed);
    *cache = (fg_layer_cache){0};
}

fg_status fg_layer_cache_continue(fg_layer_cache *cache, const fg_workspace *w, const fg_cache_size *size,
                                  uint64_t block, uint64_t position, uint64_t count, fg_error *err) {
    uint64_t end = position + count;
    if (end > cache->capacity || position > cache->filled ||
        (size->fixed && position && position != cache->filled))
        return fg_fail(err, FG_ERR_BUG,
                       "block %llu: positions %llu to %llu do not continue the cache (%llu of %llu filled)",
                       (unsigned long long)block, (unsigned long long)position, (unsigned long long)end,
                       (unsigned long long)cache->filled, (unsigned long long)cache->capacity);
    if (size->fixed && position == 0) w->device->clear(w->state, cache->fixed, size->fixed);
    return FG_OK;
}

fg_status fg_cache_new(fg_cache **cache, const fg_model *model, uint64_t first, uint64_t count,
                       uint64_t capacity, fg_error *err) {
    fg_status status = FG_OK;
    fg_cache *made = NULL;
    *cache = NULL;
    if (first > model->shape.blocks || count > model->shape.blocks - first)
        FG_FAIL(err, FG_ERR_BUG, "a cache for blocks that do not exist");
    FG_NEW(made, 1);
    made->first = first;
    made->work = &model->work;
    FG_NEW(made->blocks, count);
    made->count = count;
    for (uint64_t i = 0; i < count; i++) {
        fg_cache_size size = fg_block_cache_size(&model->blocks[first + i]);
        FG_TRY(fg_layer_cache_make(&made->blocks[i], &model->work, &size, capacity, err));
    }
    *cache = made;
    made = NULL;
done:
    fg_cache_free(&made);
    return status;
}

void fg_cache_free(fg_cache **cache) {
    fg_cache *c = *cache;
    if (!c) return;
    for (uint64_t i = 0; i < c->count; i++) fg_layer_cache_free(&c->blocks[i], c->work);
    fg_free(c->blocks);
    fg_free(c);
    *cache = NULL;
}

uint64_t fg_cache_bytes(const fg_model *model, uint64_t first, uint64_t count, uint64_t capacity) {
    uint64_t total = 0, numbers;
    for (uint64_t b = first; b < model->shape.blocks && b - first < count; b++) {
        fg_cache_size size = fg_block_cache_size(&model->blocks[b]);
        if (!fg_mul(size.per_position, capacity, &numbers) || !fg_add(numbers, size.fixed, &numbers) ||
            !fg_mul(numbers, sizeof(float), &numbers) || !fg_add(total, numbers, &total))
            return UINT64_MAX;
    }
    return total;
}
