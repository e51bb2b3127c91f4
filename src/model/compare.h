/* Comparing the logits of two models, slice of the vocabulary by slice.
 *
 * Everything here is plain data and can be sent between ranks as bytes. What is joined:
 *   fg_compare        one for all: differences, counts of non-finite values, the largest logit;
 *   fg_compare_token  one a token: what softmax, KL divergence and the arg-max over the whole vocabulary
 * need. Sums of exponentials are kept relative to the largest logit seen so far, so that slices can be joined
 * in one pass, whatever their largest. Over ranks: each rank adds its slices with fg_compare_slice; the
 * structs of all ranks are gathered (or reduced with a non-commutative MPI operation over the joins below),
 * joined in rank order, and finished. Joining in another order changes the KL divergence in its last bits
 * only, all else not at all.
 *
 * Non-finite values: a pair of equal values (two infinities of one sign, or NaN and NaN) has no difference; a
 * finite value next to another one that is not, or two unlike ones, differ by infinity. They take no part in
 * softmax, and they are counted.
 */
#ifndef FG_MODEL_COMPARE_H
#define FG_MODEL_COMPARE_H

#include <stdint.h>

enum { FG_SIDE_A = 0, FG_SIDE_B = 1, FG_SIDES = 2 }; /* source, destination */

/* Start from zeros. */
typedef struct fg_compare {
    uint64_t values; /* pairs compared */
    uint64_t token,
        column; /* where the largest difference is first: the lowest token, then the lowest column */
    double largest_difference;
    double sum;                     /* of absolute differences */
    double largest_logit[FG_SIDES]; /* largest absolute finite logit */
    uint64_t non_finite[FG_SIDES];
} fg_compare;

/* Start from zeros. */
typedef struct fg_compare_token {
    uint64_t finite[FG_SIDES]; /* finite logits seen; 0: the rest is unset */
    uint64_t column[FG_SIDES]; /* of the largest logit; the lowest of equals */
    double largest[FG_SIDES];  /* logit */
    double sum[FG_SIDES];      /* of exp(logit - largest) */
    double weighted;           /* sum of exp(a - largest of a) * (a - b) over columns where both are finite */
} fg_compare_token;

typedef struct fg_comparison {
    uint64_t tokens, values;
    double largest_difference, mean_difference;
    uint64_t token, column;     /* where the largest difference is; meaningless when that is 0 */
    double kl_mean, kl_largest; /* KL divergence of b's distribution from a's, in nats, over tokens */
    double same_arg_max;        /* share of tokens whose largest logit is at the same column, 0 to 1 */
    double largest_logit[FG_SIDES];
    uint64_t non_finite[FG_SIDES];
} fg_comparison;

/* Adds logits a and b [tokens, rows] of the columns [column, column + rows) and the tokens from `token` on.
 * `per_token` has an entry for each of these `tokens`. No column may be added twice. */
void fg_compare_slice(const float *a, const float *b, uint64_t token, uint64_t tokens, uint64_t column,
                      uint64_t rows, fg_compare *total, fg_compare_token *per_token);

/* into = into joined with from. */
void fg_compare_join(fg_compare *into, const fg_compare *from);
void fg_compare_token_join(fg_compare_token *into, const fg_compare_token *from);

fg_comparison fg_compare_finish(const fg_compare *total, const fg_compare_token *per_token, uint64_t tokens);

#endif
