/* Settings of a model as a whole. */
#ifndef FG_MODEL_MODEL_SETTINGS_H
#define FG_MODEL_MODEL_SETTINGS_H

#include "model/hyperparameters.h"
#include "model/norm.h"

typedef struct fg_model_settings {
    uint64_t hidden, vocab;
    uint64_t blocks;           /* that lead to the first prediction head */
    uint64_t prediction_heads; /* 1 for a plain language model */
    double embedding_scale;
    double logit_divisor;
    double logit_softcap; /* then logits become cap * tanh(logit / cap); 0: they stay */
    fg_norm_settings final_norm;
    bool tied;
} fg_model_settings;

/* Checks "only" and "only_if", too. */
fg_status fg_model_settings_read(fg_model_settings *settings, const fg_hyperparameters_source *source,
                                 fg_error *err);
/* As a table, for settings that refer to them. */
fg_hyperparameters fg_model_settings_table(const fg_model_settings *settings);

#endif
