/* Address space for OpenBLAS. Its constructor, which runs before main, maps a buffer for each thread, and
 * where it gets none (`ulimit -v`, strict overcommit) it tries again for ever, without a word.
 *
 * Invariant: nothing here needs a constructor to have run: it is for the time before those of libraries.
 */
#ifndef FG_DEVICE_BLAS_MEMORY_H
#define FG_DEVICE_BLAS_MEMORY_H

#include <stdbool.h>

#include "base/error.h"

/* Says how many threads OpenBLAS has; fgconv computes with one. */
#define FG_BLAS_THREADS_VARIABLE "OMP_NUM_THREADS"

/* Whether what OpenBLAS maps for this many threads can be mapped now; it is given back. */
bool fg_blas_memory_fits(unsigned threads);
/* FG_ERR_MEMORY: it does not fit. */
fg_status fg_blas_memory_refuse(fg_error *err);
/* Threads that OpenBLAS has unless it is told: a processor each. */
unsigned fg_blas_memory_threads(void);

#endif
