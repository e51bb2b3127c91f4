/* store/non_finite */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/non_finite.h"

static void each_type_is_counted(void **state) {
    (void)state;
    const float f32[] = {0, -0.0F, NAN, INFINITY, -INFINITY, 3e38F, 1e-45F};
    const double f64[] = {0, (double)NAN, (double)INFINITY, 1e308};
    const uint16_t f16[] = {0x0000, 0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x03FF};
    const uint16_t bf16[] = {0x0000, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0, 0x7C00};
    assert_int_equal(fg_count_non_finite(FG_F32, f32, 7), 3);
    assert_int_equal(fg_count_non_finite(FG_F64, f64, 4), 2);
    assert_int_equal(fg_count_non_finite(FG_F16, f16, 6), 3);
    assert_int_equal(fg_count_non_finite(FG_BF16, bf16, 6), 3);
}

static void others_have_none(void **state) {
    (void)state;
    const unsigned char ones[] = {255, 255, 255, 255, 255, 255, 255, 255};
    assert_int_equal(fg_count_non_finite(FG_U8, ones, 8), 0);
    assert_int_equal(fg_count_non_finite(FG_I32, ones, 2), 0);
    assert_int_equal(fg_count_non_finite(FG_F32, ones, 0), 0);
}

static void elements_may_begin_anywhere(void **state) {
    (void)state;
    unsigned char bytes[9] = {0};
    const float numbers[] = {1, INFINITY};
    memcpy(bytes + 1, numbers, sizeof numbers);
    assert_int_equal(fg_count_non_finite(FG_F32, bytes + 1, 2), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_is_counted),
        cmocka_unit_test(others_have_none),
        cmocka_unit_test(elements_may_begin_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
