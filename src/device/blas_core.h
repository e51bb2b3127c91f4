/* Which of OpenBLAS's kernels run. OpenBLAS chooses when the program is loaded, by a list of the processors
 * that it knows; on one that is newer than the list it takes kernels of 2004 (0.3.21 on Intel's family 6
 * model 207: 17 GFLOP/s a core, where Haswell's reach 70 and Skylake's 120). Kernels differ in the last bits
 * of their products, so ranks that compute together need the same ones.
 */
#ifndef FG_DEVICE_BLAS_CORE_H
#define FG_DEVICE_BLAS_CORE_H

#include <stdbool.h>

/* The environment variable that OpenBLAS looks at when it chooses. */
#define FG_BLAS_CORE_VARIABLE "OPENBLAS_CORETYPE"

/* SIMD instructions of a processor; each kind includes those before it. */
typedef enum fg_blas_simd {
    FG_BLAS_SIMD_BASIC,
    FG_BLAS_SIMD_SSE4, /* SSE4.2 */
    FG_BLAS_SIMD_AVX2, /* with FMA */
    FG_BLAS_SIMD_AVX512,
} fg_blas_simd;

/* The value of that variable that suits a processor better than the kernels named `chosen`; NULL: they are
 * right. */
const char *fg_blas_core_better(const char *chosen, fg_blas_simd simd);
/* The same for this process and processor. NULL too where the user has set the variable. */
const char *fg_blas_core_advice(void);
/* The kernels of that name run from now on; false: this library does not have them, this processor cannot run
 * them, or the library was built for one processor, and what ran before goes on. No product may be on its
 * way. The environment stays as it is. */
bool fg_blas_core_take(const char *core);

/* Kernels that many processors can run, the fastest first; NULL beyond the last. */
const char *fg_blas_core_common(unsigned index);
/* The first of them that this processor can run. */
unsigned fg_blas_core_first_common(void);

#endif
