/* The comparison of logits against a direct computation in long double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/compare.h"

enum { T = 5, V = 97 };

static uint64_t seed = 1;

static float random_logit(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return ((float)(seed >> 40) / (float)(1 << 24) - 0.5f) * 60;
}

static long double direct_kl(const float *a, const float *b) {
    long double sum_a = 0, sum_b = 0, kl = 0;
    for (int i = 0; i < V; i++) {
        sum_a += expl(a[i]);
        sum_b += expl(b[i]);
    }
    for (int i = 0; i < V; i++) {
        long double p = expl(a[i]) / sum_a, q = expl(b[i]) / sum_b;
        kl += p * (logl(p) - logl(q));
    }
    return kl;
}

/* Whether a logit is one of the five largest of its row. */
static bool is_top(const float *row, int column) {
    int before = 0;
    for (int i = 0; i < V; i++) before += row[i] > row[column] || (row[i] == row[column] && i < column);
    return before < 5;
}

/* Columns are cut into `cuts` slices, each added to structs of its own, which are joined from the last to the
 * first. */
static fg_comparison by_slices(const float *a, const float *b, int cuts) {
    fg_compare total = {0};
    fg_compare_token tokens[T] = {0};
    for (int cut = cuts - 1; cut >= 0; cut--) {
        int from = V * cut / cuts, rows = V * (cut + 1) / cuts - from;
        float *slice = calloc(2 * T * (size_t)rows, sizeof *slice), *other = slice + T * rows;
        fg_compare one = {0};
        fg_compare_token per_token[T] = {0};
        for (int t = 0; t < T; t++) {
            memcpy(slice + t * rows, a + t * V + from, (size_t)rows * sizeof *a);
            memcpy(other + t * rows, b + t * V + from, (size_t)rows * sizeof *b);
        }
        fg_compare_slice(slice, other, 0, 2, (uint64_t)from, (uint64_t)rows, &one,
                         per_token); /* in two micro-batches */
        fg_compare_slice(slice + 2 * rows, other + 2 * rows, 2, T - 2, (uint64_t)from, (uint64_t)rows, &one,
                         per_token + 2);
        fg_compare_join(&total, &one);
        for (int t = 0; t < T; t++) fg_compare_token_join(&tokens[t], &per_token[t]);
        free(slice);
    }
    return fg_compare_finish(&total, tokens, T);
}

static void figures_equal_the_direct_ones(void **state) {
    (void)state;
    float a[T * V], b[T * V];
    for (int i = 0; i < T * V; i++) {
        a[i] = random_logit();
        b[i] = i % 3 ? a[i] : a[i] + random_logit() / 40;
    }
    b[2 * V + 50] = a[2 * V + 50] - 9;
    a[4 * V + 3] = 100; /* arg-max of a and, moved, of b */
    b[4 * V + 3] = 99;
    b[4 * V + 96] = 101;
    long double kl = 0, worst = 0, sum = 0, largest = 0, most_a = 0, product = 0, square[2] = {0}, top = 0;
    int same = 0;
    for (int t = 0; t < T; t++) {
        long double one = direct_kl(a + t * V, b + t * V);
        kl += one / T;
        worst = fmaxl(worst, one);
        int at_a = 0, at_b = 0;
        for (int i = 0; i < V; i++) {
            at_a = a[t * V + i] > a[t * V + at_a] ? i : at_a;
            at_b = b[t * V + i] > b[t * V + at_b] ? i : at_b;
            sum += fabsl((long double)a[t * V + i] - b[t * V + i]);
            largest = fmaxl(largest, fabsl((long double)a[t * V + i] - b[t * V + i]));
            most_a = fmaxl(most_a, fabsl((long double)a[t * V + i]));
            product += (long double)a[t * V + i] * b[t * V + i];
            square[0] += (long double)a[t * V + i] * a[t * V + i];
            square[1] += (long double)b[t * V + i] * b[t * V + i];
            top += is_top(a + t * V, i) && is_top(b + t * V, i);
        }
        same += at_a == at_b;
    }
    for (int cuts = 1; cuts <= 5; cuts++) {
        fg_comparison found = by_slices(a, b, cuts);
        assert_true(fabsl(found.kl_mean - kl) < 1e-12L * kl &&
                    fabsl(found.kl_largest - worst) < 1e-12L * worst);
        assert_true(fabsl(found.mean_difference - sum / (T * V)) < 1e-12L);
        assert_true(found.largest_difference == (double)largest &&
                    found.largest_value[FG_SIDE_A] == (double)most_a);
        assert_true(found.values == T * V && found.tokens == T && found.same_arg_max == (double)same / T &&
                    same < T);
        assert_true(found.non_finite[0] == 0 && found.non_finite[1] == 0);
        assert_true(found.kl_p95 == found.kl_largest); /* of five tokens */
        assert_true(fabsl(found.cosine - product / sqrtl(square[0] * square[1])) < 1e-12L);
        assert_true(fabsl(found.same_top - top / (5 * T)) < 1e-12L && top < 5 * T);
        assert_true(fabs((double)a[found.token * V + found.column] - b[found.token * V + found.column]) ==
                    found.largest_difference);
    }
}

static void equal_logits_differ_by_exactly_nothing(void **state) {
    (void)state;
    float a[T * V];
    for (int i = 0; i < T * V; i++) a[i] = random_logit();
    a[7] = INFINITY;
    a[V + 1] = NAN;
    for (int cuts = 1; cuts <= 3; cuts++) {
        fg_comparison found = by_slices(a, a, cuts);
        assert_true(found.largest_difference == 0 && found.mean_difference == 0 && found.kl_largest == 0 &&
                    found.same_arg_max == 1);
        assert_true(found.cosine == 1 && found.same_top == 1 && found.kl_histogram[0] == T);
        assert_true(found.non_finite[0] == 2 && found.non_finite[1] == 2);
        assert_true(found.nan[0] == 1 && found.nan[1] == 1);
    }
}

/* In two halves of the columns. */
static fg_comparison if_equal(float *a, float *b, bool *more) {
    fg_compare total = {0}, other = {0};
    fg_compare_token tokens[2][T] = {0};
    enum { HALF = V / 2 };
    for (int t = 0; t < T; t++) {
        fg_compare_slice_if_equal(a + t * V, b + t * V, (uint64_t)t, 1, 0, HALF, &total, &tokens[0][t]);
        fg_compare_slice_if_equal(a + t * V + HALF, b + t * V + HALF, (uint64_t)t, 1, HALF, V - HALF, &other,
                                  &tokens[1][t]);
        fg_compare_token_join(&tokens[0][t], &tokens[1][t]);
    }
    fg_compare_join(&total, &other);
    *more = fg_compare_is_incomplete(&total, tokens[0], T);
    return fg_compare_finish(&total, tokens[0], T);
}

static void equal_rows_are_looked_at_once(void **state) {
    float a[T * V], b[T * V];
    bool more;
    (void)state;
    for (int i = 0; i < T * V; i++) a[i] = b[i] = random_logit();
    for (int how = 0; how < 2; how++) {
        fg_comparison quick = if_equal(a, b, &more), whole = by_slices(a, b, 1);
        assert_false(more);
        whole.cosine = quick.cosine; /* its sums are cut elsewhere */
        assert_memory_equal(&quick, &whole, sizeof quick);
        a[3] = b[3] = NAN; /* a row that is equal, but not finite */
        a[V - 2] = b[V - 2] = INFINITY;
    }
    b[T * V - 1] += 1;
    if_equal(a, b, &more);
    assert_true(more);
}

static void the_first_of_equal_differences_is_named(void **state) {
    (void)state;
    float a[T * V] = {0}, b[T * V] = {0};
    b[3 * V + 80] = b[3 * V + 2] = b[4 * V] = 2;
    for (int cuts = 1; cuts <= 5; cuts++) {
        fg_comparison found = by_slices(a, b, cuts);
        assert_true(found.largest_difference == 2 && found.token == 3 && found.column == 2);
    }
}

static void non_finite_values_differ_by_infinity(void **state) {
    (void)state;
    float a[T * V] = {0}, b[T * V] = {0};
    a[V + 9] = NAN;
    b[2 * V + 4] = -INFINITY;
    for (int i = 0; i < V; i++) b[3 * V + i] = NAN; /* nothing finite is left */
    fg_comparison found = by_slices(a, b, 3);
    assert_true(isinf(found.largest_difference) && found.token == 1 && found.column == 9);
    assert_true(found.non_finite[FG_SIDE_A] == 1 && found.non_finite[FG_SIDE_B] == V + 1);
    assert_true(isfinite(found.kl_mean) && found.same_arg_max == 0.8);
}

/* Two logits of each token; the KL divergence of (0, 0) and (0, x) is about x * x / 8. */
static void divergences_are_counted_by_decade(void **state) {
    (void)state;
    float a[200] = {0}, b[200] = {0};
    fg_compare total = {0};
    fg_compare_token tokens[100] = {0};
    for (int t = 0; t < 100; t++) b[2 * t + 1] = t < 90 ? 0 : t < 96 ? 0.01f : 20.0f;
    fg_compare_slice(a, b, 0, 100, 0, 2, &total, tokens);
    fg_comparison found = fg_compare_finish(&total, tokens, 100);
    assert_true(found.kl_histogram[0] == 90 && found.kl_histogram[9] == 6 && found.kl_histogram[14] == 4);
    assert_true(found.kl_p95 > 1.2e-5 && found.kl_p95 < 1.3e-5 && found.kl_largest > 9);
}

/* However hidden states are cut, the sums are the same bit by bit. */
static void values_are_added_token_by_token(void **state) {
    (void)state;
    float a[T * V], b[T * V];
    for (int i = 0; i < T * V; i++) {
        a[i] = random_logit();
        b[i] = a[i] + random_logit() / 1000;
    }
    fg_compare whole = {0}, cut = {0};
    fg_compare_values(a, b, 0, T, V, &whole);
    fg_compare_values(a, b, 0, 2, V, &cut);
    fg_compare_values(a + 2 * V, b + 2 * V, 2, T - 2, V, &cut);
    assert_memory_equal(&whole, &cut, sizeof whole);
    assert_true(whole.largest_difference > 0 && fg_compare_cosine(&whole) > 0.999);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_equal_the_direct_ones),
        cmocka_unit_test(equal_logits_differ_by_exactly_nothing),
        cmocka_unit_test(equal_rows_are_looked_at_once),
        cmocka_unit_test(the_first_of_equal_differences_is_named),
        cmocka_unit_test(non_finite_values_differ_by_infinity),
        cmocka_unit_test(divergences_are_counted_by_decade),
        cmocka_unit_test(values_are_added_token_by_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
