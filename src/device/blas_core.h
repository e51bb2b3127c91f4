/* Which of OpenBLAS's kernels run. OpenBLAS chooses when the program is loaded, by a list of the processors
 * that it knows; on one that is newer than the list it takes kernels of 2004 (0.3.21 on Intel's family 6
 * model 207: 17 instead of 70 GFLOP/s a core).
 */
#ifndef FG_DEVICE_BLAS_CORE_H
#define FG_DEVICE_BLAS_CORE_H

#include <stdbool.h>

/* The environment variable by which OpenBLAS can be told, before it is loaded. */
#define FG_BLAS_CORE_VARIABLE "OPENBLAS_CORETYPE"

/* The value of that variable that suits a processor better than the kernels named `chosen`; NULL: they are
 * right. */
const char *fg_blas_core_better(const char *chosen, bool has_avx2_and_fma);
/* The same for this process and processor. NULL too where the user has set the variable. */
const char *fg_blas_core_advice(void);

#endif
