/* Which kernels OpenBLAS is told to take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "device/blas_core.h"

static void old_kernels_on_a_new_processor(void **state) {
    (void)state;
    assert_string_equal(fg_blas_core_better("Prescott", true), "Haswell");
    assert_string_equal(fg_blas_core_better("Barcelona", true), "Haswell");
    assert_string_equal(fg_blas_core_better("Nehalem", true), "Haswell");
}

static void old_kernels_on_an_old_processor(void **state) {
    (void)state;
    assert_null(fg_blas_core_better("Prescott", false));
    assert_null(fg_blas_core_better("Nehalem", false));
}

static void good_kernels_stay(void **state) {
    static const char *const good[] = {"Haswell",        "Zen",   "SkylakeX",    "Cooperlake",
                                       "SapphireRapids", "armv8", "neoverse_n1", "of tomorrow"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_null(fg_blas_core_better(good[i], true));
}

static void the_users_choice_stays(void **state) {
    (void)state;
    setenv(FG_BLAS_CORE_VARIABLE, "Prescott", 1);
    assert_null(fg_blas_core_advice());
    unsetenv(FG_BLAS_CORE_VARIABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_kernels_on_a_new_processor), cmocka_unit_test(old_kernels_on_an_old_processor),
        cmocka_unit_test(good_kernels_stay), cmocka_unit_test(the_users_choice_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
