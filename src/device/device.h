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

/* Rows of a weight in the device's memory: as float32, or as they are stored, if `takes_stored` says so. */
typedef struct fg_panel {
    const fg_real *values;
    fg_dtype dtype;
} fg_panel;

/* Vectors [tokens, heads, size]; from token to token lie `stride` numbers. */
typedef struct fg_heads {
    uint64_t tokens, heads, size, stride;
} fg_heads;

/* Which columns of a row count: in row r the last `width` (0: all) of those below `end` + r. */
typedef struct fg_band {
    uint64_t end, width;
} fg_band;

/* Attention of the queries of some tokens over `keys` positions: query head h with head h / (heads /
 * kv_heads) of keys and values. What a head gathers, softmax(cap(query . key * scale)) of the values, takes
 * the place of its queries. Sizes and strides are at most INT_MAX. */
typedef struct fg_attention_tile {
    uint64_t count, heads, kv_heads, size, keys;
    float scale, softcap;       /* softcap 0: none */
    const fg_band *band;        /* NULL: every query sees every key */
    fg_real *queries;           /* [count, heads, size] */
    uint64_t stride;            /* numbers from token to token */
    const fg_real *key, *value; /* [keys, kv_heads, size] */
    uint64_t keys_stride;       /* of both, from position to position */
    fg_real *scores;            /* [count, keys], of each head if the device takes all heads at once */
} fg_attention_tile;

/* Of the first 2 * pairs elements of a vector. Pair i is the elements i and i + pairs or, interleaved, 2i and
 * 2i + 1; its cosine and sine are numbers i and i + pairs of the token's angles. */
typedef struct fg_rotation {
    const fg_real *angles; /* [tokens, 2, pairs] */
    uint64_t pairs;
    bool interleaved;
} fg_rotation;

/* A causal convolution of each channel along the tokens: to[t, c] = sum over k of weight[c, k] * x[t + k -
 * (kernel - 1), c], added from k = 0 on. x is `from` [tokens, channels], and before the first token `window`
 * [kernel - 1, channels], the oldest first, which afterwards has the last kernel - 1 tokens. `to` is not
 * `from`. */
typedef struct fg_convolution {
    uint64_t tokens, channels, kernel;
    const fg_real *from;   /* [tokens, channels] */
    const fg_real *weight; /* [channels, kernel] */
    fg_real *window;
    fg_real *to; /* [tokens, channels] */
} fg_convolution;

/* A selective scan (Gu and Dao, 2023). For each token, in each channel i, one of `size` in head h of `heads`,
 * with the state s [size] of the channel, n < size, and g = h / (heads / groups):
 *   s[n] = exp(-step[i] * rate[i, n]) * s[n] + step[i] * in[g, n] * x[i]
 *   to[i] = sum over n of s[n] * out[h, n], added from n = 0 on, + skip[i] * x[i] */
typedef struct fg_selective_scan {
    uint64_t tokens, heads, groups, size;
    const fg_real *x, *step; /* [tokens, heads * size] */
    const fg_real *in;       /* [tokens, groups * size] */
    const fg_real *out;      /* [tokens, heads * size] */
    const fg_real *rate;     /* [heads * size, size] */
    const fg_real *skip;     /* [heads * size] */
    fg_real *states;         /* [heads * size, size]; what the tokens before leave, and those leave */
    fg_real *to;             /* [tokens, heads * size]; may be x */
} fg_selective_scan;

/* A delta rule with decay (Yang, Kautz and Hatamizadeh, 2024). For each token, in each head h of `heads`,
 * with its state S [key_size, value_size], the query and key of head h / (heads / key_heads), and
 * d[i] = exp(-rate[h] * step[h, i]), step[h, 0] for all i where `steps` is 1:
 *   S[i, j] = d[i] * S[i, j]
 *   S[i, j] = S[i, j] + key[i] * beta[h] * (value[j] - sum over i of key[i] * S[i, j])
 *   to[j] = sum over i of query[i] * S[i, j]
 * Sums are added from i = 0 on. */
typedef struct fg_delta_rule {
    uint64_t tokens, heads, key_heads, key_size, value_size, steps;
    const fg_real *query, *key; /* [tokens, key_heads, key_size] */
    const fg_real *value;       /* [tokens, heads, value_size] */
    const fg_real *beta;        /* [tokens, heads] */
    const fg_real *step;        /* [tokens, heads, steps]; steps is 1 or key_size */
    const fg_real *rate;        /* [heads] */
    fg_real *states; /* [heads, key_size, value_size]; what the tokens before leave, and those leave */
    fg_real *to;     /* [tokens, heads, value_size]; not one of the others */
} fg_delta_rule;

typedef enum fg_activation {
    FG_ACTIVATION_SILU,      /* x / (1 + exp(-x)) */
    FG_ACTIVATION_GELU,      /* x times the share of a normal distribution below x */
    FG_ACTIVATION_GELU_TANH, /* the same, approximated (Hendrycks and Gimpel, 2016) */
    FG_ACTIVATION_RELU,
    FG_ACTIVATION_RELU2, /* its square */
    FG_ACTIVATION_SIGMOID,
    FG_ACTIVATION_IDENTITY,
    FG_ACTIVATION_EXP,
    FG_ACTIVATION_SOFTPLUS /* log(1 + exp(x)), and x above 20 */
} fg_activation;

typedef struct fg_device {
    const char *name;
    bool host_memory;        /* its memory is the host's: a cast makes one pointer of the other */
    bool heads_at_once;      /* `attend` needs scores of all heads at a time, not of one */
    uint64_t panel_bytes;    /* of a weight, as float32, that `linear` is best given at once */
    uint64_t load_bytes;     /* as stored, that `load` is best given at once */
    uint64_t tokens_at_once; /* most tokens of a `linear`: a tile, or more if that gives the same bits */

    /* The name of the processor that this rank computes on. */
    void (*processor)(char *name, size_t size);

    /* `state` is passed to all others; one model's. */
    fg_status (*open)(void **state, fg_error *err);
    void (*close)(void *state);

    /* ---- memory: of `count` numbers, undefined at first; release takes NULL ---- */
    fg_status (*allocate)(void *state, uint64_t count, fg_real **memory, fg_error *err);
    void (*release)(void *state, fg_real *memory);
    /* Bytes that may still be allocated for weights that are kept. NULL: the caller decides, as the memory is
     * the host's. */
    uint64_t (*room)(void *state);
    fg_status (*put)(void *state, const float *from, uint64_t count, fg_real *to, fg_error *err);
    fg_status (*get)(void *state, const fg_real *from, uint64_t count, float *to, fg_error *err);
    /* The host's memory for `bytes`, at most load_bytes, that the next `load` takes without another copy;
     * NULL: it failed. The member may be NULL: any memory is as good. */
    void *(*stage)(void *state, uint64_t bytes, fg_error *err);
    /* Elements as a checkpoint stores them, in the host's memory, come to the device: as float32, exactly,
     * or, if `as` is their own dtype, as they are. The caller may overwrite `from` afterwards. */
    fg_status (*load)(void *state, fg_dtype dtype, const void *from, uint64_t count, fg_dtype as, fg_real *to,
                      fg_error *err);
    /* Whether `linear` takes a weight of this dtype as it is stored. NULL: float32 alone. */
    bool (*takes_stored)(fg_dtype dtype);

    /* ---- products ---- */

    /* output[t * stride + r] = panel[r] . input[t], for the `rows` rows of a panel [rows, columns] of a
     * weight and `count` tokens [count, columns]. Sums depend on rows, columns and count alone. */
    fg_status (*linear)(void *state, fg_panel panel, uint64_t rows, uint64_t columns, const fg_real *input,
                        uint64_t count, fg_real *output, uint64_t stride, fg_error *err);
    void (*attend)(void *state, const fg_attention_tile *tile);

    /* ---- rows ---- */

    /* In place: each of `rows` rows of `columns` scores becomes exp(score - largest) / sum over the
     * columns of the band (NULL: all), and 0 elsewhere; the sum is taken from left to right in float64. */
    void (*softmax)(void *state, fg_real *scores, uint64_t rows, uint64_t columns, const fg_band *band);
    /* x / sqrt(mean(x^2) + epsilon) * weight [size] (NULL: 1) for each vector; `to` may be `from`. Squares
     * are added in float64 in eight partial sums, element i in number i % 8 (a rest of size % 8 in number 0),
     * which are joined as ((0 + 4) + (1 + 5)) + ((2 + 6) + (3 + 7)). */
    void (*rms_norm)(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                     float epsilon, fg_real *to);
    /* (x - m) / sqrt(mean((x - m)^2) + epsilon) * weight [size], m = mean(x) in float32; both sums in that
     * order. */
    void (*layer_norm)(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                       float epsilon, fg_real *to);
    /* In place: the two elements (a, b) of a pair become (a cos - b sin, b cos + a sin). */
    void (*rotate)(void *state, fg_real *values, const fg_heads *shape, const fg_rotation *rotation);

    /* ---- numbers, in place and each for itself ---- */

    void (*activate)(void *state, fg_activation activation, fg_real *values, uint64_t count);
    void (*multiply)(void *state, fg_real *values, const fg_real *by, uint64_t count);
    /* values[r * stride + c] += added[r * added_stride + c]; an added_stride of 0 adds one row to all. */
    void (*add)(void *state, fg_real *values, uint64_t stride, const fg_real *added, uint64_t added_stride,
                uint64_t rows, uint64_t columns);
    void (*scale)(void *state, fg_real *values, uint64_t count, float by);
    void (*shift)(void *state, fg_real *values, uint64_t count, float by); /* values += by */
    void (*cap)(void *state, fg_real *values, uint64_t count, float most); /* most * tanh(value / most) */
    void (*clear)(void *state, fg_real *values, uint64_t count);           /* 0 */

    /* ---- some rows [size] of many; `rows` and `weights` are the host's ---- */

    /* to[i] = from[rows[i]] */
    void (*gather)(void *state, const fg_real *from, uint64_t size, const uint64_t *rows, uint64_t count,
                   fg_real *to);
    /* to[rows[i]] += weights[i] * from[i]; no row is given twice. */
    void (*scatter)(void *state, const fg_real *from, uint64_t size, const uint64_t *rows,
                    const float *weights, uint64_t count, fg_real *to);

    /* ---- along the tokens: token after token, so that a prompt cut anywhere gives the same bits ---- */

    void (*convolve)(void *state, const fg_convolution *convolution);
    /* to[t, h] = from[t, h / times], h < heads * times; `to` [tokens, heads * times, size] is not `from`. */
    void (*repeat_heads)(void *state, const fg_real *from, const fg_heads *shape, uint64_t times,
                         fg_real *to);
    void (*selective_scan)(void *state, const fg_selective_scan *scan);
    void (*delta_rule)(void *state, const fg_delta_rule *rule);
} fg_device;

extern const fg_device fg_device_cpu;

/* Threads that products on the CPU may use on this rank. */
void fg_device_cpu_threads(int threads);
/* Before the first product of one thread. FG_ERR_MEMORY: OpenBLAS would find no memory for its buffer, for
 * which it would ask for ever. */
fg_status fg_device_cpu_reserve(fg_error *err);
/* The kernels that OpenBLAS chose, by its own name. */
const char *fg_device_cpu_kernels(void);
enum { FG_DEVICE_CPU_LIBRARY = 32 };
/* The version of OpenBLAS that is loaded; returns `text`. */
const char *fg_device_cpu_library(char text[FG_DEVICE_CPU_LIBRARY]);

#endif
