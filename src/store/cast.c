/* Every cast goes through blocks of float32 that stay in the first-level cache; only the loops from and to
 * float32 exist. float64 to 16 bits would round twice that way, so its first step rounds to odd, which the
 * second step cannot tell from the exact value (24 bits are at least 2 more than 11). */
#include "store/cast.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* loops become vector instructions, which -O2 of gcc does not do for these */
#endif

enum { BLOCK = 2048 }; /* elements: 8 KiB of float32 */

/* Elements may lie at any address. */
typedef uint16_t u16 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));
typedef int16_t i16 __attribute__((aligned(1), may_alias));
typedef int32_t i32 __attribute__((aligned(1), may_alias));
typedef int64_t i64 __attribute__((aligned(1), may_alias));
typedef float f32 __attribute__((aligned(1), may_alias));
typedef double f64 __attribute__((aligned(1), may_alias));
typedef uint8_t u8;
typedef int8_t i8;

#define INLINE static inline __attribute__((always_inline))

/* ---- one element: without branches, so that the loops become vector instructions ---- */

INLINE float as_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    return as_float(bits | ((bits & 0x7fffffff) > 0x7f800000 ? 0x400000 : 0));
}

INLINE uint16_t to_bf16(float value) {
    uint32_t bits = bits_of(value);
    uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (uint16_t)(((bits & 0x7fffffff) > 0x7f800000 ? bits | 0x400000 : rounded) >> 16);
}

INLINE float from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, bits = (uint32_t)(half & 0x7fff) << 13;
    uint32_t normal = bits + (112U << 23); /* the exponents' biases are 15 and 127 */
    uint32_t special = (bits + (224U << 23)) | (bits & 0x7fffff ? 0x400000 : 0);
    uint32_t small =
        bits_of(as_float(bits + (113U << 23)) - as_float(113U << 23)); /* significand * 2^-24, exact */
    uint32_t result = bits >= 0x0f800000 ? special : bits < 0x00800000 ? small : normal;
    return as_float(sign | result);
}

INLINE uint16_t to_f16(float value) {
    uint32_t all = bits_of(value), bits = all & 0x7fffffff;
    uint32_t normal =
        (bits + 0xc8000fff + (bits >> 13 & 1)) >> 13; /* bias 127 to 15, and half a unit less a bit */
    /* Below 2^-14 the unit is 2^-24, that of the numbers from 0.5 to 1: adding 0.5 rounds. */
    uint32_t small = bits_of(as_float(bits < 0x38800000 ? bits : 0) + 0.5f) - 0x3f000000;
    uint32_t nan = 0x7e00 | (bits >> 13 & 0x3ff);
    uint32_t large = bits > 0x7f800000 ? nan : 0x7c00;
    uint32_t result = bits >= 0x47800000 ? large : bits < 0x38800000 ? small : normal;
    return (uint16_t)(all >> 16 & 0x8000) | (uint16_t)result;
}

INLINE float from_e4m3(uint8_t byte) {
    uint32_t bits = byte & 0x7f;
    float small = (float)(int32_t)bits * 0x1p-9f, normal = as_float((bits << 20) + (120U << 23));
    uint32_t result = bits == 0x7f ? 0x7fc00000 : bits_of(bits < 8 ? small : normal);
    return as_float((uint32_t)(byte & 0x80) << 24 | result);
}

INLINE float from_e5m2(uint8_t byte) {
    return from_f16((uint16_t)(byte << 8)); /* it is the upper half of a float16 */
}

INLINE float from_f64_to_odd(double value) {
    float nearest = (float)value;
    double back = nearest, magnitude = value < 0 ? -value : value, reached = back < 0 ? -back : back;
    uint32_t bits = bits_of(nearest);
    uint32_t odd = (bits - (reached > magnitude ? 1 : 0)) | 1;
    return as_float(back < value || back > value ? odd : bits);
}

/* ---- loops: each once for every machine, and on x86-64 once for those with AVX2 and F16C ---- */

typedef void kernel(const void *source, void *target, size_t count);

#if defined(__x86_64__)
#define TARGET_AVX2 __attribute__((target("avx2,f16c")))
#define KERNEL(name, in_type, out_type, function)                                                            \
    INLINE void name##_loop(const void *source, void *target, size_t count) {                                \
        const in_type *in = source;                                                                          \
        out_type *restrict out = target;                                                                     \
        for (size_t i = 0; i < count; i++) out[i] = (out_type)function(in[i]);                               \
    }                                                                                                        \
    static void name##_any(const void *source, void *target, size_t count) {                                 \
        name##_loop(source, target, count);                                                                  \
    }                                                                                                        \
    TARGET_AVX2 static void name##_avx2(const void *source, void *target, size_t count) {                    \
        name##_loop(source, target, count);                                                                  \
    }
#define PICK(name) (has_avx2() ? name##_avx2 : name##_any)
#define LOOPS(name)                                                                                          \
    { name##_any, name##_avx2 }
#else
#define KERNEL(name, in_type, out_type, function)                                                            \
    static void name##_any(const void *source, void *target, size_t count) {                                 \
        const in_type *in = source;                                                                          \
        out_type *restrict out = target;                                                                     \
        for (size_t i = 0; i < count; i++) out[i] = (out_type)function(in[i]);                               \
    }
#define PICK(name) (name##_any)
#define LOOPS(name)                                                                                          \
    { name##_any, name##_any }
#endif

#define SAME(x) (x)
#define IS_TRUE(x) ((x) != 0)

KERNEL(bool_f32, u8, f32, IS_TRUE)
KERNEL(u8_f32, u8, f32, SAME)
KERNEL(i8_f32, i8, f32, SAME)
KERNEL(u16_f32, u16, f32, SAME)
KERNEL(i16_f32, i16, f32, SAME)
KERNEL(u32_f32, u32, f32, SAME)
KERNEL(i32_f32, i32, f32, SAME)
KERNEL(u64_f32, u64, f32, SAME)
KERNEL(i64_f32, i64, f32, SAME)
KERNEL(e4m3_f32, u8, f32, from_e4m3)
KERNEL(e5m2_f32, u8, f32, from_e5m2)
KERNEL(bf16_f32, u16, f32, from_bf16)
KERNEL(f32_bf16, f32, u16, to_bf16)
KERNEL(f64_f32, f64, f32, SAME)
KERNEL(f64_odd, f64, f32, from_f64_to_odd)
KERNEL(f32_f64, f32, f64, SAME)

/* float16 has instructions of its own on x86-64, so its vector versions are written out. */
static void f16_f32_any(const void *source, void *target, size_t count) {
    const u16 *in = source;
    f32 *restrict out = target;
    for (size_t i = 0; i < count; i++) out[i] = from_f16(in[i]);
}

static void f32_f16_any(const void *source, void *target, size_t count) {
    const f32 *in = source;
    u16 *restrict out = target;
    for (size_t i = 0; i < count; i++) out[i] = to_f16(in[i]);
}

#if defined(__x86_64__)
/* Remembered, because asking the processor takes microseconds in a virtual machine. */
static bool has_avx2(void) {
    static atomic_int known; /* 0: not asked yet, 1: no, 2: yes */
    unsigned a, b, c, d;
    if (!atomic_load_explicit(&known, memory_order_relaxed)) {
        bool yes = __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
        atomic_store_explicit(&known, yes ? 2 : 1, memory_order_relaxed);
    }
    return atomic_load_explicit(&known, memory_order_relaxed) == 2;
}

TARGET_AVX2 static void f16_f32_avx2(const void *source, void *target, size_t count) {
    const u16 *in = source;
    f32 *out = target;
    size_t whole = count & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        _mm256_storeu_ps((void *)(out + i), _mm256_cvtph_ps(halves));
    }
    f16_f32_any(in + whole, out + whole, count - whole);
}

TARGET_AVX2 static void f32_f16_avx2(const void *source, void *target, size_t count) {
    const f32 *in = source;
    u16 *out = target;
    size_t whole = count & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        __m256 values = _mm256_loadu_ps((const void *)(in + i));
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
    }
    f32_f16_any(in + whole, out + whole, count - whole);
}
#else
static bool has_avx2(void) {
    return false;
}
#endif

/* ---- finite values that become infinite: those from `limit` to below infinity, sign left out ---- */

typedef uint64_t counter(const void *source, size_t count, uint64_t limit);

INLINE uint64_t count_f32_loop(const void *source, size_t count, uint64_t limit) {
    const u32 *in = source;
    uint32_t found = 0; /* count is at most BLOCK */
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = in[i] & 0x7fffffff;
        found += (bits >= (uint32_t)limit) & (bits < 0x7f800000);
    }
    return found;
}

INLINE uint64_t count_f64_loop(const void *source, size_t count, uint64_t limit) {
    const u64 *in = source;
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = in[i] & 0x7fffffffffffffff;
        found += (bits >= limit) & (bits < 0x7ff0000000000000);
    }
    return found;
}

static uint64_t count_f32_any(const void *source, size_t count, uint64_t limit) {
    return count_f32_loop(source, count, limit);
}

static uint64_t count_f64_any(const void *source, size_t count, uint64_t limit) {
    return count_f64_loop(source, count, limit);
}

#if defined(__x86_64__)
TARGET_AVX2 static uint64_t count_f32_avx2(const void *source, size_t count, uint64_t limit) {
    return count_f32_loop(source, count, limit);
}

TARGET_AVX2 static uint64_t count_f64_avx2(const void *source, size_t count, uint64_t limit) {
    return count_f64_loop(source, count, limit);
}
#endif

/* ---- choosing ---- */

/* The loops to float32, for any machine and for those with AVX2 and F16C; NULL: from float32 itself. */
static kernel *const to_float32[FG_DTYPE_COUNT][2] = {
    [FG_BOOL] = LOOPS(bool_f32),    [FG_U8] = LOOPS(u8_f32),        [FG_I8] = LOOPS(i8_f32),
    [FG_U16] = LOOPS(u16_f32),      [FG_I16] = LOOPS(i16_f32),      [FG_U32] = LOOPS(u32_f32),
    [FG_I32] = LOOPS(i32_f32),      [FG_U64] = LOOPS(u64_f32),      [FG_I64] = LOOPS(i64_f32),
    [FG_F8_E4M3] = LOOPS(e4m3_f32), [FG_F8_E5M2] = LOOPS(e5m2_f32), [FG_F16] = LOOPS(f16_f32),
    [FG_BF16] = LOOPS(bf16_f32),    [FG_F64] = LOOPS(f64_f32),
};

/* What a cast does to a block: `first` to float32 (NULL: it is that already), `second` from float32 (NULL:
 * that is the target). */
typedef struct recipe {
    kernel *first, *second;
    counter *count;    /* NULL: nothing can become infinite */
    bool count_source; /* counted before `first`, else after it */
    uint64_t limit;
} recipe;

static recipe recipe_of(fg_dtype from, fg_dtype to) {
    recipe r = {.first = to_float32[from][has_avx2()]};
    if (to == FG_F16 || to == FG_BF16) {
        r.second = to == FG_F16 ? PICK(f32_f16) : PICK(f32_bf16);
        r.count = PICK(count_f32);
        r.limit = to == FG_F16 ? 0x477ff000
                               : 0x7f7f8000; /* the largest number plus half a unit: 65520 for float16 */
        if (from == FG_F64) r.first = PICK(f64_odd);
    } else if (to == FG_F64) {
        r.second = PICK(f32_f64);
    } else if (from == FG_F64) {
        r.count = PICK(count_f64);
        r.count_source = true;
        r.limit = 0x47effffff0000000;
    }
    return r;
}

static bool castable(fg_dtype dtype) {
    return dtype == FG_F16 || dtype == FG_BF16 || dtype == FG_F32 || dtype == FG_F64;
}

bool fg_cast_possible(fg_dtype from, fg_dtype to) {
    return fg_dtype_size(from) && (from == to || (castable(from) && castable(to)));
}

uint64_t fg_cast(fg_dtype from, const void *source, fg_dtype to, void *target, size_t count) {
    const unsigned char *in = source;
    unsigned char *out = target;
    size_t from_size = fg_dtype_size(from), to_size = fg_dtype_size(to);
    float scratch[BLOCK];
    uint64_t infinite = 0;
    if (from == to) {
        if (count) memcpy(target, source, count * from_size);
        return 0;
    }
    recipe r = recipe_of(from, to);
    for (size_t done = 0, n; done < count; done += n, in += n * from_size, out += n * to_size) {
        n = count - done < BLOCK ? count - done : BLOCK;
        const void *wide = in;
        if (r.first) {
            wide = r.second ? (void *)scratch : (void *)out;
            r.first(in, r.second ? (void *)scratch : (void *)out, n);
        }
        if (r.count) infinite += r.count(r.count_source ? in : wide, n, r.limit);
        if (r.second) r.second(wide, out, n);
    }
    return infinite;
}

void fg_cast_to_f32(fg_dtype from, const void *source, float *target, size_t count) {
    kernel *to_float = to_float32[from][has_avx2()];
    if (to_float)
        to_float(source, target, count);
    else if (count)
        memcpy(target, source, count * sizeof *target);
}
