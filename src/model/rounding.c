#include "model/rounding.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

enum { PART = 16384 }; /* numbers rounded at a time */

typedef struct rounding {
    fg_weight_source inner;
    fg_dtype dtype;
} rounding;

static bool find(void *context, const char *name, fg_weight *weight) {
    rounding *r = context;
    if (!r->inner.find(r->inner.context, name, weight)) return false;
    weight->inner = weight->dtype;
    if (fg_dtype_is_float(weight->dtype)) weight->dtype = r->dtype;
    return true;
}

static fg_status read_rounded(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                              void *out, fg_error *err) {
    rounding *r = context;
    fg_weight stored = *weight;
    float values[PART];
    stored.dtype = weight->inner;
    if (stored.dtype == weight->dtype)
        return r->inner.read(r->inner.context, &stored, first, count, out, err);
    for (uint64_t at = 0, part; at < count; at += part) {
        part = fg_min(PART, count - at);
        FG_CALL(fg_weight_source_read_f32(&r->inner, &stored, first + at, part, values, err));
        fg_cast(FG_F32, values, weight->dtype, (char *)out + at * fg_dtype_size(weight->dtype), part);
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
