/* Transposing a matrix of elements in memory, in tiles that stay in the cache. */
#ifndef FG_COPY_TRANSPOSE_H
#define FG_COPY_TRANSPOSE_H

#include <stddef.h>
#include <stdint.h>

/* to[c * to_pitch + r] = from[r * from_pitch + c] for r < rows, c < columns; elements of `size` bytes (1, 2,
 * 4 or 8), pitches in elements. No overlap; any alignment. */
void fg_transpose(const void *from, uint64_t from_pitch, void *to, uint64_t to_pitch, uint64_t rows,
                  uint64_t columns, size_t size);

#endif
