/* store/cast and store/dtype: every pattern of 16 bits, and roundings compared with a slow reference. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "store/cast.h"

enum { PATTERNS = 65536, CHUNK = 4096 };

/* A float format: bits of significand without the hidden one, of exponent. */
typedef struct layout {
    int significand, exponent;
} layout;

static const layout float16 = {10, 5}, bfloat16 = {7, 8}, float32 = {23, 8};

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* What the bits mean, by the definition of IEEE 754. */
static double decode(uint32_t bits, layout l) {
    int bias = (1 << (l.exponent - 1)) - 1,
        exponent = (int)(bits >> l.significand & ((1u << l.exponent) - 1));
    uint32_t significand = bits & ((1u << l.significand) - 1);
    double sign = bits >> (l.significand + l.exponent) ? -1 : 1;
    if (exponent == (1 << l.exponent) - 1) return significand ? (double)NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(significand, 1 - bias - l.significand);
    return sign * ldexp(significand + (double)(1u << l.significand), exponent - bias - l.significand);
}

/* The nearest number of the format, ties to even; `value` is not NaN. */
static uint32_t encode(double value, layout l) {
    int bias = (1 << (l.exponent - 1)) - 1, exponent;
    uint32_t sign = signbit(value) ? 1u << (l.significand + l.exponent) : 0;
    uint32_t infinity = ((1u << l.exponent) - 1) << l.significand;
    long double magnitude = fabsl((long double)value);
    if (isinf(value)) return sign | infinity;
    if (magnitude == 0) return sign;
    frexpl(magnitude, &exponent); /* magnitude is 2^exponent times 0.5 to 1 */
    int unit = exponent - 1 - l.significand;
    if (unit < 1 - bias - l.significand) unit = 1 - bias - l.significand;
    long double steps = rintl(ldexpl(magnitude, -unit));
    /* The code of a number is how many steps of its unit lie below it, counted through all exponents. */
    int biased = unit + l.significand + bias;
    long double code = steps + (long double)(biased - 1) * (long double)(1u << l.significand);
    return sign | (code >= infinity ? infinity : (uint32_t)code);
}

static void all_halves_become_float32(void **state) {
    (void)state;
    static uint16_t halves[PATTERNS];
    static float wide[PATTERNS];
    static const struct {
        fg_dtype dtype;
        const layout *form;
    } types[] = {{FG_F16, &float16}, {FG_BF16, &bfloat16}};
    for (uint32_t i = 0; i < PATTERNS; i++) halves[i] = (uint16_t)i;
    for (size_t t = 0; t < 2; t++) {
        assert_int_equal(fg_cast(types[t].dtype, halves, FG_F32, wide, PATTERNS), 0);
        for (uint32_t i = 0; i < PATTERNS; i++) {
            double expected = decode(i, *types[t].form);
            float single;
            fg_cast_to_f32(types[t].dtype, &halves[i], &single, 1); /* not the vector path */
            if (bits_of(single) != bits_of(wide[i]))
                fail_msg("pattern %04x: %08x alone, %08x in a row", i, bits_of(single), bits_of(wide[i]));
            if (isnan(expected)) {
                assert_true(isnan(wide[i]));
                assert_true(bits_of(wide[i]) & 0x400000); /* quiet */
            } else if ((double)wide[i] != expected || !signbit(wide[i]) != !signbit(expected)) {
                fail_msg("pattern %04x: %a, expected %a", i, (double)wide[i], expected);
            }
        }
    }
}

static void halves_come_back(void **state) {
    (void)state;
    static const fg_dtype types[] = {FG_F16, FG_BF16}, through[] = {FG_F32, FG_F64};
    static uint16_t halves[PATTERNS], back[PATTERNS];
    static double wide[PATTERNS];
    for (uint32_t i = 0; i < PATTERNS; i++) halves[i] = (uint16_t)i;
    for (size_t t = 0; t < 4; t++) {
        fg_dtype half = types[t & 1], wider = through[t >> 1];
        uint32_t infinity = half == FG_F16 ? 0x7c00 : 0x7f80, quiet = half == FG_F16 ? 0x200 : 0x40;
        assert_int_equal(fg_cast(half, halves, wider, wide, PATTERNS), 0);
        assert_int_equal(fg_cast(wider, wide, half, back, PATTERNS), 0);
        for (uint32_t i = 0; i < PATTERNS; i++) {
            bool nan = (i & 0x7fff) > infinity;
            uint32_t expected = nan ? i | quiet : i;
            if (back[i] != expected)
                fail_msg("%s through %s: %04x became %04x", fg_dtype_name(half), fg_dtype_name(wider), i,
                         back[i]);
        }
    }
}

/* Lower halves of float32 patterns that lie at, just below and just above ties of 10 and 7 bits. */
static const uint16_t lower[] = {0,      1,      0x0fff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x2fff,
                                 0x3000, 0x3001, 0x5000, 0x6fff, 0x7000, 0x7001, 0x7fff, 0x8000,
                                 0x8001, 0x9000, 0xb000, 0xd000, 0xefff, 0xf000, 0xf001, 0xffff};
enum { LOWER = sizeof lower / sizeof *lower };

static void check_narrowing(fg_dtype to, layout l, const float *in, size_t count) {
    uint16_t out[CHUNK];
    uint64_t infinite = 0, quiet = 1u << (l.significand - 1);
    uint32_t infinity = ((1u << l.exponent) - 1) << l.significand;
    uint64_t counted = fg_cast(FG_F32, in, to, out, count);
    for (size_t i = 0; i < count; i++) {
        uint16_t single;
        fg_cast(FG_F32, &in[i], to, &single, 1);
        if (isnan(in[i])) {
            uint32_t payload = (bits_of(in[i]) & 0x7fffff) >> (23 - l.significand);
            assert_int_equal(out[i] & 0x7fff, infinity | quiet | payload);
            assert_int_equal(out[i] >> 15, bits_of(in[i]) >> 31);
        } else {
            uint32_t expected = encode((double)in[i], l);
            if (out[i] != expected)
                fail_msg("%08x to %s: %04x, expected %04x", bits_of(in[i]), fg_dtype_name(to), out[i],
                         expected);
            infinite += isfinite(in[i]) && (expected & 0x7fff) == infinity;
        }
        assert_int_equal(single, out[i]);
    }
    assert_int_equal(counted, infinite);
}

static void float32_is_rounded_to_nearest_even(void **state) {
    (void)state;
    float in[CHUNK];
    size_t count = 0;
    for (uint32_t high = 0; high < PATTERNS; high++) {
        for (size_t k = 0; k < LOWER; k++) {
            in[count++] = float_of(high << 16 | lower[k]);
            if (count < CHUNK && (high + 1 < PATTERNS || k + 1 < LOWER)) continue;
            check_narrowing(FG_F16, float16, in, count);
            check_narrowing(FG_BF16, bfloat16, in, count);
            count = 0;
        }
    }
}

/* Numbers close to ties of all three narrower formats, beyond and below them too. */
static size_t doubles_near_ties(double *values) {
    size_t count = 0;
    for (int exponent = -160; exponent <= 130; exponent++) {
        for (int bit = 7; bit <= 25; bit += bit == 8 ? 2 : bit == 11 ? 12 : 1) {
            for (int sign = 0; sign < 2; sign++) {
                double tie = ldexp(1 + ldexp(1, -bit), exponent), odd = ldexp(1 + ldexp(3, -bit), exponent);
                double set[] = {tie, nextafter(tie, 0), nextafter(tie, INFINITY),
                                odd, nextafter(odd, 0), nextafter(odd, INFINITY)};
                for (size_t i = 0; i < 6; i++) values[count++] = sign ? -set[i] : set[i];
            }
        }
    }
    double largest[] = {65504,
                        65519.999999999,
                        65520,
                        0x1.fep127,
                        0x1.feffffffp127,
                        0x1.ffp127,
                        0x1.fffffep127,
                        0x1.fffffefffp127,
                        0x1.ffffffp127,
                        1e300,
                        5e-324,
                        1e-320,
                        INFINITY,
                        -INFINITY,
                        0.0,
                        -0.0,
                        -65520,
                        -1e300};
    memcpy(values + count, largest, sizeof largest);
    return count + sizeof largest / sizeof *largest;
}

static void float64_is_rounded_once(void **state) {
    (void)state;
    static double in[32768];
    static uint16_t half[32768];
    static float single[32768];
    size_t count = doubles_near_ties(in);
    assert_true(count < 32768);
    uint64_t infinite[3] = {0}, counted[3];
    counted[0] = fg_cast(FG_F64, in, FG_F32, single, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t expected = encode(in[i], float32);
        if (bits_of(single[i]) != expected)
            fail_msg("%a to float32: %08x, expected %08x", in[i], bits_of(single[i]), expected);
        infinite[0] += isfinite(in[i]) && isinf(single[i]);
    }
    for (int k = 1; k <= 2; k++) {
        fg_dtype to = k == 1 ? FG_F16 : FG_BF16;
        layout l = k == 1 ? float16 : bfloat16;
        counted[k] = fg_cast(FG_F64, in, to, half, count);
        for (size_t i = 0; i < count; i++) {
            uint32_t expected = encode(in[i], l);
            if (half[i] != expected)
                fail_msg("%a to %s: %04x, expected %04x", in[i], fg_dtype_name(to), half[i], expected);
            infinite[k] += isfinite(in[i]) && isinf(decode(expected, l));
        }
    }
    for (int k = 0; k < 3; k++) {
        assert_int_equal(counted[k], infinite[k]);
        assert_true(infinite[k] > 0);
    }
}

static void halves_become_the_other_kind(void **state) {
    (void)state;
    static uint16_t halves[PATTERNS], out[PATTERNS];
    for (uint32_t i = 0; i < PATTERNS; i++) halves[i] = (uint16_t)i;
    uint64_t infinite = 0, counted = fg_cast(FG_BF16, halves, FG_F16, out, PATTERNS);
    for (uint32_t i = 0; i < PATTERNS; i++) {
        double value = decode(i, bfloat16);
        if (isnan(value)) continue;
        assert_int_equal(out[i], encode(value, float16));
        infinite += isfinite(value) && (out[i] & 0x7fff) == 0x7c00;
    }
    assert_int_equal(counted, infinite);
    assert_int_equal(fg_cast(FG_F16, halves, FG_BF16, out, PATTERNS), 0);
    for (uint32_t i = 0; i < PATTERNS; i++) {
        double value = decode(i, float16);
        if (!isnan(value)) assert_int_equal(out[i], encode(value, bfloat16));
    }
}

static void nan_of_float64_stays_nan(void **state) {
    (void)state;
    static const uint64_t bits[] = {0x7ff0000000000001, 0xfff8000000000000, 0x7fffffffffffffff};
    double in[3];
    float single[3];
    uint16_t half[3];
    memcpy(in, bits, sizeof in);
    assert_int_equal(fg_cast(FG_F64, in, FG_F32, single, 3), 0);
    for (int i = 0; i < 3; i++) assert_true(isnan(single[i]));
    assert_int_equal(fg_cast(FG_F64, in, FG_F16, half, 3), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(half[i] & 0x7e00, 0x7e00);
    assert_int_equal(fg_cast(FG_F64, in, FG_BF16, half, 3), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(half[i] & 0x7fc0, 0x7fc0);
    assert_true(half[1] & 0x8000);
}

static void integers_and_bools_become_float32(void **state) {
    (void)state;
    float out[3];
#define EXPECT(dtype, type, a, b, c)                                                                         \
    do {                                                                                                     \
        const type in[] = {a, b, c};                                                                         \
        fg_cast_to_f32(dtype, in, out, 3);                                                                   \
        for (int i = 0; i < 3; i++) assert_true(out[i] == (float)in[i]);                                     \
    } while (0)
    EXPECT(FG_U8, uint8_t, 0, 1, 255);
    EXPECT(FG_I8, int8_t, -128, -1, 127);
    EXPECT(FG_U16, uint16_t, 0, 32768, 65535);
    EXPECT(FG_I16, int16_t, INT16_MIN, -1, INT16_MAX);
    EXPECT(FG_U32, uint32_t, 16777217, 0x80000000, UINT32_MAX);
    EXPECT(FG_I32, int32_t, INT32_MIN, -16777219, INT32_MAX);
    EXPECT(FG_U64, uint64_t, 1, UINT64_MAX, 0x8000008000000001);
    EXPECT(FG_I64, int64_t, INT64_MIN, -1, INT64_MAX);
    const uint8_t bools[] = {0, 1, 255};
    fg_cast_to_f32(FG_BOOL, bools, out, 3);
    assert_true(out[0] == 0.0f && out[1] == 1.0f && out[2] == 1.0f);
    const float same[] = {1.5f, -0.0f, INFINITY};
    fg_cast_to_f32(FG_F32, same, out, 3);
    assert_memory_equal(out, same, sizeof same);
}

static void float8_becomes_float32(void **state) {
    (void)state;
    uint8_t in[256];
    float e4m3[256], e5m2[256];
    const layout l4 = {3, 4}, l5 = {2, 5};
    for (int i = 0; i < 256; i++) in[i] = (uint8_t)i;
    fg_cast_to_f32(FG_F8_E4M3, in, e4m3, 256);
    fg_cast_to_f32(FG_F8_E5M2, in, e5m2, 256);
    for (uint32_t i = 0; i < 256; i++) {
        /* E4M3 has no infinities: the highest exponent is an ordinary one, and all ones are NaN. */
        double top = (i & 0x80 ? -1.0 : 1.0) * (256 + 32.0 * (i & 7));
        double expected4 = (i & 0x7f) == 0x7f   ? (double)NAN
                           : (i & 0x78) == 0x78 ? top
                                                : decode(i, l4),
               expected5 = decode(i, l5);
        if (isnan(expected4))
            assert_true(isnan(e4m3[i]));
        else
            assert_true((double)e4m3[i] == expected4 && !signbit(e4m3[i]) == !signbit(expected4));
        if (isnan(expected5))
            assert_true(isnan(e5m2[i]));
        else
            assert_true((double)e5m2[i] == expected5 && !signbit(e5m2[i]) == !signbit(expected5));
    }
}

static void odd_addresses_and_counts_work(void **state) {
    (void)state;
    static unsigned char in[4 * 5000 + 4], out[4 * 5000 + 4], straight[4 * 5000];
    static const fg_dtype types[] = {FG_F16, FG_BF16, FG_F32, FG_F64};
    for (size_t i = 0; i < sizeof in; i++) in[i] = (unsigned char)(i * 131 + (i >> 7));
    for (size_t f = 0; f < 4; f++) {
        for (size_t t = 0; t < 4; t++) {
            for (size_t count = 0; count < 2500; count = count * 2 + 3) {
                size_t bytes = count * fg_dtype_size(types[t]);
                uint64_t infinite = 0;
                for (size_t i = 0; i < count; i++) {
                    infinite += fg_cast(types[f], in + 1 + i * fg_dtype_size(types[f]), types[t],
                                        straight + i * fg_dtype_size(types[t]), 1);
                }
                memset(out, 0xee, sizeof out);
                assert_int_equal(fg_cast(types[f], in + 1, types[t], out + 1, count), infinite);
                assert_memory_equal(out + 1, straight, bytes);
                assert_int_equal(out[bytes + 1], 0xee);
                assert_int_equal(out[0], 0xee);
            }
        }
    }
}

static void possible_casts_are_known(void **state) {
    (void)state;
    static const fg_dtype floats[] = {FG_F16, FG_BF16, FG_F32, FG_F64};
    for (size_t i = 0; i < 16; i++) assert_true(fg_cast_possible(floats[i / 4], floats[i % 4]));
    assert_true(fg_cast_possible(FG_I64, FG_I64));
    assert_true(fg_cast_possible(FG_F8_E4M3, FG_F8_E4M3));
    assert_false(fg_cast_possible(FG_I64, FG_F32));
    assert_false(fg_cast_possible(FG_F32, FG_BOOL));
    assert_false(fg_cast_possible(FG_F8_E5M2, FG_F16));
    assert_false(fg_cast_possible(FG_DTYPE_NONE, FG_DTYPE_NONE));
    const int64_t in[] = {-5, INT64_MAX};
    int64_t out[2];
    assert_int_equal(fg_cast(FG_I64, in, FG_I64, out, 2), 0);
    assert_memory_equal(out, in, sizeof in);
}

static void dtype_names_go_both_ways(void **state) {
    (void)state;
    char dotted[40];
    for (fg_dtype d = FG_BOOL; d < FG_DTYPE_COUNT; d++) {
        assert_true(fg_dtype_size(d) > 0);
        assert_int_equal(fg_dtype_from_name(fg_dtype_name(d)), d);
        assert_int_equal(fg_dtype_from_safetensors_name(fg_dtype_safetensors_name(d)), d);
        snprintf(dotted, sizeof dotted, "torch.%s", fg_dtype_name(d));
        assert_int_equal(fg_dtype_from_name(dotted), d);
    }
    assert_int_equal(fg_dtype_from_name("half"), FG_F16);
    assert_int_equal(fg_dtype_from_name("BF16"), FG_DTYPE_NONE);
    assert_int_equal(fg_dtype_from_name("none"), FG_DTYPE_NONE);
    assert_int_equal(fg_dtype_from_safetensors_name("bfloat16"), FG_DTYPE_NONE);
    assert_int_equal(fg_dtype_from_safetensors_name("NONE"), FG_DTYPE_NONE);
    assert_int_equal(fg_dtype_size(FG_DTYPE_NONE), 0);
    assert_true(fg_dtype_is_float(FG_F8_E4M3) && fg_dtype_is_float(FG_F64) && !fg_dtype_is_float(FG_I64));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_halves_become_float32),          cmocka_unit_test(halves_come_back),
        cmocka_unit_test(float32_is_rounded_to_nearest_even), cmocka_unit_test(float64_is_rounded_once),
        cmocka_unit_test(halves_become_the_other_kind),       cmocka_unit_test(nan_of_float64_stays_nan),
        cmocka_unit_test(integers_and_bools_become_float32),  cmocka_unit_test(float8_becomes_float32),
        cmocka_unit_test(odd_addresses_and_counts_work),      cmocka_unit_test(possible_casts_are_known),
        cmocka_unit_test(dtype_names_go_both_ways),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
