#include "device/cpu_recurrences.h"

#include <math.h>
#include <string.h>

static float *at(fg_real *values) {
    return &values->value;
}

static const float *seen(const fg_real *values) {
    return &values->value;
}

/* ---- convolution ---- */

/* Token `t` of those before the call and of the call, counted from the window's first. */
static const float *input_row(const fg_convolution *c, uint64_t t) {
    uint64_t before = c->kernel - 1;
    return t < before ? seen(c->window) + t * c->channels : seen(c->from) + (t - before) * c->channels;
}

void fg_cpu_convolve(void *state, const fg_convolution *c) {
    (void)state;
    for (uint64_t t = 0; t < c->tokens; t++) {
        float *to = at(c->to) + t * c->channels;
        for (uint64_t k = 0; k < c->kernel; k++) {
            const float *x = input_row(c, t + k), *weight = seen(c->weight) + k;
            for (uint64_t i = 0; i < c->channels; i++) to[i] = (k ? to[i] : 0) + weight[i * c->kernel] * x[i];
        }
    }
    /* Rows move to the front one after the other: none is overwritten before it has moved. */
    for (uint64_t k = 0; k + 1 < c->kernel; k++)
        memmove(at(c->window) + k * c->channels, input_row(c, c->tokens + k), c->channels * sizeof(float));
}

void fg_cpu_repeat_heads(void *state, const fg_real *from, const fg_heads *shape, uint64_t times,
                         fg_real *to) {
    uint64_t size = shape->size, heads = shape->heads * times;
    (void)state;
    for (uint64_t t = 0; t < shape->tokens; t++) {
        for (uint64_t h = 0; h < heads; h++)
            memcpy(to + (t * heads + h) * size, from + t * shape->stride + h / times * size,
                   size * sizeof *to);
    }
}

/* ---- selective scan ---- */

/* One token in one channel: the state moves on. */
static float scan_channel(float *s, uint64_t size, const float *rate, float step, const float *in, float x,
                          const float *out) {
    float sum = 0;
    for (uint64_t n = 0; n < size; n++) {
        s[n] = expf(-step * rate[n]) * s[n] + step * in[n] * x;
        sum += s[n] * out[n];
    }
    return sum;
}

void fg_cpu_selective_scan(void *state, const fg_selective_scan *c) {
    uint64_t size = c->size, width = c->heads * size, share = c->heads / c->groups;
    (void)state;
    for (uint64_t t = 0; t < c->tokens; t++) {
        const float *x = seen(c->x) + t * width, *step = seen(c->step) + t * width,
                    *in = seen(c->in) + t * c->groups * size, *out = seen(c->out) + t * width;
        float *to = at(c->to) + t * width;
        for (uint64_t i = 0; i < width; i++) {
            uint64_t head = i / size;
            float input = x[i],
                  sum = scan_channel(at(c->states) + i * size, size, seen(c->rate) + i * size, step[i],
                                     in + head / share * size, input, out + head * size);
            to[i] = sum + seen(c->skip)[i] * input;
        }
    }
}

/* ---- delta rule ---- */

/* to[j] = sum over i of by[i] * states[i, j]: row by row, which the compiler can do for several j at once. */
static void add_rows(const float *states, const float *by, uint64_t rows, uint64_t columns, float *to) {
    memset(to, 0, columns * sizeof *to);
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < columns; j++) to[j] += by[i] * states[i * columns + j];
    }
}

/* What one token's head is given. */
typedef struct delta_token {
    const float *query, *key, *value, *step;
    float beta, rate;
} delta_token;

/* `to` first holds what the state knows of the key's value, then how far that is off. */
static void delta_head(const fg_delta_rule *r, const delta_token *given, float *states, float *to) {
    uint64_t rows = r->key_size, columns = r->value_size;
    for (uint64_t i = 0; i < rows; i++) {
        float decay = expf(-given->rate * given->step[r->steps == 1 ? 0 : i]);
        for (uint64_t j = 0; j < columns; j++) states[i * columns + j] *= decay;
    }
    add_rows(states, given->key, rows, columns, to);
    for (uint64_t j = 0; j < columns; j++) to[j] = given->beta * (given->value[j] - to[j]);
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < columns; j++) states[i * columns + j] += given->key[i] * to[j];
    }
    add_rows(states, given->query, rows, columns, to);
}

void fg_cpu_delta_rule(void *state, const fg_delta_rule *r) {
    uint64_t share = r->heads / r->key_heads;
    (void)state;
    for (uint64_t t = 0; t < r->tokens; t++) {
        for (uint64_t h = 0; h < r->heads; h++) {
            uint64_t key = (t * r->key_heads + h / share) * r->key_size, head = t * r->heads + h;
            const delta_token given = {.query = seen(r->query) + key,
                                       .key = seen(r->key) + key,
                                       .value = seen(r->value) + head * r->value_size,
                                       .step = seen(r->step) + head * r->steps,
                                       .beta = seen(r->beta)[head],
                                       .rate = seen(r->rate)[h]};
            delta_head(r, &given, at(r->states) + h * r->key_size * r->value_size,
                       at(r->to) + head * r->value_size);
        }
    }
}
