/* Little-endian numbers in bytes of a file. */
#ifndef FG_STORE_LITTLE_H
#define FG_STORE_LITTLE_H

#include <stdint.h>

static inline uint16_t fg_little_u16(const unsigned char *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t fg_little_u32(const unsigned char *at) {
    return (uint32_t)fg_little_u16(at) | (uint32_t)fg_little_u16(at + 2) << 16;
}

static inline uint64_t fg_little_u64(const unsigned char *at) {
    return (uint64_t)fg_little_u32(at) | (uint64_t)fg_little_u32(at + 4) << 32;
}

static inline void fg_little_put_u32(unsigned char *at, uint32_t number) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(number >> 8 * i);
}

static inline void fg_little_put_u64(unsigned char *at, uint64_t number) {
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(number >> 8 * i);
}

#endif
