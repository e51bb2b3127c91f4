/* A bound model as a thing: its end, its shape, its switches, and what it keeps. */
#include "model/model.h"
#include "base/alloc.h"
#include "base/checked.h"

enum { BLOCK_MATRICES = 7 };

static void list_matrices(fg_block *block, fg_matrix *matrices[BLOCK_MATRICES]) {
    fg_attention *a = &block->attention;
    fg_gated_mlp *g = &block->gated;
    fg_matrix *all[BLOCK_MATRICES] = {&a->query, &a->key, &a->value, &a->output, &g->gate, &g->up, &g->down};
    for (unsigned i = 0; i < BLOCK_MATRICES; i++) matrices[i] = all[i];
}

static void forget_kept(fg_model *model) {
    fg_matrix *matrices[BLOCK_MATRICES];
    for (uint64_t b = 0; model->blocks && b < model->shape.blocks; b++) {
        list_matrices(&model->blocks[b], matrices);
        for (unsigned i = 0; i < BLOCK_MATRICES; i++) fg_matrix_forget(matrices[i]);
    }
    fg_matrix_forget(&model->embedding);
    fg_matrix_forget(&model->head);
    model->kept_bytes = 0;
}

static void free_block(fg_block *block) {
    fg_matrix *matrices[BLOCK_MATRICES];
    list_matrices(block, matrices);
    for (unsigned i = 0; i < BLOCK_MATRICES; i++) fg_free(matrices[i]->name);
    fg_free(block->mixer_norm.name);
    fg_free(block->mlp_norm.name);
    fg_free(block->attention.query_norm.name);
    fg_free(block->attention.key_norm.name);
}

void fg_model_free(fg_model **model) {
    fg_model *m = *model;
    if (!m) return;
    forget_kept(m);
    for (uint64_t b = 0; m->blocks && b < m->shape.blocks; b++) free_block(&m->blocks[b]);
    fg_free(m->blocks);
    fg_free(m->embedding.name);
    fg_free(m->head.name);
    fg_free(m->tied_head.name);
    fg_free(m->final_norm.name);
    fg_free(m->frequencies);
    fg_scratch *scratch[] = {&m->angles,    &m->panel,     &m->product,   &m->norm_values,
                             &m->normed,    &m->added,     &m->states[0], &m->states[1],
                             &m->states[2], &m->states[3], &m->scores};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++) fg_scratch_free(scratch[i]);
    fg_weights_close(&m->weights);
    fg_free(m);
    *model = NULL;
}

fg_model_shape fg_model_shape_of(const fg_model *model) {
    return model->shape;
}

void fg_model_set_mask(fg_model *model, fg_mask mask) {
    model->mask = mask;
}

uint64_t fg_model_head_panel(const fg_model *model) {
    return model->head.panel_rows;
}

void fg_model_keep(fg_model *model, uint64_t bytes) {
    if (bytes < model->kept_bytes) forget_kept(model);
    model->keep_limit = bytes;
}

uint64_t fg_model_block_bytes(const fg_model *model, uint64_t first, uint64_t count) {
    uint64_t bytes = 0;
    fg_matrix *matrices[BLOCK_MATRICES];
    for (uint64_t b = first; b < model->shape.blocks && b - first < count; b++) {
        list_matrices(&model->blocks[b], matrices);
        for (unsigned i = 0; i < BLOCK_MATRICES; i++)
            bytes += matrices[i]->rows * matrices[i]->columns * sizeof(float);
    }
    return bytes;
}
