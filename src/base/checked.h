/* Arithmetic on sizes that come from files: true when the result fits, false on overflow (the result is then
 * unset). */
#ifndef FG_BASE_CHECKED_H
#define FG_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool fg_add(uint64_t a, uint64_t b, uint64_t *sum) {
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool fg_mul(uint64_t a, uint64_t b, uint64_t *product) {
    return !__builtin_mul_overflow(a, b, product);
}

static inline uint64_t fg_min(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static inline uint64_t fg_max(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

#endif
