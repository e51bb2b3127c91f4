#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

fg_status fg_scratch_fit(fg_scratch *scratch, uint64_t rows, uint64_t columns, fg_error *err) {
    uint64_t count, bytes;
    if (!fg_mul(rows, columns, &count) || !fg_mul(count, sizeof(float), &bytes))
        return fg_fail(err, FG_ERR_MEMORY, "activations of %llu x %llu numbers do not fit into memory",
                       (unsigned long long)rows, (unsigned long long)columns);
    if (scratch->values && count <= scratch->count) return FG_OK;
    fg_scratch_free(scratch);
    scratch->values = fg_alloc_buffer(bytes, err);
    if (!scratch->values) return FG_ERR_MEMORY;
    scratch->count = count;
    return FG_OK;
}

void fg_scratch_free(fg_scratch *scratch) {
    fg_free(scratch->values);
    *scratch = (fg_scratch){0};
}
