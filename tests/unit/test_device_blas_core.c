/* Which kernels OpenBLAS is told to take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/blas_core.h"
#include "device/device.h"

static void old_kernels_on_a_new_processor(void **state) {
    (void)state;
    assert_string_equal(fg_blas_core_better("Prescott", FG_BLAS_SIMD_AVX2), "Haswell");
    assert_string_equal(fg_blas_core_better("Prescott", FG_BLAS_SIMD_AVX512), "SkylakeX");
    assert_string_equal(fg_blas_core_better("Barcelona", FG_BLAS_SIMD_AVX2), "Haswell");
    assert_string_equal(fg_blas_core_better("Barcelona", FG_BLAS_SIMD_AVX512), "SkylakeX");
    assert_string_equal(fg_blas_core_better("Nehalem", FG_BLAS_SIMD_AVX2), "Haswell");
    assert_string_equal(fg_blas_core_better("Nehalem", FG_BLAS_SIMD_AVX512), "SkylakeX");
}

static void old_kernels_on_an_old_processor(void **state) {
    (void)state;
    assert_null(fg_blas_core_better("Prescott", FG_BLAS_SIMD_BASIC));
    assert_null(fg_blas_core_better("Nehalem", FG_BLAS_SIMD_SSE4));
}

static void good_kernels_stay(void **state) {
    static const char *const good[] = {"Haswell",        "Zen",   "SkylakeX",    "Cooperlake",
                                       "SapphireRapids", "armv8", "neoverse_n1", "of tomorrow"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(fg_blas_core_better(good[i], FG_BLAS_SIMD_AVX512));
}

static void the_users_choice_stays(void **state) {
    (void)state;
    setenv(FG_BLAS_CORE_VARIABLE, "Prescott", 1);
    assert_null(fg_blas_core_advice());
    unsetenv(FG_BLAS_CORE_VARIABLE);
}

/* Back and forth; what this library does not have changes nothing. */
static void kernels_change_while_the_program_runs(void **state) {
    char before[64];
    const char *common = fg_blas_core_common(fg_blas_core_first_common());
    (void)state;
    snprintf(before, sizeof before, "%s", fg_device_cpu_kernels());
    setenv(FG_BLAS_CORE_VARIABLE, before, 1);
    assert_true(fg_blas_core_take(common));
    assert_string_equal(fg_device_cpu_kernels(), common);
    assert_string_equal(getenv(FG_BLAS_CORE_VARIABLE), before);
    unsetenv(FG_BLAS_CORE_VARIABLE);
    assert_false(fg_blas_core_take("of tomorrow"));
    assert_string_equal(fg_device_cpu_kernels(), common);
    assert_true(fg_blas_core_take(before));
    assert_string_equal(fg_device_cpu_kernels(), before);
    assert_null(getenv(FG_BLAS_CORE_VARIABLE));
}

static void common_kernels_end(void **state) {
    unsigned count = 0;
    (void)state;
    while (fg_blas_core_common(count)) count++;
    assert_true(fg_blas_core_first_common() < count);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(old_kernels_on_a_new_processor),
                                       cmocka_unit_test(old_kernels_on_an_old_processor),
                                       cmocka_unit_test(good_kernels_stay),
                                       cmocka_unit_test(the_users_choice_stays),
                                       cmocka_unit_test(kernels_change_while_the_program_runs),
                                       cmocka_unit_test(common_kernels_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
