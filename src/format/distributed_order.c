#include "format/distributed_order.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

enum { BLOCK = 4096 /* values at a time */ };

static const char *order_name(fg_parameter_order order) {
    return order == FG_ORDER_OLDER ? "older" : "newer";
}

typedef struct evidence {
    double least[FG_ORDER_NEWER + 1];     /* share of positive weights, of the norm with the smallest */
    const char *norm[FG_ORDER_NEWER + 1]; /* its name, borrowed */
    uint64_t norms;
} evidence;

typedef struct asker {
    const fg_distributed_layout *layout;
    const fg_tensors *vectors;
    fg_reader *reader;
    fg_error *err;
} asker;

/* ---- values ---- */

/* Where a stretch of a buffer begins in which vector, and how long it is there. Of tensor rank 0. */
static const fg_tensor *vector_of(const asker *a, size_t index, uint64_t position, uint64_t *first,
                                  uint64_t *count) {
    const fg_distributed_layout *l = a->layout;
    const size_t s = fg_stage_of(l, index);
    const fg_layer_stage *stage = &l->stages[s];
    const bool frozen = l->parameters.items[index].frozen;
    const uint64_t size = stage->shard_size[frozen], data = position / size;
    *first = stage->offset + (frozen ? stage->shard_size[FG_STAGE_LEARNS] : 0) + position % size;
    *count = size - position % size;
    return &a->vectors->items[fg_rank_number(&l->settings.grid, 0, data, s % l->settings.grid.pipeline)];
}

static uint64_t count_positive(const asker *a, size_t index, uint64_t count, const void *raw,
                               fg_dtype dtype) {
    float values[BLOCK];
    const float center = a->layout->parameters.items[index].zero_centered ? 1 : 0;
    uint64_t positive = 0;
    fg_cast_to_f32(dtype, raw, values, count);
    for (uint64_t i = 0; i < count; i++) positive += values[i] + center > 0;
    return positive;
}

/* The share of positive weights of a norm, read as an order has it. */
static fg_status positive_share(const asker *a, size_t index, fg_parameter_order order, double *share) {
    fg_error *err = a->err;
    const fg_parameter *p = &a->layout->parameters.items[index];
    const uint64_t begin = a->layout->begin[order][index];
    unsigned char raw[BLOCK * 8];
    uint64_t positive = 0, count;
    for (uint64_t done = 0; done < p->local; done += count) {
        uint64_t first;
        const fg_tensor *vector = vector_of(a, index, begin + done, &first, &count);
        count = fg_min(fg_min(count, p->local - done), BLOCK);
        FG_CALL(fg_reader_read(a->reader, vector, first, count, raw, err));
        positive += count_positive(a, index, count, raw, vector->dtype);
    }
    *share = (double)positive / (double)p->local;
    return FG_OK;
}

static fg_status look_at_norm(const asker *a, size_t index, evidence *e) {
    fg_error *err = a->err;
    e->norms++;
    for (fg_parameter_order order = FG_ORDER_OLDER; order <= FG_ORDER_NEWER; order++) {
        double share;
        FG_CALL(positive_share(a, index, order, &share));
        if (e->norm[order] && share >= e->least[order]) continue;
        e->least[order] = share;
        e->norm[order] = a->layout->parameters.items[index].name;
    }
    return FG_OK;
}

static bool moves(const fg_distributed_layout *l, size_t index) {
    return l->begin[FG_ORDER_OLDER][index] != l->begin[FG_ORDER_NEWER][index];
}

static fg_status look_at_norms(asker *a, evidence *e) {
    fg_status status = FG_OK;
    fg_error *err = a->err;
    FG_TRY(fg_reader_new(&a->reader, a->vectors, err));
    for (size_t i = 0; i < a->layout->parameters.count; i++) {
        const fg_parameter *p = &a->layout->parameters.items[i];
        if (p->norm && moves(a->layout, i)) FG_TRY(look_at_norm(a, i, e));
    }
done:
    fg_reader_free(&a->reader);
    return status;
}

/* ---- the decision ---- */

static bool orders_differ(const fg_distributed_layout *l) {
    bool differ = false;
    for (size_t i = 0; !differ && i < l->parameters.count; i++) differ = moves(l, i);
    return differ;
}

static fg_status undecided(const evidence *e, const char *file, fg_error *err) {
    if (!e->norms) {
        fg_fail(
            err, FG_ERR_INPUT,
            "%s: the order of parameters depends on the program that wrote them, and no norm tells which it "
            "was",
            file);
    } else {
        const bool both = e->least[FG_ORDER_OLDER] >= FG_NORM_POSITIVE;
        fg_fail(
            err, FG_ERR_INPUT,
            "%s: the order of parameters depends on the program that wrote them, and %s order looks right: "
            "%.0f %% of %s are positive in the older one, %.0f %% of %s in the newer one, expected at least "
            "%.0f %% in one of them alone",
            file, both ? "either" : "neither", e->least[FG_ORDER_OLDER] * 100, e->norm[FG_ORDER_OLDER],
            e->least[FG_ORDER_NEWER] * 100, e->norm[FG_ORDER_NEWER], FG_NORM_POSITIVE * 100);
    }
    return fg_hint(err,
                   "say which it is: --parameter-order newer for programs since commit 288513c of June 2026, "
                   "--parameter-order older for those before");
}

static fg_status decide(const evidence *e, const char *file, fg_parameter_order *order, fg_error *err) {
    const bool older = e->norms && e->least[FG_ORDER_OLDER] >= FG_NORM_POSITIVE;
    const bool newer = e->norms && e->least[FG_ORDER_NEWER] >= FG_NORM_POSITIVE;
    *order = older ? FG_ORDER_OLDER : FG_ORDER_NEWER;
    return older != newer ? FG_OK : undecided(e, file, err);
}

static fg_status note(json_t *facts, fg_parameter_order order, bool differ, const char *why, fg_error *err) {
    FG_CALL(fg_json_put_text(facts, "order", order_name(order), err));
    FG_CALL(fg_json_put(facts, "orders_differ", json_boolean(differ), err));
    return fg_json_put_text(facts, "why", why, err);
}

static fg_status note_evidence(json_t *facts, const evidence *e, fg_error *err) {
    FG_CALL(fg_json_put_u64(facts, "norms", e->norms, err));
    FG_CALL(fg_json_put(facts, "least_positive_older", json_real(e->least[FG_ORDER_OLDER]), err));
    return fg_json_put(facts, "least_positive_newer", json_real(e->least[FG_ORDER_NEWER]), err);
}

fg_status fg_distributed_order(const fg_distributed_layout *layout, const fg_tensors *vectors,
                               fg_parameter_order asked, const char *file, fg_parameter_order *order,
                               json_t **facts, fg_error *err) {
    evidence e = {.norms = 0};
    asker a = {.layout = layout, .vectors = vectors, .err = err};
    FG_CALL_NEW(*facts, json_object());
    *order = asked == FG_ORDER_OLDER ? FG_ORDER_OLDER : FG_ORDER_NEWER;
    if (!orders_differ(layout)) return note(*facts, *order, false, "both orders are the same", err);
    if (asked != FG_ORDER_BY_VALUES) return note(*facts, asked, true, "--parameter-order", err);
    if (layout->parameters.sets_decay)
        return note(*facts, *order, true, "weight_decay is set, which only programs of this order know", err);
    FG_CALL(look_at_norms(&a, &e));
    FG_CALL(decide(&e, file, order, err));
    FG_CALL(note(*facts, *order, true, "the weights of norms are positive in this order alone", err));
    return note_evidence(*facts, &e, err);
}
