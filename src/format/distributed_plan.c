#include "format/distributed_plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "plan/plan_check.h"

enum {
    BOX_DIMS = FG_DIVIDED_DIMS * 2 * FG_DIVIDED_FACTORS,
    PIECES_MAX = 1 << 22, /* 1,000 layers of 30 parameters on 64 tensor ranks have 2 million */
};

/* Elements of a parameter that one tensor rank has. Positions and strides count elements: those of the local
 * part, and those of the whole parameter. */
typedef struct local_box {
    uint32_t dims;
    uint64_t extent[BOX_DIMS], local_stride[BOX_DIMS], whole_stride[BOX_DIMS];
    uint64_t local, whole; /* of the first element */
} local_box;

/* Where a parameter's local part is stored. */
typedef struct part_place {
    const fg_rank_grid *grid;
    uint64_t tensor, pipeline;
    uint64_t begin;      /* of the local part in its buffer */
    uint64_t shard_size; /* of that buffer */
    uint64_t offset;     /* of the buffer's piece in a vector */
} part_place;

typedef struct pieces {
    fg_piece *items; /* owned */
    size_t count, capacity;
    size_t all; /* of all parameters so far */
    fg_error *err;
} pieces;

/* ---- boxes ---- */

/* Appends a dimension inside of what the box has; joins it with the one outside where both sides go on
 * without a gap. */
static void add_dimension(local_box *b, uint64_t extent, uint64_t local_stride, uint64_t whole_stride) {
    if (extent == 1) return;
    const uint32_t d = b->dims;
    bool joins = d && b->local_stride[d - 1] == extent * local_stride &&
                 b->whole_stride[d - 1] == extent * whole_stride;
    const uint32_t at = joins ? d - 1 : d;
    b->extent[at] = joins ? b->extent[at] * extent : extent;
    b->local_stride[at] = local_stride;
    b->whole_stride[at] = whole_stride;
    b->dims = at + 1;
}

/* The factors of a product, of which the innermost has steps of `local` and `whole`. */
static void add_product(local_box *b, const fg_divided_product *product, const part_place *h, uint64_t local,
                        uint64_t whole) {
    const uint64_t tensor = h->grid->tensor;
    local *= fg_divided_product_size(product, tensor);
    whole *= fg_divided_product_size(product, 1);
    for (uint32_t i = 0; i < product->count; i++) {
        const fg_divided_factor *factor = &product->factors[i];
        const uint64_t extent = fg_divided_factor_local(factor, tensor);
        local /= extent;
        whole /= factor->size;
        if (factor->divided) b->whole += h->tensor * extent * whole;
        add_dimension(b, extent, local, whole);
    }
}

/* One part of a dimension, of which an element has `local` and `whole` elements inside it. */
static void add_part(local_box *b, const fg_divided_dim *dim, uint32_t part, const part_place *h,
                     uint64_t local, uint64_t whole) {
    const uint64_t tensor = h->grid->tensor;
    uint64_t local_sum = 0, whole_sum = 0;
    for (uint32_t i = 0; i < dim->part_count; i++) {
        if (i == part) {
            b->local += local_sum * local;
            b->whole += whole_sum * whole;
        }
        local_sum += fg_divided_product_size(&dim->parts[i], tensor);
        whole_sum += fg_divided_product_size(&dim->parts[i], 1);
    }
    add_product(b, &dim->outer, h, local * local_sum, whole * whole_sum);
    add_product(b, &dim->parts[part], h, local, whole);
}

/* The box of a choice of parts, one a dimension. */
static local_box make_box(const fg_parameter *p, const uint32_t part[FG_DIVIDED_DIMS], const part_place *h) {
    local_box b = {0};
    uint64_t local = p->local, whole = p->elements;
    for (uint32_t d = 0; d < p->rank; d++) {
        local /= fg_divided_dim_size(&p->dims[d], h->grid->tensor);
        whole /= p->shape[d];
        add_part(&b, &p->dims[d], part[d], h, local, whole);
    }
    return b;
}

/* ---- cutting at data ranks ---- */

typedef struct piece_cutter {
    const local_box *box;
    uint64_t low, high; /* positions in the buffer: what one data rank has of it */
    uint64_t from;      /* where `low` is in the vector */
    uint32_t source;
    pieces *out;
} piece_cutter;

static fg_status emit(const piece_cutter *c, uint32_t first, uint64_t extent, uint64_t position,
                      uint64_t whole) {
    fg_error *err = c->out->err;
    const local_box *b = c->box;
    fg_piece piece = {.kind = FG_PIECE_COPY, .source = c->source, .to = whole};
    piece.from = c->from + (position - c->low);
    if (b->dims - first > FG_MAX_DIMS) return fg_fail(err, FG_ERR_BUG, "a parameter of too many dimensions");
    for (uint32_t d = first; d < b->dims; d++) {
        const uint64_t size = d == first ? extent : b->extent[d];
        if (size == 1) continue;
        piece.extent[piece.dims] = size;
        piece.from_stride[piece.dims] = b->local_stride[d];
        piece.to_stride[piece.dims++] = b->whole_stride[d];
    }
    if (!piece.dims) {
        piece.dims = 1;
        piece.extent[0] = piece.from_stride[0] = piece.to_stride[0] = 1;
    }
    if (++c->out->all > PIECES_MAX)
        return fg_fail(err, FG_ERR_INPUT, "the parameters lie in more than %d pieces", PIECES_MAX);
    FG_CALL(fg_grow(&c->out->items, c->out->count, &c->out->capacity, sizeof piece, err));
    c->out->items[c->out->count++] = piece;
    return FG_OK;
}

/* How many positions the dimensions from `first` on reach over. */
static uint64_t reach(const local_box *b, uint32_t first) {
    uint64_t last = 0;
    for (uint32_t d = first; d < b->dims; d++) last += (b->extent[d] - 1) * b->local_stride[d];
    return last + 1;
}

/* What lies between low and high of the dimensions from `d` on, whose first element is at `position`: the
 * indices that lie there wholly as one box, and those at the two ends again by their inner dimensions. */
static fg_status cut(const piece_cutter *c, uint32_t d, uint64_t position, uint64_t whole) {
    fg_error *err = c->out->err;
    const local_box *b = c->box;
    if (d == b->dims)
        return position >= c->low && position < c->high ? emit(c, d, 1, position, whole) : FG_OK;
    const uint64_t stride = b->local_stride[d], inner = reach(b, d + 1), extent = b->extent[d];
    uint64_t first = position < c->low ? (c->low - position + stride - 1) / stride : 0;
    uint64_t end = position + inner <= c->high ? (c->high - inner - position) / stride + 1 : 0;
    first = fg_min(first, extent);
    end = fg_min(end, extent);
    if (first && position + (first - 1) * stride + inner > c->low)
        FG_CALL(cut(c, d + 1, position + (first - 1) * stride, whole + (first - 1) * b->whole_stride[d]));
    if (first < end)
        FG_CALL(emit(c, d, end - first, position + first * stride, whole + first * b->whole_stride[d]));
    if (end < extent && end >= first && position + end * stride < c->high)
        FG_CALL(cut(c, d + 1, position + end * stride, whole + end * b->whole_stride[d]));
    return FG_OK;
}

static fg_status cut_box(const local_box *b, const part_place *h, pieces *out) {
    fg_error *err = out->err;
    const uint64_t position = h->begin + b->local, end = position + reach(b, 0);
    for (uint64_t d = position / h->shard_size; d * h->shard_size < end; d++) {
        const piece_cutter c = {.box = b,
                                .low = d * h->shard_size,
                                .high = (d + 1) * h->shard_size,
                                .from = h->offset,
                                .source = (uint32_t)fg_rank_number(h->grid, h->tensor, d, h->pipeline),
                                .out = out};
        FG_CALL(cut(&c, 0, position, b->whole));
    }
    return FG_OK;
}

/* All that one tensor rank has of a parameter. */
static fg_status add_local(const fg_parameter *p, const part_place *h, pieces *out) {
    fg_error *err = out->err;
    uint32_t part[FG_DIVIDED_DIMS] = {0}, d;
    do {
        const local_box b = make_box(p, part, h);
        FG_CALL(cut_box(&b, h, out));
        for (d = p->rank; d-- > 0;) {
            if (++part[d] < p->dims[d].part_count) break;
            part[d] = 0;
        }
    } while (d < p->rank);
    return FG_OK;
}

/* ---- outputs ---- */

static int by_target(const void *a, const void *b) {
    const fg_piece *x = a, *y = b;
    return x->to < y->to ? -1 : x->to > y->to;
}

typedef struct maker {
    const fg_distributed_layout *layout;
    fg_parameter_order order;
    pieces pieces;
    fg_error *err;
} maker;

static part_place place_of_part(const maker *m, size_t index, uint64_t tensor, uint64_t pipeline) {
    const fg_distributed_layout *l = m->layout;
    const size_t s = fg_stage_of(l, index);
    const fg_layer_stage *stage = &l->stages[s];
    const int buffer = l->parameters.items[index].frozen ? FG_STAGE_FROZEN : FG_STAGE_LEARNS;
    const bool own = s % l->settings.grid.pipeline == pipeline;
    part_place h = {.grid = &l->settings.grid, .tensor = tensor, .pipeline = pipeline};
    h.begin = l->begin[m->order][index];
    h.shard_size = stage->shard_size[buffer];
    h.offset = own ? stage->offset : l->pipeline[pipeline].copy_offset;
    if (buffer == FG_STAGE_FROZEN) h.offset += stage->shard_size[FG_STAGE_LEARNS];
    return h;
}

/* Adds an output with the pieces that are on tensor ranks from `tensor` to `tensor_end` of a pipeline
 * rank. */
static fg_status add_output(maker *m, fg_plan *plan, const char *name, size_t index, uint64_t pipeline,
                            uint64_t tensor, uint64_t tensor_end) {
    fg_error *err = m->err;
    const fg_parameter *p = &m->layout->parameters.items[index];
    pieces *out = &m->pieces;
    out->count = 0;
    for (uint64_t t = tensor; t < tensor_end; t++) {
        const part_place h = place_of_part(m, index, t, pipeline);
        FG_CALL(add_local(p, &h, out));
    }
    if (out->count) qsort(out->items, out->count, sizeof *out->items, by_target);
    FG_CALL(fg_plan_add_output(plan, name, m->layout->pipeline[pipeline].dtype, p->rank, p->shape, err));
    for (size_t i = 0; i < out->count; i++) FG_CALL(fg_plan_add_piece(plan, &out->items[i], err));
    return FG_OK;
}

static uint64_t owner_of(const maker *m, size_t index) {
    return fg_stage_of(m->layout, index) % m->layout->settings.grid.pipeline;
}

/* Tensor ranks that it takes to have all of a parameter. */
static uint64_t tensor_ranks(const maker *m, const fg_parameter *p) {
    return p->divided ? m->layout->settings.grid.tensor : 1;
}

static fg_status copy_table(const fg_tensors *from, fg_tensors *to, fg_error *err) {
    fg_buffer bytes = {0};
    fg_status status = fg_tensors_encode(from, &bytes, err);
    if (status == FG_OK) status = fg_tensors_decode(bytes.data, bytes.length, to, err);
    fg_buffer_free(&bytes);
    return status;
}

static fg_status drop_unused(fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    unsigned char *used = NULL;
    FG_NEW(used, plan->source.count);
    for (size_t i = 0; i < plan->piece_count; i++) used[plan->pieces[i].source] = 1;
    for (size_t i = 0; i < plan->source.count; i++) {
        if (!used[i]) FG_TRY(fg_plan_drop(plan, (uint32_t)i, "it holds only copies and padding", err));
    }
done:
    fg_free(used);
    return status;
}

fg_status fg_distributed_plan(const fg_distributed_layout *layout, fg_parameter_order order,
                              const fg_tensors *vectors, fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    maker m = {.layout = layout, .order = order, .pieces.err = err, .err = err};
    FG_TRY(copy_table(vectors, &plan->source, err));
    for (size_t i = 0; i < layout->parameters.count; i++) {
        const fg_parameter *p = &layout->parameters.items[i];
        if (!p->tied) FG_TRY(add_output(&m, plan, p->name, i, owner_of(&m, i), 0, tensor_ranks(&m, p)));
    }
    FG_TRY(drop_unused(plan, err));
    FG_TRY(fg_plan_check(plan, err));
done:
    fg_free(m.pieces.items);
    return status;
}

/* ---- copies ---- */

/* Adds a copy: what pipeline rank `pipeline` has of a parameter on tensor ranks from `tensor` on, next to
 * what the plan takes. */
static fg_status add_copy(maker *m, fg_plan *originals, fg_plan *copies, size_t index, uint64_t pipeline,
                          uint64_t tensor) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    const fg_parameter *p = &m->layout->parameters.items[index];
    const uint64_t owner = owner_of(m, index), ranks = tensor_ranks(m, p);
    char *name = NULL;
    if (pipeline == owner) {
        FG_TRY_NEW(name, fg_strformat(err, "%s on tensor rank %" PRIu64, p->name, tensor));
    } else if (p->divided) {
        FG_TRY_NEW(name, fg_strformat(err, "%s on pipeline rank %" PRIu64, p->name, pipeline));
    } else {
        FG_TRY_NEW(name, fg_strformat(err, "%s on pipeline rank %" PRIu64 ", tensor rank %" PRIu64, p->name,
                                      pipeline, tensor));
    }
    FG_TRY(add_output(m, originals, name, index, owner, 0, ranks));
    FG_TRY(add_output(m, copies, name, index, pipeline, tensor, tensor + ranks));
done:
    fg_free(name);
    return status;
}

static fg_status add_copies(maker *m, fg_plan *originals, fg_plan *copies, size_t index) {
    fg_error *err = m->err;
    const fg_distributed_layout *l = m->layout;
    const fg_rank_grid *grid = &l->settings.grid;
    const fg_parameter *p = &l->parameters.items[index];
    const uint64_t owner = owner_of(m, index), ranks = p->divided ? 1 : grid->tensor;
    for (uint64_t t = 1; t < ranks; t++) FG_CALL(add_copy(m, originals, copies, index, owner, t));
    if (!l->has_tied || fg_stage_of(l, index) != l->tied_stage) return FG_OK;
    for (uint64_t pipeline = 0; pipeline < grid->pipeline; pipeline++) {
        if (!l->pipeline[pipeline].has_copy) continue;
        for (uint64_t t = 0; t < ranks; t++) FG_CALL(add_copy(m, originals, copies, index, pipeline, t));
    }
    return FG_OK;
}

fg_status fg_distributed_copies(const fg_distributed_layout *layout, fg_parameter_order order,
                                const fg_tensors *vectors, fg_plan *originals, fg_plan *copies,
                                fg_error *err) {
    fg_status status = FG_OK;
    maker m = {.layout = layout, .order = order, .pieces.err = err, .err = err};
    FG_TRY(copy_table(vectors, &originals->source, err));
    FG_TRY(copy_table(vectors, &copies->source, err));
    for (size_t i = 0; i < layout->parameters.count; i++) {
        if (!layout->parameters.items[i].tied) FG_TRY(add_copies(&m, originals, copies, i));
    }
done:
    fg_free(m.pieces.items);
    return status;
}
