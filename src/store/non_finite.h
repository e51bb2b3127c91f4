/* Counting numbers that are NaN or infinite. */
#ifndef FG_STORE_NON_FINITE_H
#define FG_STORE_NON_FINITE_H

#include <stdint.h>

#include "store/dtype.h"

/* How many of `count` elements are; 0 for types that have no such numbers. `elements` may be aligned to
 * nothing. */
uint64_t fg_count_non_finite(fg_dtype dtype, const void *elements, uint64_t count);

#endif
