#include "copy/transpose.h"

#include <string.h>

#include "base/checked.h"

/* Rows that are done together: their lines stay in the first-level cache while the columns of a tile are
 * written. */
enum { ROWS = 64 };

typedef uint16_t halves __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)

/* Three rounds of interleaving row i with row i + 4 transpose 8 x 8. */
INLINE void tile_halves(const unsigned char *from, uint64_t from_pitch, unsigned char *to,
                        uint64_t to_pitch) {
    halves a[8], b[8];
    for (int i = 0; i < 8; i++) memcpy(&a[i], from + (uint64_t)i * from_pitch, sizeof *a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            b[2 * i] = LOW(a[i], a[i + 4]);
            b[2 * i + 1] = HIGH(a[i], a[i + 4]);
        }
        memcpy(a, b, sizeof a);
    }
    for (int i = 0; i < 8; i++) memcpy(to + (uint64_t)i * to_pitch, &a[i], sizeof *a);
}

INLINE void tile_words(const unsigned char *from, uint64_t from_pitch, unsigned char *to, uint64_t to_pitch) {
    words a[4], b[4];
    for (int i = 0; i < 4; i++) memcpy(&a[i], from + (uint64_t)i * from_pitch, sizeof *a);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + 2], 0, 4, 1, 5);
            b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 2], 2, 6, 3, 7);
        }
        memcpy(a, b, sizeof a);
    }
    for (int i = 0; i < 4; i++) memcpy(to + (uint64_t)i * to_pitch, &a[i], sizeof *a);
}

/* Pitches in bytes from here on. */
INLINE void plain(const unsigned char *from, uint64_t from_pitch, unsigned char *to, uint64_t to_pitch,
                  uint64_t rows, uint64_t columns, size_t size) {
    for (uint64_t c = 0; c < columns; c++) {
        for (uint64_t r = 0; r < rows; r++)
            memcpy(to + c * to_pitch + r * size, from + r * from_pitch + c * size, size);
    }
}

typedef void tile(const unsigned char *from, uint64_t from_pitch, unsigned char *to, uint64_t to_pitch);

/* `side` x `side` tiles, and what is left over at the right and below. */
INLINE void tiles(const unsigned char *from, uint64_t from_pitch, unsigned char *to, uint64_t to_pitch,
                  uint64_t rows, uint64_t columns, size_t size, uint64_t side, tile *one) {
    uint64_t whole_rows = rows - rows % side, whole_columns = columns - columns % side;
    for (uint64_t c = 0; c < whole_columns; c += side) {
        for (uint64_t r = 0; r < whole_rows; r += side)
            one(from + r * from_pitch + c * size, from_pitch, to + c * to_pitch + r * size, to_pitch);
    }
    plain(from + whole_rows * from_pitch, from_pitch, to + whole_rows * size, to_pitch, rows - whole_rows,
          whole_columns, size);
    plain(from + whole_columns * size, from_pitch, to + whole_columns * to_pitch, to_pitch, rows,
          columns - whole_columns, size);
}

void fg_transpose(const void *from, uint64_t from_pitch, void *to, uint64_t to_pitch, uint64_t rows,
                  uint64_t columns, size_t size) {
    const unsigned char *source = from;
    unsigned char *target = to;
    uint64_t from_bytes = from_pitch * size, to_bytes = to_pitch * size;
    for (uint64_t r = 0; r < rows; r += ROWS) {
        const unsigned char *here = source + r * from_bytes;
        unsigned char *there = target + r * size;
        uint64_t count = fg_min(ROWS, rows - r);
        if (size == 2) {
            tiles(here, from_bytes, there, to_bytes, count, columns, 2, 8, tile_halves);
        } else if (size == 4) {
            tiles(here, from_bytes, there, to_bytes, count, columns, 4, 4, tile_words);
        } else if (size == 8) {
            plain(here, from_bytes, there, to_bytes, count, columns, 8);
        } else if (size == 1) {
            plain(here, from_bytes, there, to_bytes, count, columns, 1);
        } else {
            plain(here, from_bytes, there, to_bytes, count, columns, size);
        }
    }
}
