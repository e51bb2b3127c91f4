/* A vision encoder with its weights bound: settings, a stack of blocks, the matrix and the norm before it,
 * the adapter behind it. Inside of model/; vision.h is for callers.
 *
 * Invariant: without a vision encoder all is zeros.
 */
#ifndef FG_MODEL_VISION_ENCODER_H
#define FG_MODEL_VISION_ENCODER_H

#include "model/mlp.h"
#include "model/stack.h"

typedef struct fg_vision_settings {
    uint64_t hidden, blocks;
    uint64_t channels, patch_height, patch_width;
    double image_token; /* negative: none */
    fg_norm_settings patch_norm;
    bool patch_bias;
} fg_vision_settings;

/* Start from zeros. */
typedef struct fg_vision_encoder {
    bool there;
    fg_vision_settings settings;
    fg_matrix patches; /* [hidden, channels * patch_height * patch_width] */
    fg_norm patch_norm;
    fg_stack blocks;
    fg_mlp adapter;
    fg_matrix adapter_matrices[FG_MLP_MATRICES];
} fg_vision_encoder;

/* `source` has "vision" of a SIDE (model/spec.h; NULL: none) and the whole configuration, `binder` the same
 * as its side. Values may refer to those of `text`. Roles of weights: vision.patches, vision.patch_norm,
 * those of blocks, adapter.{gate,up,first,down}. */
fg_status fg_vision_encoder_bind(fg_vision_encoder *vision, fg_binder *binder,
                                 const fg_hyperparameters_source *source, const fg_model_settings *text,
                                 fg_error *err);
void fg_vision_encoder_free(fg_vision_encoder *vision, fg_workspace *w);
/* As a table; `settings` may be NULL. */
fg_hyperparameters fg_vision_settings_table(const fg_vision_settings *settings);

#endif
