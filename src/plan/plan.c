#include "plan/plan.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

/* ---- building ---- */

bool fg_shape_elements(uint32_t rank, const uint64_t *shape, uint64_t *elements) {
    fg_tensor dense = {.rank = rank};
    *elements = 1;
    for (uint32_t d = 0; d < rank; d++) {
        dense.shape[d] = shape[d];
        *elements *= shape[d]; /* may wrap; then the function below says so */
    }
    return fg_tensor_row_major(&dense);
}

fg_status fg_plan_reserve(fg_plan *plan, size_t outputs, size_t pieces, fg_error *err) {
    FG_CALL_NEW(plan->outputs, fg_alloc(outputs, sizeof *plan->outputs, err));
    plan->output_capacity = outputs;
    FG_CALL_NEW(plan->pieces, fg_alloc(pieces, sizeof *plan->pieces, err));
    plan->piece_capacity = pieces;
    return FG_OK;
}

fg_status fg_plan_add_named_output(fg_plan *plan, const char *name, fg_dtype dtype, uint32_t rank,
                                   const uint64_t *shape, fg_error *err) {
    fg_output output = {.name = name, .dtype = dtype, .rank = rank, .first_piece = plan->piece_count};
    if (rank > FG_MAX_DIMS || !fg_dtype_size(dtype) || plan->output_count >= UINT32_MAX)
        return fg_fail(err, FG_ERR_BUG, "plan: output \"%s\" has %u dimensions and dtype %d", name, rank,
                       dtype);
    if (!fg_shape_elements(rank, shape, &output.elements))
        return fg_fail(err, FG_ERR_INPUT, "tensor \"%s\": its shape overflows 64 bits", name);
    for (uint32_t d = 0; d < rank; d++) output.shape[d] = shape[d];
    FG_CALL(fg_grow(&plan->outputs, plan->output_count, &plan->output_capacity, sizeof *plan->outputs, err));
    plan->outputs[plan->output_count++] = output;
    return FG_OK;
}

fg_status fg_plan_add_output(fg_plan *plan, const char *name, fg_dtype dtype, uint32_t rank,
                             const uint64_t *shape, fg_error *err) {
    const char *copy;
    FG_CALL_NEW(copy, fg_text_pool_add(&plan->names, name, strlen(name), err));
    return fg_plan_add_named_output(plan, copy, dtype, rank, shape, err);
}

fg_status fg_plan_add_piece(fg_plan *plan, const fg_piece *piece, fg_error *err) {
    if (!plan->output_count) return fg_fail(err, FG_ERR_BUG, "plan: a piece before the first output");
    FG_CALL(fg_grow(&plan->pieces, plan->piece_count, &plan->piece_capacity, sizeof *plan->pieces, err));
    fg_output *output = &plan->outputs[plan->output_count - 1];
    size_t at = plan->piece_count++;
    for (; at > output->first_piece && plan->pieces[at - 1].to > piece->to; at--)
        plan->pieces[at] = plan->pieces[at - 1];
    plan->pieces[at] = *piece;
    output->piece_count++;
    return FG_OK;
}

fg_status fg_plan_add_whole(fg_plan *plan, uint32_t source, fg_error *err) {
    if (!plan->output_count || source >= plan->source.count)
        return fg_fail(err, FG_ERR_BUG, "plan: there is no tensor %u or no output", source);
    const fg_tensor *tensor = &plan->source.items[source];
    const fg_output *output = &plan->outputs[plan->output_count - 1];
    if (tensor->elements != output->elements) {
        return fg_fail(err, FG_ERR_BUG,
                       "plan: tensor \"%s\" has %" PRIu64 " elements, output \"%s\" %" PRIu64, tensor->name,
                       tensor->elements, output->name, output->elements);
    }
    if (!tensor->elements) return FG_OK; /* nothing to copy */
    fg_piece piece = {.kind = FG_PIECE_COPY,
                      .dims = 1,
                      .source = source,
                      .extent = {tensor->elements},
                      .from_stride = {1},
                      .to_stride = {1}};
    return fg_plan_add_piece(plan, &piece, err);
}

void fg_piece_permuted(fg_piece *piece, uint32_t rank, const uint64_t *shape, const uint8_t *order) {
    uint64_t stride[FG_MAX_DIMS] = {0}, step = 1;
    for (uint32_t d = rank; d-- > 0; step *= shape[d]) stride[d] = step;
    *piece = (fg_piece){.kind = FG_PIECE_COPY, .dims = (uint8_t)rank};
    step = 1;
    for (uint32_t d = rank; d-- > 0; step *= piece->extent[d]) {
        piece->extent[d] = shape[order[d]];
        piece->from_stride[d] = stride[order[d]];
        piece->to_stride[d] = step;
    }
}

fg_status fg_plan_same(const fg_tensors *table, fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer encoded = {0};
    FG_TRY(fg_tensors_encode(table, &encoded, err));
    FG_TRY(fg_tensors_decode(encoded.data, encoded.length, &plan->source, err));
    for (size_t i = 0; i < table->count; i++) {
        const fg_tensor *tensor = &table->items[i];
        FG_TRY(fg_plan_add_output(plan, tensor->name, tensor->dtype, tensor->rank, tensor->shape, err));
        FG_TRY(fg_plan_add_whole(plan, (uint32_t)i, err));
    }
done:
    fg_buffer_free(&encoded);
    return status;
}

fg_status fg_plan_drop(fg_plan *plan, uint32_t source, const char *reason, fg_error *err) {
    if (source >= plan->source.count) return fg_fail(err, FG_ERR_BUG, "plan: there is no tensor %u", source);
    FG_CALL(
        fg_grow(&plan->dropped, plan->dropped_count, &plan->dropped_capacity, sizeof *plan->dropped, err));
    fg_dropped *dropped = &plan->dropped[plan->dropped_count];
    FG_CALL_NEW(dropped->reason, fg_strdup(reason, err));
    dropped->source = source;
    plan->dropped_count++;
    return FG_OK;
}

/* ---- asking ---- */

uint64_t fg_output_bytes(const fg_output *output) {
    return output->elements * fg_dtype_size(output->dtype);
}

const fg_output *fg_piece_matrix(const fg_plan *plan, const fg_piece *piece) {
    return piece->kind == FG_PIECE_MEAN && piece->matrix ? &plan->matrices->outputs[piece->matrix - 1] : NULL;
}

bool fg_plan_casts(const fg_plan *plan) {
    for (size_t o = 0; o < plan->output_count; o++) {
        const fg_output *output = &plan->outputs[o];
        for (size_t p = output->first_piece; p < output->first_piece + output->piece_count; p++) {
            const fg_piece *piece = &plan->pieces[p];
            if (piece->kind != FG_PIECE_ZERO && plan->source.items[piece->source].dtype != output->dtype)
                return true;
        }
    }
    return false;
}

uint64_t fg_plan_bytes(const fg_plan *plan) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < plan->output_count; i++) {
        if (!fg_add(bytes, fg_output_bytes(&plan->outputs[i]), &bytes)) return UINT64_MAX;
    }
    return bytes;
}

void fg_plan_free(fg_plan *plan) {
    for (size_t i = 0; i < plan->dropped_count; i++) fg_free(plan->dropped[i].reason);
    for (size_t i = 0; plan->shard_files && i < plan->shard_count; i++) fg_free(plan->shard_files[i]);
    fg_free(plan->outputs);
    fg_free(plan->pieces);
    fg_free(plan->dropped);
    fg_free(plan->shard_files);
    fg_free(plan->shard_bytes);
    fg_text_pool_free(&plan->names);
    fg_tensors_free(&plan->source);
    if (plan->matrices) fg_plan_free(plan->matrices); /* which has none */
    fg_free(plan->matrices);
    *plan = (fg_plan){0};
}
