#include "model/compare.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool same_value(float a, float b) {
    return a == b || (isnan(a) && isnan(b));
}

static void difference(fg_compare *total, double found, uint64_t token, uint64_t column) {
    bool earlier = token < total->token || (token == total->token && column < total->column);
    if (found < total->largest_difference || (found == total->largest_difference && (found == 0 || !earlier)))
        return;
    total->largest_difference = found;
    total->token = token;
    total->column = column;
}

/* ---- one token ---- */

/* Brings sums to a new largest logit of `side`. */
static void raise_largest(fg_compare_token *t, int side, double largest) {
    double scale = t->finite[side] ? exp(t->largest[side] - largest) : 0;
    t->sum[side] *= scale;
    if (side == FG_SIDE_A) t->weighted *= scale;
    t->largest[side] = largest;
}

/* The largest finite logit of the row; false if there is none. */
static bool find_largest(const float *row, uint64_t rows, double *largest, uint64_t *at, uint64_t *finite) {
    *finite = 0;
    for (uint64_t i = 0; i < rows; i++) {
        if (!isfinite(row[i])) continue;
        if (!*finite || row[i] > *largest) {
            *largest = row[i];
            *at = i;
        }
        ++*finite;
    }
    return *finite > 0;
}

static void add_row(const float *a, const float *b, uint64_t column, uint64_t rows, fg_compare_token *t) {
    const float *row[FG_SIDES] = {a, b};
    fg_compare_token slice = {0};
    for (int side = 0; side < FG_SIDES; side++) {
        uint64_t at = 0;
        double largest = 0;
        if (!find_largest(row[side], rows, &largest, &at, &slice.finite[side])) continue;
        slice.largest[side] = largest;
        slice.column[side] = column + at;
    }
    for (uint64_t i = 0; i < rows; i++) {
        double share = isfinite(a[i]) ? exp((double)a[i] - slice.largest[FG_SIDE_A]) : 0;
        slice.sum[FG_SIDE_A] += share;
        if (isfinite(b[i]))
            slice.sum[FG_SIDE_B] += a[i] == b[i] && slice.largest[0] == slice.largest[1]
                                        ? share
                                        : exp((double)b[i] - slice.largest[FG_SIDE_B]);
        if (isfinite(a[i]) && isfinite(b[i])) slice.weighted += share * ((double)a[i] - b[i]);
    }
    fg_compare_token_join(t, &slice);
}

/* ---- slices ---- */

static void add_differences(const float *a, const float *b, uint64_t token, uint64_t column, uint64_t rows,
                            fg_compare *total) {
    const float *row[FG_SIDES] = {a, b};
    for (uint64_t i = 0; i < rows; i++) {
        double found = same_value(a[i], b[i])             ? 0
                       : isfinite(a[i]) && isfinite(b[i]) ? fabs((double)a[i] - b[i])
                                                          : INFINITY;
        total->sum += found;
        difference(total, found, token, column + i);
        for (int side = 0; side < FG_SIDES; side++) {
            if (isfinite(row[side][i]))
                total->largest_logit[side] = fmax(total->largest_logit[side], fabs((double)row[side][i]));
            else
                total->non_finite[side]++;
        }
    }
    total->values += rows;
}

void fg_compare_slice(const float *a, const float *b, uint64_t token, uint64_t tokens, uint64_t column,
                      uint64_t rows, fg_compare *total, fg_compare_token *per_token) {
    for (uint64_t t = 0; t < tokens; t++, a += rows, b += rows) {
        add_differences(a, b, token + t, column, rows, total);
        add_row(a, b, column, rows, &per_token[t]);
    }
}

void fg_compare_join(fg_compare *into, const fg_compare *from) {
    difference(into, from->largest_difference, from->token, from->column);
    into->values += from->values;
    into->sum += from->sum;
    for (int side = 0; side < FG_SIDES; side++) {
        into->largest_logit[side] = fmax(into->largest_logit[side], from->largest_logit[side]);
        into->non_finite[side] += from->non_finite[side];
    }
}

void fg_compare_token_join(fg_compare_token *into, const fg_compare_token *from) {
    double scale[FG_SIDES] = {0};
    for (int side = 0; side < FG_SIDES; side++) {
        if (!from->finite[side]) continue;
        bool larger = !into->finite[side] || from->largest[side] > into->largest[side];
        bool equal_earlier =
            !larger && from->largest[side] == into->largest[side] && from->column[side] < into->column[side];
        if (larger || equal_earlier) into->column[side] = from->column[side];
        if (larger) raise_largest(into, side, from->largest[side]);
        scale[side] = exp(from->largest[side] - into->largest[side]);
        into->sum[side] += from->sum[side] * scale[side];
        into->finite[side] += from->finite[side];
    }
    into->weighted += from->weighted * scale[FG_SIDE_A];
}

/* ---- the result ---- */

/* sum p (log p - log q), p = exp(a - largest) / sum: the mean of a - b under p, less the difference of the
 * two log-sum-exps. */
static double divergence(const fg_compare_token *t) {
    if (!t->finite[FG_SIDE_A] || !t->finite[FG_SIDE_B]) return 0;
    double log_a = t->largest[FG_SIDE_A] + log(t->sum[FG_SIDE_A]),
           log_b = t->largest[FG_SIDE_B] + log(t->sum[FG_SIDE_B]);
    return fmax(0, t->weighted / t->sum[FG_SIDE_A] - (log_a - log_b));
}

fg_comparison fg_compare_finish(const fg_compare *total, const fg_compare_token *per_token, uint64_t tokens) {
    fg_comparison result = {
        .tokens = tokens, .values = total->values, .largest_difference = total->largest_difference};
    result.token = total->token;
    result.column = total->column;
    result.mean_difference = total->values ? total->sum / (double)total->values : 0;
    memcpy(result.largest_logit, total->largest_logit, sizeof result.largest_logit);
    memcpy(result.non_finite, total->non_finite, sizeof result.non_finite);
    uint64_t same = 0;
    for (uint64_t t = 0; t < tokens; t++) {
        const fg_compare_token *one = &per_token[t];
        double kl = divergence(one);
        result.kl_mean += kl / (double)tokens;
        result.kl_largest = fmax(result.kl_largest, kl);
        same += one->finite[FG_SIDE_A] && one->finite[FG_SIDE_B] &&
                one->column[FG_SIDE_A] == one->column[FG_SIDE_B];
    }
    result.same_arg_max = tokens ? (double)same / (double)tokens : 1;
    return result;
}
