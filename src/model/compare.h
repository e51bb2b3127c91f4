/* Comparing numbers of two models: logits, slice of the vocabulary by slice, and hidden states.
 *
 * Everything here is plain data and can be sent between ranks as bytes. What is joined:
 *   fg_compare        one for all: differences, counts of non-finite values, the largest value;
 *   fg_compare_token  one a token: what softmax, KL divergence and the largest logits of the whole
 * vocabulary need.
 * Sums of exponentials are kept relative to the largest logit seen so far, so that slices can be joined in
 * one pass, whatever their largest. Over ranks: each rank adds its slices with fg_compare_slice; the structs
 * of all ranks are gathered (or reduced with a non-commutative MPI operation over the joins below), joined in
 * rank order, and finished. Joining in another order changes the KL divergence, the mean and the cosine in
 * their last bits only, all else not at all. Hidden states have no tokens to join: they are added
 * with fg_compare_values alone, token after token, so that the sums are the same however they are cut.
 *
 * Non-finite values: a pair of equal values (two infinities of one sign, or NaN and NaN) has no difference; a
 * finite value next to another one that is not, or two unlike ones, differ by infinity. They take no part in
 * softmax, and they are counted.
 */
#ifndef FG_MODEL_COMPARE_H
#define FG_MODEL_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

enum { FG_SIDE_A = 0, FG_SIDE_B = 1, FG_SIDES = 2 }; /* source, destination */

/* Start from zeros. */
typedef struct fg_compare {
    uint64_t values; /* pairs compared */
    uint64_t token,
        column; /* where the largest difference is first: the lowest token, then the lowest column */
    double largest_difference;
    double sum;                                   /* of absolute differences */
    double product, square[FG_SIDES];             /* sums of a * b, a * a and b * b, where both are finite */
    double largest_value[FG_SIDES];               /* largest absolute finite value */
    uint64_t non_finite[FG_SIDES], nan[FG_SIDES]; /* infinite ones and NaN; NaN alone */
} fg_compare;

/* A logit and its column. */
typedef struct fg_compare_top {
    float logit;
    uint32_t column;
} fg_compare_top;
enum { FG_COMPARE_TOP = 5 };

/* Start from zeros. */
typedef struct fg_compare_token {
    uint64_t finite[FG_SIDES]; /* finite logits seen; 0: the rest is unset */
    fg_compare_top top[FG_SIDES]
                      [FG_COMPARE_TOP]; /* as many of the largest as were seen; the lowest of equals first */
    double largest[FG_SIDES];           /* logit */
    double sum[FG_SIDES];               /* of exp(logit - largest) */
    double weighted; /* sum of exp(a - largest of a) * (a - b) over columns where both are finite */
    uint64_t equal;  /* further logits, of which fg_compare_slice_if_equal looked at nothing else */
    double kl;       /* set when it is finished */
} fg_compare_token;

enum { FG_KL_BINS = 15, FG_KL_FIRST_DECADE = -12 };
typedef struct fg_comparison {
    uint64_t tokens, values;
    double largest_difference, mean_difference;
    uint64_t token, column;             /* where the largest difference is; meaningless when that is 0 */
    double kl_mean, kl_p95, kl_largest; /* KL divergence of b's distribution from a's, in nats, over tokens;
                                           that of the token which 95 % do not exceed */
    uint64_t kl_histogram[FG_KL_BINS];  /* tokens by it: 0; below 10^-12; ...; below 1; 1 and more */
    double cosine;                      /* of all values of a and of b */
    double same_arg_max; /* share of tokens whose largest logit is at the same column, 0 to 1 */
    double same_top;     /* share of the FG_COMPARE_TOP largest that both have, mean over tokens, 0 to 1 */
    double largest_value[FG_SIDES];
    uint64_t non_finite[FG_SIDES], nan[FG_SIDES];
} fg_comparison;

/* Adds logits a and b [tokens, rows] of the columns [column, column + rows) and the tokens from `token` on.
 * `per_token` has an entry for each of these `tokens`. No column may be added twice. */
void fg_compare_slice(const float *a, const float *b, uint64_t token, uint64_t tokens, uint64_t column,
                      uint64_t rows, fg_compare *total, fg_compare_token *per_token);

/* The same, but in a row whose logits are finite and equal it looks at nothing else, as long as nothing
 * differs: most comparisons end so, and take half the time. If at last something differs and a token has
 * `equal` logits, all must be added once more, from zeros. */
void fg_compare_slice_if_equal(const float *a, const float *b, uint64_t token, uint64_t tokens,
                               uint64_t column, uint64_t rows, fg_compare *total,
                               fg_compare_token *per_token);
/* Whether this is so. */
bool fg_compare_is_incomplete(const fg_compare *total, const fg_compare_token *per_token, uint64_t tokens);

/* The same for values that are no logits: hidden states [tokens, columns], from column 0 on. */
void fg_compare_values(const float *a, const float *b, uint64_t token, uint64_t tokens, uint64_t columns,
                       fg_compare *total);

/* into = into joined with from. */
void fg_compare_join(fg_compare *into, const fg_compare *from);
void fg_compare_token_join(fg_compare_token *into, const fg_compare_token *from);

/* Brings `per_token` into the order of its KL divergences. */
fg_comparison fg_compare_finish(const fg_compare *total, fg_compare_token *per_token, uint64_t tokens);
/* The cosine of all values of a and b; 1 where all are zero on both sides. */
double fg_compare_cosine(const fg_compare *total);

#endif
