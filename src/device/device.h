/* What the forward pass computes with: memory of float32 numbers, and the operations on it.
 *
 * A device is a constant struct of functions; fg_device_cpu is the first. Models ask the struct, never which
 * device it is. Adding one is one file, and a way to choose it.
 *
 * Invariant: only the device follows a pointer to fg_real, which may be memory that the host cannot reach;
 * others add to such pointers and pass them on. The order of sums is a part of what a function means: the
 * same call gives the same bits, whichever model makes it.
 *
 * Calls on one `state` are carried out in their order. Those that give no status cannot fail by themselves; a
 * device that works behind the host's back reports what went wrong in the next `get`.
 */
#ifndef FG_DEVICE_DEVICE_H
#define FG_DEVICE_DEVICE_H

#include <stdint.h>

#include "base/error.h"
#include "store/dtype.h"

typedef struct fg_real {
    float value;
} fg_real;

/* Vectors [tokens, heads, size]; from token to token lie `stride` numbers. */
typedef struct fg_heads {
    uint64_t tokens, heads, size, stride;
} fg_heads;

/* to[i, j] = scale * (sum over k of a[i, k] * b[k, j], or b[j, k] where b is transposed), i < rows, j <
 * columns, k < inner. Strides are numbers from row to row, as stored. Sizes and strides are at most
 * INT_MAX. */
typedef struct fg_gemm {
    uint64_t rows, columns, inner;
    float scale;
    const fg_real *a, *b;
    fg_real *to;
    uint64_t a_stride, b_stride, to_stride;
    bool b_transposed;
} fg_gemm;

/* Which columns of a row count: in row r the last `width` (0: all) of those below `end` + r. */
typedef struct fg_band {
    uint64_t end, width;
} fg_band;

typedef enum fg_activation {
    FG_ACTIVATION_SILU,      /* x / (1 + exp(-x)) */
    FG_ACTIVATION_GELU,      /* x times the share of a normal distribution below x */
    FG_ACTIVATION_GELU_TANH, /* the same, approximated (Hendrycks and Gimpel, 2016) */
    FG_ACTIVATION_RELU,
    FG_ACTIVATION_RELU2, /* its square */
    FG_ACTIVATION_SIGMOID,
    FG_ACTIVATION_IDENTITY
} fg_activation;

typedef struct fg_device {
    const char *name;
    bool host_memory;      /* its memory is the host's: a cast makes one pointer of the other */
    uint64_t panel_bytes;  /* of a weight, as float32, that `linear` is best given at once */
    uint64_t upcast_count; /* elements that `upcast` is best given at once */

    /* `state` is passed to all others; one model's. */
    fg_status (*open)(void **state, fg_error *err);
    void (*close)(void *state);

    /* ---- memory: of `count` numbers, undefined at first; release takes NULL ---- */
    fg_status (*allocate)(void *state, uint64_t count, fg_real **memory, fg_error *err);
    void (*release)(void *state, fg_real *memory);
    fg_status (*put)(void *state, const float *from, uint64_t count, fg_real *to, fg_error *err);
    fg_status (*get)(void *state, const fg_real *from, uint64_t count, float *to, fg_error *err);
    /* Elements as a checkpoint stores them, in the host's memory, become float32 on the device, exactly.
     * The caller may overwrite `from` afterwards. */
    fg_status (*upcast)(void *state, fg_dtype dtype, const void *from, uint64_t count, fg_real *to,
                        fg_error *err);

    /* ---- products ---- */

    /* output[t * stride + r] = panel[r] . input[t], for the `rows` rows of a panel [rows, columns] of a
     * weight and `count` tokens [count, columns]. Sums depend on rows, columns and count alone. */
    fg_status (*linear)(void *state, const fg_real *panel, uint64_t rows, uint64_t columns,
                        const fg_real *input, uint64_t count, fg_real *output, uint64_t stride,
                        fg_error *err);
    void (*gemm)(void *state, const fg_gemm *product);

    /* ---- rows ---- */

    /* In place: each of `rows` rows of `columns` scores becomes exp(score - largest) / sum over the
     * columns of the band (NULL: all), and 0 elsewhere; the sum is taken from left to right in float64. */
    void (*softmax)(void *state, fg_real *scores, uint64_t rows, uint64_t columns, const fg_band *band);
    /* x / sqrt(mean(x^2) + epsilon) * weight [size] for each vector; `to` may be `from`. Squares are added
     * in float64 in eight partial sums, element i in number i % 8 (a rest of size % 8 in number 0), which
     * are joined as ((0 + 4) + (1 + 5)) + ((2 + 6) + (3 + 7)). */
    void (*rms_norm)(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                     float epsilon, fg_real *to);
    /* In place: elements i of both halves (a, b) of a vector become (a cos - b sin, b cos + a sin).
     * `angles` has the cosines, then the sines of each token, [tokens, 2, size / 2]. */
    void (*rotate)(void *state, fg_real *values, const fg_heads *shape, const fg_real *angles);

    /* ---- numbers, in place and each for itself ---- */

    void (*activate)(void *state, fg_activation activation, fg_real *values, uint64_t count);
    void (*multiply)(void *state, fg_real *values, const fg_real *by, uint64_t count);
    /* values[r * stride + c] += added[r * added_stride + c]; an added_stride of 0 adds one row to all. */
    void (*add)(void *state, fg_real *values, uint64_t stride, const fg_real *added, uint64_t added_stride,
                uint64_t rows, uint64_t columns);
    void (*scale)(void *state, fg_real *values, uint64_t count, float by);
    void (*cap)(void *state, fg_real *values, uint64_t count, float most); /* most * tanh(value / most) */
    void (*clear)(void *state, fg_real *values, uint64_t count);           /* 0 */

    /* ---- some rows [size] of many; `rows` and `weights` are the host's ---- */

    /* to[i] = from[rows[i]] */
    void (*gather)(void *state, const fg_real *from, uint64_t size, const uint64_t *rows, uint64_t count,
                   fg_real *to);
    /* to[rows[i]] += weights[i] * from[i]; no row is given twice. */
    void (*scatter)(void *state, const fg_real *from, uint64_t size, const uint64_t *rows,
                    const float *weights, uint64_t count, fg_real *to);
} fg_device;

extern const fg_device fg_device_cpu;

/* Threads that products on the CPU may use on this rank. */
void fg_device_cpu_threads(int threads);
/* The kernels that OpenBLAS chose, by its own name. */
const char *fg_device_cpu_kernels(void);

#endif
