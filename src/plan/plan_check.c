#include "plan/plan_check.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/map.h"
#include "plan/tiling.h"
#include "store/cast.h"

static fg_status wrong_piece(const fg_output *output, size_t piece, const char *what, fg_error *err) {
    return fg_fail(err, FG_ERR_BUG, "plan: output \"%s\": piece %zu %s", output->name, piece, what);
}

/* A mean may be of a matrix that is there, which has the dtype of what it is made of. */
static fg_status check_matrix(const fg_plan *plan, const fg_output *output, size_t index, fg_error *err) {
    const fg_piece *piece = &plan->pieces[output->first_piece + index];
    const fg_plan *matrices = plan->matrices;
    if (piece->kind != FG_PIECE_MEAN || !matrices || piece->matrix > matrices->output_count)
        return wrong_piece(output, index, "has no matrix", err);
    const fg_output *matrix = &matrices->outputs[piece->matrix - 1];
    bool holds = matrix->rank && matrix->dtype == plan->source.items[piece->source].dtype;
    return holds ? FG_OK : wrong_piece(output, index, "has a matrix of another dtype, or of no rows", err);
}

/* The source side: inside the tensor (for a mean: inside one of its rows), and a cast that can be done. */
static fg_status check_source(const fg_plan *plan, const fg_output *output, size_t index, fg_error *err) {
    const fg_piece *piece = &plan->pieces[output->first_piece + index];
    uint64_t last;
    if (piece->source >= plan->source.count) return wrong_piece(output, index, "has no source tensor", err);
    const fg_tensor *tensor = &plan->source.items[piece->source];
    uint64_t room = tensor->elements;
    if (piece->matrix) FG_CALL(check_matrix(plan, output, index, err));
    const fg_output *matrix = fg_piece_matrix(plan, piece);
    const uint64_t *shape = matrix ? matrix->shape : tensor->shape;
    if (matrix) room = matrix->elements;
    if (piece->kind == FG_PIECE_MEAN) room = shape[0] ? room / shape[0] : 0;
    if (!fg_box_last(piece->dims, piece->extent, piece->from_stride, piece->from, &last) || last >= room) {
        return fg_fail(err, FG_ERR_BUG,
                       "plan: output \"%s\": piece %zu reaches beyond its source tensor \"%s\" (%" PRIu64
                       " elements)",
                       output->name, index, tensor->name, room);
    }
    bool mean_of_integers = piece->kind == FG_PIECE_MEAN && !fg_cast_possible(tensor->dtype, FG_F32);
    if (mean_of_integers || !fg_cast_possible(tensor->dtype, output->dtype)) {
        return fg_fail(err, FG_ERR_BUG, "plan: output \"%s\": tensor \"%s\" of dtype %s cannot become %s",
                       output->name, tensor->name, fg_dtype_name(tensor->dtype),
                       fg_dtype_name(output->dtype));
    }
    return FG_OK;
}

static fg_status check_piece(const fg_plan *plan, const fg_output *output, size_t index, fg_error *err) {
    const fg_piece *piece = &plan->pieces[output->first_piece + index];
    uint64_t last;
    if (piece->kind > FG_PIECE_MEAN || piece->dims > FG_MAX_DIMS)
        return wrong_piece(output, index, "has no known kind or too many dimensions", err);
    if (index && piece[-1].to > piece->to) return wrong_piece(output, index, "is out of order", err);
    if (!fg_box_last(piece->dims, piece->extent, piece->to_stride, piece->to, &last) ||
        last >= output->elements)
        return wrong_piece(output, index, "is empty or reaches beyond the output", err);
    return piece->kind == FG_PIECE_ZERO ? FG_OK : check_source(plan, output, index, err);
}

static fg_status check_output(const fg_plan *plan, const fg_output *output, size_t first_piece,
                              fg_error *err) {
    uint64_t elements;
    bool sound = output->rank <= FG_MAX_DIMS && fg_dtype_size(output->dtype) &&
                 output->first_piece == first_piece && output->piece_count <= plan->piece_count - first_piece;
    if (!sound || !fg_shape_elements(output->rank, output->shape, &elements) || elements != output->elements)
        return fg_fail(err, FG_ERR_BUG, "plan: output \"%s\" is not consistent", output->name);
    for (size_t i = 0; i < output->piece_count; i++) FG_CALL(check_piece(plan, output, i, err));
    return FG_OK;
}

/* Matrices are made of the plan's own source tensors, and have none below them. */
static fg_status check_matrices(const fg_plan *plan, fg_error *err) {
    const fg_plan *matrices = plan->matrices;
    if (!matrices) return FG_OK;
    bool simple = !matrices->matrices && matrices->source.count == plan->source.count;
    for (size_t i = 0; simple && i < matrices->piece_count; i++)
        simple = matrices->pieces[i].kind != FG_PIECE_MEAN;
    if (!simple) return fg_fail(err, FG_ERR_BUG, "plan: its matrices are not made of its source tensors");
    return fg_plan_check_bounds(matrices, err);
}

fg_status fg_plan_check_bounds(const fg_plan *plan, fg_error *err) {
    size_t first_piece = 0;
    FG_CALL(check_matrices(plan, err));
    for (size_t i = 0; i < plan->output_count; i++) {
        FG_CALL(check_output(plan, &plan->outputs[i], first_piece, err));
        first_piece += plan->outputs[i].piece_count;
    }
    if (first_piece != plan->piece_count)
        return fg_fail(err, FG_ERR_BUG, "plan: %zu pieces belong to no output",
                       plan->piece_count - first_piece);
    return FG_OK;
}

static fg_status check_names(const fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    fg_map names = {0};
    FG_TRY(fg_map_reserve(&names, plan->output_count, err));
    for (size_t i = 0; i < plan->output_count; i++) {
        const char *name = plan->outputs[i].name;
        int64_t held;
        FG_TRY(fg_map_add(&names, name, (uint32_t)i, &held, err));
        if (held != FG_MAP_NONE) FG_FAIL(err, FG_ERR_INPUT, "two output tensors have the name \"%s\"", name);
    }
done:
    fg_map_free(&names);
    return status;
}

/* Each source tensor is used, or dropped once, and not both. An empty one needs neither: it has nothing to
 * lose. */
static fg_status check_sources(const fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    enum { USED = 1, DROPPED = 2 };
    unsigned char *marks = NULL;
    FG_NEW(marks, plan->source.count);
    for (size_t i = 0; i < plan->piece_count; i++) {
        if (plan->pieces[i].kind != FG_PIECE_ZERO) marks[plan->pieces[i].source] = USED;
    }
    for (size_t i = 0; i < plan->dropped_count; i++) {
        uint32_t source = plan->dropped[i].source;
        if (source >= plan->source.count || marks[source])
            FG_FAIL(err, FG_ERR_BUG, "plan: dropped tensor %u is not there, used, or dropped twice", source);
        marks[source] = DROPPED;
    }
    for (size_t i = 0; i < plan->source.count; i++) {
        const fg_tensor *tensor = &plan->source.items[i];
        if (!marks[i] && tensor->elements)
            FG_FAIL(err, FG_ERR_INPUT, "%s: tensor \"%s\" is neither used nor dropped by a rule",
                    plan->source.files[tensor->file], tensor->name);
    }
done:
    fg_free(marks);
    return status;
}

static fg_status check_tiling(const fg_plan *plan, fg_error *err) {
    for (size_t i = 0; i < plan->output_count; i++) {
        const fg_output *output = &plan->outputs[i];
        FG_CALL(fg_tiling_check(output, plan->pieces + output->first_piece, output->piece_count, err));
    }
    return FG_OK;
}

fg_status fg_plan_check(const fg_plan *plan, fg_error *err) {
    FG_CALL(fg_plan_check_bounds(plan, err));
    FG_CALL(check_tiling(plan, err));
    if (plan->matrices) FG_CALL(check_tiling(plan->matrices, err));
    FG_CALL(check_names(plan, err));
    return check_sources(plan, err);
}
