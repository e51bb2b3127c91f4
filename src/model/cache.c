#include "model/cache.h"

#include "base/checked.h"

fg_status fg_layer_cache_make(fg_layer_cache *cache, const fg_workspace *w, const fg_cache_size *size,
                              uint64_t capacity, fg_error *err) {
    uint64_t count = 0, bytes = 0;
    if (!fg_mul(size->per_position, capacity, &count) || !fg_mul(count, sizeof(float), &bytes))
        return fg_fail(err, FG_ERR_MEMORY, "a KV cache of %llu positions does not fit into memory",
                       (unsigned long long)capacity);
    FG_CALL(w->device->allocate(w->state, count, &cache->positions, err));
    if (size->fixed) FG_CALL(w->device->allocate(w->state, size->fixed, &cache->fixed, err));
    cache->capacity = capacity;
    return FG_OK;
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
