#include "copy/shards.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/safetensors.h"

/* ---- order inside a file ---- */

/* The safetensors library sorts by its own list of types, backwards, so that wide elements come first and all
 * are aligned. */
static int rank_of(fg_dtype dtype) {
    static const signed char rank[FG_DTYPE_COUNT] = {
        [FG_DTYPE_NONE] = -1, [FG_BOOL] = 0, [FG_U8] = 1,   [FG_I8] = 2,   [FG_F8_E5M2] = 3, [FG_F8_E4M3] = 4,
        [FG_I16] = 5,         [FG_U16] = 6,  [FG_F16] = 7,  [FG_BF16] = 8, [FG_I32] = 9,     [FG_U32] = 10,
        [FG_F32] = 11,        [FG_F64] = 12, [FG_I64] = 13, [FG_U64] = 14};
    return rank[dtype];
}

static int in_file_order(const void *a, const void *b) {
    const fg_output *x = *(fg_output *const *)a, *y = *(fg_output *const *)b;
    if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
    int left = rank_of(x->dtype), right = rank_of(y->dtype);
    return left != right ? right - left : strcmp(x->name, y->name);
}

/* The outputs of a shard, or all (`shard` SIZE_MAX), shard by shard in file order. */
static fg_status sorted(const fg_plan *plan, size_t shard, fg_output ***outputs, size_t *count,
                        fg_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < plan->output_count; i++) n += shard == SIZE_MAX || plan->outputs[i].shard == shard;
    *count = 0;
    FG_CALL_NEW(*outputs, fg_alloc(n, sizeof **outputs, err));
    for (size_t i = 0; i < plan->output_count; i++) {
        if (shard == SIZE_MAX || plan->outputs[i].shard == shard) (*outputs)[(*count)++] = &plan->outputs[i];
    }
    if (n) qsort(*outputs, n, sizeof **outputs, in_file_order);
    return FG_OK;
}

/* ---- headers ---- */

/* The names that the file gets, each owned; NULL if they are those of the outputs. */
static fg_status file_names(fg_output *const *outputs, size_t count, const char *name_end, char ***names,
                            fg_error *err) {
    *names = NULL;
    if (!name_end) return FG_OK;
    FG_CALL_NEW(*names, fg_alloc(count, sizeof **names, err));
    for (size_t i = 0; i < count; i++)
        FG_CALL_NEW((*names)[i], fg_strformat(err, "%s%s", outputs[i]->name, name_end));
    return FG_OK;
}

/* The header of one shard from its outputs in file order; `data` is how many bytes follow it. */
static fg_status write_header(fg_output *const *outputs, size_t count, const char *name_end, fg_buffer *out,
                              uint64_t *data, fg_error *err) {
    fg_status status = FG_OK;
    fg_safetensors_entry *entries = NULL;
    char **names = NULL;
    FG_TRY(file_names(outputs, count, name_end, &names, err));
    FG_NEW(entries, count);
    *data = 0;
    for (size_t i = 0; i < count; i++) {
        const fg_output *o = outputs[i];
        uint64_t begin = *data;
        if (!fg_add(begin, fg_output_bytes(o), data))
            FG_FAIL(err, FG_ERR_INPUT, "tensor \"%s\": a shard of more than 2^64 bytes", o->name);
        entries[i] = (fg_safetensors_entry){.name = names ? names[i] : o->name,
                                            .dtype = o->dtype,
                                            .rank = o->rank,
                                            .shape = o->shape,
                                            .begin = begin,
                                            .end = *data};
    }
    FG_TRY(fg_safetensors_write_header(entries, count, out, err));
done:
    for (size_t i = 0; names && i < count; i++) fg_free(names[i]);
    fg_free(names);
    fg_free(entries);
    return status;
}

fg_status fg_shards_header(const fg_plan *plan, size_t shard, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_output **outputs = NULL;
    size_t count;
    uint64_t data;
    FG_TRY(sorted(plan, shard, &outputs, &count, err));
    FG_TRY(write_header(outputs, count, plan->name_end, out, &data, err));
done:
    fg_free(outputs);
    return status;
}

/* ---- which tensor goes where ---- */

/* Of a header, without its frame and metadata. */
static const uint64_t HEADER_ROOM = FG_SAFETENSORS_HEADER_LIMIT - 4096;

/* No less than what the header takes for a tensor: every byte of the name may be escaped. */
static uint64_t header_bytes(const fg_output *output) {
    enum { ESCAPED = 6, NUMBER = 21, WORDS = 80 };
    return ESCAPED * strlen(output->name) + NUMBER * (output->rank + 2) + WORDS;
}

/* A tensor above the limit gets a shard of its own at once; the one that is being filled stays open. That is
 * how the shards of the Hugging Face libraries come out, down to their numbers. Here shards are numbered in
 * the order in which they are opened, and `closed` maps those numbers to the order in which they are closed,
 * which is that of the file names. Those libraries do not look at the header's size; here a shard is closed
 * before readers would refuse it. */
static fg_status choose_shards(fg_plan *plan, uint64_t limit, size_t *shard_count, fg_error *err) {
    fg_status status = FG_OK;
    uint32_t *closed = NULL, opened = 0, next = 0, current = UINT32_MAX;
    uint64_t filled = 0, header = 0;
    FG_NEW(closed, plan->output_count + 1);
    for (size_t i = 0; i < plan->output_count; i++) {
        fg_output *o = &plan->outputs[i];
        uint64_t bytes = fg_output_bytes(o);
        if (bytes > limit) {
            closed[opened] = next++;
            o->shard = opened++;
            continue;
        }
        header += header_bytes(o);
        if (current != UINT32_MAX && (bytes > limit - filled || header > HEADER_ROOM)) {
            closed[current] = next++;
            current = UINT32_MAX;
        }
        if (current == UINT32_MAX) {
            current = opened++;
            filled = 0;
            header = header_bytes(o);
        }
        o->shard = current;
        filled += bytes;
    }
    if (current != UINT32_MAX || !opened) closed[current == UINT32_MAX ? opened++ : current] = next++;
    for (size_t i = 0; i < plan->output_count; i++) plan->outputs[i].shard = closed[plan->outputs[i].shard];
    *shard_count = opened;
done:
    fg_free(closed);
    return status;
}

static void forget_shards(fg_plan *plan) {
    for (size_t i = 0; i < plan->shard_count; i++) fg_free(plan->shard_files[i]);
    fg_free(plan->shard_files);
    fg_free(plan->shard_bytes);
    plan->shard_files = NULL;
    plan->shard_bytes = NULL;
    plan->shard_count = 0;
}

static fg_status name_shards(fg_plan *plan, size_t count, fg_shard_name *name, fg_error *err) {
    forget_shards(plan);
    FG_CALL_NEW(plan->shard_files, fg_alloc(count, sizeof *plan->shard_files, err));
    FG_CALL_NEW(plan->shard_bytes, fg_alloc(count, sizeof *plan->shard_bytes, err));
    for (size_t i = 0; i < count; i++) {
        FG_CALL_NEW(plan->shard_files[i], name(i, count, err));
        plan->shard_count++;
    }
    return FG_OK;
}

fg_status fg_shards_assign(fg_plan *plan, uint64_t limit, fg_shard_name *name, fg_error *err) {
    fg_status status = FG_OK;
    fg_output **outputs = NULL;
    fg_buffer header = {0};
    size_t count, shards, first = 0;
    FG_TRY(choose_shards(plan, limit, &shards, err));
    FG_TRY(name_shards(plan, shards, name, err));
    FG_TRY(sorted(plan, SIZE_MAX, &outputs, &count, err));
    for (size_t shard = 0; shard < shards; shard++) {
        size_t end = first;
        uint64_t data;
        while (end < count && outputs[end]->shard == shard) end++;
        fg_buffer_clear(&header);
        FG_TRY(write_header(outputs + first, end - first, plan->name_end, &header, &data, err));
        uint64_t at = header.length;
        for (; first < end; first++) {
            outputs[first]->offset = at;
            at += fg_output_bytes(outputs[first]);
        }
        plan->shard_bytes[shard] = at;
    }
done:
    fg_buffer_free(&header);
    fg_free(outputs);
    return status;
}
