/* SplitMix64: random numbers, the same everywhere (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, 2014). */
#ifndef FG_BASE_SPLIT_MIX_H
#define FG_BASE_SPLIT_MIX_H

#include <stdint.h>

#define FG_SPLIT_MIX_STEP UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t fg_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The number after `state`, which moves on. */
static inline uint64_t fg_split_mix(uint64_t *state) {
    *state += FG_SPLIT_MIX_STEP;
    return fg_mix(*state);
}

#endif
