/* Casting arrays of floats between storage types, vectorised, rounding to nearest even (IEEE 754; bfloat16
 * the same with 8 bits of significand). NaN stays NaN (payload cut, quiet bit set), infinities stay,
 * denormals are exact.
 */
#ifndef FG_STORE_CAST_H
#define FG_STORE_CAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/dtype.h"

/* Whether fg_cast can do it: both float, among F16, BF16, F32, F64; or the same type (a copy). */
bool fg_cast_possible(fg_dtype from, fg_dtype to);

/* `count` elements from `source` to `target` (no overlap; any alignment). Returns how many finite values
 * became infinite. Only for pairs that fg_cast_possible allows. */
uint64_t fg_cast(fg_dtype from, const void *source, fg_dtype to, void *target, size_t count);

/* The same with a float32 result, from any type (a bool gives 0 or 1; float8 is E4M3FN or E5M2): what
 * computing needs. */
void fg_cast_to_f32(fg_dtype from, const void *source, float *target, size_t count);

#endif
