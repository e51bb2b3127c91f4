#include "store/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/stamped_files.h"

/* ---- files ---- */

static fg_status push_file(fg_tensors *table, const char *path, const fg_file_stamp *stamp, uint32_t *index,
                           fg_error *err) {
    size_t capacity = table->file_capacity;
    if (table->file_count >= UINT32_MAX) return fg_fail(err, FG_ERR_INPUT, "%s: too many files", path);
    FG_CALL(fg_grow(&table->files, table->file_count, &capacity, sizeof *table->files, err));
    FG_CALL(fg_grow(&table->stamps, table->file_count, &table->file_capacity, sizeof *table->stamps, err));
    FG_CALL_NEW(table->files[table->file_count], fg_strdup(path, err));
    table->stamps[table->file_count] = *stamp;
    *index = (uint32_t)table->file_count++;
    return FG_OK;
}

fg_status fg_tensors_add_file(fg_tensors *table, const char *path, uint32_t *index, fg_error *err) {
    fg_file_stamp stamp;
    FG_CALL(fg_file_stamp_of(path, &stamp, err));
    return push_file(table, path, &stamp, index, err);
}

fg_status fg_tensors_add_place(fg_tensors *table, const char *name, uint32_t *index, fg_error *err) {
    const fg_file_stamp endless = {.size = UINT64_MAX};
    return push_file(table, name, &endless, index, err);
}

fg_status fg_tensors_check_file(const fg_tensors *table, uint32_t file, fg_error *err) {
    return fg_file_check_unchanged(table->files[file], &table->stamps[file], false, err);
}

fg_status fg_tensors_check_unchanged(const fg_tensors *table, fg_error *err) {
    for (size_t i = 0; i < table->file_count; i++)
        FG_CALL(fg_file_check_unchanged(table->files[i], &table->stamps[i], true, err));
    return FG_OK;
}

/* ---- tensors ---- */

bool fg_tensor_row_major(fg_tensor *tensor) {
    uint64_t stride = 1;
    for (uint32_t i = tensor->rank; i-- > 0;) {
        tensor->stride[i] = stride;
        /* A zero dimension does not hide that the others are too large. */
        if (!fg_mul(stride, fg_max(tensor->shape[i], 1), &stride)) return false;
    }
    return stride <= UINT64_MAX / 8; /* bytes, too */
}

uint64_t fg_tensor_bytes(const fg_tensor *tensor) {
    return tensor->elements * fg_dtype_size(tensor->dtype);
}

const char *fg_tensor_text(const fg_tensor *tensor, char *buffer, size_t size) {
    size_t used = (size_t)snprintf(buffer, size, "%s [", fg_dtype_name(tensor->dtype));
    for (uint32_t i = 0; i < tensor->rank && used < size; i++) {
        used += (size_t)snprintf(buffer + used, size - used, "%s%" PRIu64, i ? ", " : "", tensor->shape[i]);
    }
    if (used < size) snprintf(buffer + used, size - used, "]");
    return buffer;
}

/* Works out `elements` and `contiguous` and gives a contiguous tensor row-major strides (those of dimensions
 * of size 0 and 1 are arbitrary in some files). False on overflow. */
static bool measure(fg_tensor *tensor) {
    fg_tensor dense = *tensor;
    if (!fg_tensor_row_major(&dense)) return false;
    tensor->elements = 1;
    tensor->contiguous = true;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        tensor->elements *= tensor->shape[i];
        if (tensor->shape[i] > 1 && tensor->stride[i] != dense.stride[i]) tensor->contiguous = false;
    }
    if (tensor->elements == 0) tensor->contiguous = true;
    if (tensor->contiguous) memcpy(tensor->stride, dense.stride, sizeof tensor->stride);
    return true;
}

/* The byte after the last element that the strides reach, counted from the start of the file. False on
 * overflow. */
static bool end_of(const fg_tensor *tensor, uint64_t *end) {
    uint64_t span = tensor->elements ? 1 : 0, step;
    for (uint32_t i = 0; i < tensor->rank && tensor->elements; i++) {
        if (!fg_mul(tensor->shape[i] - 1, tensor->stride[i], &step) || !fg_add(span, step, &span))
            return false;
    }
    return fg_mul(span, fg_dtype_size(tensor->dtype), &span) && fg_add(span, tensor->offset, end);
}

static fg_status check(const fg_tensors *table, fg_tensor *tensor, fg_error *err) {
    uint64_t end;
    if (tensor->file >= table->file_count)
        return fg_fail(err, FG_ERR_BUG, "tensor \"%s\": no file has the number %u", tensor->name,
                       tensor->file);
    const char *path = table->files[tensor->file];
    if (!fg_dtype_size(tensor->dtype))
        return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\": it has no dtype", path, tensor->name);
    if (tensor->rank > FG_MAX_DIMS) {
        return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\": %u dimensions, at most %d are supported", path,
                       tensor->name, tensor->rank, FG_MAX_DIMS);
    }
    if (!measure(tensor))
        return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\": its shape overflows 64 bits", path,
                       tensor->name);
    uint64_t size = table->stamps[tensor->file].size;
    if (!end_of(tensor, &end) || end > size) {
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: tensor \"%s\": its elements reach beyond the end of the file (%" PRIu64 " bytes)",
                       path, tensor->name, size);
    }
    return FG_OK;
}

fg_status fg_tensors_add(fg_tensors *table, const fg_tensor *tensor, fg_error *err) {
    fg_tensor copy = *tensor;
    int64_t other;
    FG_CALL(check(table, &copy, err));
    FG_CALL(fg_grow(&table->items, table->count, &table->capacity, sizeof *table->items, err));
    FG_CALL_NEW(copy.name, fg_text_pool_add(&table->names, tensor->name, strlen(tensor->name), err));
    FG_CALL(fg_map_add(&table->by_name, copy.name, (uint32_t)table->count, &other, err));
    if (other != FG_MAP_NONE) {
        return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\" exists already (in %s)",
                       table->files[tensor->file], tensor->name, table->files[table->items[other].file]);
    }
    table->items[table->count++] = copy;
    return FG_OK;
}

const fg_tensor *fg_tensors_find(const fg_tensors *table, const char *name) {
    int64_t index = fg_map_get(&table->by_name, name);
    return index == FG_MAP_NONE ? NULL : &table->items[index];
}

fg_dtype_tally fg_tensors_tally(const fg_tensors *table) {
    fg_dtype_tally tally = {0};
    for (size_t i = 0; i < table->count; i++) {
        uint64_t bytes = fg_tensor_bytes(&table->items[i]);
        tally.count[table->items[i].dtype]++;
        tally.bytes[table->items[i].dtype] += bytes;
        tally.total_bytes += bytes;
    }
    return tally;
}

bool fg_tensors_have_file(const fg_tensors *table, const char *path) {
    for (size_t i = 0; i < table->file_count; i++) {
        if (strcmp(table->files[i], path) == 0) return true;
    }
    return false;
}

void fg_tensors_free(fg_tensors *table) {
    for (size_t i = 0; i < table->file_count; i++) fg_free(table->files[i]);
    fg_free(table->items);
    fg_free(table->files);
    fg_free(table->stamps);
    fg_text_pool_free(&table->names);
    fg_map_free(&table->by_name);
    *table = (fg_tensors){0};
}

/* ---- sending: files, then tensors ---- */

static fg_status pack_file(fg_buffer *out, const char *path, const fg_file_stamp *stamp, fg_error *err) {
    const uint64_t numbers[] = {stamp->size,
                                stamp->device,
                                stamp->inode,
                                (uint64_t)stamp->mtime_s,
                                (uint64_t)stamp->mtime_ns,
                                (uint64_t)stamp->ctime_s,
                                (uint64_t)stamp->ctime_ns};
    FG_CALL(fg_pack_name(out, path, err));
    return fg_pack_numbers(out, numbers, sizeof numbers / sizeof *numbers, err);
}

static fg_status pack_tensor(fg_buffer *out, const fg_tensor *tensor, fg_error *err) {
    const uint64_t numbers[] = {(uint64_t)tensor->dtype, tensor->rank, tensor->file, tensor->offset};
    FG_CALL(fg_pack_name(out, tensor->name, err));
    FG_CALL(fg_pack_numbers(out, numbers, sizeof numbers / sizeof *numbers, err));
    FG_CALL(fg_pack_numbers(out, tensor->shape, tensor->rank, err));
    return fg_pack_numbers(out, tensor->stride, tensor->rank, err);
}

fg_status fg_tensors_encode(const fg_tensors *table, fg_buffer *out, fg_error *err) {
    FG_CALL(fg_pack_number(out, table->file_count, err));
    FG_CALL(fg_pack_number(out, table->count, err));
    for (size_t i = 0; i < table->file_count; i++)
        FG_CALL(pack_file(out, table->files[i], &table->stamps[i], err));
    for (size_t i = 0; i < table->count; i++) FG_CALL(pack_tensor(out, &table->items[i], err));
    return FG_OK;
}

static fg_status unpack_file(fg_unpacker *from, fg_tensors *table) {
    fg_error *err = from->err;
    const char *path;
    uint64_t numbers[7];
    uint32_t index;
    FG_CALL(fg_unpack_name(from, &path));
    FG_CALL(fg_unpack_numbers(from, sizeof numbers / sizeof *numbers, numbers));
    const fg_file_stamp stamp = {.size = numbers[0],
                                 .device = numbers[1],
                                 .inode = numbers[2],
                                 .mtime_s = (int64_t)numbers[3],
                                 .mtime_ns = (int64_t)numbers[4],
                                 .ctime_s = (int64_t)numbers[5],
                                 .ctime_ns = (int64_t)numbers[6]};
    return push_file(table, path, &stamp, &index, err);
}

static fg_status unpack_tensor(fg_unpacker *from, fg_tensors *table) {
    fg_error *err = from->err;
    const char *name;
    uint64_t dtype, rank, file;
    fg_tensor tensor = {0};
    FG_CALL(fg_unpack_name(from, &name));
    FG_CALL(fg_unpack_number(from, FG_DTYPE_COUNT - 1, &dtype));
    FG_CALL(fg_unpack_number(from, FG_MAX_DIMS, &rank));
    FG_CALL(fg_unpack_number(from, UINT32_MAX, &file));
    FG_CALL(fg_unpack_numbers(from, 1, &tensor.offset));
    FG_CALL(fg_unpack_numbers(from, rank, tensor.shape));
    FG_CALL(fg_unpack_numbers(from, rank, tensor.stride));
    tensor.name = name;
    tensor.dtype = (fg_dtype)dtype;
    tensor.rank = (uint32_t)rank;
    tensor.file = (uint32_t)file;
    return fg_tensors_add(table, &tensor, err);
}

fg_status fg_tensors_unpack(fg_unpacker *from, fg_tensors *table) {
    fg_error *err = from->err;
    uint64_t files, tensors;
    FG_CALL(fg_unpack_count(from, &files));
    FG_CALL(fg_unpack_count(from, &tensors));
    for (uint64_t i = 0; i < files; i++) FG_CALL(unpack_file(from, table));
    for (uint64_t i = 0; i < tensors; i++) FG_CALL(unpack_tensor(from, table));
    return FG_OK;
}

fg_status fg_tensors_decode(const void *bytes, size_t size, fg_tensors *table, fg_error *err) {
    fg_unpacker from = {
        .what = "a tensor table", .at = bytes, .end = (const unsigned char *)bytes + size, .err = err};
    *table = (fg_tensors){0};
    fg_status status = fg_tensors_unpack(&from, table);
    if (status == FG_OK) status = fg_unpack_end(&from);
    if (status != FG_OK) fg_tensors_free(table);
    fg_buffer_free(&from.name);
    return status;
}
