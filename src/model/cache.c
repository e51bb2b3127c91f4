/* The KV cache. */
#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

fg_status fg_layer_cache_make(fg_layer_cache *memory, const fg_model *model, uint64_t block,
                              uint64_t capacity, fg_error *err) {
    fg_status status = FG_OK;
    const fg_block *b = &model->blocks[block];
    uint64_t floats = 0, bytes = 0;
    if (!fg_mul(b->kind->mixer->per_position(model, b), capacity, &floats) ||
        !fg_mul(floats, sizeof(float), &bytes))
        FG_FAIL(err, FG_ERR_MEMORY, "a KV cache of %llu positions does not fit into memory",
                (unsigned long long)capacity);
    FG_TRY_NEW(memory->values, fg_alloc_buffer(bytes, err));
    memory->capacity = capacity;
    memory->filled = 0;
done:
    return status;
}

void fg_layer_cache_free(fg_layer_cache *memory) {
    fg_free(memory->values);
    *memory = (fg_layer_cache){0};
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
    FG_NEW(made->blocks, count);
    made->count = count;
    for (uint64_t i = 0; i < count; i++)
        FG_TRY(fg_layer_cache_make(&made->blocks[i], model, first + i, capacity, err));
    *cache = made;
    made = NULL;
done:
    fg_cache_free(&made);
    return status;
}

void fg_cache_free(fg_cache **cache) {
    if (!*cache) return;
    for (uint64_t i = 0; i < (*cache)->count; i++) fg_layer_cache_free(&(*cache)->blocks[i]);
    fg_free((*cache)->blocks);
    fg_free(*cache);
    *cache = NULL;
}

uint64_t fg_cache_bytes(const fg_model *model, uint64_t first, uint64_t count, uint64_t capacity) {
    uint64_t total = 0, bytes;
    for (uint64_t b = first; b < model->shape.blocks && b - first < count; b++) {
        const fg_block *block = &model->blocks[b];
        if (!fg_mul(block->kind->mixer->per_position(model, block), capacity, &bytes) ||
            !fg_mul(bytes, sizeof(float), &bytes) || !fg_add(total, bytes, &total))
            return UINT64_MAX;
    }
    return total;
}
