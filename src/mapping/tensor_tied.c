#include "mapping/tensor_tied.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

enum { CHUNK = 1 << 20 }; /* bytes that are compared at once */

static bool same_storage(const fg_tensor *a, const fg_tensor *b) {
    return a->file == b->file && a->offset == b->offset &&
           memcmp(a->stride, b->stride, sizeof a->stride) == 0;
}

static fg_status differ(const fg_tensor *a, const fg_tensor *b, const char *how, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "\"%s\" and \"%s\" are tied by the configuration, but %s", a->name, b->name,
            how);
    return fg_hint(err, "set tie_word_embeddings to false in config.json if they are two weights, or remove "
                        "the one that is not used");
}

static fg_status compare_bytes(fg_reader *reader, const fg_tensor *a, const fg_tensor *b, unsigned char *room,
                               fg_error *err) {
    char how[80];
    size_t size = fg_dtype_size(a->dtype);
    for (uint64_t at = 0; at < a->elements;) {
        uint64_t count = fg_min(a->elements - at, CHUNK / size);
        FG_CALL(fg_reader_read(reader, a, at, count, room, err));
        FG_CALL(fg_reader_read(reader, b, at, count, room + CHUNK, err));
        for (uint64_t i = 0; memcmp(room, room + CHUNK, count * size) != 0 && i < count; i++) {
            if (memcmp(room + i * size, room + CHUNK + i * size, size) == 0) continue;
            snprintf(how, sizeof how, "element %" PRIu64 " differs", at + i);
            FG_CALL(differ(a, b, how, err));
        }
        at += count;
    }
    return FG_OK;
}

fg_status fg_tied_compare(const fg_tensors *table, const fg_tensor *a, const fg_tensor *b, fg_error *err) {
    fg_status status = FG_OK;
    fg_reader *reader = NULL;
    unsigned char *room = NULL;
    bool same_shape = a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
    if (!same_shape || a->dtype != b->dtype) FG_TRY(differ(a, b, "have different shapes or dtypes", err));
    if (same_storage(a, b)) goto done;
    FG_TRY_NEW(room, fg_alloc_buffer(2 * CHUNK, err));
    FG_TRY(fg_reader_new(&reader, table, err));
    FG_TRY(compare_bytes(reader, a, b, room, err));
done:
    fg_reader_free(&reader);
    fg_free(room);
    return status;
}
