/* The CPU: plain loops, and OpenBLAS for products. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "base/alloc.h"
#include "base/checked.h"
#include "device/cpu_recurrences.h"
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

/* The product is too large for kernels that work without the buffer, which OpenBLAS then keeps. */
fg_status fg_device_cpu_reserve(fg_error *err) {
    enum { SIDE = 192, BUFFER = 128 << 20 };
    fg_status status = FG_OK;
    float *a = NULL, *to = NULL;
    fg_error unsaid = {0};
    void *room = fg_alloc_buffer(BUFFER, &unsaid);
    fg_free(room);
    if (!room) {
        fg_fail(err, FG_ERR_MEMORY, "no memory for the buffer of OpenBLAS, %d MiB", BUFFER >> 20);
        return fg_hint(err, "raise the limit of address space (ulimit -v), or take --validate bytes");
    }
    FG_NEW(a, SIDE * SIDE);
    FG_NEW(to, SIDE * SIDE);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1.0f, a, SIDE, a, SIDE, 0.0f, to,
                SIDE);
done:
    fg_free(a);
    fg_free(to);
    return status;
}

const char *fg_device_cpu_kernels(void) {
    return openblas_get_corename();
}

/* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..." */
const char *fg_device_cpu_library(char text[FG_DEVICE_CPU_LIBRARY]) {
    const char *version = strchr(openblas_get_config(), ' ');
    if (!version) version = " ";
    int length = (int)strcspn(version + 1, " ");
    snprintf(text, FG_DEVICE_CPU_LIBRARY, "%.*s", length, version + 1);
    return text;
}

/* By the CPUID instruction, as /proc/cpuinfo has it; elsewhere the architecture. */
static void processor(char *name, size_t size) {
#ifdef __x86_64__
    static const unsigned FIRST = 0x80000002, LAST = 0x80000004;
    unsigned words[13] = {0}, *at = words;
    bool named = (unsigned)__get_cpuid_max(0x80000000, NULL) >= LAST; /* an int in clang */
    for (unsigned leaf = FIRST; named && leaf <= LAST; leaf++, at += 4)
        __get_cpuid(leaf, at, at + 1, at + 2, at + 3);
    const char *text = (const char *)words;
    if (*text) {
        snprintf(name, size, "%s", text + strspn(text, " "));
        return;
    }
#endif
    struct utsname system;
    snprintf(name, size, "%s", uname(&system) == 0 ? system.machine : "unknown");
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

static fg_status load(void *state, fg_dtype dtype, const void *from, uint64_t count, fg_dtype as, fg_real *to,
                      fg_error *err) {
    (void)state, (void)as, (void)err;
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

static fg_status linear(void *state, fg_panel panel, uint64_t rows, uint64_t columns, const fg_real *input,
                        uint64_t count, fg_real *output, uint64_t stride, fg_error *err) {
    cpu *c = state;
    float *to = at(output);
    if (count == 1) {
        multiply_panel(seen(panel.values), rows, columns, seen(input), count, to);
        return FG_OK;
    }
    fg_status status = fit_product(c, rows * count, err);
    if (status != FG_OK) return status;
    multiply_panel(seen(panel.values), rows, columns, seen(input), count, c->product);
    for (uint64_t t = 0; t < count; t++) {
        for (uint64_t r = 0; r < rows; r++) to[t * stride + r] = c->product[r * count + t];
    }
    return FG_OK;
}

/* to[i, j] = scale * (sum over k of a[i, k] * b[k, j], or b[j, k] where b is transposed), i < rows, j <
 * columns, k < inner. Strides are numbers from row to row, as stored. Sizes and strides are at most
 * INT_MAX. */
typedef struct matrix_product {
    uint64_t rows, columns, inner;
    float scale;
    const fg_real *a, *b;
    fg_real *to;
    uint64_t a_stride, b_stride, to_stride;
    bool b_transposed;
} matrix_product;

static void multiply_matrices(const matrix_product *g) {
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
static double join_sums(const double part[8]) {
    return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

/* Of (x - middle)^2. */
static double sum_of_squares(const float *x, uint64_t size, float middle) {
    double part[8] = {0};
    uint64_t i = 0;
    for (; i + 8 <= size; i += 8) {
        for (unsigned k = 0; k < 8; k++) {
            double d = (double)x[i + k] - middle;
            part[k] += d * d;
        }
    }
    for (; i < size; i++) part[0] += ((double)x[i] - middle) * ((double)x[i] - middle);
    return join_sums(part);
}

static double sum_of(const float *x, uint64_t size) {
    double part[8] = {0};
    uint64_t i = 0;
    for (; i + 8 <= size; i += 8) {
        for (unsigned k = 0; k < 8; k++) part[k] += x[i + k];
    }
    for (; i < size; i++) part[0] += x[i];
    return join_sums(part);
}

static void norm_row(const float *from, const float *weight, float middle, float epsilon, uint64_t size,
                     float *to) {
    float mean = (float)(sum_of_squares(from, size, middle) / (double)size);
    float scale = 1.0f / sqrtf(mean + epsilon);
    for (uint64_t i = 0; i < size; i++) to[i] = (from[i] - middle) * scale * (weight ? weight[i] : 1);
}

static void norm_rows(const fg_real *from, const fg_heads *shape, const fg_real *weight, float epsilon,
                      bool centred, fg_real *to) {
    const float *weights = weight ? seen(weight) : NULL;
    for (uint64_t t = 0; t < shape->tokens; t++) {
        for (uint64_t h = 0; h < shape->heads; h++) {
            uint64_t first = t * shape->stride + h * shape->size;
            const float *row = seen(from) + first;
            float middle = centred ? (float)(sum_of(row, shape->size) / (double)shape->size) : 0;
            norm_row(row, weights, middle, epsilon, shape->size, at(to) + first);
        }
    }
}

static void rms_norm(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                     float epsilon, fg_real *to) {
    (void)state;
    norm_rows(from, shape, weight, epsilon, false, to);
}

static void layer_norm(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                       float epsilon, fg_real *to) {
    (void)state;
    norm_rows(from, shape, weight, epsilon, true, to);
}

static void rotate_pairs(float *a, float *b, uint64_t apart, const float *cosines, const float *sines,
                         uint64_t pairs) {
    for (uint64_t i = 0; i < pairs; i++) {
        float x = a[i * apart], y = b[i * apart];
        a[i * apart] = x * cosines[i] - y * sines[i];
        b[i * apart] = y * cosines[i] + x * sines[i];
    }
}

static void rotate(void *state, fg_real *values, const fg_heads *shape, const fg_rotation *rotation) {
    (void)state;
    uint64_t pairs = rotation->pairs;
    for (uint64_t t = 0; t < shape->tokens; t++) {
        const float *cosines = seen(rotation->angles) + t * 2 * pairs, *sines = cosines + pairs;
        for (uint64_t h = 0; h < shape->heads; h++) {
            float *head = at(values) + t * shape->stride + h * shape->size;
            if (rotation->interleaved)
                rotate_pairs(head, head + 1, 2, cosines, sines, pairs);
            else
                rotate_pairs(head, head + pairs, 1, cosines, sines, pairs);
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

static void exponential(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = expf(values[i]);
}

static void softplus(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        if (values[i] <= 20) values[i] = log1pf(expf(values[i]));
    }
}

static void activate(void *state, fg_activation activation, fg_real *values, uint64_t count) {
    static void (*const functions[])(float *, uint64_t) = {
        [FG_ACTIVATION_SILU] = silu,           [FG_ACTIVATION_GELU] = gelu,
        [FG_ACTIVATION_GELU_TANH] = gelu_tanh, [FG_ACTIVATION_RELU] = relu,
        [FG_ACTIVATION_RELU2] = relu2,         [FG_ACTIVATION_SIGMOID] = sigmoid,
        [FG_ACTIVATION_IDENTITY] = NULL,       [FG_ACTIVATION_EXP] = exponential,
        [FG_ACTIVATION_SOFTPLUS] = softplus,
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

static void shift(void *state, fg_real *values, uint64_t count, float by) {
    float *to = at(values);
    (void)state;
    for (uint64_t i = 0; i < count; i++) to[i] += by;
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

/* ---- attention ---- */

static void attend_head(void *state, const fg_attention_tile *t, uint64_t h) {
    uint64_t kv_head = h / (t->heads / t->kv_heads);
    fg_real *query = t->queries + h * t->size;
    const matrix_product scored = {.rows = t->count,
                                   .columns = t->keys,
                                   .inner = t->size,
                                   .scale = t->scale,
                                   .a = query,
                                   .a_stride = t->stride,
                                   .b = t->key + kv_head * t->size,
                                   .b_stride = t->keys_stride,
                                   .b_transposed = true,
                                   .to = t->scores,
                                   .to_stride = t->keys};
    const matrix_product gathered = {.rows = t->count,
                                     .columns = t->size,
                                     .inner = t->keys,
                                     .scale = 1,
                                     .a = t->scores,
                                     .a_stride = t->keys,
                                     .b = t->value + kv_head * t->size,
                                     .b_stride = t->keys_stride,
                                     .to = query,
                                     .to_stride = t->stride};
    multiply_matrices(&scored);
    if (t->softcap > 0) cap(state, t->scores, t->count * t->keys, t->softcap);
    softmax(state, t->scores, t->count, t->keys, t->band);
    multiply_matrices(&gathered);
}

static void attend(void *state, const fg_attention_tile *tile) {
    for (uint64_t h = 0; h < tile->heads; h++) attend_head(state, tile, h);
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
    .processor = processor,
    .host_memory = true,
    .panel_bytes = 4 << 20, /* measured: at 300 tokens a quarter faster than 1 MiB, at 24 no slower */
    .load_bytes = 64 << 10, /* they stay in the second-level cache until they are converted */
    .tokens_at_once = 64,   /* FG_TILE of model/tile.h */
    .open = open_cpu,
    .close = close_cpu,
    .allocate = allocate,
    .release = release,
    .put = put,
    .get = get,
    .load = load,
    .linear = linear,
    .attend = attend,
    .softmax = softmax,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rotate = rotate,
    .activate = activate,
    .multiply = multiply,
    .add = add,
    .scale = scale,
    .shift = shift,
    .cap = cap,
    .clear = clear,
    .gather = gather,
    .scatter = scatter,
    .convolve = fg_cpu_convolve,
    .repeat_heads = fg_cpu_repeat_heads,
    .selective_scan = fg_cpu_selective_scan,
    .delta_rule = fg_cpu_delta_rule,
};
