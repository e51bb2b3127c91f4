#include "device/blas_core.h"

#include <stdlib.h>
#include <string.h>

#include "device/device.h"

/* Kernels without AVX2, among them those that OpenBLAS falls back to. */
static const char *const old_cores[] = {"Prescott", "Core2",     "Penryn",    "Dunnington", "Nehalem",
                                        "Opteron",  "Barcelona", "Bulldozer", "Sandybridge"};

/* Haswell's need AVX2 and FMA and nothing else; those for AVX-512 are faster on some of these processors and
 * slower on others. */
const char *fg_blas_core_better(const char *chosen, bool has_avx2_and_fma) {
    for (size_t i = 0; has_avx2_and_fma && i < sizeof old_cores / sizeof *old_cores; i++) {
        if (strcmp(chosen, old_cores[i]) == 0) return "Haswell";
    }
    return NULL;
}

const char *fg_blas_core_advice(void) {
    const char *users = getenv(FG_BLAS_CORE_VARIABLE);
    bool modern = false;
    if (users && *users) return NULL;
#ifdef __x86_64__
    modern = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return fg_blas_core_better(fg_device_cpu_kernels(), modern);
}
