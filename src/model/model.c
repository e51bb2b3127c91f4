/* Lifetime, shape and options of a bound model, and its cache. */
#include "model/model.h"

#include "base/alloc.h"
#include "base/checked.h"

/* ---- freeing ---- */

static void forget_cached(fg_model *model) {
    fg_workspace *w = &model->work;
    for (uint64_t b = 0; b < model->shape.blocks; b++) {
        for (int s = 0; s < FG_SUB_COUNT; s++) fg_sublayer_weights_forget(w, &model->blocks[b].sublayers[s]);
    }
    fg_matrix_forget(w, &model->head);
    w->cached_bytes = 0;
}

/* What was bound and used; nothing of it is there if the device could not be opened. */
static void free_bound(fg_model *m) {
    fg_workspace *w = &m->work;
    fg_matrix *matrices[] = {&m->embedding, &m->head, &m->tied_head};
    fg_scratch *scratch[] = {&m->input, &m->output, &m->normed, &m->added};
    for (uint64_t b = 0; m->blocks && b < m->shape.blocks; b++) {
        for (int s = 0; s < FG_SUB_COUNT; s++) fg_sublayer_weights_free(w, &m->blocks[b].sublayers[s]);
    }
    for (uint64_t h = 0; m->final_norms && h < m->shape.heads; h++) fg_free(m->final_norms[h].name);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) fg_matrix_free(w, matrices[i]);
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++) fg_scratch_free(w, scratch[i]);
}

void fg_model_free(fg_model **model) {
    fg_model *m = *model;
    if (!m) return;
    if (m->work.device) free_bound(m);
    fg_block_kinds_free(&m->kinds);
    fg_free(m->blocks);
    fg_free(m->final_norms);
    fg_workspace_close(&m->work);
    fg_free(m);
    *model = NULL;
}

/* ---- options ---- */

fg_model_shape fg_model_shape_of(const fg_model *model) {
    return model->shape;
}

void fg_model_set_mask(fg_model *model, fg_mask mask) {
    model->mask = mask;
}

uint64_t fg_model_head_panel(const fg_model *model) {
    return fg_matrix_panel_rows(&model->work, &model->head);
}

static bool kind_sees_ahead(const fg_block_kind *kind) {
    const fg_sublayer_kind *mixer = kind->sublayers[FG_SUB_MIXER];
    return mixer->sees_ahead && mixer->sees_ahead(kind->settings[FG_SUB_MIXER]);
}

fg_mask fg_model_own_mask(const fg_model *model) {
    bool ahead = kind_sees_ahead(&model->kinds.items[0]);
    for (size_t i = 1; i < model->kinds.count; i++) {
        if (kind_sees_ahead(&model->kinds.items[i]) != ahead) return FG_MASK_NATIVE;
    }
    return ahead ? FG_MASK_NONE : FG_MASK_CAUSAL;
}

bool fg_model_sees_ahead(const fg_model *model) {
    if (model->mask == FG_MASK_NATIVE) return fg_model_own_mask(model) != FG_MASK_CAUSAL;
    return model->mask == FG_MASK_NONE;
}

/* ---- cached weights ---- */

void fg_model_cache_weights(fg_model *model, uint64_t bytes) {
    if (bytes < model->work.cached_bytes) forget_cached(model);
    model->work.cache_limit = bytes;
}

uint64_t fg_model_block_bytes(const fg_model *model, uint64_t first, uint64_t count) {
    uint64_t bytes = 0;
    for (uint64_t b = first; b < model->shape.blocks && b - first < count; b++) {
        for (int s = 0; s < FG_SUB_COUNT; s++)
            bytes += fg_sublayer_weights_bytes(&model->blocks[b].sublayers[s]);
    }
    return bytes;
}

/* The residual stream and what is added to it, what a mixer or MLP needs; and a panel of weights with its
 * products. */
uint64_t fg_model_scratch_bytes(const fg_model *model, uint64_t tokens) {
    uint64_t row = 0;
    for (size_t i = 0; i < model->kinds.count; i++) {
        const fg_block_kind *kind = &model->kinds.items[i];
        for (int s = 0; s < FG_SUB_COUNT; s++)
            row = fg_max(row, kind->sublayers[s]->scratch(kind->settings[s], tokens));
    }
    return model->work.device->panel_bytes +
           sizeof(float) * tokens * (3 * model->shape.hidden + row + fg_model_head_panel(model));
}

/* ---- what its mixers keep ---- */

fg_cache_size fg_block_cache_size(const fg_block *block) {
    const fg_sublayer_kind *mixer = block->kind->sublayers[FG_SUB_MIXER];
    return mixer->cache_size ? mixer->cache_size(block->kind->settings[FG_SUB_MIXER]) : (fg_cache_size){0};
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
