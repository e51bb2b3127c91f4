#include "vision_pass.h"

#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/vision.h"

/* One model's image. */
typedef struct pass {
    fg_pipeline *pipeline;
    unsigned model;
    fg_vision_shape shape;
    uint64_t patches;
    float *hidden; /* owned; [patches, shape.hidden] */
    fg_error *err; /* of the dump, which the probe writes */
} pass;

/* For the measures and the dump: `count` patches from `first` on, of which each has `width` numbers. */
static fg_status show(const pass *a, fg_vision_item item, uint64_t block, uint64_t first, uint64_t count,
                      uint64_t width, const float *values, fg_error *err) {
    static const fg_dump_item like[] = {[FG_VISION_EMBEDDING] = FG_DUMP_EMBEDDING,
                                        [FG_VISION_MIXER] = FG_DUMP_MIXER,
                                        [FG_VISION_MLP] = FG_DUMP_MLP,
                                        [FG_VISION_OUTPUT] = FG_DUMP_OUTPUT,
                                        [FG_VISION_ADAPTER] = FG_DUMP_FINAL_NORM};
    fg_pipeline *p = a->pipeline;
    const fg_measured measured = {
        .point = {like[item], block}, .position = first, .count = count, .width = width, .values = values};
    if (p->grid.member) return FG_OK; /* all members of a stage have the same numbers */
    if (p->vision_measures) FG_CALL(fg_measures_add(p->vision_measures, a->model, &measured, err));
    if (!p->dump || a->model >= FG_DUMP_SIDES) return FG_OK;
    return fg_dump_vision(p->dump, (int)a->model, item, block, first, count, values, err);
}

/* For the first difference, too. */
static fg_status note(const pass *a, uint64_t place, fg_vision_item item, uint64_t block, uint64_t first,
                      uint64_t count, uint64_t width, const float *values, fg_error *err) {
    fg_pipeline *p = a->pipeline;
    if (!p->grid.member)
        p->digests[a->model][place] += XXH3_64bits_withSeed(values, count * width * sizeof *values, first);
    return show(a, item, block, first, count, width, values, err);
}

static void on_sublayer(void *context, uint64_t block, fg_sublayer sublayer, uint64_t first, uint64_t count,
                        const float *values) {
    const pass *a = context;
    note(a, fg_place_vision_block(block, sublayer),
         sublayer == FG_SUB_MIXER ? FG_VISION_MIXER : FG_VISION_MLP, block, first, count, a->shape.hidden,
         values, a->err);
}

static fg_status run_blocks(const pass *a, fg_error *err) {
    fg_pipeline *p = a->pipeline;
    fg_model *model = p->pair->models[a->model];
    const fg_probe probe = {.visit = on_sublayer, .context = (void *)(uintptr_t)a};
    for (uint64_t b = 0; b < a->shape.blocks; b++) {
        FG_CALL(fg_vision_block(model, p->prompt->image, b, a->hidden, &probe, err));
        FG_CALL((fg_status)err->status); /* what the probe met */
        FG_CALL(show(a, FG_VISION_OUTPUT, b, 0, a->patches, a->shape.hidden, a->hidden, err));
    }
    return FG_OK;
}

static fg_status run_model(pass *a, fg_error *err) {
    fg_status status = FG_OK;
    fg_pipeline *p = a->pipeline;
    fg_model *model = p->pair->models[a->model];
    float **rows = &p->image_rows[a->model];
    fg_vision_shape_of(model, &a->shape);
    FG_NEW(*rows, a->patches * p->hidden);
    FG_NEW(a->hidden, a->patches * a->shape.hidden);
    FG_TRY(fg_vision_embed(model, p->prompt->image, a->hidden, err));
    FG_TRY(
        note(a, fg_place_patches(), FG_VISION_EMBEDDING, 0, 0, a->patches, a->shape.hidden, a->hidden, err));
    FG_TRY(run_blocks(a, err));
    FG_TRY(fg_vision_adapt(model, a->hidden, a->patches, *rows, err));
    FG_TRY(note(a, fg_place_adapter(&p->places), FG_VISION_ADAPTER, 0, 0, a->patches, p->hidden, *rows, err));
    fg_pipeline_count(p, fg_vision_weight_bytes(model) / p->grid.members);
done:
    fg_free(a->hidden);
    return status;
}

fg_status fg_vision_pass_run(fg_pipeline *p, unsigned model, fg_error *err) {
    pass one = {.pipeline = p, .model = model, .patches = p->prompt->patches, .err = err};
    return one.patches ? run_model(&one, err) : FG_OK;
}

void fg_vision_pass_place(fg_pipeline *p, unsigned model, uint64_t position, uint64_t count, float *hidden) {
    fg_vision_shape shape;
    const float *row = p->image_rows[model];
    if (!row || !fg_vision_shape_of(p->pair->models[model], &shape)) return;
    for (uint64_t t = 0; t < position + count; t++) {
        if (p->token_ids[t] != shape.image_token) continue;
        if (t >= position) memcpy(hidden + (t - position) * p->hidden, row, p->hidden * sizeof *row);
        row += p->hidden;
    }
    if (position + count < p->prompt->token_count) return;
    fg_free(p->image_rows[model]);
    p->image_rows[model] = NULL;
}

uint64_t fg_vision_pass_weight_bytes(const fg_pipeline *p) {
    uint64_t bytes = 0;
    for (unsigned m = 0; p->prompt->patches && m < p->model_count; m++)
        bytes += fg_vision_weight_bytes(p->pair->models[m]) / p->grid.members;
    return bytes;
}

uint64_t fg_vision_pass_bytes(const fg_pipeline *p) {
    fg_vision_shape shape;
    uint64_t held = 0, most = 0, kept = 0, patches = p->prompt->patches;
    bool one_by_one =
        p->batch == p->prompt->token_count; /* its rows are placed before the next model's pass */
    for (unsigned m = 0; patches && m < p->model_count; m++) {
        if (!fg_vision_shape_of(p->pair->models[m], &shape)) continue;
        uint64_t own =
            patches * shape.hidden * sizeof(float) + fg_vision_scratch_bytes(p->pair->models[m], patches);
        most = fg_max(most, own);
        held = (one_by_one ? 0 : held) + patches * p->hidden * sizeof(float);
        kept = fg_measures_bytes(patches *
                                 ((1 + FG_MEASURES_OF_BLOCK * shape.blocks) * shape.hidden + p->hidden));
    }
    return held + most + (p->room ? 0 : kept);
}
