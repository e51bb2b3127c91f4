/* Binding: the words of a spec, the settings of a config and the weights of a store become a model. */
#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

static fg_status bind_final_norms(fg_model *model, fg_binder *binder, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(model->final_norms, model->shape.heads);
    for (binder->head = 0; binder->head < model->shape.heads; binder->head++)
        FG_TRY(fg_norm_bind(binder, binder->head ? "mtp_norm" : "final_norm", &model->settings.final_norm,
                            model->shape.hidden, &model->final_norms[binder->head], err));
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

/* "vision" of a SIDE, owned by the caller, over what the SIDE says of the text if it extends that. */
static fg_status vision_side(const json_t *side, json_t **vision, fg_error *err) {
    const json_t *own = json_object_get(side, "vision");
    if (!json_is_true(json_object_get(own, "extends_text"))) {
        *vision = json_incref((json_t *)(uintptr_t)own);
        return FG_OK;
    }
    FG_CALL_NEW(*vision, fg_json_deep_copy(side, err));
    json_object_del(*vision, "vision");
    return fg_json_merge_patch(*vision, own, err);
}

/* Its keys are looked for in the whole configuration. */
static fg_status bind_vision(fg_model *model, const json_t *config, fg_hyperparameters_source source,
                             fg_binder binder, fg_error *err) {
    fg_status status = FG_OK;
    json_t *vision = NULL;
    FG_TRY(vision_side(source.declared, &vision, err));
    source.config = binder.config = config;
    source.declared = binder.side = vision;
    FG_TRY(fg_vision_encoder_bind(&model->vision, &binder, &source, &model->settings, err));
done:
    json_decref(vision);
    return status == FG_OK ? status : fg_where(err, "binding the vision encoder");
}

static fg_status bind(fg_model *model, const json_t *spec, const fg_format *format, const json_t *config,
                      fg_error *err) {
    fg_status status = FG_OK;
    fg_read_ranges read = {0};
    fg_binder binder = {
        .weights = &model->work.weights, .format = format->schema, .config = config, .read = &read};
    fg_hyperparameters_source source = fg_hyperparameters_source_of(spec, binder.format, config);
    binder.side = source.declared;
    if (!binder.side) FG_FAIL(err, FG_ERR_INPUT, "models/: there is no entry for format %s", binder.format);
    FG_TRY(fg_model_settings_read(&model->settings, &source, err));
    model->shape = shape_of(&model->settings);
    binder.config = source.config;
    binder.hidden = model->settings.hidden;
    binder.blocks = model->settings.blocks;
    FG_TRY(bind_ends(model, &binder, err));
    const fg_hyperparameters outer = fg_model_settings_table(&model->settings);
    FG_TRY(fg_stack_bind(&model->decoder, &binder, &source, &outer, model->shape.blocks, err));
    FG_TRY(bind_vision(model, config, source, binder, err));
    FG_TRY(fg_read_ranges_check(&read, &model->work.weights, json_object_get(binder.side, "unread"), err));
done:
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
