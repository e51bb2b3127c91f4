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

/* Kernels that many processors can run, the fastest first, and what they need. */
typedef struct shared_core {
    const char *name;
    fg_blas_simd needs;
} shared_core;

#ifdef __aarch64__
static const shared_core shared_cores[] = {{"armv8", FG_BLAS_SIMD_BASIC}};
#else
static const shared_core shared_cores[] = {{"SkylakeX", FG_BLAS_SIMD_AVX512},
                                           {"Haswell", FG_BLAS_SIMD_AVX2},
                                           {"Nehalem", FG_BLAS_SIMD_SSE4},
                                           {"Prescott", FG_BLAS_SIMD_BASIC}};
#endif

static unsigned first_shared(fg_blas_simd simd) {
    unsigned i = 0;
    while (shared_cores[i].needs > simd) i++;
    return i;
}

const char *fg_blas_core_better(const char *chosen, fg_blas_simd simd) {
    if (simd < FG_BLAS_SIMD_AVX2) return NULL;
    for (size_t i = 0; i < sizeof old_cores / sizeof *old_cores; i++) {
        if (strcmp(chosen, old_cores[i]) == 0) return shared_cores[first_shared(simd)].name;
    }
    return NULL;
}

/* Of this processor. Skylake's kernels use all five parts of AVX-512 that the first server processors had. */
static fg_blas_simd own_simd(void) {
#ifdef __x86_64__
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
    if (avx2 && avx512) return FG_BLAS_SIMD_AVX512;
    if (avx2) return FG_BLAS_SIMD_AVX2;
    if (__builtin_cpu_supports("sse4.2")) return FG_BLAS_SIMD_SSE4;
#endif
    return FG_BLAS_SIMD_BASIC;
}

const char *fg_blas_core_advice(void) {
    const char *users = getenv(FG_BLAS_CORE_VARIABLE);
    if (users && *users) return NULL;
    return fg_blas_core_better(fg_device_cpu_kernels(), own_simd());
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

const char *fg_blas_core_common(unsigned index) {
    return index < sizeof shared_cores / sizeof *shared_cores ? shared_cores[index].name : NULL;
}

unsigned fg_blas_core_first_common(void) {
    return first_shared(own_simd());
}
