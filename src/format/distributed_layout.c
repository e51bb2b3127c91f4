#include "format/distributed_layout.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

enum { PAD = 32, GROUPS = 6 };

/* ---- ranks ---- */

uint64_t fg_rank_number(const fg_rank_grid *g, uint64_t tensor, uint64_t data, uint64_t pipeline) {
    return tensor +
           g->tensor * (g->pipeline_first ? pipeline + g->pipeline * data : data + g->data * pipeline);
}

void fg_rank_split(const fg_rank_grid *g, uint64_t rank, uint64_t *tensor, uint64_t *data,
                   uint64_t *pipeline) {
    const uint64_t rest = rank / g->tensor;
    *tensor = rank % g->tensor;
    *data = g->pipeline_first ? rest / g->pipeline : rest % g->data;
    *pipeline = g->pipeline_first ? rest % g->pipeline : rest / g->data;
}

/* ---- stages ---- */

static fg_status add_stage(fg_distributed_layout *l, size_t end, fg_error *err) {
    const size_t first =
        l->stage_count ? l->stages[l->stage_count - 1].first + l->stages[l->stage_count - 1].count : 0;
    FG_CALL(fg_grow(&l->stages, l->stage_count, &l->stage_capacity, sizeof *l->stages, err));
    l->stages[l->stage_count++] = (fg_layer_stage){.first = first, .count = end - first};
    return FG_OK;
}

/* A stage is closed behind the layer with which it has enough. */
static fg_status split_stages(fg_distributed_layout *l, fg_error *err) {
    const fg_parameters *p = &l->parameters;
    double sum = 0, closed = 0;
    for (size_t i = 0; i < p->layer_count; i++) {
        sum += p->layers[i].weight;
        if (sum < closed + l->settings.layers_per_stage && i + 1 < p->layer_count) continue;
        FG_CALL(add_stage(l, p->layers[i].first + p->layers[i].count, err));
        closed = sum;
    }
    return FG_OK;
}

size_t fg_stage_of(const fg_distributed_layout *l, size_t parameter) {
    size_t low = 0, high = l->stage_count - 1;
    while (low < high) {
        const size_t middle = (low + high + 1) / 2;
        if (l->stages[middle].first <= parameter) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* ---- buffers ---- */

static unsigned group_of(const fg_parameter *p, fg_parameter_order order) {
    const bool decay = order == FG_ORDER_OLDER ? p->decay_older : p->decay;
    if (decay) return p->divided ? 5 : p->sequence ? 3 : 4;
    return p->divided ? 0 : p->sequence ? 2 : 1;
}

/* Gives the parameters of a buffer their places: those of group 0 first, in each group in the order of the
 * model. */
static fg_status place_parameters(fg_distributed_layout *l, const fg_layer_stage *stage, bool frozen,
                                  fg_parameter_order order, uint64_t *elements, fg_error *err) {
    *elements = 0;
    for (unsigned group = 0; group < GROUPS; group++) {
        for (size_t i = stage->first; i < stage->first + stage->count; i++) {
            const fg_parameter *p = &l->parameters.items[i];
            if (p->tied || p->frozen != frozen || group_of(p, order) != group) continue;
            l->begin[order][i] = *elements;
            if (!fg_add(*elements, p->local, elements))
                return fg_fail(err, FG_ERR_INPUT, "the model's size overflows 64 bits");
        }
    }
    return FG_OK;
}

static bool pad(uint64_t elements, uint64_t data, uint64_t *shard) {
    uint64_t unit, padded;
    if (!fg_mul(PAD, data, &unit) || !fg_add(elements, unit - 1, &padded)) return false;
    *shard = padded / unit * PAD;
    return true;
}

static fg_status fill_buffers(fg_distributed_layout *l, fg_layer_stage *stage, fg_error *err) {
    for (int b = 0; b < FG_STAGE_BUFFERS; b++) {
        for (fg_parameter_order order = FG_ORDER_OLDER; order <= FG_ORDER_NEWER; order++)
            FG_CALL(place_parameters(l, stage, b == FG_STAGE_FROZEN, order, &stage->elements[b], err));
        if (!pad(stage->elements[b], l->settings.grid.data, &stage->shard_size[b]))
            return fg_fail(err, FG_ERR_INPUT, "the model's size overflows 64 bits");
    }
    return FG_OK;
}

/* ---- vectors ---- */

/* Whether a stage has one of the tied matrices, stored or not. */
static bool uses_tied(const fg_distributed_layout *l, const fg_layer_stage *stage) {
    for (size_t i = stage->first; i < stage->first + stage->count; i++) {
        if (l->parameters.items[i].vocabulary) return true;
    }
    return false;
}

static void find_tied(fg_distributed_layout *l) {
    size_t uses = 0, first = 0;
    for (size_t i = l->parameters.count; i-- > 0;) {
        if (!l->parameters.items[i].vocabulary) continue;
        uses++;
        first = i;
    }
    l->has_tied = uses > 1;
    if (l->has_tied) l->tied_stage = fg_stage_of(l, first);
}

/* Appends a stage to the vectors of a pipeline rank. */
static fg_status hold(const fg_distributed_layout *l, size_t s, fg_pipeline_rank *rank, const char *file,
                      fg_error *err) {
    const fg_layout_settings *settings = &l->settings;
    for (int b = 0; b < FG_STAGE_BUFFERS; b++) {
        const uint64_t size = l->stages[s].shard_size[b];
        const bool computes = b == FG_STAGE_FROZEN && settings->frozen_in_compute_dtype;
        const fg_dtype dtype = computes ? settings->compute_dtype : FG_F32;
        if (!size) continue;
        if (rank->dtype && rank->dtype != dtype)
            return fg_fail(
                err, FG_ERR_INPUT,
                "%s: store_frozen_weights_in_optimization_precision is false and compute_dtype %s: a "
                "pipeline rank would hold both that and float32, which Fast-LLM cannot write",
                file, fg_dtype_name(settings->compute_dtype));
        rank->dtype = dtype;
        if (!fg_add(rank->length, size, &rank->length))
            return fg_fail(err, FG_ERR_INPUT, "the model's size overflows 64 bits");
    }
    return FG_OK;
}

static fg_status fill_vectors(fg_distributed_layout *l, uint64_t p, const char *file, fg_error *err) {
    fg_pipeline_rank *rank = &l->pipeline[p];
    const uint64_t step = l->settings.grid.pipeline;
    bool copied = true;
    if (l->has_tied && l->tied_stage % step != p) {
        for (size_t s = p; copied && s < l->stage_count; s += step) copied = !uses_tied(l, &l->stages[s]);
    }
    rank->has_copy = !copied;
    for (size_t s = p; s < l->stage_count; s += step) {
        if (!copied && l->tied_stage < s) {
            rank->copy_offset = rank->length;
            FG_CALL(hold(l, l->tied_stage, rank, file, err));
            copied = true;
        }
        l->stages[s].offset = rank->length;
        FG_CALL(hold(l, s, rank, file, err));
    }
    if (copied) return FG_OK;
    rank->copy_offset = rank->length;
    return hold(l, l->tied_stage, rank, file, err);
}

/* ---- the whole ---- */

fg_status fg_distributed_layout_make(const json_t *model, const fg_layout_settings *settings,
                                     const char *file, fg_distributed_layout *l, fg_error *err) {
    fg_status status = FG_OK;
    const uint64_t pipeline = settings->grid.pipeline;
    l->settings = *settings;
    FG_TRY(fg_parameters_list(model, settings->grid.tensor, file, &l->parameters, err));
    FG_TRY(split_stages(l, err));
    if (l->stage_count < pipeline)
        FG_FAIL(err, FG_ERR_INPUT,
                "%s: pipeline_parallel is %" PRIu64
                " and the model has %zu stages (%zu layers), expected a stage for "
                "each pipeline rank",
                file, pipeline, l->stage_count, l->parameters.layer_count);
    FG_NEW(l->begin[FG_ORDER_OLDER], l->parameters.count);
    FG_NEW(l->begin[FG_ORDER_NEWER], l->parameters.count);
    FG_NEW(l->pipeline, pipeline);
    for (size_t s = 0; s < l->stage_count; s++) FG_TRY(fill_buffers(l, &l->stages[s], err));
    find_tied(l);
    for (uint64_t p = 0; p < pipeline; p++) FG_TRY(fill_vectors(l, p, file, err));
done:
    return status;
}

void fg_distributed_layout_free(fg_distributed_layout *l) {
    fg_parameters_free(&l->parameters);
    fg_free(l->begin[FG_ORDER_OLDER]);
    fg_free(l->begin[FG_ORDER_NEWER]);
    fg_free(l->stages);
    fg_free(l->pipeline);
    *l = (fg_distributed_layout){0};
}
