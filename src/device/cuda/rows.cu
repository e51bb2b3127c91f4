#include "rows.cuh"

enum { WARP = 32, WIDE = 256, NARROW_ROW = 512 };

/* ---- sums of a block ---- */

struct adding {
    static __device__ double join(double a, double b) {
        return a + b;
    }
};

struct choosing {
    static __device__ double join(double a, double b) {
        return fmax(a, b);
    }
};

/* The same on every thread. */
template <class how> static __device__ double over_block(double value) {
    __shared__ double parts[WIDE / WARP];
    for (int apart = WARP / 2; apart; apart /= 2)
        value = how::join(value, __shfl_xor_sync(0xffffffff, value, apart));
    if (blockDim.x == WARP) return value;
    __syncthreads();
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = value;
    __syncthreads();
    value = parts[0];
    for (unsigned i = 1; i < blockDim.x / WARP; i++) value = how::join(value, parts[i]);
    return value;
}

static unsigned threads_for(uint64_t size) {
    return size <= NARROW_ROW ? WARP : WIDE;
}

/* ---- softmax ---- */

struct band_of_rows {
    uint64_t end, width;
    bool given;
};

static __global__ void softmax_kernel(float *scores, uint64_t rows, uint64_t columns, band_of_rows band) {
    float *row = scores + (uint64_t)blockIdx.x * columns;
    uint64_t end = band.given ? band.end + blockIdx.x % rows : columns, first = 0;
    if (band.given && band.width && end > band.width) first = end - band.width;
    float largest = -INFINITY;
    for (uint64_t i = first + threadIdx.x; i < end; i += blockDim.x) largest = fmaxf(largest, row[i]);
    largest = (float)over_block<choosing>(largest);
    double sum = 0;
    for (uint64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
        row[i] = expf(row[i] - largest);
        sum += row[i];
    }
    float scale = (float)(1.0 / over_block<adding>(sum));
    for (uint64_t i = threadIdx.x; i < columns; i += blockDim.x)
        row[i] = i >= first && i < end ? row[i] * scale : 0;
}

void softmax_heads(gpu *c, fg_real *scores, uint64_t heads, uint64_t rows, uint64_t columns,
                   const fg_band *band) {
    band_of_rows of = {band ? band->end : 0, band ? band->width : 0, band != NULL};
    if (!rows || !columns) return;
    softmax_kernel<<<(unsigned)(heads * rows), threads_for(columns), 0, c->work>>>((float *)scores, rows, columns,
                                                                                   of);
    note_error(c, cudaGetLastError());
}

void gpu_softmax(void *state, fg_real *scores, uint64_t rows, uint64_t columns, const fg_band *band) {
    softmax_heads((gpu *)state, scores, 1, rows, columns, band);
}

/* ---- norms ---- */

/* As norm_row of cpu.c. */
static __global__ void norm_kernel(const float *from, fg_heads shape, const float *weight, float epsilon,
                                   bool centred, float *to) {
    uint64_t first = blockIdx.x / shape.heads * shape.stride + blockIdx.x % shape.heads * shape.size;
    const float *x = from + first;
    float middle = 0;
    if (centred) {
        double sum = 0;
        for (uint64_t i = threadIdx.x; i < shape.size; i += blockDim.x) sum += x[i];
        middle = (float)(over_block<adding>(sum) / (double)shape.size);
    }
    double squares = 0;
    for (uint64_t i = threadIdx.x; i < shape.size; i += blockDim.x) {
        double d = (double)x[i] - middle;
        squares += d * d;
    }
    float mean = (float)(over_block<adding>(squares) / (double)shape.size);
    float scale = 1.0f / sqrtf(mean + epsilon);
    for (uint64_t i = threadIdx.x; i < shape.size; i += blockDim.x)
        to[first + i] = (x[i] - middle) * scale * (weight ? weight[i] : 1);
}

static void norm_rows(gpu *c, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                      float epsilon, bool centred, fg_real *to) {
    uint64_t rows = shape->tokens * shape->heads;
    if (!rows) return;
    norm_kernel<<<(unsigned)rows, threads_for(shape->size), 0, c->work>>>(
        (const float *)from, *shape, (const float *)weight, epsilon, centred, (float *)to);
    note_error(c, cudaGetLastError());
}

void gpu_rms_norm(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                   float epsilon, fg_real *to) {
    norm_rows((gpu *)state, from, shape, weight, epsilon, false, to);
}

void gpu_layer_norm(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                     float epsilon, fg_real *to) {
    norm_rows((gpu *)state, from, shape, weight, epsilon, true, to);
}

/* ---- numbers ---- */

/* One call of `each` for every number below `count`. */
template <class each> static __global__ void number_kernel(each what, uint64_t count) {
    uint64_t step = (uint64_t)gridDim.x * blockDim.x;
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) what(i);
}

template <class each> static void for_each(void *state, const each &what, uint64_t count) {
    gpu *c = (gpu *)state;
    if (!count) return;
    unsigned blocks = blocks_of(count, WIDE);
    number_kernel<<<blocks < 65536 ? blocks : 65536, WIDE, 0, c->work>>>(what, count);
    note_error(c, cudaGetLastError());
}

struct rotating {
    float *values;
    fg_heads shape;
    fg_rotation rotation;

    __device__ void operator()(uint64_t n) const {
        uint64_t pairs = rotation.pairs, i = n % pairs, h = n / pairs % shape.heads, t = n / pairs / shape.heads;
        const float *cosines = (const float *)rotation.angles + t * 2 * pairs;
        float *head = values + t * shape.stride + h * shape.size;
        float *a = head + (rotation.interleaved ? 2 * i : i), *b = a + (rotation.interleaved ? 1 : pairs);
        float x = *a, y = *b, cosine = cosines[i], sine = cosines[pairs + i];
        *a = x * cosine - y * sine;
        *b = y * cosine + x * sine;
    }
};

void gpu_rotate(void *state, fg_real *values, const fg_heads *shape, const fg_rotation *rotation) {
    for_each(state, rotating{(float *)values, *shape, *rotation},
             shape->tokens * shape->heads * rotation->pairs);
}

static __device__ float activated(fg_activation activation, float x) {
    const float half_root = 0.70710678118654752f, root = 0.79788456080286536f; /* of 1/2, of 2 / pi */
    switch (activation) {
    case FG_ACTIVATION_SILU: return x / (1.0f + expf(-x));
    case FG_ACTIVATION_GELU: return 0.5f * x * (1.0f + erff(x * half_root));
    case FG_ACTIVATION_GELU_TANH: return 0.5f * x * (1.0f + tanhf(root * (x + 0.044715f * x * x * x)));
    case FG_ACTIVATION_RELU: return x < 0 ? 0 : x;
    case FG_ACTIVATION_RELU2: return x < 0 ? 0 : x * x;
    case FG_ACTIVATION_SIGMOID: return 1.0f / (1.0f + expf(-x));
    case FG_ACTIVATION_EXP: return expf(x);
    case FG_ACTIVATION_SOFTPLUS: return x <= 20 ? log1pf(expf(x)) : x;
    default: return x;
    }
}

void gpu_activate(void *state, fg_activation activation, fg_real *values, uint64_t count) {
    float *to = (float *)values;
    for_each(state, [=] __device__(uint64_t i) { to[i] = activated(activation, to[i]); }, count);
}

void gpu_multiply(void *state, fg_real *values, const fg_real *by, uint64_t count) {
    float *to = (float *)values;
    const float *factors = (const float *)by;
    for_each(state, [=] __device__(uint64_t i) { to[i] *= factors[i]; }, count);
}

void gpu_add(void *state, fg_real *values, uint64_t stride, const fg_real *added, uint64_t added_stride,
              uint64_t rows, uint64_t columns) {
    float *to = (float *)values;
    const float *what = (const float *)added;
    for_each(
        state,
        [=] __device__(uint64_t i) {
            uint64_t row = i / columns, column = i % columns;
            to[row * stride + column] += what[row * added_stride + column];
        },
        rows * columns);
}

void gpu_scale(void *state, fg_real *values, uint64_t count, float by) {
    float *to = (float *)values;
    for_each(state, [=] __device__(uint64_t i) { to[i] *= by; }, count);
}

void gpu_shift(void *state, fg_real *values, uint64_t count, float by) {
    float *to = (float *)values;
    for_each(state, [=] __device__(uint64_t i) { to[i] += by; }, count);
}

void gpu_cap(void *state, fg_real *values, uint64_t count, float most) {
    float *to = (float *)values;
    for_each(state, [=] __device__(uint64_t i) { to[i] = most * tanhf(to[i] / most); }, count);
}

void gpu_clear(void *state, fg_real *values, uint64_t count) {
    gpu *c = (gpu *)state;
    note_error(c, cudaMemsetAsync(values, 0, count * sizeof(float), c->work));
}

/* ---- some rows ---- */

enum { ROWS_AT_ONCE = SMALL_BYTES / 16 };

void gpu_gather(void *state, const fg_real *from, uint64_t size, const uint64_t *rows, uint64_t count,
                 fg_real *to) {
    gpu *c = (gpu *)state;
    const float *source = (const float *)from;
    for (uint64_t done = 0, part; done < count; done += part) {
        part = count - done < ROWS_AT_ONCE ? count - done : ROWS_AT_ONCE;
        const uint64_t *which = (const uint64_t *)send_small(c, rows + done, part * sizeof *rows);
        float *target = (float *)to + done * size;
        for_each(state, [=] __device__(uint64_t i) { target[i] = source[which[i / size] * size + i % size]; },
                 part * size);
    }
}

void gpu_scatter(void *state, const fg_real *from, uint64_t size, const uint64_t *rows, const float *weights,
                  uint64_t count, fg_real *to) {
    gpu *c = (gpu *)state;
    float *target = (float *)to;
    for (uint64_t done = 0, part; done < count; done += part) {
        part = count - done < ROWS_AT_ONCE ? count - done : ROWS_AT_ONCE;
        const uint64_t *which = (const uint64_t *)send_small(c, rows + done, part * sizeof *rows);
        const float *shares = (const float *)send_small(c, weights + done, part * sizeof *weights);
        const float *source = (const float *)from + done * size;
        for_each(
            state,
            [=] __device__(uint64_t i) {
                target[which[i / size] * size + i % size] += shares[i / size] * source[i];
            },
            part * size);
    }
}
