#include "plan/compose.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "plan/mixed_radix.h"
#include "plan/plan_check.h"

/* ---- the table between ---- */

fg_status fg_plan_outputs(const fg_plan *plan, const char *where, fg_tensors *tensors, fg_error *err) {
    uint32_t file;
    FG_CALL(fg_tensors_add_place(tensors, where, &file, err));
    for (size_t o = 0; o < plan->output_count; o++) {
        const fg_output *output = &plan->outputs[o];
        fg_tensor tensor = {.name = output->name, .dtype = output->dtype, .rank = output->rank, .file = file};
        memcpy(tensor.shape, output->shape, sizeof tensor.shape);
        fg_tensor_row_major(&tensor); /* an output's shape does not overflow */
        FG_CALL(fg_tensors_add(tensors, &tensor, err));
    }
    return FG_OK;
}

/* ---- pieces ---- */

typedef struct composer {
    const fg_plan *first;
    const fg_plan *second;
    fg_plan *joined;            /* gets outputs and pieces */
    const char *name;           /* of the tensor between, for messages */
    fg_digit_boxes there, here; /* boxes of the tensor between: filled by first, read by second */
    fg_error *err;
} composer;

static fg_status not_joined(const composer *c, const char *why) {
    return fg_fail(c->err, FG_ERR_INPUT,
                   "tensor \"%s\": its two conversion steps cannot be combined into one: %s", c->name, why);
}

/* The whole of a source tensor, unchanged: the only piece of an output. */
static bool is_whole(const fg_plan *plan, const fg_output *output) {
    const fg_piece *piece = &plan->pieces[output->first_piece];
    if (output->piece_count != 1 || piece->kind != FG_PIECE_COPY || piece->from) return false;
    fg_progression p;
    return plan->source.items[piece->source].elements == output->elements &&
           fg_progression_of_source(piece, &p) && fg_progression_is_run(&p) &&
           memcmp(piece->from_stride, piece->to_stride, piece->dims * sizeof *piece->to_stride) == 0;
}

static fg_status begin_matrices(composer *c) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    fg_buffer table = {0};
    if (c->joined->matrices) return FG_OK;
    FG_NEW(c->joined->matrices, 1);
    FG_TRY(fg_tensors_encode(&c->first->source, &table, err));
    FG_TRY(fg_tensors_decode(table.data, table.length, &c->joined->matrices->source, err));
done:
    fg_buffer_free(&table);
    return status;
}

/* Makes a tensor between, whose rows come from several places, one of the matrices of the joined plan.
 * `number` is what its means have. */
static fg_status add_matrix(composer *c, const fg_output *between, uint16_t *number) {
    fg_error *err = c->err;
    FG_CALL(begin_matrices(c));
    fg_plan *matrices = c->joined->matrices;
    for (*number = 1; *number <= matrices->output_count; ++*number)
        if (strcmp(matrices->outputs[*number - 1].name, between->name) == 0) return FG_OK;
    if (*number == UINT16_MAX) return not_joined(c, "too many means are taken");
    FG_CALL(fg_plan_add_output(matrices, between->name, between->dtype, between->rank, between->shape, err));
    for (size_t p = between->first_piece; p < between->first_piece + between->piece_count; p++) {
        const fg_piece *piece = &c->first->pieces[p];
        bool plain =
            piece->kind == FG_PIECE_COPY && c->first->source.items[piece->source].dtype == between->dtype;
        if (!plain) return not_joined(c, "a mean is taken of rows that are computed themselves");
        FG_CALL(fg_plan_add_piece(matrices, piece, err));
    }
    return FG_OK;
}

static fg_status add_mean(composer *c, const fg_output *between, const fg_piece *piece) {
    fg_error *err = c->err;
    fg_piece joined = *piece;
    const fg_piece *first = &c->first->pieces[between->first_piece];
    const fg_tensor *tensor = &c->first->source.items[first->source];
    bool same =
        is_whole(c->first, between) && tensor->rank == between->rank && tensor->shape[0] == between->shape[0];
    joined.source = first->source;
    if (!same) FG_CALL(add_matrix(c, between, &joined.matrix));
    return fg_plan_add_piece(c->joined, &joined, err);
}

/* Appends a dimension to `piece`, inside of what it has; joins it with the one outside where both sides go on
 * without a gap. */
static bool add_dimension(fg_piece *piece, uint64_t extent, uint64_t from_stride, uint64_t to_stride) {
    uint32_t d = piece->dims;
    if (d && piece->from_stride[d - 1] == extent * from_stride &&
        piece->to_stride[d - 1] == extent * to_stride) {
        piece->extent[d - 1] *= extent;
        piece->from_stride[d - 1] = from_stride;
        piece->to_stride[d - 1] = to_stride;
        return true;
    }
    if (d == FG_MAX_DIMS) return false;
    piece->extent[d] = extent;
    piece->from_stride[d] = from_stride;
    piece->to_stride[d] = to_stride;
    piece->dims++;
    return true;
}

/* The piece of what two boxes share: from where first's shadow says to where second's does. */
static fg_status add_shared(composer *c, const fg_places *places, const fg_digit_box *there,
                            const fg_digit_box *here, const fg_piece *producer) {
    fg_piece piece = {
        .kind = producer->kind, .source = producer->source, .from = there->shadow, .to = here->shadow};
    uint32_t order[FG_PLACES_MAX], count = 0;
    uint64_t extent[FG_PLACES_MAX];
    for (uint32_t p = 0; p < places->count; p++) {
        uint64_t low = fg_max(there->low[p], here->low[p]), high = fg_min(there->high[p], here->high[p]);
        if (low >= high) return FG_OK;
        piece.from += (low - there->low[p]) * there->shadow_stride[p];
        piece.to += (low - here->low[p]) * here->shadow_stride[p];
        extent[p] = high - low;
        if (extent[p] == 1) continue;
        uint32_t at = count++; /* outermost in the output first */
        for (; at && here->shadow_stride[order[at - 1]] < here->shadow_stride[p]; at--)
            order[at] = order[at - 1];
        order[at] = p;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t p = order[i];
        if (!add_dimension(&piece, extent[p], there->shadow_stride[p], here->shadow_stride[p]))
            return not_joined(c, "it would take boxes of more than five dimensions");
    }
    if (!count) add_dimension(&piece, 1, 1, 1);
    return fg_plan_add_piece(c->joined, &piece, c->err);
}

/* Everything that one piece of first gives to one of second. */
static fg_status join_pieces(composer *c, const fg_output *between, const fg_piece *producer,
                             const fg_piece *consumer) {
    fg_error *err = c->err;
    fg_places places = {0};
    fg_progression there, here;
    c->there.count = c->here.count = 0;
    if (!fg_progression_of_output(producer, &there) || !fg_progression_of_source(consumer, &here) ||
        !fg_places_add(&places, &there) || !fg_places_add(&places, &here) ||
        !fg_places_sort(&places, between->elements))
        FG_CALL(not_joined(c, "their strides do not divide each other"));
    FG_CALL(fg_digit_boxes_add(&c->there, &places, &there, c->name, err));
    FG_CALL(fg_digit_boxes_add(&c->here, &places, &here, c->name, err));
    for (size_t i = 0; i < c->here.count; i++) {
        for (size_t j = 0; j < c->there.count; j++)
            FG_CALL(add_shared(c, &places, &c->there.items[j], &c->here.items[i], producer));
    }
    return FG_OK;
}

static fg_status join(composer *c, const fg_piece *consumer) {
    fg_error *err = c->err;
    const fg_plan *first = c->first;
    if (consumer->kind == FG_PIECE_ZERO) return fg_plan_add_piece(c->joined, consumer, err);
    const fg_output *between = &first->outputs[consumer->source];
    c->name = between->name;
    if (consumer->kind == FG_PIECE_MEAN) return add_mean(c, between, consumer);
    if (is_whole(first, between)) {
        fg_piece joined = *consumer;
        joined.source = first->pieces[between->first_piece].source;
        return fg_plan_add_piece(c->joined, &joined, err);
    }
    for (size_t p = 0; p < between->piece_count; p++)
        FG_CALL(join_pieces(c, between, &first->pieces[between->first_piece + p], consumer));
    return FG_OK;
}

/* ---- what is dropped ---- */

/* A source tensor from which only dropped tensors were made is dropped for their reason. */
static fg_status join_drops(composer *c) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    unsigned char *needed = NULL;
    FG_NEW(needed, c->joined->source.count);
    for (size_t i = 0; i < c->joined->piece_count; i++) {
        if (c->joined->pieces[i].kind != FG_PIECE_ZERO) needed[c->joined->pieces[i].source] = 1;
    }
    for (size_t i = 0; i < c->second->dropped_count; i++) {
        const fg_output *between = &c->first->outputs[c->second->dropped[i].source];
        for (size_t p = between->first_piece; p < between->first_piece + between->piece_count; p++) {
            uint32_t source = c->first->pieces[p].source;
            if (needed[source]) continue;
            FG_TRY(fg_plan_drop(c->joined, source, c->second->dropped[i].reason, err));
            needed[source] = 1;
        }
    }
done:
    fg_free(needed);
    return status;
}

/* ---- the whole ---- */

static fg_status join_outputs(composer *c) {
    fg_error *err = c->err;
    for (size_t o = 0; o < c->second->output_count; o++) {
        const fg_output *output = &c->second->outputs[o];
        FG_CALL(fg_plan_add_output(c->joined, output->name, output->dtype, output->rank, output->shape, err));
        for (size_t p = output->first_piece; p < output->first_piece + output->piece_count; p++)
            FG_CALL(join(c, &c->second->pieces[p]));
    }
    return FG_OK;
}

/* What the joined plan has of first as it is. */
static void take_over(fg_plan *first, fg_plan *joined) {
    joined->source = first->source;
    joined->dropped = first->dropped;
    joined->dropped_count = first->dropped_count;
    joined->dropped_capacity = first->dropped_capacity;
    first->source = (fg_tensors){0};
    first->dropped = NULL;
    first->dropped_count = first->dropped_capacity = 0;
}

fg_status fg_plan_compose(fg_plan *first, fg_plan *second, fg_error *err) {
    fg_status status = FG_OK;
    fg_plan joined = {0};
    composer c = {.first = first, .second = second, .joined = &joined, .name = "(the embedding)", .err = err};
    if (first->matrices || second->matrices) FG_TRY(not_joined(&c, "a mean is taken in both"));
    FG_TRY(join_outputs(&c));
    take_over(first, &joined);
    FG_TRY(join_drops(&c));
    FG_TRY(fg_plan_check(&joined, err));
done:
    fg_digit_boxes_free(&c.there);
    fg_digit_boxes_free(&c.here);
    fg_plan_free(first);
    if (status == FG_OK) {
        fg_plan_free(second);
        *second = joined;
    } else {
        fg_plan_free(&joined);
    }
    return status;
}
