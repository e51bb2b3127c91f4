/* The forward pass, top to bottom: embedding, blocks, final norm, logits. */
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

fg_status fg_model_embed(fg_model *model, const uint32_t *tokens, uint64_t count, float *hidden,
                         fg_error *err) {
    uint64_t size = model->shape.hidden;
    for (uint64_t t = 0; t < count; t++) {
        if (tokens[t] < model->shape.vocab) continue;
        return fg_fail(
            err, FG_ERR_USAGE, "token id %lu at position %llu: the model's vocabulary has %llu tokens",
            (unsigned long)tokens[t], (unsigned long long)t, (unsigned long long)model->shape.vocab);
    }
    fg_workspace *w = &model->work;
    float scale = (float)model->settings.embedding_scale;
    fg_real *rows;
    FG_CALL(fg_workspace_view(w, &model->output, hidden, count, size, &rows, err));
    for (uint64_t t = 0; t < count; t++)
        FG_CALL(fg_matrix_read(w, &model->embedding, tokens[t], 1, rows + t * size, err));
    if (scale != 1) w->device->scale(w->state, rows, count * size, scale);
    return w->device->get(w->state, rows, count * size, hidden, err);
}

/* ---- a block ---- */

/* Hidden states [count, hidden] on the device. */
static fg_status bring(fg_model *model, const float *hidden, uint64_t count, fg_real **values,
                       fg_error *err) {
    fg_workspace *w = &model->work;
    uint64_t size = model->shape.hidden;
    FG_CALL(fg_workspace_view(w, &model->input, (float *)(uintptr_t)hidden, count, size, values, err));
    return w->device->put(w->state, hidden, count * size, *values, err);
}

/* The block's part of the cache; NULL if there is no cache, and no earlier position. */
static fg_status find_cache(const fg_model *model, uint64_t block, fg_cache *cache, uint64_t position,
                            uint64_t count, fg_layer_cache **found, fg_error *err) {
    uint64_t end;
    *found = NULL;
    if (block >= model->shape.blocks || !fg_add(position, count, &end))
        return fg_fail(err, FG_ERR_BUG, "block %llu does not exist", (unsigned long long)block);
    if (!cache && position == 0) return FG_OK;
    if (!cache || block < cache->first || (block - cache->first) % cache->step ||
        (block - cache->first) / cache->step >= cache->count)
        return fg_fail(err, FG_ERR_BUG, "block %llu at position %llu has no cache", (unsigned long long)block,
                       (unsigned long long)position);
    *found = &cache->blocks[(block - cache->first) / cache->step];
    return FG_OK;
}

fg_status fg_model_block(fg_model *model, uint64_t block, fg_cache *cache, uint64_t position, uint64_t count,
                         float *hidden, const fg_probe *probe, fg_error *err) {
    fg_status status = FG_OK;
    fg_workspace *w = &model->work;
    fg_real *values;
    fg_block_call call = {.work = w, .mask = model->mask, .position = position, .count = count};
    if (!count) goto done;
    FG_TRY(find_cache(model, block, cache, position, count, &call.cache, err));
    call.length = fg_max(model->length, position + count);
    FG_TRY(bring(model, hidden, count, &values, err));
    FG_TRY(fg_stack_run(&model->decoder, block, call, values, probe, err));
    FG_TRY(w->device->get(w->state, values, count * model->shape.hidden, hidden, err));
done:
    if (status != FG_OK) fg_where(err, "computing block %llu", (unsigned long long)block);
    return status;
}

/* ---- the head ---- */

fg_status fg_model_final_norm(fg_model *model, uint64_t head, const float *hidden, uint64_t count,
                              float *normed, fg_error *err) {
    fg_workspace *w = &model->work;
    uint64_t size = model->shape.hidden;
    const fg_heads shape = {count, 1, size, size};
    fg_real *from, *to;
    if (head >= model->shape.heads)
        return fg_fail(err, FG_ERR_BUG, "prediction head %llu does not exist", (unsigned long long)head);
    FG_CALL(bring(model, hidden, count, &from, err));
    FG_CALL(fg_workspace_view(w, &model->output, normed, count, size, &to, err));
    FG_CALL(fg_norm_run(w, &model->final_norms[head], from, &shape, to, err));
    return w->device->get(w->state, to, count * size, normed, err);
}

/* Rows as the host sees them; `to` has room for them. */
static fg_status see_rows(fg_model *model, const fg_matrix *matrix, uint64_t row, uint64_t rows, float *to,
                          fg_error *err) {
    fg_workspace *w = &model->work;
    fg_real *values;
    FG_CALL(fg_workspace_view(w, &model->output, to, rows, matrix->columns, &values, err));
    FG_CALL(fg_matrix_read(w, matrix, row, rows, values, err));
    return w->device->get(w->state, values, rows * matrix->columns, to, err);
}

static fg_status compare_rows(fg_model *model, uint64_t row, uint64_t rows, float *head, float *embedding,
                              fg_error *err) {
    fg_status status = FG_OK;
    const fg_matrix *copy = &model->tied_head;
    FG_TRY(see_rows(model, copy, row, rows, head, err));
    FG_TRY(see_rows(model, &model->embedding, row, rows, embedding, err));
    if (memcmp(head, embedding, rows * copy->columns * sizeof *head) == 0) goto done;
    status = fg_fail(err, FG_ERR_INPUT, "%s and %s are tied by the configuration, but hold different numbers",
                     copy->name, model->embedding.name);
    fg_hint(err, "set tie_word_embeddings to false in config.json if they are two weights, or remove the one "
                 "that is not used");
done:
    return status;
}

/* Rows of the head that a tied model's store holds all the same: they must be the embedding's. Micro-batches
 * ask for the same rows again, which are not read again. */
static fg_status check_tied(fg_model *model, uint64_t row, uint64_t rows, fg_error *err) {
    fg_status status = FG_OK;
    float *room = NULL;
    uint64_t columns = model->shape.hidden,
             step = fg_max(1, model->work.device->panel_bytes / sizeof *room / columns);
    bool seen = row == model->tied_row && rows == model->tied_rows;
    if (!model->tied_head.name || seen) goto done;
    FG_TRY_NEW(room, fg_alloc_buffer(2 * step * columns * sizeof *room, err));
    for (uint64_t at = 0; at < rows; at += step) {
        uint64_t part = fg_min(step, rows - at);
        FG_TRY(compare_rows(model, row + at, part, room, room + step * columns, err));
    }
    model->tied_row = row;
    model->tied_rows = rows;
done:
    fg_free(room);
    return status;
}

fg_status fg_model_logits(fg_model *model, const float *normed, uint64_t count, uint64_t row, uint64_t rows,
                          float *logits, fg_error *err) {
    fg_workspace *w = &model->work;
    double most = model->settings.logit_softcap, divisor = model->settings.logit_divisor;
    fg_real *input, *output;
    FG_CALL(check_tied(model, row, rows, err));
    FG_CALL(bring(model, normed, count, &input, err));
    FG_CALL(fg_workspace_view(w, &model->output, logits, count, rows, &output, err));
    FG_CALL(fg_linear(w, &model->head, row, rows, input, count, output, rows, err));
    if (divisor != 1) w->device->scale(w->state, output, count * rows, (float)(1 / divisor));
    if (most > 0) w->device->cap(w->state, output, count * rows, (float)most);
    return w->device->get(w->state, output, count * rows, logits, err);
}
