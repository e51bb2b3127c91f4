/* What the CPU computes along the tokens, against the definitions of device/device.h in float64, and however a
 * prompt is cut. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/device.h"

enum { TOKENS = 11, MOST = 1200 };

typedef struct numbers {
    fg_real values[MOST];
} numbers;

/* Numbers from -1 to 1, others for each seed. */
static void fill(numbers *n, unsigned seed) {
    uint32_t x = seed * 2654435761u + 12345;
    for (int i = 0; i < MOST; i++) {
        x = x * 1664525u + 1013904223u;
        n->values[i].value = (float)((double)(x >> 8) / (1 << 23) - 1);
    }
}

static void expect_near(const fg_real *found, const double *expected, size_t count, const char *what) {
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)found[i].value - expected[i]) <= 2e-6 * fmax(1, fabs(expected[i]))))
            fail_msg("%s: number %zu is %.9g, expected %.9g", what, i, (double)found[i].value, expected[i]);
    }
}

/* ---- each: its definition, and a run over `tokens` of it from token `first` on ---- */

enum { CHANNELS = 5, KERNEL = 4 };
enum { HEADS = 6, GROUPS = 2, SIZE = 3, WIDTH = HEADS * SIZE };
enum { KEY_SIZE = 3, VALUE_SIZE = 5 };

typedef struct data {
    numbers in[8], kept, out;
    uint64_t steps;
} data;

static data make(uint64_t steps) {
    data d = {.steps = steps};
    for (unsigned i = 0; i < 8; i++) fill(&d.in[i], i + 1);
    return d;
}

static void convolve(data *d, uint64_t first, uint64_t tokens) {
    const fg_convolution c = {.tokens = tokens,
                              .channels = CHANNELS,
                              .kernel = KERNEL,
                              .from = d->in[0].values + first * CHANNELS,
                              .weight = d->in[1].values,
                              .window = d->kept.values,
                              .to = d->out.values + first * CHANNELS};
    fg_device_cpu.convolve(NULL, &c);
}

static void a_convolution_sees_the_tokens_before(void **state) {
    (void)state;
    data d = make(0);
    double expected[TOKENS * CHANNELS] = {0};
    for (int t = 0; t < TOKENS; t++) {
        for (int c = 0; c < CHANNELS; c++) {
            for (int k = 0; k < KERNEL; k++) {
                int from = t + k - (KERNEL - 1);
                if (from >= 0)
                    expected[t * CHANNELS + c] += (double)d.in[1].values[c * KERNEL + k].value *
                                                  (double)d.in[0].values[from * CHANNELS + c].value;
            }
        }
    }
    convolve(&d, 0, TOKENS);
    expect_near(d.out.values, expected, TOKENS * CHANNELS, "convolution");
}

static void scan(data *d, uint64_t first, uint64_t tokens) {
    const fg_selective_scan s = {.tokens = tokens,
                                 .heads = HEADS,
                                 .groups = GROUPS,
                                 .size = SIZE,
                                 .x = d->in[0].values + first * WIDTH,
                                 .step = d->in[1].values + first * WIDTH,
                                 .in = d->in[2].values + first * GROUPS * SIZE,
                                 .out = d->in[3].values + first * WIDTH,
                                 .rate = d->in[4].values,
                                 .skip = d->in[5].values,
                                 .states = d->kept.values,
                                 .to = d->out.values + first * WIDTH};
    fg_device_cpu.selective_scan(NULL, &s);
}

static void a_scan_follows_its_definition(void **state) {
    (void)state;
    data d = make(0);
    double states[WIDTH * SIZE] = {0}, expected[TOKENS * WIDTH];
    for (int t = 0; t < TOKENS; t++) {
        for (int i = 0; i < WIDTH; i++) {
            int head = i / SIZE, group = head / (HEADS / GROUPS);
            double x = (double)d.in[0].values[t * WIDTH + i].value,
                   step = (double)d.in[1].values[t * WIDTH + i].value, sum = 0;
            for (int n = 0; n < SIZE; n++) {
                double *s = &states[i * SIZE + n];
                *s = exp(-step * (double)d.in[4].values[i * SIZE + n].value) * *s +
                     step * (double)d.in[2].values[(t * GROUPS + group) * SIZE + n].value * x;
                sum += *s * (double)d.in[3].values[t * WIDTH + head * SIZE + n].value;
            }
            expected[t * WIDTH + i] = sum + (double)d.in[5].values[i].value * x;
        }
    }
    scan(&d, 0, TOKENS);
    expect_near(d.out.values, expected, TOKENS * WIDTH, "scan");
    data again = make(0);
    memcpy(again.out.values, again.in[0].values, sizeof again.out.values);
    fg_selective_scan in_place = {.tokens = TOKENS,
                                  .heads = HEADS,
                                  .groups = GROUPS,
                                  .size = SIZE,
                                  .x = again.out.values,
                                  .step = again.in[1].values,
                                  .in = again.in[2].values,
                                  .out = again.in[3].values,
                                  .rate = again.in[4].values,
                                  .skip = again.in[5].values,
                                  .states = again.kept.values,
                                  .to = again.out.values};
    fg_device_cpu.selective_scan(NULL, &in_place);
    assert_memory_equal(again.out.values, d.out.values, TOKENS * WIDTH * sizeof(float));
}

static void delta(data *d, uint64_t first, uint64_t tokens) {
    const fg_delta_rule r = {.tokens = tokens,
                             .heads = HEADS,
                             .key_heads = GROUPS,
                             .key_size = KEY_SIZE,
                             .value_size = VALUE_SIZE,
                             .steps = d->steps,
                             .query = d->in[0].values + first * GROUPS * KEY_SIZE,
                             .key = d->in[1].values + first * GROUPS * KEY_SIZE,
                             .value = d->in[2].values + first * HEADS * VALUE_SIZE,
                             .beta = d->in[3].values + first * HEADS,
                             .step = d->in[4].values + first * HEADS * d->steps,
                             .rate = d->in[5].values,
                             .states = d->kept.values,
                             .to = d->out.values + first * HEADS * VALUE_SIZE};
    fg_device_cpu.delta_rule(NULL, &r);
}

/* One token in one head. */
static void delta_expected(const data *d, int t, int h, double *s, double *to) {
    const fg_real *query = d->in[0].values + (t * GROUPS + h / (HEADS / GROUPS)) * KEY_SIZE,
                  *key = d->in[1].values + (query - d->in[0].values),
                  *value = d->in[2].values + (t * HEADS + h) * VALUE_SIZE;
    for (int i = 0; i < KEY_SIZE; i++) {
        int step = (t * HEADS + h) * (int)d->steps + (d->steps == 1 ? 0 : i);
        for (int j = 0; j < VALUE_SIZE; j++)
            s[i * VALUE_SIZE + j] *=
                exp(-(double)d->in[5].values[h].value * (double)d->in[4].values[step].value);
    }
    for (int j = 0; j < VALUE_SIZE; j++) {
        double known = 0;
        to[j] = 0;
        for (int i = 0; i < KEY_SIZE; i++) known += (double)key[i].value * s[i * VALUE_SIZE + j];
        for (int i = 0; i < KEY_SIZE; i++) {
            s[i * VALUE_SIZE + j] += (double)key[i].value * (double)d->in[3].values[t * HEADS + h].value *
                                     ((double)value[j].value - known);
            to[j] += (double)query[i].value * s[i * VALUE_SIZE + j];
        }
    }
}

static void a_delta_rule_follows_its_definition(void **state) {
    (void)state;
    for (uint64_t steps = 1; steps <= KEY_SIZE; steps += KEY_SIZE - 1) {
        data d = make(steps);
        double states[HEADS * KEY_SIZE * VALUE_SIZE] = {0}, expected[TOKENS * HEADS * VALUE_SIZE];
        for (int t = 0; t < TOKENS; t++) {
            for (int h = 0; h < HEADS; h++)
                delta_expected(&d, t, h, states + h * KEY_SIZE * VALUE_SIZE,
                               expected + (t * HEADS + h) * VALUE_SIZE);
        }
        delta(&d, 0, TOKENS);
        expect_near(d.out.values, expected, TOKENS * HEADS * VALUE_SIZE, "delta rule");
    }
}

/* ---- however a prompt is cut ---- */

static void cuts_leave_the_same_bits(void **state) {
    (void)state;
    void (*const runs[])(data *, uint64_t, uint64_t) = {convolve, scan, delta};
    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        data whole = make(KEY_SIZE);
        runs[r](&whole, 0, TOKENS);
        for (uint64_t part = 1; part < TOKENS; part++) {
            data cut = make(KEY_SIZE);
            for (uint64_t at = 0; at < TOKENS; at += part)
                runs[r](&cut, at, at + part < TOKENS ? part : TOKENS - at);
            if (memcmp(cut.out.values, whole.out.values, sizeof cut.out.values) != 0 ||
                memcmp(cut.kept.values, whole.kept.values, sizeof cut.kept.values) != 0)
                fail_msg("function %zu by %d tokens gives other bits", r, (int)part);
        }
    }
}

static void heads_are_repeated_one_behind_the_other(void **state) {
    (void)state;
    data d = make(0);
    const fg_heads shape = {.tokens = 2, .heads = 2, .size = 3, .stride = 7};
    fg_device_cpu.repeat_heads(NULL, d.in[0].values, &shape, 2, d.out.values);
    for (int t = 0; t < 2; t++) {
        for (int h = 0; h < 4; h++)
            assert_memory_equal(d.out.values + (t * 4 + h) * 3, d.in[0].values + t * 7 + h / 2 * 3,
                                3 * sizeof(float));
    }
}

static void softplus_stays_finite(void **state) {
    (void)state;
    fg_real values[] = {{-100}, {-1}, {0}, {20}, {21}, {1000}};
    const double expected[] = {
        3.7200759760208361e-44, 0.31326168751822286, 0.69314718055994529, 20.000000002061153, 21, 1000};
    fg_device_cpu.activate(NULL, FG_ACTIVATION_SOFTPLUS, values, 6);
    expect_near(values, expected, 6, "softplus");
    fg_device_cpu.activate(NULL, FG_ACTIVATION_EXP, values, 2);
    assert_float_equal(values[1].value, expf(0.31326169f), 1e-6f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_sees_the_tokens_before),
        cmocka_unit_test(a_scan_follows_its_definition),
        cmocka_unit_test(a_delta_rule_follows_its_definition),
        cmocka_unit_test(cuts_leave_the_same_bits),
        cmocka_unit_test(heads_are_repeated_one_behind_the_other),
        cmocka_unit_test(softplus_stays_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
