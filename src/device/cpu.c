/* The CPU: plain loops, and OpenBLAS for products. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "device/device.h"
#include "store/cast.h"

enum { TILE_ROWS = 32, TILE_LEAST = 512, TILE_MOST = 1024, TILE_LIMIT = 1000000 };

typedef struct cpu {
    float *product; /* owned; [rows, count] of a panel */
    uint64_t room;
} cpu;

void fg_device_cpu_threads(int threads) {
    openblas_set_num_threads(threads < 1 ? 1 : threads);
}

const char *fg_device_cpu_kernels(void) {
    return openblas_get_corename();
}

static float *at(fg_real *values) {
    return &values->value;
}

static const float *seen(const fg_real *values) {
    return &values->value;
}

/* ---- memory ---- */

static fg_status open_cpu(void **state, fg_error *err) {
    *state = fg_alloc(1, sizeof(cpu), err);
    return *state ? FG_OK : FG_ERR_MEMORY;
}

static void close_cpu(void *state) {
    cpu *c = state;
    if (c) fg_free(c->product);
    fg_free(c);
}

static fg_status allocate(void *state, uint64_t count, fg_real **memory, fg_error *err) {
    uint64_t bytes;
    (void)state;
    if (!fg_mul(count, sizeof(float), &bytes))
        return fg_fail(err, FG_ERR_MEMORY, "%llu numbers do not fit into memory", (unsigned long long)count);
    *memory = fg_alloc_buffer(bytes, err);
    return *memory ? FG_OK : FG_ERR_MEMORY;
}

static void release(void *state, fg_real *memory) {
    (void)state;
    fg_free(memory);
}

static fg_status put(void *state, const float *from, uint64_t count, fg_real *to, fg_error *err) {
    (void)state, (void)err;
    if (from != at(to)) memcpy(to, from, count * sizeof *from);
    return FG_OK;
}

static fg_status get(void *state, const fg_real *from, uint64_t count, float *to, fg_error *err) {
    (void)state, (void)err;
    if (seen(from) != to) memcpy(to, from, count * sizeof *to);
    return FG_OK;
}

static fg_status upcast(void *state, fg_dtype dtype, const void *from, uint64_t count, fg_real *to,
                        fg_error *err) {
    (void)state, (void)err;
    fg_cast_to_f32(dtype, from, at(to), count);
    return FG_OK;
}

/* ---- products ---- */

/* product[rows, count] = panel . input^T. BLAS is fastest with the long side, the weights' rows, first. On
 * one thread, products of up to some million multiplications go through kernels that do not repack the panel,
 * which is read once only: with them tiles are a third faster where there is AVX-512 for 16 to 32 tokens, and
 * hardly slower elsewhere. */
static void multiply_panel(const float *panel, uint64_t rows, uint64_t columns, const float *input,
                           uint64_t count, float *product) {
    uint64_t high = rows, wide = columns;
    if (count == 1) { /* measured: twice as fast as the product of two matrices */
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)rows, (blasint)columns, 1.0f, panel,
                    (blasint)columns, input, 1, 0.0f, product, 1);
        return;
    }
    if (count * TILE_ROWS * TILE_LEAST <= TILE_LIMIT && openblas_get_num_threads() == 1) {
        high = TILE_ROWS;
        wide = count * TILE_ROWS * TILE_MOST <= TILE_LIMIT ? TILE_MOST : TILE_LEAST;
    }
    for (uint64_t r = 0; r < rows; r += high) {
        for (uint64_t c = 0; c < columns; c += wide)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)fg_min(high, rows - r),
                        (blasint)count, (blasint)fg_min(wide, columns - c), 1.0f, panel + r * columns + c,
                        (blasint)columns, input + c, (blasint)columns, c ? 1.0f : 0.0f, product + r * count,
                        (blasint)count);
    }
}

static fg_status fit_product(cpu *c, uint64_t count, fg_error *err) {
    if (c->product && count <= c->room) return FG_OK;
    fg_free(c->product);
    c->product = NULL;
    fg_real *memory;
    fg_status status = allocate(c, count, &memory, err);
    if (status != FG_OK) return status;
    c->product = at(memory);
    c->room = count;
    return FG_OK;
}

static fg_status linear(void *state, const fg_real *panel, uint64_t rows, uint64_t columns,
                        const fg_real *input, uint64_t count, fg_real *output, uint64_t stride,
                        fg_error *err) {
    cpu *c = state;
    float *to = at(output);
    if (count == 1) {
        multiply_panel(seen(panel), rows, columns, seen(input), count, to);
        return FG_OK;
    }
    fg_status status = fit_product(c, rows * count, err);
    if (status != FG_OK) return status;
    multiply_panel(seen(panel), rows, columns, seen(input), count, c->product);
    for (uint64_t t = 0; t < count; t++) {
        for (uint64_t r = 0; r < rows; r++) to[t * stride + r] = c->product[r * count + t];
    }
    return FG_OK;
}

static void gemm(void *state, const fg_gemm *g) {
    (void)state;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, g->b_transposed ? CblasTrans : CblasNoTrans, (blasint)g->rows,
                (blasint)g->columns, (blasint)g->inner, g->scale, seen(g->a), (blasint)g->a_stride,
                seen(g->b), (blasint)g->b_stride, 0.0f, at(g->to), (blasint)g->to_stride);
}

/* ---- rows ---- */

static void softmax_row(float *scores, uint64_t count, uint64_t first, uint64_t end) {
    float largest = -INFINITY;
    double sum = 0;
    for (uint64_t i = first; i < end; i++) largest = fmaxf(largest, scores[i]);
    for (uint64_t i = first; i < end; i++) {
        scores[i] = expf(scores[i] - largest);
        sum += scores[i];
    }
    float scale = (float)(1.0 / sum);
    for (uint64_t i = first; i < end; i++) scores[i] *= scale;
    for (uint64_t i = 0; i < first; i++) scores[i] = 0;
    for (uint64_t i = end; i < count; i++) scores[i] = 0;
}

static void softmax(void *state, fg_real *scores, uint64_t rows, uint64_t columns, const fg_band *band) {
    (void)state;
    for (uint64_t r = 0; r < rows; r++) {
        uint64_t end = band ? band->end + r : columns;
        uint64_t first = band && band->width && end > band->width ? end - band->width : 0;
        softmax_row(at(scores) + r * columns, columns, first, end);
    }
}

/* Eight partial sums: the order of additions is ours, not the compiler's. */
static double sum_of_squares(const float *x, uint64_t size) {
    double part[8] = {0};
    uint64_t i = 0;
    for (; i + 8 <= size; i += 8) {
        for (unsigned k = 0; k < 8; k++) part[k] += (double)x[i + k] * x[i + k];
    }
    for (; i < size; i++) part[0] += (double)x[i] * x[i];
    return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

static void rms_norm_row(const float *from, const float *weight, float epsilon, uint64_t size, float *to) {
    float mean = (float)(sum_of_squares(from, size) / (double)size);
    float scale = 1.0f / sqrtf(mean + epsilon);
    for (uint64_t i = 0; i < size; i++) to[i] = from[i] * scale * weight[i];
}

static void rms_norm(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                     float epsilon, fg_real *to) {
    (void)state;
    for (uint64_t t = 0; t < shape->tokens; t++) {
        for (uint64_t h = 0; h < shape->heads; h++) {
            uint64_t first = t * shape->stride + h * shape->size;
            rms_norm_row(seen(from) + first, seen(weight), epsilon, shape->size, at(to) + first);
        }
    }
}

static void rotate(void *state, fg_real *values, const fg_heads *shape, const fg_real *angles) {
    (void)state;
    uint64_t half = shape->size / 2;
    for (uint64_t t = 0; t < shape->tokens; t++) {
        const float *cosines = seen(angles) + t * 2 * half, *sines = cosines + half;
        for (uint64_t h = 0; h < shape->heads; h++) {
            float *a = at(values) + t * shape->stride + h * 2 * half, *b = a + half;
            for (uint64_t i = 0; i < half; i++) {
                float x = a[i], y = b[i];
                a[i] = x * cosines[i] - y * sines[i];
                b[i] = y * cosines[i] + x * sines[i];
            }
        }
    }
}

/* ---- numbers ---- */

static void silu(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = values[i] / (1.0f + expf(-values[i]));
}

static void gelu(float *values, uint64_t count) {
    const float root = 0.70710678118654752f; /* of 1/2 */
    for (uint64_t i = 0; i < count; i++) values[i] = 0.5f * values[i] * (1.0f + erff(values[i] * root));
}

static void gelu_tanh(float *values, uint64_t count) {
    const float root = 0.79788456080286536f; /* of 2 / pi */
    for (uint64_t i = 0; i < count; i++) {
        float x = values[i];
        values[i] = 0.5f * x * (1.0f + tanhf(root * (x + 0.044715f * x * x * x)));
    }
}

static void relu(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = values[i] < 0 ? 0 : values[i];
}

static void relu2(float *values, uint64_t count) {
    relu(values, count);
    for (uint64_t i = 0; i < count; i++) values[i] *= values[i];
}

static void sigmoid(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = 1.0f / (1.0f + expf(-values[i]));
}

static void activate(void *state, fg_activation activation, fg_real *values, uint64_t count) {
    static void (*const functions[])(float *, uint64_t) = {
        [FG_ACTIVATION_SILU] = silu,     [FG_ACTIVATION_GELU] = gelu,   [FG_ACTIVATION_GELU_TANH] = gelu_tanh,
        [FG_ACTIVATION_RELU] = relu,     [FG_ACTIVATION_RELU2] = relu2, [FG_ACTIVATION_SIGMOID] = sigmoid,
        [FG_ACTIVATION_IDENTITY] = NULL,
    };
    (void)state;
    if (functions[activation]) functions[activation](at(values), count);
}

static void multiply(void *state, fg_real *values, const fg_real *by, uint64_t count) {
    float *to = at(values);
    const float *factors = seen(by);
    (void)state;
    for (uint64_t i = 0; i < count; i++) to[i] *= factors[i];
}

static void add(void *state, fg_real *values, uint64_t stride, const fg_real *added, uint64_t added_stride,
                uint64_t rows, uint64_t columns) {
    (void)state;
    for (uint64_t r = 0; r < rows; r++) {
        float *to = at(values) + r * stride;
        const float *what = seen(added) + r * added_stride;
        for (uint64_t c = 0; c < columns; c++) to[c] += what[c];
    }
}

static void scale(void *state, fg_real *values, uint64_t count, float by) {
    float *to = at(values);
    (void)state;
    for (uint64_t i = 0; i < count; i++) to[i] *= by;
}

static void cap(void *state, fg_real *values, uint64_t count, float most) {
    float *to = at(values);
    (void)state;
    for (uint64_t i = 0; i < count; i++) to[i] = most * tanhf(to[i] / most);
}

static void clear(void *state, fg_real *values, uint64_t count) {
    (void)state;
    memset(values, 0, count * sizeof *values);
}

/* ---- some rows ---- */

static void gather(void *state, const fg_real *from, uint64_t size, const uint64_t *rows, uint64_t count,
                   fg_real *to) {
    (void)state;
    for (uint64_t i = 0; i < count; i++) memcpy(to + i * size, from + rows[i] * size, size * sizeof *to);
}

static void scatter(void *state, const fg_real *from, uint64_t size, const uint64_t *rows,
                    const float *weights, uint64_t count, fg_real *to) {
    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        float *row = at(to) + rows[i] * size;
        const float *what = seen(from) + i * size;
        for (uint64_t c = 0; c < size; c++) row[c] += weights[i] * what[c];
    }
}

const fg_device fg_device_cpu = {
    .name = "cpu",
    .host_memory = true,
    .panel_bytes = 1 << 20, /* measured: the fastest for 16 to 32 tokens on one thread */
    .upcast_count = 32768,  /* they stay in the second-level cache until they are converted */
    .open = open_cpu,
    .close = close_cpu,
    .allocate = allocate,
    .release = release,
    .put = put,
    .get = get,
    .upcast = upcast,
    .linear = linear,
    .gemm = gemm,
    .softmax = softmax,
    .rms_norm = rms_norm,
    .rotate = rotate,
    .activate = activate,
    .multiply = multiply,
    .add = add,
    .scale = scale,
    .cap = cap,
    .clear = clear,
    .gather = gather,
    .scatter = scatter,
};
