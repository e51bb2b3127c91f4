/* A plan as one block of bytes (base/pack.h): the version, the source table, then all else. */
#include "base/alloc.h"
#include "plan/plan_check.h"

enum { VERSION = 5 };

/* ---- writing ---- */

static fg_status put_piece(fg_buffer *out, const fg_piece *piece, fg_error *err) {
    const uint64_t head[] = {piece->kind, piece->dims, piece->matrix, piece->source, piece->from, piece->to};
    FG_CALL(fg_pack_numbers(out, head, sizeof head / sizeof *head, err));
    FG_CALL(fg_pack_numbers(out, piece->extent, piece->dims, err));
    FG_CALL(fg_pack_numbers(out, piece->from_stride, piece->dims, err));
    return fg_pack_numbers(out, piece->to_stride, piece->dims, err);
}

static fg_status put_output(fg_buffer *out, const fg_plan *plan, const fg_output *output, fg_error *err) {
    const uint64_t head[] = {(uint64_t)output->dtype, output->shard, output->offset, output->piece_count,
                             output->rank};
    FG_CALL(fg_pack_name(out, output->name, err));
    FG_CALL(fg_pack_numbers(out, head, sizeof head / sizeof *head, err));
    FG_CALL(fg_pack_numbers(out, output->shape, output->rank, err));
    for (size_t i = 0; i < output->piece_count; i++)
        FG_CALL(put_piece(out, &plan->pieces[output->first_piece + i], err));
    return FG_OK;
}

static fg_status put_plan(const fg_plan *plan, fg_buffer *out, fg_error *err) {
    const uint64_t head[] = {plan->shard_count, plan->output_count, plan->dropped_count};
    FG_CALL(fg_tensors_encode(&plan->source, out, err));
    FG_CALL(fg_pack_numbers(out, head, sizeof head / sizeof *head, err));
    for (size_t i = 0; i < plan->shard_count; i++) {
        FG_CALL(fg_pack_name(out, plan->shard_files[i], err));
        FG_CALL(fg_pack_number(out, plan->shard_bytes[i], err));
    }
    for (size_t i = 0; i < plan->output_count; i++) FG_CALL(put_output(out, plan, &plan->outputs[i], err));
    for (size_t i = 0; i < plan->dropped_count; i++) {
        FG_CALL(fg_pack_number(out, plan->dropped[i].source, err));
        FG_CALL(fg_pack_name(out, plan->dropped[i].reason, err));
    }
    return FG_OK;
}

fg_status fg_plan_encode(const fg_plan *plan, fg_buffer *out, fg_error *err) {
    FG_CALL(fg_pack_number(out, VERSION, err));
    FG_CALL(fg_pack_number(out, plan->matrices != NULL, err));
    if (plan->matrices) FG_CALL(put_plan(plan->matrices, out, err));
    return put_plan(plan, out, err);
}

/* ---- reading ---- */

static fg_status take_piece(fg_unpacker *from, fg_plan *plan) {
    fg_error *err = from->err;
    fg_piece piece = {0};
    uint64_t kind, dims, matrix, source;
    FG_CALL(fg_unpack_number(from, FG_PIECE_MEAN, &kind));
    FG_CALL(fg_unpack_number(from, FG_MAX_DIMS, &dims));
    FG_CALL(fg_unpack_number(from, UINT16_MAX, &matrix));
    FG_CALL(fg_unpack_number(from, UINT32_MAX, &source));
    piece.kind = (uint8_t)kind;
    piece.dims = (uint8_t)dims;
    piece.matrix = (uint16_t)matrix;
    piece.source = (uint32_t)source;
    if (kind != FG_PIECE_ZERO && source >= plan->source.count)
        FG_CALL(fg_unpack_damaged(from, "a piece has no source"));
    FG_CALL(fg_unpack_numbers(from, 1, &piece.from));
    FG_CALL(fg_unpack_numbers(from, 1, &piece.to));
    FG_CALL(fg_unpack_numbers(from, dims, piece.extent));
    FG_CALL(fg_unpack_numbers(from, dims, piece.from_stride));
    FG_CALL(fg_unpack_numbers(from, dims, piece.to_stride));
    return fg_plan_add_piece(plan, &piece, err);
}

static fg_status take_output(fg_unpacker *from, fg_plan *plan) {
    fg_error *err = from->err;
    const char *name;
    uint64_t dtype, shard, offset, pieces, rank, shape[FG_MAX_DIMS];
    FG_CALL(fg_unpack_name(from, &name));
    FG_CALL(fg_unpack_number(from, FG_DTYPE_COUNT - 1, &dtype));
    FG_CALL(fg_unpack_number(from, plan->shard_count ? plan->shard_count - 1 : UINT32_MAX, &shard));
    FG_CALL(fg_unpack_number(from, UINT64_MAX, &offset));
    FG_CALL(fg_unpack_count(from, &pieces));
    FG_CALL(fg_unpack_number(from, FG_MAX_DIMS, &rank));
    FG_CALL(fg_unpack_numbers(from, rank, shape));
    FG_CALL(fg_plan_add_output(plan, name, (fg_dtype)dtype, (uint32_t)rank, shape, err));
    plan->outputs[plan->output_count - 1].shard = (uint32_t)shard;
    plan->outputs[plan->output_count - 1].offset = offset;
    for (uint64_t i = 0; i < pieces; i++) FG_CALL(take_piece(from, plan));
    return FG_OK;
}

static fg_status take_shards(fg_unpacker *from, uint64_t count, fg_plan *plan) {
    fg_error *err = from->err;
    const char *name;
    if (!count) return FG_OK;
    FG_CALL_NEW(plan->shard_files, fg_alloc(count, sizeof *plan->shard_files, err));
    FG_CALL_NEW(plan->shard_bytes, fg_alloc(count, sizeof *plan->shard_bytes, err));
    plan->shard_count = count;
    for (uint64_t i = 0; i < count; i++) {
        FG_CALL(fg_unpack_name(from, &name));
        FG_CALL_NEW(plan->shard_files[i], fg_strdup(name, err));
        FG_CALL(fg_unpack_number(from, UINT64_MAX, &plan->shard_bytes[i]));
    }
    return FG_OK;
}

static fg_status take_dropped(fg_unpacker *from, fg_plan *plan) {
    fg_error *err = from->err;
    const char *reason;
    uint64_t source;
    FG_CALL(fg_unpack_number(from, UINT32_MAX, &source));
    FG_CALL(fg_unpack_name(from, &reason));
    return fg_plan_drop(plan, (uint32_t)source, reason, err);
}

static fg_status take_plan(fg_unpacker *from, fg_plan *plan) {
    fg_error *err = from->err;
    uint64_t shards, outputs, dropped;
    FG_CALL(fg_tensors_unpack(from, &plan->source));
    FG_CALL(fg_unpack_count(from, &shards));
    FG_CALL(fg_unpack_count(from, &outputs));
    FG_CALL(fg_unpack_count(from, &dropped));
    FG_CALL(take_shards(from, shards, plan));
    for (uint64_t i = 0; i < outputs; i++) FG_CALL(take_output(from, plan));
    for (uint64_t i = 0; i < dropped; i++) FG_CALL(take_dropped(from, plan));
    return FG_OK;
}

static fg_status take_all(fg_unpacker *from, fg_plan *plan) {
    fg_error *err = from->err;
    uint64_t version, has_matrices;
    FG_CALL(fg_unpack_number(from, UINT64_MAX, &version));
    if (version != VERSION) FG_CALL(fg_unpack_damaged(from, "it is of another version"));
    FG_CALL(fg_unpack_number(from, 1, &has_matrices));
    if (has_matrices) {
        FG_CALL_NEW(plan->matrices, fg_alloc(1, sizeof *plan->matrices, err));
        FG_CALL(take_plan(from, plan->matrices));
    }
    FG_CALL(take_plan(from, plan));
    FG_CALL(fg_unpack_end(from));
    return fg_plan_check_bounds(plan, err);
}

fg_status fg_plan_decode(const void *bytes, size_t size, fg_plan *plan, fg_error *err) {
    fg_unpacker from = {
        .what = "a plan", .at = bytes, .end = (const unsigned char *)bytes + size, .err = err};
    *plan = (fg_plan){0};
    fg_status status = take_all(&from, plan);
    if (status != FG_OK) fg_plan_free(plan);
    fg_buffer_free(&from.name);
    return status;
}
