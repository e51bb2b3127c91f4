#include "recurrences.cuh"

#include "gpu.cuh"

enum { THREADS = 128 };

static __device__ const float *input_row(const fg_convolution &c, uint64_t t) {
    uint64_t before = c.kernel - 1;
    return t < before ? (const float *)c.window + t * c.channels
                      : (const float *)c.from + (t - before) * c.channels;
}

static __global__ void convolve_kernel(fg_convolution c) {
    uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= c.channels) return;
    const float *weight = (const float *)c.weight + i * c.kernel;
    for (uint64_t t = 0; t < c.tokens; t++) {
        float sum = 0;
        for (uint64_t k = 0; k < c.kernel; k++) sum = sum + weight[k] * input_row(c, t + k)[i];
        ((float *)c.to)[t * c.channels + i] = sum;
    }
    for (uint64_t k = 0; k + 1 < c.kernel; k++)
        ((float *)c.window)[k * c.channels + i] = input_row(c, c.tokens + k)[i];
}

void gpu_convolve(void *state, const fg_convolution *convolution) {
    gpu *c = (gpu *)state;
    if (!convolution->channels) return;
    convolve_kernel<<<blocks_of(convolution->channels, THREADS), THREADS, 0, c->work>>>(*convolution);
    note_error(c, cudaGetLastError());
}

static __global__ void repeat_kernel(const float *from, fg_heads shape, uint64_t times, float *to,
                                     uint64_t count) {
    uint64_t n = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x, heads = shape.heads * times;
    if (n >= count) return;
    uint64_t i = n % shape.size, h = n / shape.size % heads, t = n / shape.size / heads;
    to[n] = from[t * shape.stride + h / times * shape.size + i];
}

void gpu_repeat_heads(void *state, const fg_real *from, const fg_heads *shape, uint64_t times, fg_real *to) {
    gpu *c = (gpu *)state;
    uint64_t count = shape->tokens * shape->heads * times * shape->size;
    if (!count) return;
    repeat_kernel<<<blocks_of(count, THREADS), THREADS, 0, c->work>>>((const float *)from, *shape, times,
                                                                      (float *)to, count);
    note_error(c, cudaGetLastError());
}

static __global__ void scan_kernel(fg_selective_scan c) {
    uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x, size = c.size, width = c.heads * size;
    if (i >= width) return;
    uint64_t head = i / size, group = head / (c.heads / c.groups);
    float *s = (float *)c.states + i * size;
    const float *rate = (const float *)c.rate + i * size;
    for (uint64_t t = 0; t < c.tokens; t++) {
        float x = ((const float *)c.x)[t * width + i], step = ((const float *)c.step)[t * width + i], sum = 0;
        const float *in = (const float *)c.in + (t * c.groups + group) * size;
        const float *out = (const float *)c.out + t * width + head * size;
        for (uint64_t n = 0; n < size; n++) {
            s[n] = expf(-step * rate[n]) * s[n] + step * in[n] * x;
            sum += s[n] * out[n];
        }
        ((float *)c.to)[t * width + i] = sum + ((const float *)c.skip)[i] * x;
    }
}

void gpu_selective_scan(void *state, const fg_selective_scan *scan) {
    gpu *c = (gpu *)state;
    uint64_t width = scan->heads * scan->size;
    if (!width) return;
    scan_kernel<<<blocks_of(width, THREADS), THREADS, 0, c->work>>>(*scan);
    note_error(c, cudaGetLastError());
}

/* One token, one column of the state. */
static __device__ float delta_column(const fg_delta_rule &r, const float *query, const float *key,
                                     const float *decay, float beta, float value, float *s) {
    uint64_t columns = r.value_size;
    float known = 0, sum = 0;
    for (uint64_t i = 0; i < r.key_size; i++) {
        s[i * columns] *= decay[i];
        known += key[i] * s[i * columns];
    }
    float off = beta * (value - known);
    for (uint64_t i = 0; i < r.key_size; i++) {
        s[i * columns] += key[i] * off;
        sum += query[i] * s[i * columns];
    }
    return sum;
}

static __global__ void delta_kernel(fg_delta_rule r) {
    extern __shared__ float decay[];
    uint64_t head = blockIdx.y, j = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    for (uint64_t t = 0; t < r.tokens; t++) {
        uint64_t token = t * r.heads + head,
                 key = (t * r.key_heads + head / (r.heads / r.key_heads)) * r.key_size;
        const float *step = (const float *)r.step + token * r.steps;
        float rate = ((const float *)r.rate)[head];
        for (uint64_t i = threadIdx.x; i < r.key_size; i += blockDim.x)
            decay[i] = expf(-rate * step[r.steps == 1 ? 0 : i]);
        __syncthreads();
        if (j < r.value_size)
            ((float *)r.to)[token * r.value_size + j] =
                delta_column(r, (const float *)r.query + key, (const float *)r.key + key, decay,
                             ((const float *)r.beta)[token], ((const float *)r.value)[token * r.value_size + j],
                             (float *)r.states + head * r.key_size * r.value_size + j);
        __syncthreads();
    }
}

void gpu_delta_rule(void *state, const fg_delta_rule *rule) {
    gpu *c = (gpu *)state;
    dim3 grid(blocks_of(rule->value_size, THREADS), (unsigned)rule->heads);
    if (!rule->heads || !rule->value_size) return;
    delta_kernel<<<grid, THREADS, rule->key_size * sizeof(float), c->work>>>(*rule);
    note_error(c, cudaGetLastError());
}
