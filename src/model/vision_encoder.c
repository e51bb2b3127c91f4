#include "model/vision_encoder.h"

#include <math.h>

#include "language/expression.h"

/* ---- settings ---- */

static const fg_hyperparameter rows[] = {
    FG_SIZE_ROW(fg_vision_settings, hidden, 1, true, 0),
    FG_SIZE_ROW(fg_vision_settings, blocks, 1, true, 0),
    FG_SIZE_ROW(fg_vision_settings, channels, 1, true, 0),
    FG_SIZE_ROW(fg_vision_settings, patch_height, 1, true, 0),
    FG_SIZE_ROW(fg_vision_settings, patch_width, 1, true, 0),
    FG_NUMBER_ROW(fg_vision_settings, image_token, true, 0),
    FG_NORM_ROWS(fg_vision_settings, "patch_norm", "patch_epsilon", patch_norm, true),
    FG_FLAG_ROW(fg_vision_settings, patch_bias, false, 0),
};
enum { LONGEST_SIDE = 4096 }; /* of a patch, and so many channels: products of three fit */

fg_hyperparameters fg_vision_settings_table(const fg_vision_settings *settings) {
    return (fg_hyperparameters){
        .rows = rows, .count = sizeof rows / sizeof *rows, .values = (void *)(uintptr_t)settings};
}

static fg_status read_settings(fg_vision_settings *s, const fg_hyperparameters *table,
                               const fg_hyperparameters_source *source, fg_error *err) {
    FG_CALL(fg_hyperparameters_check_demands(source, err));
    FG_CALL(fg_hyperparameters_read(table, source, err));
    FG_CALL(fg_hyperparameters_check_count(s->blocks, "blocks of the vision encoder", err));
    FG_CALL(fg_hyperparameters_check_epsilon(s->patch_norm.epsilon, err));
    if (s->channels > LONGEST_SIDE || s->patch_height > LONGEST_SIDE || s->patch_width > LONGEST_SIDE)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: patches of %llu x %llu x %llu; a size above %d is not supported",
                       (unsigned long long)s->channels, (unsigned long long)s->patch_height,
                       (unsigned long long)s->patch_width, LONGEST_SIDE);
    if (s->image_token == floor(s->image_token) && s->image_token <= UINT32_MAX) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "config: the image token %g is no token id", s->image_token);
}

static fg_status read_adapter(fg_mlp *adapter, fg_hyperparameters_source source,
                              const fg_hyperparameters *outer, fg_error *err) {
    static const fg_hyperparameter adapter_rows[] = {FG_MLP_ROWS};
    const fg_hyperparameters table = {.rows = adapter_rows,
                                      .count = sizeof adapter_rows / sizeof *adapter_rows,
                                      .values = adapter,
                                      .outer = outer};
    source.declared = json_object_get(source.declared, "adapter");
    source.common = NULL;
    FG_CALL(fg_hyperparameters_check_demands(&source, err));
    return fg_hyperparameters_read(&table, &source, err);
}

/* ---- binding ---- */

static fg_status bind_ends(fg_vision_encoder *v, const fg_binder *binder, uint64_t output, fg_error *err) {
    static const fg_mlp_roles roles = {"adapter.gate", "adapter.up", "adapter.first", "adapter.down"};
    const fg_vision_settings *s = &v->settings;
    uint64_t numbers = s->channels * s->patch_height * s->patch_width;
    FG_CALL(fg_bind_linear(binder, "vision.patches", s->patch_bias, s->hidden, numbers, &v->patches, err));
    FG_CALL(fg_norm_bind(binder, "vision.patch_norm", &s->patch_norm, s->hidden, &v->patch_norm, err));
    return fg_mlp_bind(binder, &v->adapter, output, &roles, v->adapter_matrices, err);
}

fg_status fg_vision_encoder_bind(fg_vision_encoder *v, fg_binder *binder,
                                 const fg_hyperparameters_source *source, const fg_model_settings *text,
                                 fg_error *err) {
    const fg_hyperparameters outer = fg_model_settings_table(text);
    fg_hyperparameters table = fg_vision_settings_table(&v->settings);
    const char *condition = json_string_value(json_object_get(source->declared, "if"));
    if (!source->declared) return FG_OK;
    v->there = true;
    if (condition)
        FG_CALL(fg_expression_holds(condition, &(fg_scope){.here = source->config}, "models/: vision/if",
                                    &v->there, err));
    if (!v->there) return FG_OK;
    table.outer = &outer;
    FG_CALL(read_settings(&v->settings, &table, source, err));
    FG_CALL(read_adapter(&v->adapter, *source, &table, err));
    binder->hidden = v->settings.hidden;
    binder->blocks = v->settings.blocks;
    FG_CALL(bind_ends(v, binder, text->hidden, err));
    return fg_stack_bind(&v->blocks, binder, source, &table, v->settings.blocks, err);
}

void fg_vision_encoder_free(fg_vision_encoder *v, fg_workspace *w) {
    fg_matrix_free(w, &v->patches);
    fg_norm_free(&v->patch_norm);
    fg_stack_free(&v->blocks, w);
    for (int i = 0; i < FG_MLP_MATRICES; i++) fg_matrix_free(w, &v->adapter_matrices[i]);
}
