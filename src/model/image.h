/* An image for the vision encoder of a model: numbers as they come out of a model's own image processor,
 * which has resized and normalized it. They are used as they are.
 *
 * Invariant: it has at least one number.
 */
#ifndef FG_MODEL_IMAGE_H
#define FG_MODEL_IMAGE_H

#include <stdint.h>

#include "base/error.h"

/* Start from zeros. */
typedef struct fg_image {
    uint64_t channels, height, width;
    float *pixels; /* owned; [channels, height, width]; NULL: no image */
} fg_image;

/* From a .npy file of float32 [channels, height, width]. FG_ERR_USAGE: there is no such file; FG_ERR_INPUT:
 * it holds something else. */
fg_status fg_image_read(fg_image *image, const char *path, fg_error *err);
/* A made-up one of that size, whose numbers lie between -2 and 2 and are the same every time. */
fg_status fg_image_make(fg_image *image, uint64_t channels, uint64_t height, uint64_t width, fg_error *err);
void fg_image_free(fg_image *image);

/* The patch in `row` and `column` of a grid of patches of that size: `patch` gets its numbers, [channels,
 * height, width]. */
void fg_image_patch(const fg_image *image, uint64_t height, uint64_t width, uint64_t row, uint64_t column,
                    float *patch);

#endif
