/* A plan as one block of bytes: the version, the source table (store/tensors.c) behind its length in 8 bytes,
 * then numbers of 7 bits a byte, and names. */
#include <string.h>

#include "base/alloc.h"
#include "plan/tiling.h"

enum { VERSION = 2, NUMBER_BYTES = 10 };

/* ---- writing ---- */

static fg_status put_number(fg_buffer *out, uint64_t number, fg_error *err) {
    unsigned char bytes[NUMBER_BYTES];
    size_t length = 0;
    do {
        bytes[length] = (unsigned char)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
    } while (bytes[length++] & 0x80);
    return fg_buffer_add(out, bytes, length, err);
}

static fg_status put_many(fg_buffer *out, const uint64_t *numbers, size_t count, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < count && status == FG_OK; i++) status = put_number(out, numbers[i], err);
    return status;
}

static fg_status put_name(fg_buffer *out, const char *name, fg_error *err) {
    size_t length = strlen(name);
    FG_CALL(put_number(out, length, err));
    return fg_buffer_add(out, name, length, err);
}

static fg_status put_piece(fg_buffer *out, const fg_piece *piece, fg_error *err) {
    const uint64_t head[] = {piece->kind, piece->dims, piece->source, piece->from, piece->to};
    FG_CALL(put_many(out, head, sizeof head / sizeof *head, err));
    FG_CALL(put_many(out, piece->extent, piece->dims, err));
    FG_CALL(put_many(out, piece->from_stride, piece->dims, err));
    return put_many(out, piece->to_stride, piece->dims, err);
}

static fg_status put_output(fg_buffer *out, const fg_plan *plan, const fg_output *output, fg_error *err) {
    const uint64_t head[] = {(uint64_t)output->dtype, output->shard, output->offset, output->piece_count,
                             output->rank};
    FG_CALL(put_name(out, output->name, err));
    FG_CALL(put_many(out, head, sizeof head / sizeof *head, err));
    FG_CALL(put_many(out, output->shape, output->rank, err));
    for (size_t i = 0; i < output->piece_count; i++)
        FG_CALL(put_piece(out, &plan->pieces[output->first_piece + i], err));
    return FG_OK;
}

/* In place: it is most of the bytes. */
static fg_status put_table(fg_buffer *out, const fg_tensors *table, fg_error *err) {
    uint64_t length = 0;
    size_t begin = out->length;
    FG_CALL(fg_buffer_add(out, &length, sizeof length, err));
    FG_CALL(fg_tensors_encode(table, out, err));
    length = out->length - begin - sizeof length;
    memcpy(out->data + begin, &length, sizeof length);
    return FG_OK;
}

fg_status fg_plan_encode(const fg_plan *plan, fg_buffer *out, fg_error *err) {
    const uint64_t head[] = {plan->shard_count, plan->output_count, plan->dropped_count};
    FG_CALL(put_number(out, VERSION, err));
    FG_CALL(put_table(out, &plan->source, err));
    FG_CALL(put_many(out, head, sizeof head / sizeof *head, err));
    for (size_t i = 0; i < plan->shard_count; i++) {
        FG_CALL(put_name(out, plan->shard_files[i], err));
        FG_CALL(put_number(out, plan->shard_bytes[i], err));
    }
    for (size_t i = 0; i < plan->output_count; i++) FG_CALL(put_output(out, plan, &plan->outputs[i], err));
    for (size_t i = 0; i < plan->dropped_count; i++) {
        FG_CALL(put_number(out, plan->dropped[i].source, err));
        FG_CALL(put_name(out, plan->dropped[i].reason, err));
    }
    return FG_OK;
}

/* ---- reading ---- */

typedef struct plan_cursor {
    const unsigned char *at, *end;
    fg_error *err;
} plan_cursor;

static fg_status damaged(const plan_cursor *from, const char *what) {
    return fg_fail(from->err, FG_ERR_BUG, "a plan in transit is damaged: %s", what);
}

static fg_status take_number(plan_cursor *from, uint64_t limit, uint64_t *number) {
    unsigned shift = 0;
    *number = 0;
    for (;; shift += 7) {
        if (from->at == from->end) return damaged(from, "it is truncated");
        unsigned char byte = *from->at++;
        if (shift == 63 && byte > 1) return damaged(from, "a number is too large");
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) break;
    }
    return *number <= limit ? FG_OK : damaged(from, "a number is out of range");
}

/* A count of things that take at least one byte each. */
static fg_status take_count(plan_cursor *from, uint64_t *number) {
    return take_number(from, (uint64_t)(from->end - from->at), number);
}

static fg_status take_many(plan_cursor *from, size_t count, uint64_t *numbers) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < count && status == FG_OK; i++) status = take_number(from, UINT64_MAX, &numbers[i]);
    return status;
}

/* Newly allocated. */
static fg_status take_name(plan_cursor *from, char **name) {
    fg_error *err = from->err;
    uint64_t length;
    FG_CALL(take_count(from, &length));
    if (length > (uint64_t)(from->end - from->at) || memchr(from->at, '\0', length))
        FG_CALL(damaged(from, "a name does not end or holds a zero"));
    FG_CALL_NEW(*name, fg_strndup((const char *)from->at, length, err));
    from->at += length;
    return FG_OK;
}

static fg_status take_piece(plan_cursor *from, fg_plan *plan) {
    fg_piece piece = {0};
    uint64_t kind, dims, source;
    FG_CALL(take_number(from, FG_PIECE_MEAN, &kind));
    FG_CALL(take_number(from, FG_MAX_DIMS, &dims));
    FG_CALL(take_number(from, UINT32_MAX, &source));
    piece.kind = (uint8_t)kind;
    piece.dims = (uint8_t)dims;
    piece.source = (uint32_t)source;
    if (kind != FG_PIECE_ZERO && source >= plan->source.count)
        FG_CALL(damaged(from, "a piece has no source"));
    FG_CALL(take_many(from, 1, &piece.from));
    FG_CALL(take_many(from, 1, &piece.to));
    FG_CALL(take_many(from, dims, piece.extent));
    FG_CALL(take_many(from, dims, piece.from_stride));
    FG_CALL(take_many(from, dims, piece.to_stride));
    return fg_plan_add_piece(plan, &piece, from->err);
}

static fg_status take_output(plan_cursor *from, fg_plan *plan) {
    fg_status status = FG_OK;
    char *name = NULL;
    uint64_t dtype, shard, offset, pieces, rank, shape[FG_MAX_DIMS];
    FG_TRY(take_name(from, &name));
    FG_TRY(take_number(from, FG_DTYPE_COUNT - 1, &dtype));
    FG_TRY(take_number(from, plan->shard_count ? plan->shard_count - 1 : UINT32_MAX, &shard));
    FG_TRY(take_number(from, UINT64_MAX, &offset));
    FG_TRY(take_count(from, &pieces));
    FG_TRY(take_number(from, FG_MAX_DIMS, &rank));
    FG_TRY(take_many(from, rank, shape));
    FG_TRY(fg_plan_add_output(plan, name, (fg_dtype)dtype, (uint32_t)rank, shape, from->err));
    plan->outputs[plan->output_count - 1].shard = (uint32_t)shard;
    plan->outputs[plan->output_count - 1].offset = offset;
    for (uint64_t i = 0; i < pieces; i++) FG_TRY(take_piece(from, plan));
done:
    fg_free(name);
    return status;
}

static fg_status take_shards(plan_cursor *from, uint64_t count, fg_plan *plan) {
    fg_status status = FG_OK;
    fg_error *err = from->err;
    if (count > (uint64_t)(from->end - from->at)) FG_TRY(damaged(from, "too many shards"));
    if (!count) goto done;
    FG_NEW(plan->shard_files, count);
    FG_NEW(plan->shard_bytes, count);
    plan->shard_count = count;
    for (uint64_t i = 0; i < count; i++) {
        FG_TRY(take_name(from, &plan->shard_files[i]));
        FG_TRY(take_number(from, UINT64_MAX, &plan->shard_bytes[i]));
    }
done:
    return status;
}

static fg_status take_dropped(plan_cursor *from, fg_plan *plan) {
    fg_status status = FG_OK;
    char *reason = NULL;
    uint64_t source;
    FG_TRY(take_number(from, UINT32_MAX, &source));
    FG_TRY(take_name(from, &reason));
    FG_TRY(fg_plan_drop(plan, (uint32_t)source, reason, from->err));
done:
    fg_free(reason);
    return status;
}

static fg_status take_table(plan_cursor *from, fg_tensors *table) {
    uint64_t length, left = (uint64_t)(from->end - from->at);
    if (left < sizeof length) FG_CALL(damaged(from, "it is truncated"));
    memcpy(&length, from->at, sizeof length);
    from->at += sizeof length;
    if (length > left - sizeof length) FG_CALL(damaged(from, "it is truncated"));
    FG_CALL(fg_tensors_decode(from->at, length, table, from->err));
    from->at += length;
    return FG_OK;
}

fg_status fg_plan_decode(const void *bytes, size_t size, fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    plan_cursor from = {.at = bytes, .end = (const unsigned char *)bytes + size, .err = err};
    uint64_t version, shards, outputs, dropped;
    *plan = (fg_plan){0};
    FG_TRY(take_number(&from, UINT64_MAX, &version));
    if (version != VERSION) FG_TRY(damaged(&from, "it is of another version"));
    FG_TRY(take_table(&from, &plan->source));
    FG_TRY(take_number(&from, UINT32_MAX, &shards));
    FG_TRY(take_number(&from, UINT32_MAX, &outputs));
    FG_TRY(take_number(&from, UINT32_MAX, &dropped));
    FG_TRY(take_shards(&from, shards, plan));
    for (uint64_t i = 0; i < outputs; i++) FG_TRY(take_output(&from, plan));
    for (uint64_t i = 0; i < dropped; i++) FG_TRY(take_dropped(&from, plan));
    if (from.at != from.end) FG_TRY(damaged(&from, "it has bytes too many"));
    FG_TRY(fg_plan_check_bounds(plan, err));
done:
    if (status != FG_OK) fg_plan_free(plan);
    return status;
}
