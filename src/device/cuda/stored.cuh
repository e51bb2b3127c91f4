/* Numbers as a checkpoint stores them, as float32: exactly, but for float64, which is rounded. */
#ifndef FG_CUDA_STORED_CUH
#define FG_CUDA_STORED_CUH

struct half_bits {
    unsigned short bits;
};
struct bfloat16_bits {
    unsigned short bits;
};

static __device__ inline float number_of(float value) {
    return value;
}
static __device__ inline float number_of(double value) {
    return (float)value;
}
static __device__ inline float number_of(bfloat16_bits value) {
    return __uint_as_float((unsigned)value.bits << 16);
}
/* Subnormal numbers are exact, too. */
static __device__ inline float number_of(half_bits value) {
    unsigned sign = (unsigned)(value.bits & 0x8000) << 16, rest = value.bits & 0x7fff;
    if (rest >= 0x7c00) return __uint_as_float(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    float magnitude = rest >= 0x400 ? __uint_as_float((rest << 13) + 0x38000000) : (float)rest * 0x1p-24f;
    return __uint_as_float(sign | __float_as_uint(magnitude));
}

#endif
