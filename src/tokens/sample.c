#include "tokens/sample.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/split_mix.h"

typedef struct sampled_token {
    uint32_t token;
    float logit;
    double weight; /* relative to that of the largest logit */
} sampled_token;

/* 0 to below 1. */
static double random_number(uint64_t seed, uint64_t draw) {
    return (double)(fg_mix(fg_mix(seed + FG_SPLIT_MIX_STEP) + (draw + 1) * FG_SPLIT_MIX_STEP) >> 11) *
           0x1p-53;
}

bool fg_sample_best(const float *logits, uint64_t count, uint64_t *best) {
    bool found = false;
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(logits[i]) || (found && logits[i] <= logits[*best])) continue;
        *best = i;
        found = true;
    }
    return found;
}

fg_status fg_sample_nothing(uint64_t draw, fg_error *err) {
    fg_fail(err, FG_ERR_DIFFER, "no logit of new token %llu is a finite number",
            (unsigned long long)draw + 1);
    return fg_hint(err, "look for NaN or infinity in the weights");
}

/* Larger logits first, lower ids first among equals. */
static int by_logit(const void *left, const void *right) {
    const sampled_token *a = left, *b = right;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return (a->token > b->token) - (a->token < b->token);
}

/* The first of the sorted candidates that top_k leaves. */
static uint64_t keep_largest(const sampled_token *sorted, uint64_t count, uint64_t top_k) {
    if (!top_k || top_k >= count) return count;
    uint64_t kept = top_k;
    while (kept < count && sorted[kept].logit == sorted[top_k - 1].logit) kept++;
    return kept;
}

static double weigh(sampled_token *candidates, uint64_t count, float largest, double temperature) {
    double sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        candidates[i].weight = exp(((double)candidates[i].logit - largest) / temperature);
        sum += candidates[i].weight;
    }
    return sum;
}

/* The first of the sorted candidates that top_p leaves; `*sum` becomes theirs. */
static uint64_t keep_likeliest(const sampled_token *sorted, uint64_t count, double top_p, double *sum) {
    double before = 0, least = top_p * *sum;
    uint64_t kept = 0;
    while (kept < count && (kept == 0 || before < least)) before += sorted[kept++].weight;
    *sum = before;
    return kept;
}

static uint32_t pick(const sampled_token *candidates, uint64_t count, double place) {
    uint64_t i = 0;
    for (; i + 1 < count; i++) {
        place -= candidates[i].weight;
        if (place < 0) break;
    }
    return candidates[i].token;
}

fg_status fg_sample_draw(const fg_sampling *sampling, uint64_t draw, const float *logits, uint64_t count,
                         uint32_t *token, fg_error *err) {
    fg_status status = FG_OK;
    sampled_token *candidates = NULL;
    uint64_t kept = 0, best = 0;
    if (!fg_sample_best(logits, count, &best)) return fg_sample_nothing(draw, err);
    *token = (uint32_t)best;
    if (sampling->greedy) return FG_OK;
    FG_NEW(candidates, count);
    for (uint64_t i = 0; i < count; i++) {
        if (isfinite(logits[i]))
            candidates[kept++] = (sampled_token){.token = (uint32_t)i, .logit = logits[i]};
    }
    bool filtered = sampling->top_k || sampling->top_p < 1;
    if (filtered) qsort(candidates, kept, sizeof *candidates, by_logit);
    kept = keep_largest(candidates, kept, sampling->top_k);
    double sum = weigh(candidates, kept, logits[best], sampling->temperature);
    if (sampling->top_p < 1) kept = keep_likeliest(candidates, kept, sampling->top_p, &sum);
    *token = pick(candidates, kept, random_number(sampling->seed, draw) * sum);
done:
    fg_free(candidates);
    return status;
}
