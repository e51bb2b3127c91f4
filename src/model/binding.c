/* Binding: the words of a spec, the settings of a config and the weights of a store become a model. */
#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

static fg_status bind_block(fg_binder *binder, fg_block *block, fg_error *err) {
    static const char *const norms[FG_SUB_COUNT] = {"block.mixer_norm", "block.mlp_norm"};
    const fg_block_kind *kind = block->kind;
    binder->config = kind->config;
    for (int s = 0; s < FG_SUB_COUNT; s++) {
        fg_sublayer_weights *weights = &block->sublayers[s];
        FG_CALL(fg_bind_vector(binder, norms[s], binder->hidden, &weights->norm, err));
        FG_CALL(kind->sublayers[s]->bind(binder, kind->settings[s], weights, err));
    }
    return FG_OK;
}

/* Blocks of further prediction heads are of the last block's kind. */
static fg_status bind_blocks(fg_model *model, fg_binder *binder, const uint32_t *kind_of, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(model->blocks, model->shape.blocks);
    for (binder->block = 0; binder->block < model->shape.blocks; binder->block++) {
        uint64_t like = fg_min(binder->block, model->settings.blocks - 1);
        model->blocks[binder->block].kind = &model->kinds.items[kind_of[like]];
        FG_TRY(bind_block(binder, &model->blocks[binder->block], err));
    }
done:
    return status;
}

static fg_status bind_final_norms(fg_model *model, fg_binder *binder, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(model->final_norms, model->shape.heads);
    for (binder->head = 0; binder->head < model->shape.heads; binder->head++)
        FG_TRY(fg_bind_vector(binder, binder->head ? "mtp_norm" : "final_norm", model->shape.hidden,
                              &model->final_norms[binder->head], err));
done:
    return status;
}

/* A tied model multiplies by the embedding, as every program does that loads it. Its store may hold the two
 * under the name of either; where it holds both, the head is remembered, to be compared. */
static fg_status bind_ends(fg_model *model, fg_binder *binder, fg_error *err) {
    uint64_t vocab = model->shape.vocab, hidden = model->shape.hidden;
    bool tied = model->settings.tied, embedding = true, head = false;
    if (tied) FG_CALL(fg_bind_has(binder, "embedding", &embedding, err));
    if (tied) FG_CALL(fg_bind_has(binder, "head", &head, err));
    const char *first = head && !embedding ? "head" : "embedding";
    FG_CALL(fg_bind_matrix(binder, first, vocab, hidden, &model->embedding, err));
    FG_CALL(bind_final_norms(model, binder, err));
    FG_CALL(fg_bind_matrix(binder, tied ? first : "head", vocab, hidden, &model->head, err));
    if (head && embedding) FG_CALL(fg_bind_matrix(binder, "head", vocab, hidden, &model->tied_head, err));
    return FG_OK;
}

static fg_model_shape shape_of(const fg_model_settings *s) {
    return (fg_model_shape){.hidden = s->hidden,
                            .vocab = s->vocab,
                            .blocks = s->blocks + s->prediction_heads - 1,
                            .trunk = s->prediction_heads > 1 ? s->blocks - 1 : s->blocks,
                            .heads = s->prediction_heads};
}

static fg_status bind(fg_model *model, const json_t *spec, const fg_format *format, const json_t *config,
                      fg_error *err) {
    fg_status status = FG_OK;
    uint32_t *kind_of = NULL;
    fg_read_ranges read = {0};
    fg_binder binder = {
        .weights = &model->work.weights, .format = format->schema, .config = config, .read = &read};
    fg_hyperparameters_source source = fg_hyperparameters_source_of(spec, binder.format, config);
    binder.side = source.declared;
    if (!binder.side) FG_FAIL(err, FG_ERR_INPUT, "models/: there is no entry for format %s", binder.format);
    FG_TRY(fg_model_settings_read(&model->settings, &source, err));
    FG_TRY(fg_block_kinds_read(&model->kinds, &model->settings, source, &kind_of, err));
    model->shape = shape_of(&model->settings);
    binder.hidden = model->settings.hidden;
    binder.blocks = model->settings.blocks;
    FG_TRY(bind_ends(model, &binder, err));
    FG_TRY(bind_blocks(model, &binder, kind_of, err));
    FG_TRY(fg_read_ranges_check(&read, &model->work.weights, json_object_get(binder.side, "unread"), err));
done:
    fg_free(kind_of);
    fg_read_ranges_free(&read);
    if (status != FG_OK) fg_where(err, "binding a %s model for the forward pass", binder.format);
    return status;
}

fg_status fg_model_bind(fg_model **result, const fg_device *device, const json_t *spec,
                        const fg_format *format, const json_t *config, fg_weight_source weights,
                        fg_error *err) {
    fg_model *model = fg_alloc(1, sizeof *model, err);
    *result = NULL;
    if (!model) {
        fg_weight_source_close(&weights);
        return FG_ERR_MEMORY;
    }
    fg_status status = fg_workspace_open(&model->work, device, weights, err);
    if (status == FG_OK) status = bind(model, spec, format, config, err);
    if (status == FG_OK)
        *result = model;
    else
        fg_model_free(&model);
    return status;
}
