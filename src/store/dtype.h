/* Element types of stored tensors, and their names in each file format. */
#ifndef FG_STORE_DTYPE_H
#define FG_STORE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum fg_dtype {
    FG_DTYPE_NONE = 0,
    FG_BOOL,
    FG_U8,
    FG_I8,
    FG_U16,
    FG_I16,
    FG_U32,
    FG_I32,
    FG_U64,
    FG_I64,
    FG_F8_E4M3,
    FG_F8_E5M2,
    FG_F16,
    FG_BF16,
    FG_F32,
    FG_F64,
    FG_DTYPE_COUNT
} fg_dtype;

size_t fg_dtype_size(fg_dtype dtype); /* bytes an element; 0 for FG_DTYPE_NONE */
bool fg_dtype_is_float(fg_dtype dtype);
const char *fg_dtype_name(fg_dtype dtype);             /* torch's: "bfloat16" */
const char *fg_dtype_safetensors_name(fg_dtype dtype); /* "BF16" */
fg_dtype
fg_dtype_from_name(const char *name); /* torch's; "torch." in front is accepted; FG_DTYPE_NONE if unknown */
fg_dtype fg_dtype_from_safetensors_name(const char *name); /* FG_DTYPE_NONE if unknown */

#endif
