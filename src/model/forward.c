/* The forward pass, top to bottom: embedding, blocks, final norm, logits. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

fg_status fg_model_embed(fg_model *model, const uint32_t *tokens, uint64_t count, float *hidden,
                         fg_error *err) {
    fg_status status = FG_OK;
    uint64_t size = model->shape.hidden;
    for (uint64_t t = 0; t < count; t++) {
        if (tokens[t] < model->shape.vocab) continue;
        FG_FAIL(err, FG_ERR_USAGE, "token id %lu at position %llu: the model's vocabulary has %llu tokens",
                (unsigned long)tokens[t], (unsigned long long)t, (unsigned long long)model->shape.vocab);
    }
    float scale = (float)model->settings.embedding_scale;
    for (uint64_t t = 0; t < count; t++)
        FG_TRY(fg_matrix_read(model, &model->embedding, tokens[t], 1, hidden + t * size, err));
    for (uint64_t i = 0; scale != 1 && i < count * size; i++) hidden[i] *= scale;
done:
    return status;
}

static void add(float *to, const float *what, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) to[i] += what[i];
}

/* The memory of a block in the cache, checked; `own` serves when there is no cache. */
static fg_status find_memory(const fg_model *model, uint64_t block, fg_cache *cache, uint64_t position,
                             uint64_t count, fg_layer_cache *own, fg_layer_cache **memory, fg_error *err) {
    uint64_t end;
    if (block >= model->shape.blocks || !fg_add(position, count, &end))
        return fg_fail(err, FG_ERR_BUG, "block %llu does not exist", (unsigned long long)block);
    *memory = own;
    if (!cache && position == 0) return fg_layer_cache_make(own, model, block, count, err);
    if (!cache || block < cache->first || block - cache->first >= cache->count)
        return fg_fail(err, FG_ERR_BUG, "block %llu at position %llu has no cache", (unsigned long long)block,
                       (unsigned long long)position);
    *memory = &cache->blocks[block - cache->first];
    if (end > (*memory)->capacity || position > (*memory)->filled)
        return fg_fail(err, FG_ERR_BUG,
                       "block %llu: positions %llu to %llu do not continue the cache (%llu of %llu filled)",
                       (unsigned long long)block, (unsigned long long)position, (unsigned long long)end,
                       (unsigned long long)(*memory)->filled, (unsigned long long)(*memory)->capacity);
    return FG_OK;
}

fg_status fg_model_block(fg_model *model, uint64_t block, fg_cache *cache, uint64_t position, uint64_t count,
                         float *hidden, const fg_probe *probe, fg_error *err) {
    fg_status status = FG_OK;
    fg_layer_cache own = {0}, *memory = NULL;
    uint64_t size = model->shape.hidden;
    if (!count) goto done;
    FG_TRY(find_memory(model, block, cache, position, count, &own, &memory, err));
    FG_TRY(fg_scratch_fit(&model->normed, count, size, err));
    FG_TRY(fg_scratch_fit(&model->added, count, size, err));
    fg_block *b = &model->blocks[block];
    const fg_block_kind *kind = b->kind;
    double epsilon = kind->settings.epsilon;
    float *normed = model->normed.values, *added = model->added.values;
    fg_block_call call = {.model = model,
                          .block = b,
                          .memory = memory,
                          .position = position,
                          .count = count,
                          .input = normed,
                          .output = added};

    FG_TRY(fg_norm_run(model, kind->norm, &b->mixer_norm, epsilon, hidden, count, normed, err));
    FG_TRY(kind->mixer->run(&call, err));
    if (probe) probe->visit(probe->context, block, FG_SUB_MIXER, added, count);
    add(hidden, added, count * size);

    FG_TRY(fg_norm_run(model, kind->norm, &b->mlp_norm, epsilon, hidden, count, normed, err));
    FG_TRY(kind->mlp->run(&call, err));
    if (probe) probe->visit(probe->context, block, FG_SUB_MLP, added, count);
    add(hidden, added, count * size);
    memory->filled = fg_max(memory->filled, position + count);
done:
    if (status != FG_OK) fg_where(err, "computing block %llu", (unsigned long long)block);
    fg_layer_cache_free(&own);
    return status;
}

fg_status fg_model_final_norm(fg_model *model, uint64_t head, const float *hidden, uint64_t count,
                              float *normed, fg_error *err) {
    if (head >= model->shape.heads)
        return fg_fail(err, FG_ERR_BUG, "prediction head %llu does not exist", (unsigned long long)head);
    return fg_norm_run(model, model->norm, &model->final_norms[head], model->settings.final_epsilon, hidden,
                       count, normed, err);
}

static fg_status compare_rows(fg_model *model, uint64_t row, uint64_t rows, float *head, float *embedding,
                              fg_error *err) {
    fg_status status = FG_OK;
    const fg_matrix *copy = &model->tied_head;
    FG_TRY(fg_matrix_read(model, copy, row, rows, head, err));
    FG_TRY(fg_matrix_read(model, &model->embedding, row, rows, embedding, err));
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
    uint64_t columns = model->shape.hidden, step = fg_max(1, FG_PANEL_BYTES / sizeof *room / columns);
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

static void cap(float *logits, uint64_t count, float most) {
    for (uint64_t i = 0; i < count; i++) logits[i] = most * tanhf(logits[i] / most);
}

fg_status fg_model_logits(fg_model *model, const float *normed, uint64_t count, uint64_t row, uint64_t rows,
                          float *logits, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_linear(model, &model->head, row, rows, normed, count, logits, rows, err));
    FG_TRY(check_tied(model, row, rows, err));
    if (model->settings.logit_softcap > 0) cap(logits, count * rows, (float)model->settings.logit_softcap);
done:
    return status;
}
