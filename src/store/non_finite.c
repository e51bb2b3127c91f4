#include "store/non_finite.h"

#include <string.h>

/* Numbers whose exponent has all bits set are NaN or infinite (IEEE 754; bfloat16 is the upper half of a
 * float32). */
#define COUNT(type, exponent)                                                                                \
    for (uint64_t i = 0; i < count; i++) {                                                                   \
        type bits;                                                                                           \
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);                                                 \
        found += (bits & (exponent)) == (exponent);                                                          \
    }

uint64_t fg_count_non_finite(fg_dtype dtype, const void *elements, uint64_t count) {
    const unsigned char *bytes = elements;
    uint64_t found = 0;
    switch (dtype) {
    case FG_F64:
        COUNT(uint64_t, UINT64_C(0x7FF0000000000000));
        break;
    case FG_F32:
        COUNT(uint32_t, UINT32_C(0x7F800000));
        break;
    case FG_F16:
        COUNT(uint16_t, 0x7C00);
        break;
    case FG_BF16:
        COUNT(uint16_t, 0x7F80);
        break;
    default:
        break;
    }
    return found;
}
