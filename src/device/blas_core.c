#include "device/blas_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"

/* OpenBLAS calls these when it is loaded and unloaded. A library for one processor alone has neither. */
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

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

static bool has_avx2_and_fma(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

const char *fg_blas_core_advice(void) {
    const char *users = getenv(FG_BLAS_CORE_VARIABLE);
    if (users && *users) return NULL;
    return fg_blas_core_better(fg_device_cpu_kernels(), has_avx2_and_fma());
}

/* ---- another choice ---- */

/* What the variable says now is what OpenBLAS chooses. */
static void choose_again(const char *core) {
    if (core ? setenv(FG_BLAS_CORE_VARIABLE, core, 1) : unsetenv(FG_BLAS_CORE_VARIABLE)) return;
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
}

bool fg_blas_core_take(const char *core) {
    char before[64] = "", running[64];
    const char *users = getenv(FG_BLAS_CORE_VARIABLE);
    if (strcmp(fg_device_cpu_kernels(), core) == 0) return true;
    if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit) return false;
    snprintf(running, sizeof running, "%s", fg_device_cpu_kernels());
    if (users) snprintf(before, sizeof before, "%s", users);
    choose_again(core);
    bool taken = strcmp(fg_device_cpu_kernels(), core) == 0;
    if (!taken) choose_again(running);
    if (users)
        setenv(FG_BLAS_CORE_VARIABLE, before, 1);
    else
        unsetenv(FG_BLAS_CORE_VARIABLE);
    return taken;
}

/* ---- in common ---- */

#ifdef __aarch64__
static const char *const common_cores[] = {"armv8"};
#else
static const char *const common_cores[] = {"Haswell", "Nehalem", "Prescott"};
#endif

const char *fg_blas_core_common(unsigned index) {
    return index < sizeof common_cores / sizeof *common_cores ? common_cores[index] : NULL;
}

unsigned fg_blas_core_first_common(void) {
#ifdef __x86_64__
    if (has_avx2_and_fma()) return 0;
    return __builtin_cpu_supports("sse4.2") ? 1 : 2;
#else
    return 0;
#endif
}
