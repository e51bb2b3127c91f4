#include "model/image.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/split_mix.h"
#include "store/npy.h"

static const uint64_t LIMIT = 128 << 20; /* bytes */
enum { DIMS = 3 };

fg_status fg_image_read(fg_image *image, const char *path, fg_error *err) {
    fg_npy array;
    fg_path_kind kind;
    *image = (fg_image){0};
    FG_CALL(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) {
        fg_fail(err, FG_ERR_USAGE, "--image %s: there is no such file", path);
        return fg_about_file(err, path);
    }
    FG_CALL(fg_npy_read(&array, path, LIMIT, err));
    const uint64_t *shape = array.shape;
    if (array.dims != DIMS || !shape[0] || !shape[1] || !shape[2]) {
        fg_fail(err, FG_ERR_INPUT,
                "%s: found an array of %u dimensions%s, expected [channels, height, width]", path, array.dims,
                array.dims == DIMS ? ", one of size 0" : "");
        fg_npy_free(&array);
        return fg_hint(err, "give one image, as the model's image processor makes it, without a batch");
    }
    *image = (fg_image){.channels = shape[0], .height = shape[1], .width = shape[2], .pixels = array.values};
    return FG_OK;
}

fg_status fg_image_make(fg_image *image, uint64_t channels, uint64_t height, uint64_t width, fg_error *err) {
    uint64_t state = 0x696d616765ULL, count = channels * height * width;
    *image = (fg_image){.channels = channels, .height = height, .width = width};
    FG_CALL_NEW(image->pixels, fg_alloc(count, sizeof *image->pixels, err));
    for (uint64_t i = 0; i < count; i++)
        image->pixels[i] = (float)(int32_t)(fg_split_mix(&state) >> 40) / (float)(1 << 22) - 2.0f;
    return FG_OK;
}

void fg_image_free(fg_image *image) {
    fg_free(image->pixels);
    *image = (fg_image){0};
}

void fg_image_patch(const fg_image *image, uint64_t height, uint64_t width, uint64_t row, uint64_t column,
                    float *patch) {
    const float *corner = image->pixels + row * height * image->width + column * width;
    for (uint64_t c = 0; c < image->channels; c++) {
        for (uint64_t y = 0; y < height; y++, patch += width)
            memcpy(patch, corner + (c * image->height + y) * image->width, width * sizeof *patch);
    }
}
