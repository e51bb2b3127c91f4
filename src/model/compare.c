#include "model/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

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

static bool comes_before(fg_compare_top one, fg_compare_top other) {
    return one.logit > other.logit || (one.logit == other.logit && one.column < other.column);
}

/* Among the `held` largest so far. */
static void insert_top(fg_compare_top *top, uint64_t held, fg_compare_top one) {
    uint64_t at = fg_min(held, FG_COMPARE_TOP);
    if (at == FG_COMPARE_TOP && !comes_before(one, top[--at])) return;
    for (; at && comes_before(one, top[at - 1]); at--) top[at] = top[at - 1];
    top[at] = one;
}

/* The largest finite logits of a row. */
static void find_largest(const float *row, uint64_t column, uint64_t rows, int side, fg_compare_token *t) {
    fg_compare_top *top = t->top[side];
    for (uint64_t i = 0; i < rows; i++) {
        if (!isfinite(row[i])) continue;
        uint64_t held = t->finite[side]++;
        if (held < FG_COMPARE_TOP || row[i] > top[FG_COMPARE_TOP - 1].logit) /* nearly never */
            insert_top(top, held, (fg_compare_top){.logit = row[i], .column = (uint32_t)(column + i)});
    }
    if (t->finite[side]) t->largest[side] = t->top[side][0].logit;
}

static void add_row(const float *a, const float *b, uint64_t column, uint64_t rows, fg_compare_token *t) {
    fg_compare_token slice = {0};
    find_largest(a, column, rows, FG_SIDE_A, &slice);
    find_largest(b, column, rows, FG_SIDE_B, &slice);
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

static bool equal_and_finite(const float *a, const float *b, uint64_t rows) {
    static const uint32_t EXPONENT = 0x7f800000;
    bool finite = true;
    if (memcmp(a, b, rows * sizeof *a) != 0) return false;
    for (uint64_t i = 0; i < rows; i++) {
        uint32_t bits;
        memcpy(&bits, &a[i], sizeof bits);
        finite &= (bits & EXPONENT) != EXPONENT;
    }
    return finite;
}

/* The same for rows that are equal, as nearly all are: one rank does this while others wait. */
static void add_equal(const float *row, uint64_t rows, fg_compare *total) {
    enum { SUMS = 8 };
    double sums[SUMS] = {0}, square = 0;
    float largest = 0;
    uint64_t whole = rows - rows % SUMS;
    for (uint64_t i = 0; i < whole; i += SUMS) {
        for (int k = 0; k < SUMS; k++) {
            float size = fabsf(row[i + k]);
            sums[k] += (double)size * size;
            largest = size > largest ? size : largest;
        }
    }
    for (uint64_t i = whole; i < rows; i++) {
        sums[0] += (double)row[i] * row[i];
        largest = fmaxf(largest, fabsf(row[i]));
    }
    for (int k = 0; k < SUMS; k++) square += sums[k];
    total->product += square;
    for (int side = 0; side < FG_SIDES; side++) {
        total->square[side] += square;
        total->largest_value[side] = fmax(total->largest_value[side], largest);
    }
    total->values += rows;
}

static void add_differences(const float *a, const float *b, uint64_t token, uint64_t column, uint64_t rows,
                            fg_compare *total) {
    const float *row[FG_SIDES] = {a, b};
    if (equal_and_finite(a, b, rows)) {
        add_equal(a, rows, total);
        return;
    }
    for (uint64_t i = 0; i < rows; i++) {
        double found = same_value(a[i], b[i])             ? 0
                       : isfinite(a[i]) && isfinite(b[i]) ? fabs((double)a[i] - b[i])
                                                          : INFINITY;
        total->sum += found;
        difference(total, found, token, column + i);
        for (int side = 0; side < FG_SIDES; side++) {
            total->nan[side] += isnan(row[side][i]);
            if (isfinite(row[side][i]))
                total->largest_value[side] = fmax(total->largest_value[side], fabs((double)row[side][i]));
            else
                total->non_finite[side]++;
        }
        if (!isfinite(a[i]) || !isfinite(b[i])) continue;
        total->product += (double)a[i] * b[i];
        total->square[FG_SIDE_A] += (double)a[i] * a[i];
        total->square[FG_SIDE_B] += (double)b[i] * b[i];
    }
    total->values += rows;
}

void fg_compare_values(const float *a, const float *b, uint64_t token, uint64_t tokens, uint64_t columns,
                       fg_compare *total) {
    for (uint64_t t = 0; t < tokens; t++, a += columns, b += columns)
        add_differences(a, b, token + t, 0, columns, total);
}

void fg_compare_slice(const float *a, const float *b, uint64_t token, uint64_t tokens, uint64_t column,
                      uint64_t rows, fg_compare *total, fg_compare_token *per_token) {
    for (uint64_t t = 0; t < tokens; t++, a += rows, b += rows) {
        add_differences(a, b, token + t, column, rows, total);
        add_row(a, b, column, rows, &per_token[t]);
    }
}

void fg_compare_slice_if_equal(const float *a, const float *b, uint64_t token, uint64_t tokens,
                               uint64_t column, uint64_t rows, fg_compare *total,
                               fg_compare_token *per_token) {
    for (uint64_t t = 0; t < tokens; t++, a += rows, b += rows) {
        if (total->largest_difference == 0 && equal_and_finite(a, b, rows)) {
            add_equal(a, rows, total);
            per_token[t].equal += rows;
        } else {
            add_differences(a, b, token + t, column, rows, total);
            add_row(a, b, column, rows, &per_token[t]);
        }
    }
}

bool fg_compare_is_incomplete(const fg_compare *total, const fg_compare_token *per_token, uint64_t tokens) {
    bool some = false;
    for (uint64_t t = 0; t < tokens && total->largest_difference > 0; t++) some |= per_token[t].equal > 0;
    return some;
}

void fg_compare_join(fg_compare *into, const fg_compare *from) {
    difference(into, from->largest_difference, from->token, from->column);
    into->values += from->values;
    into->sum += from->sum;
    into->product += from->product;
    for (int side = 0; side < FG_SIDES; side++) {
        into->square[side] += from->square[side];
        into->largest_value[side] = fmax(into->largest_value[side], from->largest_value[side]);
        into->non_finite[side] += from->non_finite[side];
        into->nan[side] += from->nan[side];
    }
}

void fg_compare_token_join(fg_compare_token *into, const fg_compare_token *from) {
    double scale[FG_SIDES] = {0};
    for (int side = 0; side < FG_SIDES; side++) {
        if (!from->finite[side]) continue;
        bool larger = !into->finite[side] || from->largest[side] > into->largest[side];
        if (larger) raise_largest(into, side, from->largest[side]);
        for (uint64_t i = 0; i < fg_min(from->finite[side], FG_COMPARE_TOP); i++)
            insert_top(into->top[side], into->finite[side] + i, from->top[side][i]);
        scale[side] = exp(from->largest[side] - into->largest[side]);
        into->sum[side] += from->sum[side] * scale[side];
        into->finite[side] += from->finite[side];
    }
    into->weighted += from->weighted * scale[FG_SIDE_A];
    into->equal += from->equal;
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

static bool same_arg_max(const fg_compare_token *t) {
    if (t->equal) return true;
    return t->finite[FG_SIDE_A] && t->finite[FG_SIDE_B] &&
           t->top[FG_SIDE_A][0].column == t->top[FG_SIDE_B][0].column;
}

/* The share of the largest logits of a that are among as many of b. */
static double same_top(const fg_compare_token *t) {
    uint64_t held[FG_SIDES], same = 0;
    if (t->equal) return 1;
    for (int side = 0; side < FG_SIDES; side++) held[side] = fg_min(t->finite[side], FG_COMPARE_TOP);
    for (uint64_t i = 0; i < held[FG_SIDE_A]; i++) {
        for (uint64_t k = 0; k < held[FG_SIDE_B]; k++)
            same += t->top[FG_SIDE_A][i].column == t->top[FG_SIDE_B][k].column;
    }
    return held[FG_SIDE_A] ? (double)same / (double)held[FG_SIDE_A] : 0;
}

static int by_divergence(const void *a, const void *b) {
    double one = ((const fg_compare_token *)a)->kl, other = ((const fg_compare_token *)b)->kl;
    return (one > other) - (one < other);
}

static size_t bin_of(double kl) {
    size_t bin = 0;
    if (kl == 0) return bin;
    while (++bin < FG_KL_BINS - 1 && kl >= pow(10, FG_KL_FIRST_DECADE + (double)bin - 1)) continue;
    return bin;
}

double fg_compare_cosine(const fg_compare *total) {
    const double *square = total->square;
    if (total->largest_difference == 0 || (square[FG_SIDE_A] == 0 && square[FG_SIDE_B] == 0)) return 1;
    double lengths = sqrt(square[FG_SIDE_A]) * sqrt(square[FG_SIDE_B]);
    return lengths > 0 ? fmin(1, total->product / lengths) : 0;
}

static void finish_tokens(fg_compare_token *per_token, uint64_t tokens, fg_comparison *result) {
    uint64_t same = 0;
    for (uint64_t t = 0; t < tokens; t++) {
        fg_compare_token *one = &per_token[t];
        one->kl = divergence(one);
        result->kl_mean += one->kl / (double)tokens;
        result->kl_histogram[bin_of(one->kl)]++;
        same += same_arg_max(one);
        result->same_top += same_top(one) / (double)tokens;
    }
    result->same_arg_max = (double)same / (double)tokens;
    qsort(per_token, tokens, sizeof *per_token, by_divergence);
    result->kl_p95 = per_token[(tokens * 95 + 99) / 100 - 1].kl;
    result->kl_largest = per_token[tokens - 1].kl;
}

fg_comparison fg_compare_finish(const fg_compare *total, fg_compare_token *per_token, uint64_t tokens) {
    fg_comparison result = {
        .tokens = tokens, .values = total->values, .largest_difference = total->largest_difference};
    result.token = total->token;
    result.column = total->column;
    result.mean_difference = total->values ? total->sum / (double)total->values : 0;
    result.cosine = fg_compare_cosine(total);
    memcpy(result.largest_value, total->largest_value, sizeof result.largest_value);
    memcpy(result.non_finite, total->non_finite, sizeof result.non_finite);
    memcpy(result.nan, total->nan, sizeof result.nan);
    if (tokens) finish_tokens(per_token, tokens, &result);
    return result;
}
