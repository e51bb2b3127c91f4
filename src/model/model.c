/* Lifetime, shape and options of a bound model, and its cache. */
#include "model/model.h"

#include "base/alloc.h"
#include "base/checked.h"

/* ---- freeing ---- */

static void forget_cached(fg_model *model) {
    fg_stack_forget(&model->decoder, &model->work);
    fg_matrix_forget(&model->work, &model->head);
    model->work.cached_bytes = 0;
}

/* What was bound and used; nothing of it is there if the device could not be opened. */
static void free_bound(fg_model *m) {
    fg_workspace *w = &m->work;
    fg_matrix *matrices[] = {&m->embedding, &m->head, &m->tied_head};
    fg_stack_free(&m->decoder, w);
    fg_vision_encoder_free(&m->vision, w);
    for (uint64_t h = 0; m->final_norms && h < m->shape.heads; h++) fg_norm_free(&m->final_norms[h]);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) fg_matrix_free(w, matrices[i]);
    fg_scratch_free(w, &m->input);
    fg_scratch_free(w, &m->output);
}

void fg_model_free(fg_model **model) {
    fg_model *m = *model;
    if (!m) return;
    if (m->work.device) free_bound(m);
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

void fg_model_set_length(fg_model *model, uint64_t tokens) {
    model->length = tokens;
}

uint64_t fg_model_head_panel(const fg_model *model) {
    return fg_matrix_panel_rows(&model->work, &model->head);
}

fg_mask fg_model_own_mask(const fg_model *model) {
    return fg_stack_own_mask(&model->decoder);
}

bool fg_model_sees_ahead(const fg_model *model) {
    if (model->mask == FG_MASK_NATIVE) return fg_model_own_mask(model) != FG_MASK_CAUSAL;
    return model->mask == FG_MASK_NONE;
}

/* ---- what depends on the tokens ---- */

const char *fg_model_idle_mixer(const fg_model *model, uint64_t block, size_t index) {
    const fg_half *mixer = &model->decoder.blocks[block].kind->halves[FG_SUB_MIXER];
    return mixer->sublayer->idle ? mixer->sublayer->idle(mixer->settings, index) : NULL;
}

uint64_t fg_model_window(const fg_model *model, uint64_t block) {
    return fg_stack_window(&model->decoder, block);
}

uint64_t fg_model_longest_window(const fg_model *model) {
    uint64_t longest = 0;
    for (uint64_t b = 0; b < model->shape.blocks; b++)
        longest = fg_max(longest, fg_stack_window(&model->decoder, b));
    return longest;
}

const uint64_t *fg_model_experts_chosen(const fg_model *model, uint64_t block, size_t *count) {
    const fg_sublayer_weights *weights = &model->decoder.blocks[block].halves[FG_SUB_MLP].weights;
    *count = weights->expert_count;
    return weights->chosen;
}

bool fg_model_can_share_rows(const fg_model *model) {
    return model->work.device->host_memory;
}

void fg_model_share_rows(fg_model *model, const struct fg_row_sharing *sharing) {
    model->work.sharing = sharing;
}

/* ---- cached weights ---- */

void fg_model_cache_weights(fg_model *model, uint64_t bytes) {
    if (model->work.device->room) return;
    if (bytes < model->work.cached_bytes) forget_cached(model);
    model->work.cache_limit = bytes;
}

fg_status fg_model_preload(fg_model *model, uint64_t block, fg_error *err) {
    return model->work.device->room ? fg_stack_preload(&model->decoder, &model->work, block, err) : FG_OK;
}

uint64_t fg_model_block_bytes(const fg_model *model, uint64_t block) {
    return fg_stack_block_bytes(&model->decoder, block);
}

/* What a block needs; and a panel of weights with its products. */
uint64_t fg_model_scratch_bytes(const fg_model *model, uint64_t positions) {
    uint64_t products = FG_TILE * fg_model_head_panel(model);
    if (!model->work.device->host_memory) return 0;
    return model->work.device->panel_bytes +
           sizeof(float) * (fg_stack_scratch(&model->decoder, positions) + products);
}

/* ---- what its mixers keep ---- */

fg_status fg_cache_new(fg_cache **cache, const fg_model *model, uint64_t first, uint64_t step,
                       uint64_t capacity, fg_error *err) {
    fg_status status = FG_OK;
    fg_cache *made = NULL;
    uint64_t blocks = model->shape.blocks, count = first < blocks ? (blocks - first + step - 1) / step : 0;
    *cache = NULL;
    FG_NEW(made, 1);
    made->first = first;
    made->step = step;
    made->work = &model->work;
    FG_NEW(made->blocks, count);
    made->count = count;
    for (uint64_t i = 0; i < count; i++) {
        fg_cache_size size = fg_stack_cache_size(&model->decoder, first + i * step);
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

uint64_t fg_cache_bytes(const fg_model *model, uint64_t block, uint64_t capacity) {
    uint64_t numbers;
    fg_cache_size size = fg_stack_cache_size(&model->decoder, block);
    bool fits = fg_mul(size.per_position, capacity, &numbers) && fg_add(numbers, size.fixed, &numbers) &&
                fg_mul(numbers, sizeof(float), &numbers);
    return fits ? numbers : UINT64_MAX;
}
