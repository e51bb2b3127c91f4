#include "model/vision.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

enum { PATCHES_AT_ONCE = 4 * FG_TILE };

/* ---- what it is ---- */

bool fg_vision_shape_of(const fg_model *model, fg_vision_shape *shape) {
    const fg_vision_settings *s = &model->vision.settings;
    bool has_token = s->image_token >= 0;
    *shape = (fg_vision_shape){.hidden = s->hidden,
                               .blocks = s->blocks,
                               .channels = s->channels,
                               .patch_height = s->patch_height,
                               .patch_width = s->patch_width,
                               .has_image_token = model->vision.there && has_token,
                               .image_token = has_token ? (uint32_t)s->image_token : 0};
    return model->vision.there;
}

fg_status fg_vision_count_patches(const fg_vision_shape *shape, const fg_image *image, uint64_t *patches,
                                  fg_error *err) {
    uint64_t height = shape->patch_height, width = shape->patch_width;
    if (image->channels != shape->channels)
        return fg_fail(err, FG_ERR_USAGE, "--image: the image has %llu channels, but the model expects %llu",
                       (unsigned long long)image->channels, (unsigned long long)shape->channels);
    if (image->height % height || image->width % width)
        return fg_fail(
            err, FG_ERR_USAGE,
            "--image: %llu x %llu numbers (height x width) are no multiple of the patch, %llu x %llu",
            (unsigned long long)image->height, (unsigned long long)image->width, (unsigned long long)height,
            (unsigned long long)width);
    *patches = image->height / height * (image->width / width);
    return FG_OK;
}

/* ---- running ---- */

/* Weights that a proof reads once are not cached: the blocks need that memory. */
static uint64_t stop_caching(fg_workspace *w) {
    uint64_t limit = w->cache_limit;
    w->cache_limit = 0;
    return limit;
}

/* Embeds the patches [first, first + count). `flat` has room for their numbers. */
static fg_status embed_some(fg_model *model, const fg_image *image, uint64_t first, uint64_t count,
                            float *flat, float *hidden, fg_error *err) {
    fg_workspace *w = &model->work;
    fg_vision_encoder *v = &model->vision;
    const fg_vision_settings *s = &v->settings;
    uint64_t numbers = v->patches.columns, columns = image->width / s->patch_width;
    const fg_heads shape = {count, 1, s->hidden, s->hidden};
    fg_real *input, *output;
    for (uint64_t i = 0; i < count; i++)
        fg_image_patch(image, s->patch_height, s->patch_width, (first + i) / columns, (first + i) % columns,
                       flat + i * numbers);
    FG_CALL(fg_workspace_view(w, &model->input, flat, count, numbers, &input, err));
    FG_CALL(w->device->put(w->state, flat, count * numbers, input, err));
    FG_CALL(fg_workspace_view(w, &model->output, hidden, count, s->hidden, &output, err));
    FG_CALL(fg_linear_whole(w, &v->patches, input, count, output, err));
    FG_CALL(fg_norm_run(w, &v->patch_norm, output, &shape, output, err));
    return w->device->get(w->state, output, count * s->hidden, hidden, err);
}

fg_status fg_vision_embed(fg_model *model, const fg_image *image, float *hidden, fg_error *err) {
    fg_status status = FG_OK;
    fg_vision_shape shape;
    float *flat = NULL;
    uint64_t patches, limit = stop_caching(&model->work);
    fg_vision_shape_of(model, &shape);
    FG_TRY(fg_vision_count_patches(&shape, image, &patches, err));
    FG_NEW(flat, PATCHES_AT_ONCE * model->vision.patches.columns);
    for (uint64_t at = 0, count; at < patches; at += count) {
        count = fg_min(PATCHES_AT_ONCE, patches - at);
        FG_TRY(embed_some(model, image, at, count, flat, hidden + at * shape.hidden, err));
    }
done:
    model->work.cache_limit = limit;
    fg_free(flat);
    return status == FG_OK ? status : fg_where(err, "embedding the patches of an image");
}

fg_status fg_vision_block(fg_model *model, const fg_image *image, uint64_t block, float *hidden,
                          const fg_probe *probe, fg_error *err) {
    fg_status status = FG_OK;
    fg_workspace *w = &model->work;
    fg_stack *blocks = &model->vision.blocks;
    fg_vision_shape shape;
    fg_real *values;
    uint64_t patches, limit = stop_caching(w);
    fg_vision_shape_of(model, &shape);
    FG_TRY(fg_vision_count_patches(&shape, image, &patches, err));
    const fg_block_call call = {.work = w,
                                .mask = FG_MASK_NATIVE,
                                .count = patches,
                                .length = patches,
                                .columns = image->width / shape.patch_width};
    FG_TRY(fg_workspace_view(w, &model->input, hidden, patches, shape.hidden, &values, err));
    FG_TRY(w->device->put(w->state, hidden, patches * shape.hidden, values, err));
    FG_TRY(fg_stack_run(blocks, block, call, values, probe, err));
    FG_TRY(w->device->get(w->state, values, patches * shape.hidden, hidden, err));
done:
    w->cache_limit = limit;
    if (status != FG_OK)
        fg_where(err, "computing block %llu of the vision encoder", (unsigned long long)block);
    return status;
}

static fg_status adapt_some(fg_model *model, const float *hidden, uint64_t count, float *rows,
                            fg_error *err) {
    fg_workspace *w = &model->work;
    fg_vision_encoder *v = &model->vision;
    uint64_t from = v->settings.hidden, to = model->shape.hidden;
    float scale = (float)model->settings.embedding_scale;
    fg_real *input, *output;
    FG_CALL(fg_workspace_view(w, &model->input, (float *)(uintptr_t)hidden, count, from, &input, err));
    FG_CALL(w->device->put(w->state, hidden, count * from, input, err));
    FG_CALL(fg_workspace_view(w, &model->output, rows, count, to, &output, err));
    FG_CALL(fg_mlp_run(w, &v->adapter, v->adapter_matrices, input, count, output, err));
    if (scale != 1) w->device->scale(w->state, output, count * to, scale);
    return w->device->get(w->state, output, count * to, rows, err);
}

fg_status fg_vision_adapt(fg_model *model, const float *hidden, uint64_t patches, float *rows,
                          fg_error *err) {
    fg_status status = FG_OK;
    fg_workspace *w = &model->work;
    uint64_t from = model->vision.settings.hidden, to = model->shape.hidden, limit = stop_caching(w);
    for (uint64_t at = 0; at < patches; at += PATCHES_AT_ONCE)
        FG_TRY(adapt_some(model, hidden + at * from, fg_min(PATCHES_AT_ONCE, patches - at), rows + at * to,
                          err));
done:
    w->cache_limit = limit;
    return status == FG_OK ? status : fg_where(err, "computing the adapter of the vision encoder");
}

/* ---- what it needs ---- */

uint64_t fg_vision_scratch_bytes(const fg_model *model, uint64_t patches) {
    const fg_vision_encoder *v = &model->vision;
    if (!v->there) return 0;
    uint64_t most = fg_min(PATCHES_AT_ONCE, patches),
             ends = fg_max(fg_mlp_scratch(&v->adapter), v->patches.columns);
    fg_cache_size keys = {0};
    for (uint64_t b = 0; b < v->blocks.count; b++)
        keys.per_position = fg_max(keys.per_position, fg_stack_cache_size(&v->blocks, b).per_position);
    uint64_t block = fg_stack_scratch(&v->blocks, patches) + patches * keys.per_position;
    if (!model->work.device->host_memory) return 0;
    return model->work.device->panel_bytes + sizeof(float) * fg_max(block, most * ends);
}

uint64_t fg_vision_weight_bytes(const fg_model *model) {
    const fg_vision_encoder *v = &model->vision;
    uint64_t numbers = v->patches.rows * v->patches.columns, bytes = 0;
    for (int i = 0; i < FG_MLP_MATRICES; i++)
        numbers += v->adapter_matrices[i].rows * v->adapter_matrices[i].columns;
    for (uint64_t b = 0; b < v->blocks.count; b++) bytes += fg_stack_block_bytes(&v->blocks, b);
    return bytes + numbers * sizeof(float);
}
