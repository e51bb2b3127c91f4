#include "products.cuh"

#include "gpu.cuh"
#include "rows.cuh"
#include "stored.cuh"

/* Sums of a product are taken over ranges of CHUNK columns, each from left to right by one fused multiply-add
 * an element, and the ranges' sums are added from the first on. */
enum { CHUNK = 1024 };
enum { TILE_ROWS = 128, STEP = 16, THREADS = 128 }; /* weights' rows of a block, columns that it holds */
enum { TOKENS_AT_ONCE = 512, TOKEN_TILE = 64 };
enum { WARP = 32 };

/* ---- several tokens ---- */

template <class stored> struct product {
    const stored *weight; /* [rows, columns] */
    const float *input;   /* [count, columns] */
    float *output;        /* output[t * stride + r], or of several ranges [range, count, rows] */
    uint64_t rows, columns, count, stride;
    bool aligned; /* both may be read four numbers at a time, for one token eight */
};

template <class stored> struct alignas(4 * sizeof(stored)) four_of {
    stored x, y, z, w;
};

template <class stored> static __device__ float4 floats_of(const four_of<stored> &four) {
    return make_float4(number_of(four.x), number_of(four.y), number_of(four.z), number_of(four.w));
}

/* Four columns of a row, zeros where there are none. */
template <class stored>
static __device__ float4 load_four(const stored *from, uint64_t row, uint64_t rows, uint64_t column,
                                   uint64_t end, uint64_t columns, bool aligned) {
    float4 v = make_float4(0, 0, 0, 0);
    if (row >= rows) return v;
    const stored *at = from + row * columns + column;
    if (aligned && column + 4 <= end) return floats_of(*(const four_of<stored> *)at);
    if (column < end) v.x = number_of(at[0]);
    if (column + 1 < end) v.y = number_of(at[1]);
    if (column + 2 < end) v.z = number_of(at[2]);
    if (column + 3 < end) v.w = number_of(at[3]);
    return v;
}

/* Rows of a matrix on their way into shared memory, where they lie column by column. A thread carries
 * rows / 32 pieces of four columns. */
template <int rows> struct carried {
    float4 four[rows / 32];

    template <class stored>
    __device__ void load(const stored *from, uint64_t first, uint64_t limit, uint64_t column, uint64_t end,
                         uint64_t columns, bool aligned) {
#pragma unroll
        for (int i = 0; i < rows / 32; i++)
            four[i] = load_four(from, first + threadIdx.x / 4 + 32 * i, limit, column + threadIdx.x % 4 * 4,
                                end, columns, aligned);
    }

    __device__ void store(float (*to)[rows + 4]) const {
#pragma unroll
        for (int i = 0; i < rows / 32; i++) {
            int row = threadIdx.x / 4 + 32 * i, column = threadIdx.x % 4 * 4;
            to[column][row] = four[i].x;
            to[column + 1][row] = four[i].y;
            to[column + 2][row] = four[i].z;
            to[column + 3][row] = four[i].w;
        }
    }
};

/* A thread has 8 rows and tokens / 8 tokens: its rows are 4 * (thread % 16) and those 64 further on, its
 * tokens 4 * (thread / 16) and, of 64, those 32 further on. */
template <int tokens>
static __device__ void multiply_step(const float (*weight)[TILE_ROWS + 4], const float (*input)[tokens + 4],
                                     float (&sum)[8][tokens / 8]) {
    int row = threadIdx.x % 16 * 4, token = threadIdx.x / 16 * 4;
#pragma unroll
    for (int k = 0; k < STEP; k++) {
        float a[8], b[tokens / 8];
        *(float4 *)a = *(const float4 *)&weight[k][row];
        *(float4 *)(a + 4) = *(const float4 *)&weight[k][row + 64];
#pragma unroll
        for (int i = 0; i < tokens / 32; i++) *(float4 *)(b + 4 * i) = *(const float4 *)&input[k][token + 32 * i];
#pragma unroll
        for (int i = 0; i < 8; i++) {
#pragma unroll
            for (int j = 0; j < tokens / 8; j++) sum[i][j] = fmaf(a[i], b[j], sum[i][j]);
        }
    }
}

template <int tokens, class stored>
static __device__ void store_sums(const product<stored> &p, const float (&sum)[8][tokens / 8], uint64_t first_row,
                                  uint64_t first_token) {
    bool whole = gridDim.z == 1;
    float *to = whole ? p.output : p.output + blockIdx.z * p.count * p.rows;
    uint64_t stride = whole ? p.stride : p.rows;
#pragma unroll
    for (int j = 0; j < tokens / 8; j++) {
        uint64_t token = first_token + threadIdx.x / 16 * 4 + j / 4 * 32 + j % 4;
        if (token >= p.count) continue;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            uint64_t row = first_row + threadIdx.x % 16 * 4 + i / 4 * 64 + i % 4;
            if (row < p.rows) to[token * stride + row] = sum[i][j];
        }
    }
}

/* A block has TILE_ROWS rows, `tokens` tokens and one range of columns. */
template <int tokens, class stored>
static __global__ void __launch_bounds__(THREADS) multiply_kernel(product<stored> p) {
    __shared__ float weight[2][STEP][TILE_ROWS + 4], input[2][STEP][tokens + 4];
    float sum[8][tokens / 8] = {};
    uint64_t row = (uint64_t)blockIdx.x * TILE_ROWS, token = (uint64_t)blockIdx.y * tokens;
    uint64_t begin = (uint64_t)blockIdx.z * CHUNK, end = min(begin + CHUNK, p.columns);
    carried<TILE_ROWS> rows;
    carried<tokens> inputs;
    rows.load(p.weight, row, p.rows, begin, end, p.columns, p.aligned);
    inputs.load(p.input, token, p.count, begin, end, p.columns, p.aligned);
    rows.store(weight[0]);
    inputs.store(input[0]);
    __syncthreads();
    int now = 0;
    for (uint64_t column = begin; column < end; column += STEP, now ^= 1) {
        bool more = column + STEP < end;
        if (more) {
            rows.load(p.weight, row, p.rows, column + STEP, end, p.columns, p.aligned);
            inputs.load(p.input, token, p.count, column + STEP, end, p.columns, p.aligned);
        }
        multiply_step<tokens>(weight[now], input[now], sum);
        if (more) {
            rows.store(weight[now ^ 1]);
            inputs.store(input[now ^ 1]);
        }
        __syncthreads();
    }
    store_sums<tokens>(p, sum, row, token);
}

static __global__ void add_ranges(const float *partial, unsigned ranges, uint64_t rows, uint64_t count,
                                  float *output, uint64_t stride) {
    uint64_t row = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x, token = blockIdx.y;
    if (row >= rows) return;
    float sum = partial[token * rows + row];
    for (unsigned i = 1; i < ranges; i++) sum += partial[((uint64_t)i * count + token) * rows + row];
    output[token * stride + row] = sum;
}

/* Whether each row of both may be read by pieces of `piece` numbers of the weight. */
template <class piece, class stored>
static bool are_aligned(const stored *weight, const float *input, uint64_t columns) {
    return (uintptr_t)weight % alignof(piece) == 0 && columns * sizeof(stored) % alignof(piece) == 0 &&
           (uintptr_t)input % alignof(float4) == 0 && columns % 4 == 0;
}

template <class stored> static void multiply(gpu *c, product<stored> p) {
    unsigned ranges = blocks_of(p.columns, CHUNK);
    float *output = p.output;
    if (ranges > 1) p.output = fit_partial(c, (size_t)ranges * p.count * p.rows);
    if (!p.output) return;
    dim3 grid(blocks_of(p.rows, TILE_ROWS), blocks_of(p.count, p.count > 32 ? 64 : 32), ranges);
    if (p.count > 32)
        multiply_kernel<64, stored><<<grid, THREADS, 0, c->work>>>(p);
    else
        multiply_kernel<32, stored><<<grid, THREADS, 0, c->work>>>(p);
    if (ranges > 1)
        add_ranges<<<dim3(blocks_of(p.rows, 256), (unsigned)p.count), 256, 0, c->work>>>(
            p.output, ranges, p.rows, p.count, output, p.stride);
    note_error(c, cudaGetLastError());
}

/* ---- one token ---- */

static __device__ float add_over_warp(float sum) {
    for (int apart = WARP / 2; apart; apart /= 2) sum += __shfl_xor_sync(0xffffffff, sum, apart);
    return sum;
}

/* As four_of, twice as many. */
template <class stored> struct alignas(sizeof(stored) < 4 ? 8 * sizeof(stored) : 4 * sizeof(stored)) eight_of {
    four_of<stored> first, last;
};

struct eight_columns {
    float4 first, last;
};

template <class stored> static __device__ eight_columns eight_at(const stored *from) {
    eight_of<stored> eight = *(const eight_of<stored> *)from;
    return eight_columns{floats_of(eight.first), floats_of(eight.last)};
}

/* Zeros where there are none. */
template <class stored>
static __device__ eight_columns load_eight(const stored *row, uint64_t column, uint64_t columns) {
    return eight_columns{load_four(row, 0, 1, column, columns, columns, false),
                         load_four(row, 0, 1, column + 4, columns, columns, false)};
}

static __device__ void add_products(float4 a, float4 b, float4 *sum) {
    sum->x = fmaf(a.x, b.x, sum->x);
    sum->y = fmaf(a.y, b.y, sum->y);
    sum->z = fmaf(a.z, b.z, sum->z);
    sum->w = fmaf(a.w, b.w, sum->w);
}

/* A lane's eight columns of each of STEPS stretches of a row, and how they are read: where they lie well, all
 * at once, so that a lane waits for many bytes at a time. */
enum { STEPS = 4, STRETCH = 8 * WARP };

struct read_whole {
    template <class stored> static __device__ eight_columns read(const stored *row, uint64_t column, uint64_t) {
        return eight_at(row + column);
    }
};
struct read_checked {
    template <class stored>
    static __device__ eight_columns read(const stored *row, uint64_t column, uint64_t columns) {
        return load_eight(row, column, columns);
    }
};

template <class how, class stored>
static __device__ void multiply_stretches(const stored *weight, const float *input, uint64_t column,
                                          uint64_t columns, float4 *sum) {
    eight_columns a[STEPS], b[STEPS];
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
        a[i] = how::read(weight, column + i * STRETCH, columns);
        b[i] = how::read(input, column + i * STRETCH, columns);
    }
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
        add_products(a[i].first, b[i].first, &sum[0]);
        add_products(a[i].last, b[i].last, &sum[1]);
    }
}

/* A warp has a row. Eight columns k to k + 7, k a multiple of 8, are those of lane k / 8 % 32, which has two
 * sums of four for them, for the first and for the last four. They are added in a fixed order. */
template <class stored> static __global__ void multiply_one_kernel(product<stored> p) {
    uint64_t row = ((uint64_t)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    unsigned lane = threadIdx.x % WARP;
    if (row >= p.rows) return;
    float4 sum[2] = {};
    const uint64_t step = STEPS * STRETCH, whole = p.aligned ? p.columns / step * step : 0;
    const stored *weight = p.weight + row * p.columns;
    for (uint64_t begin = 0; begin < whole; begin += step)
        multiply_stretches<read_whole>(weight, p.input, begin + lane * 8, p.columns, sum);
    for (uint64_t begin = whole; begin < p.columns; begin += step)
        multiply_stretches<read_checked>(weight, p.input, begin + lane * 8, p.columns, sum);
    float all = add_over_warp(((sum[0].x + sum[0].y) + (sum[0].z + sum[0].w)) +
                              ((sum[1].x + sum[1].y) + (sum[1].z + sum[1].w)));
    if (lane == 0) p.output[row] = all;
}

template <class stored> static void multiply_one(gpu *c, const product<stored> &p) {
    multiply_one_kernel<stored><<<blocks_of(p.rows, 8), 8 * WARP, 0, c->work>>>(p);
    note_error(c, cudaGetLastError());
}

/* A token that is alone behind whole tiles is multiplied as one that comes by itself. */
template <class stored>
static void multiply_all(gpu *c, const stored *panel, uint64_t rows, uint64_t columns, const float *input,
                         uint64_t count, float *output, uint64_t stride) {
    for (uint64_t t = 0, part; t < count && rows; t += part) {
        uint64_t left = count - t;
        part = left % TOKEN_TILE == 1 && left > 1 ? left - 1 : left;
        part = part < TOKENS_AT_ONCE ? part : TOKENS_AT_ONCE;
        const float *from = input + t * columns;
        bool aligned = part == 1 ? are_aligned<eight_of<stored>>(panel, from, columns)
                                 : are_aligned<four_of<stored>>(panel, from, columns);
        product<stored> p = {panel, from, output + t * stride, rows, columns, part, stride, aligned};
        if (part == 1)
            multiply_one(c, p);
        else
            multiply(c, p);
    }
}

fg_status gpu_linear(void *state, fg_panel panel, uint64_t rows, uint64_t columns, const fg_real *input,
                     uint64_t count, fg_real *output, uint64_t stride, fg_error *err) {
    gpu *c = (gpu *)state;
    const float *from = (const float *)input;
    float *to = (float *)output;
    (void)err;
    if (panel.dtype == FG_BF16)
        multiply_all(c, (const bfloat16_bits *)panel.values, rows, columns, from, count, to, stride);
    else if (panel.dtype == FG_F16)
        multiply_all(c, (const half_bits *)panel.values, rows, columns, from, count, to, stride);
    else
        multiply_all(c, (const float *)panel.values, rows, columns, from, count, to, stride);
    return FG_OK;
}

/* ---- small matrices: scores, and what they gather ---- */

/* to[i, j] = scale * (sum over k of a[i, k] * b[k, j], or b[j, k] where b is transposed). */
struct matrix_product {
    uint64_t rows, columns, inner;
    float scale;
    const fg_real *a, *b;
    fg_real *to;
    uint64_t a_stride, b_stride, to_stride;
    bool b_transposed;
};

struct small_product {
    matrix_product one;
    uint64_t a_head, b_head, to_head; /* numbers from head to head */
    uint64_t share;                   /* heads of `a` that have one of `b` */
};

enum { SMALL = 32 };

/* A block has 32 x 32 numbers of a head, each thread four of one column; sums go from k = 0 on. */
static __global__ void small_kernel(small_product p) {
    __shared__ float a[SMALL][SMALL + 1], b[SMALL][SMALL + 1];
    uint64_t head = blockIdx.z, row = (uint64_t)blockIdx.y * SMALL, column = (uint64_t)blockIdx.x * SMALL;
    const float *from_a = (const float *)p.one.a + head * p.a_head;
    const float *from_b = (const float *)p.one.b + head / p.share * p.b_head;
    unsigned x = threadIdx.x % SMALL, y = threadIdx.x / SMALL;
    float sum[4] = {};
    for (uint64_t k = 0; k < p.one.inner; k += SMALL) {
        for (unsigned i = y; i < SMALL; i += 8) {
            bool there = row + i < p.one.rows && k + x < p.one.inner;
            a[i][x] = there ? from_a[(row + i) * p.one.a_stride + k + x] : 0;
            if (p.one.b_transposed) {
                there = column + i < p.one.columns && k + x < p.one.inner;
                b[x][i] = there ? from_b[(column + i) * p.one.b_stride + k + x] : 0;
            } else {
                there = k + i < p.one.inner && column + x < p.one.columns;
                b[i][x] = there ? from_b[(k + i) * p.one.b_stride + column + x] : 0;
            }
        }
        __syncthreads();
#pragma unroll 8
        for (unsigned i = 0; i < SMALL; i++) {
#pragma unroll
            for (unsigned j = 0; j < 4; j++) sum[j] = fmaf(a[y + 8 * j][i], b[i][x], sum[j]);
        }
        __syncthreads();
    }
    for (unsigned j = 0; j < 4; j++) {
        uint64_t r = row + y + 8 * j;
        if (r < p.one.rows && column + x < p.one.columns)
            ((float *)p.one.to)[head * p.to_head + r * p.one.to_stride + column + x] = p.one.scale * sum[j];
    }
}

static void multiply_small(gpu *c, const small_product &p, uint64_t heads) {
    dim3 grid(blocks_of(p.one.columns, SMALL), blocks_of(p.one.rows, SMALL), (unsigned)heads);
    if (!p.one.rows || !p.one.columns) return;
    small_kernel<<<grid, 256, 0, c->work>>>(p);
    note_error(c, cudaGetLastError());
}

void gpu_attend(void *state, const fg_attention_tile *t) {
    gpu *c = (gpu *)state;
    uint64_t scores = t->count * t->keys, share = t->heads / t->kv_heads;
    matrix_product scored = {t->count,  t->keys,        t->size,    t->scale, t->queries, t->key, t->scores,
                      t->stride, t->keys_stride, t->keys, true};
    matrix_product gathered = {t->count, t->size,        t->keys,   1,    t->scores, t->value, t->queries,
                        t->keys,  t->keys_stride, t->stride, false};
    multiply_small(c, small_product{scored, t->size, t->size, scores, share}, t->heads);
    if (t->softcap > 0) gpu_cap(state, t->scores, t->heads * scores, t->softcap);
    softmax_heads(c, t->scores, t->heads, t->count, t->keys, t->band);
    multiply_small(c, small_product{gathered, scores, t->size, t->size, share}, t->heads);
}
