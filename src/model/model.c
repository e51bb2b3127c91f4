/* Lifetime, shape and options of a bound model. */
#include "model/model.h"

#include "base/alloc.h"
#include "base/checked.h"

/* ---- parts of blocks ---- */

fg_status fg_sublayer_weights_make(fg_sublayer_weights *weights, size_t matrices, size_t vectors,
                                   fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(weights->matrices, matrices);
    weights->matrix_count = matrices;
    FG_NEW(weights->vectors, vectors);
    weights->vector_count = vectors;
done:
    return status;
}

fg_matrix *fg_sublayer_weights_next(const fg_sublayer_weights *weights, size_t *at) {
    while (*at < weights->matrix_count) {
        fg_matrix *matrix = &weights->matrices[(*at)++];
        if (matrix->name) return matrix;
    }
    return NULL;
}

static void free_matrix(fg_matrix *matrix) {
    fg_free(matrix->name);
    fg_free(matrix->bias.name);
}

void fg_sublayer_weights_free(fg_sublayer_weights *weights) {
    for (size_t i = 0; i < weights->matrix_count; i++) free_matrix(&weights->matrices[i]);
    for (size_t i = 0; i < weights->vector_count; i++) fg_free(weights->vectors[i].name);
    fg_free(weights->matrices);
    fg_free(weights->vectors);
}

static void forget_weights(const fg_sublayer_weights *weights) {
    size_t at = 0;
    for (fg_matrix *m; (m = fg_sublayer_weights_next(weights, &at)) != NULL;) fg_matrix_forget(m);
}

static uint64_t weights_bytes(const fg_sublayer_weights *weights) {
    size_t at = 0;
    uint64_t bytes = 0;
    for (const fg_matrix *m; (m = fg_sublayer_weights_next(weights, &at)) != NULL;)
        bytes += m->rows * m->columns * sizeof(float);
    return bytes;
}

/* ---- freeing ---- */

static void forget_cached(fg_model *model) {
    for (uint64_t b = 0; model->blocks && b < model->shape.blocks; b++) {
        forget_weights(&model->blocks[b].mixer);
        forget_weights(&model->blocks[b].mlp);
    }
    fg_matrix_forget(&model->embedding);
    fg_matrix_forget(&model->head);
    model->cached_bytes = 0;
}

static void free_block(fg_block *block) {
    fg_free(block->mixer_norm.name);
    fg_free(block->mlp_norm.name);
    fg_sublayer_weights_free(&block->mixer);
    fg_sublayer_weights_free(&block->mlp);
}

void fg_model_free(fg_model **model) {
    fg_model *m = *model;
    if (!m) return;
    forget_cached(m);
    for (uint64_t b = 0; m->blocks && b < m->shape.blocks; b++) free_block(&m->blocks[b]);
    for (uint64_t h = 0; m->final_norms && h < m->shape.heads; h++) fg_free(m->final_norms[h].name);
    fg_block_kinds_free(m);
    fg_free(m->blocks);
    fg_free(m->final_norms);
    free_matrix(&m->embedding);
    free_matrix(&m->head);
    free_matrix(&m->tied_head);
    fg_scratch *scratch[] = {&m->angles,      &m->slab,        &m->strip,     &m->panel, &m->product,
                             &m->norm_values, &m->bias_values, &m->normed,    &m->added, &m->states[0],
                             &m->states[1],   &m->states[2],   &m->states[3], &m->scores};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++) fg_scratch_free(scratch[i]);
    fg_weight_source_close(&m->weights);
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
    return model->head.panel_rows;
}

fg_mask fg_model_own_mask(const fg_model *model) {
    bool causal = model->kinds[0].settings.causal;
    for (size_t i = 1; i < model->kind_count; i++) {
        if (model->kinds[i].settings.causal != causal) return FG_MASK_NATIVE;
    }
    return causal ? FG_MASK_CAUSAL : FG_MASK_NONE;
}

bool fg_model_sees_ahead(const fg_model *model) {
    if (model->mask == FG_MASK_NATIVE) return fg_model_own_mask(model) != FG_MASK_CAUSAL;
    return model->mask == FG_MASK_NONE;
}

/* ---- cached weights ---- */

void fg_model_cache_weights(fg_model *model, uint64_t bytes) {
    if (bytes < model->cached_bytes) forget_cached(model);
    model->cache_limit = bytes;
}

uint64_t fg_model_block_bytes(const fg_model *model, uint64_t first, uint64_t count) {
    uint64_t bytes = 0;
    for (uint64_t b = first; b < model->shape.blocks && b - first < count; b++)
        bytes += weights_bytes(&model->blocks[b].mixer) + weights_bytes(&model->blocks[b].mlp);
    return bytes;
}

/* Of each kind of block: the residual stream and what is added to it, queries, keys and values, scores of one
 * head, two activations of an MLP; and a panel of weights with its products. */
uint64_t fg_model_scratch_bytes(const fg_model *model, uint64_t tokens) {
    uint64_t row = 0;
    for (size_t i = 0; i < model->kind_count; i++) {
        const fg_hyperparameters *s = &model->kinds[i].settings;
        uint64_t width = (s->heads + 2 * s->kv_heads) * s->head_size;
        row = fg_max(row, fg_max(width + tokens, 2 * s->intermediate_size));
    }
    return FG_PANEL_BYTES + sizeof(float) * tokens * (3 * model->shape.hidden + row + model->head.panel_rows);
}
