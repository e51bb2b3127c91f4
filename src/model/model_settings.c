#include "model/model_settings.h"

static const fg_hyperparameter rows[] = {
    FG_SIZE_ROW(fg_model_settings, hidden, 1, true, 0),
    FG_SIZE_ROW(fg_model_settings, vocab, 1, true, 0),
    FG_SIZE_ROW(fg_model_settings, blocks, 1, true, 0),
    FG_SIZE_ROW(fg_model_settings, prediction_heads, 1, false, 1),
    FG_NUMBER_ROW(fg_model_settings, embedding_scale, false, 1),
    FG_NUMBER_ROW(fg_model_settings, logit_divisor, false, 1),
    FG_NUMBER_ROW(fg_model_settings, logit_softcap, false, 0),
    FG_FLAG_ROW(fg_model_settings, tied, true, 0),
    FG_NORM_ROWS(fg_model_settings, "final_norm", "final_epsilon", final_norm, true),
};

fg_hyperparameters fg_model_settings_table(const fg_model_settings *settings) {
    return (fg_hyperparameters){
        .rows = rows, .count = sizeof rows / sizeof *rows, .values = (void *)(uintptr_t)settings};
}

fg_status fg_model_settings_read(fg_model_settings *settings, const fg_hyperparameters_source *source,
                                 fg_error *err) {
    *settings = (fg_model_settings){0};
    const fg_hyperparameters table = fg_model_settings_table(settings);
    FG_CALL(fg_hyperparameters_check_demands(source, err));
    FG_CALL(fg_hyperparameters_read(&table, source, err));
    FG_CALL(fg_hyperparameters_check_count(settings->blocks, "blocks", err));
    FG_CALL(fg_hyperparameters_check_count(settings->prediction_heads, "prediction heads", err));
    FG_CALL(fg_hyperparameters_check_epsilon(settings->final_norm.epsilon, err));
    if (settings->logit_divisor == 0) return fg_fail(err, FG_ERR_INPUT, "config: logits are divided by 0");
    if (settings->logit_softcap < 0)
        return fg_fail(err, FG_ERR_INPUT, "config: the logit soft cap is negative: %g",
                       settings->logit_softcap);
    return FG_OK;
}
