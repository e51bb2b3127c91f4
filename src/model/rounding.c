#include "model/rounding.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

enum { PART = 4096 }; /* floats rounded at a time */

typedef struct rounding {
    fg_weight_source inner;
    fg_dtype dtype;
} rounding;

static bool find(void *context, const char *name, fg_weight *weight) {
    rounding *r = context;
    return r->inner.find(r->inner.context, name, weight);
}

static fg_status read_rounded(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                              float *out, fg_error *err) {
    rounding *r = context;
    float narrow[PART];
    fg_status status = r->inner.read(r->inner.context, weight, first, count, out, err);
    if (status != FG_OK || r->dtype == FG_F32) return status;
    for (uint64_t at = 0; at < count; at += PART) {
        size_t n = fg_min(PART, count - at);
        fg_cast(FG_F32, out + at, r->dtype, narrow, n);
        fg_cast_to_f32(r->dtype, narrow, out + at, n);
    }
    return FG_OK;
}

static const char *name_of(void *context, uint32_t index) {
    const fg_weight_source *inner = &((rounding *)context)->inner;
    return inner->name_of ? inner->name_of(inner->context, index) : NULL;
}

static void close_both(void *context) {
    rounding *r = context;
    fg_weight_source_close(&r->inner);
    fg_free(r);
}

fg_status fg_weight_source_round_to(fg_weight_source *weights, fg_dtype dtype, fg_error *err) {
    rounding *r = fg_alloc(1, sizeof *r, err);
    if (!r) return FG_ERR_MEMORY;
    *r = (rounding){.inner = *weights, .dtype = dtype};
    *weights = (fg_weight_source){
        .context = r, .find = find, .read = read_rounded, .name_of = name_of, .close = close_both};
    return FG_OK;
}
