/* tokens/sample: greedy decoding, the filters, and what is drawn. Filters and probabilities are those of
 * transformers (4.57: temperature, top_k, top_p), worked out by hand here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tokens/sample.h"

enum { VOCAB = 6, DRAWS = 20000 };

static uint32_t draw(const fg_sampling *sampling, uint64_t number, const float *logits, uint64_t count) {
    fg_error err = {0};
    uint32_t token = UINT32_MAX;
    assert_int_equal(fg_sample_draw(sampling, number, logits, count, &token, &err), FG_OK);
    assert_true(token < count);
    return token;
}

/* How often each token comes in DRAWS draws. */
static void draw_many(const fg_sampling *sampling, const float *logits, double *share) {
    memset(share, 0, VOCAB * sizeof *share);
    for (uint64_t i = 0; i < DRAWS; i++) share[draw(sampling, i, logits, VOCAB)] += 1.0 / DRAWS;
}

/* Shares of the tokens that `probabilities` gives, within 5 standard deviations. */
static void expect_shares(const fg_sampling *sampling, const float *logits, const double *probabilities) {
    double share[VOCAB];
    draw_many(sampling, logits, share);
    for (unsigned i = 0; i < VOCAB; i++) {
        double p = probabilities[i], slack = 5 * sqrt(p * (1 - p) / DRAWS) + 1e-9;
        if (fabs(share[i] - p) > slack) print_error("token %u: %g, expected %g\n", i, share[i], p);
        assert_true(fabs(share[i] - p) <= slack);
    }
}

static void the_likeliest_is_the_first_of_equals(void **state) {
    (void)state;
    uint64_t best = 99;
    static const float ties[] = {1, 3, 2, 3, -1, 3};
    assert_true(fg_sample_best(ties, 6, &best));
    assert_int_equal(best, 1);
    static const float odd[] = {NAN, -INFINITY, -2, INFINITY, -1};
    assert_true(fg_sample_best(odd, 5, &best));
    assert_int_equal(best, 4);
    static const float none[] = {NAN, INFINITY, -INFINITY};
    assert_false(fg_sample_best(none, 3, &best));
    assert_false(fg_sample_best(none, 0, &best));
}

static void without_a_finite_logit_nothing_is_chosen(void **state) {
    (void)state;
    static const float none[] = {NAN, -INFINITY};
    fg_sampling greedy = {.greedy = true}, drawn = {.temperature = 1, .top_p = 1};
    uint32_t token;
    fg_error err = {0};
    assert_int_equal(fg_sample_draw(&greedy, 2, none, 2, &token, &err), FG_ERR_DIFFER);
    assert_string_equal(err.text, "no logit of new token 3 is a finite number");
    err = (fg_error){0};
    assert_int_equal(fg_sample_draw(&drawn, 0, none, 2, &token, &err), FG_ERR_DIFFER);
}

static const float HALVES[VOCAB] = {0,   0.6931472f, 1.3862944f,
                                    NAN, -INFINITY,  0}; /* weights 1, 2, 4, -, -, 1 */

static void shares_are_those_of_the_softmax(void **state) {
    (void)state;
    fg_sampling sampling = {.temperature = 1, .top_p = 1, .seed = 5};
    expect_shares(&sampling, HALVES, (double[]){1 / 8., 2 / 8., 4 / 8., 0, 0, 1 / 8.});
    sampling.temperature = 0.5; /* squares them */
    expect_shares(&sampling, HALVES, (double[]){1 / 22., 4 / 22., 16 / 22., 0, 0, 1 / 22.});
    sampling.temperature = 1e6;
    expect_shares(&sampling, HALVES, (double[]){1 / 4., 1 / 4., 1 / 4., 0, 0, 1 / 4.});
    sampling.temperature = 1e-6;
    expect_shares(&sampling, HALVES, (double[]){0, 0, 1, 0, 0, 0});
}

static void top_k_keeps_the_largest_and_their_equals(void **state) {
    (void)state;
    fg_sampling sampling = {.temperature = 1, .top_p = 1, .seed = 6, .top_k = 2};
    expect_shares(&sampling, HALVES, (double[]){0, 2 / 6., 4 / 6., 0, 0, 0});
    sampling.top_k = 3; /* the third has an equal */
    expect_shares(&sampling, HALVES, (double[]){1 / 8., 2 / 8., 4 / 8., 0, 0, 1 / 8.});
    sampling.top_k = 1;
    expect_shares(&sampling, HALVES, (double[]){0, 0, 1, 0, 0, 0});
    sampling.top_k = 100;
    expect_shares(&sampling, HALVES, (double[]){1 / 8., 2 / 8., 4 / 8., 0, 0, 1 / 8.});
}

static void top_p_keeps_the_fewest_that_reach_it(void **state) {
    (void)state;
    fg_sampling sampling = {.temperature = 1, .seed = 7};
    sampling.top_p = 0.49; /* the first alone has 0.5 */
    expect_shares(&sampling, HALVES, (double[]){0, 0, 1, 0, 0, 0});
    sampling.top_p = 0.6;
    expect_shares(&sampling, HALVES, (double[]){0, 2 / 6., 4 / 6., 0, 0, 0});
    sampling.top_p = 0.8; /* of equals the lower id stays */
    expect_shares(&sampling, HALVES, (double[]){1 / 7., 2 / 7., 4 / 7., 0, 0, 0});
    static const float four[VOCAB] = {2, 2, 2, 2, NAN, NAN}; /* two of four have just 0.5 */
    sampling.top_p = 0.5;
    expect_shares(&sampling, four, (double[]){1 / 2., 1 / 2., 0, 0, 0, 0});
    sampling.top_p = 0;
    expect_shares(&sampling, HALVES, (double[]){0, 0, 1, 0, 0, 0});
    sampling.top_k = 2; /* first top_k: 4/6 and 2/6 are left, of which 0.6 keeps one */
    sampling.top_p = 0.6;
    expect_shares(&sampling, HALVES, (double[]){0, 0, 1, 0, 0, 0});
    sampling.temperature =
        1e6; /* first the temperature: four of equal probability, of which 0.6 keeps three */
    sampling.top_k = 0;
    expect_shares(&sampling, HALVES, (double[]){1 / 3., 1 / 3., 1 / 3., 0, 0, 0});
}

static void draws_depend_on_seed_and_number_alone(void **state) {
    (void)state;
    static const float flat[VOCAB] = {0};
    fg_sampling one = {.temperature = 1, .top_p = 1, .seed = 1},
                two = {.temperature = 1, .top_p = 1, .seed = 2};
    unsigned differ = 0, follow = 0;
    for (uint64_t i = 0; i < 600; i++) {
        assert_int_equal(draw(&one, i, flat, VOCAB), draw(&one, i, flat, VOCAB));
        differ += draw(&one, i, flat, VOCAB) != draw(&two, i, flat, VOCAB);
        follow += draw(&one, i + 1, flat, VOCAB) == draw(&two, i, flat, VOCAB); /* seeds are not shifts */
    }
    assert_in_range(differ, 450, 550);
    assert_in_range(follow, 50, 150);
    static const float three[] = {0.1f, 0.2f, 0.3f};
    static const uint32_t first[] = {1, 2, 0, 2, 0, 2, 1, 0}; /* the generator never changes */
    for (uint64_t i = 0; i < sizeof first / sizeof *first; i++)
        assert_int_equal(draw(&one, i, three, 3), first[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_likeliest_is_the_first_of_equals),
        cmocka_unit_test(without_a_finite_logit_nothing_is_chosen),
        cmocka_unit_test(shares_are_those_of_the_softmax),
        cmocka_unit_test(top_k_keeps_the_largest_and_their_equals),
        cmocka_unit_test(top_p_keeps_the_fewest_that_reach_it),
        cmocka_unit_test(draws_depend_on_seed_and_number_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
