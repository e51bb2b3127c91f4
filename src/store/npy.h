/* Arrays of float32 in .npy files, as numpy.save writes them: a magic number and a version, the length of a
 * header, the header (the text of a Python dictionary), then the numbers.
 *
 * Invariant: nothing of a header is believed before it was checked, and the numbers that it announces are
 * exactly those that the file has.
 */
#ifndef FG_STORE_NPY_H
#define FG_STORE_NPY_H

#include <stdint.h>

#include "base/error.h"

enum { FG_NPY_DIMS = 5 };

/* Start from zeros. */
typedef struct fg_npy {
    uint32_t dims;
    uint64_t shape[FG_NPY_DIMS];
    float *values; /* owned; the last dimension is the fastest */
} fg_npy;

/* FG_ERR_INPUT: it is no .npy file, is broken or truncated, has more than `limit` bytes of numbers, holds
 * another type, or is in Fortran order. */
fg_status fg_npy_read(fg_npy *array, const char *path, uint64_t limit, fg_error *err);
void fg_npy_free(fg_npy *array);

#endif
