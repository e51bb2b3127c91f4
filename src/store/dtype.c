#include "store/dtype.h"

#include <stdint.h>
#include <string.h>

/* Tensor files are little-endian and are read as they lie. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fgconv needs a little-endian machine");

typedef struct kind {
    const char *name, *safetensors;
    size_t size;
} kind;

static const kind kinds[FG_DTYPE_COUNT] = {
    [FG_DTYPE_NONE] = {"none", "NONE", 0},
    [FG_BOOL] = {"bool", "BOOL", 1},
    [FG_U8] = {"uint8", "U8", 1},
    [FG_I8] = {"int8", "I8", 1},
    [FG_U16] = {"uint16", "U16", 2},
    [FG_I16] = {"int16", "I16", 2},
    [FG_U32] = {"uint32", "U32", 4},
    [FG_I32] = {"int32", "I32", 4},
    [FG_U64] = {"uint64", "U64", 8},
    [FG_I64] = {"int64", "I64", 8},
    [FG_F8_E4M3] = {"float8_e4m3fn", "F8_E4M3", 1},
    [FG_F8_E5M2] = {"float8_e5m2", "F8_E5M2", 1},
    [FG_F16] = {"float16", "F16", 2},
    [FG_BF16] = {"bfloat16", "BF16", 2},
    [FG_F32] = {"float32", "F32", 4},
    [FG_F64] = {"float64", "F64", 8},
};

/* torch's second names for the same types. */
static const struct {
    const char *name;
    fg_dtype dtype;
} aliases[] = {
    {"half", FG_F16},  {"float", FG_F32}, {"double", FG_F64},
    {"short", FG_I16}, {"int", FG_I32},   {"long", FG_I64},
};

static const kind *kind_of(fg_dtype dtype) {
    return (unsigned)dtype < FG_DTYPE_COUNT ? &kinds[dtype] : &kinds[FG_DTYPE_NONE];
}

size_t fg_dtype_size(fg_dtype dtype) {
    return kind_of(dtype)->size;
}

bool fg_dtype_is_float(fg_dtype dtype) {
    return dtype >= FG_F8_E4M3 && dtype <= FG_F64;
}

const char *fg_dtype_name(fg_dtype dtype) {
    return kind_of(dtype)->name;
}

const char *fg_dtype_safetensors_name(fg_dtype dtype) {
    return kind_of(dtype)->safetensors;
}

fg_dtype fg_dtype_from_name(const char *name) {
    if (strncmp(name, "torch.", 6) == 0) name += 6;
    for (fg_dtype d = FG_BOOL; d < FG_DTYPE_COUNT; d++) {
        if (strcmp(kinds[d].name, name) == 0) return d;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(aliases[i].name, name) == 0) return aliases[i].dtype;
    }
    return FG_DTYPE_NONE;
}

fg_dtype fg_dtype_from_safetensors_name(const char *name) {
    for (fg_dtype d = FG_BOOL; d < FG_DTYPE_COUNT; d++) {
        if (strcmp(kinds[d].safetensors, name) == 0) return d;
    }
    return FG_DTYPE_NONE;
}
