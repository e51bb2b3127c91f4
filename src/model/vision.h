/* The vision encoder of a bound model: an image becomes rows that replace the embeddings of image tokens.
 *
 *   patches of the image, row by row, each flattened [channels, height, width]
 *   embedding: a matrix, a norm; blocks without a mask; the adapter, an MLP
 *
 * "vision" of a SIDE (model/spec.h) says how it is configured. A token of the prompt that has the id
 * `image_token` gets a row: the n-th the n-th patch's.
 *
 * Invariant: patches of an image are given to a block all at once: each sees all others.
 */
#ifndef FG_MODEL_VISION_H
#define FG_MODEL_VISION_H

#include "model/forward.h"
#include "model/image.h"

typedef struct fg_vision_shape {
    uint64_t hidden, blocks; /* of the encoder */
    uint64_t channels, patch_height, patch_width;
    bool has_image_token; /* false: the configuration names none, and no prompt can have an image */
    uint32_t image_token;
} fg_vision_shape;

/* False: the model has no vision encoder. */
bool fg_vision_shape_of(const fg_model *model, fg_vision_shape *shape);
/* The patches of an image. FG_ERR_USAGE: it has other channels, or is no multiple of a patch. */
fg_status fg_vision_count_patches(const fg_vision_shape *shape, const fg_image *image, uint64_t *patches,
                                  fg_error *err);

/* Embeds patches: hidden [patches, shape.hidden]. */
fg_status fg_vision_embed(fg_model *model, const fg_image *image, float *hidden, fg_error *err);
/* One block of the encoder in place on `hidden` [patches, shape.hidden]. `probe` as in fg_model_block. */
fg_status fg_vision_block(fg_model *model, const fg_image *image, uint64_t block, float *hidden,
                          const fg_probe *probe, fg_error *err);
/* Rows [patches, hidden size of the model] that replace embeddings. */
fg_status fg_vision_adapt(fg_model *model, const float *hidden, uint64_t patches, float *rows, fg_error *err);

/* About what a call with so many patches needs besides them. */
uint64_t fg_vision_scratch_bytes(const fg_model *model, uint64_t patches);
/* The weights as float32 take this many bytes; 0 without a vision encoder. */
uint64_t fg_vision_weight_bytes(const fg_model *model);

#endif
