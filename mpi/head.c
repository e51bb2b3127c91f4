#include "head.h"

#include <math.h>

#include "base/alloc.h"
#include "base/checked.h"

/* Logits of one rank and both models that are held at once. */
static const uint64_t SLICE_BYTES = 48 << 20;

typedef struct columns {
    uint64_t first, count;
} columns;

static columns share_of(const fg_ranks *ranks, uint64_t vocab) {
    uint64_t size = (uint64_t)ranks->size, rank = (uint64_t)ranks->rank, first = vocab * rank / size;
    return (columns){.first = first, .count = vocab * (rank + 1) / size - first};
}

/* Some tokens of one prediction head; the pipeline's result has one head after the other. */
typedef struct some_tokens {
    uint64_t head, at, count;
} some_tokens;

static uint64_t row_of(const fg_pipeline *p, some_tokens some) {
    return some.head * p->pair->token_count + some.at;
}

/* One model's logits; its own last columns may be fewer than the share's. */
static fg_status logits_of(fg_pipeline *p, unsigned model, some_tokens some, columns mine, float *logits,
                           fg_error *err) {
    const float *normed = p->normed[model] + row_of(p, some) * p->hidden;
    FG_CALL(fg_model_logits(p->pair->models[model], normed, some.count, mine.first, mine.count, logits, err));
    if (p->dump)
        FG_CALL(fg_dump_logits(p->dump, (int)model, some.head, some.at, some.count, mine.first, mine.count,
                               logits, err));
    return FG_OK;
}

/* The columns beyond the common ones belong to one model alone: they are only dumped. */
static fg_status dump_rest(fg_pipeline *p, unsigned model, uint64_t common, fg_error *err) {
    fg_status status = FG_OK;
    float *logits = NULL;
    uint64_t vocab = fg_model_shape_of(p->pair->models[model]).vocab;
    if (!p->dump || vocab == common || p->pair->ranks->rank != 0) return FG_OK;
    columns rest = {.first = common, .count = vocab - common};
    FG_NEW(logits, rest.count);
    for (uint64_t row = 0; row < p->heads * p->pair->token_count; row++) {
        some_tokens one = {row / p->pair->token_count, row % p->pair->token_count, 1};
        FG_TRY(logits_of(p, model, one, rest, logits, err));
    }
done:
    fg_free(logits);
    return status;
}

static fg_status compare_share(fg_pipeline *p, unsigned a, unsigned b, columns mine, fg_compare *total,
                               fg_compare_token *per_token, fg_error *err) {
    fg_status status = FG_OK;
    float *first = NULL, *second = NULL;
    uint64_t row_bytes = fg_max(1, mine.count) * sizeof(float) * 2;
    uint64_t step = fg_max(1, fg_min(p->pair->token_count, SLICE_BYTES / row_bytes));
    if (!mine.count) return FG_OK;
    FG_NEW(first, step * mine.count);
    FG_NEW(second, step * mine.count);
    for (some_tokens some = {0}; some.head < p->heads; some.head++) {
        for (some.at = 0; some.at < p->pair->token_count; some.at += some.count) {
            some.count = fg_min(step, p->pair->token_count - some.at);
            FG_TRY(logits_of(p, a, some, mine, first, err));
            FG_TRY(logits_of(p, b, some, mine, second, err));
            fg_compare_slice(first, second, row_of(p, some), some.count, mine.first, mine.count, total,
                             per_token + row_of(p, some));
        }
    }
done:
    fg_free(first);
    fg_free(second);
    return status;
}

/* ---- all-reduces over the joins of model/compare.h ---- */

static void join_totals(void *into, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++) fg_compare_join((fg_compare *)into + i, (const fg_compare *)from + i);
}

static void join_tokens(void *into, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++)
        fg_compare_token_join((fg_compare_token *)into + i, (const fg_compare_token *)from + i);
}

uint64_t fg_head_compare_bytes(const fg_pipeline *p) {
    uint64_t row_bytes = share_of(p->pair->ranks, fg_model_pair_vocab(p->pair)).count * sizeof(float) * 2;
    return fg_max(row_bytes, fg_min(SLICE_BYTES, row_bytes * p->pair->token_count));
}

fg_status fg_head_compare(fg_pipeline *p, unsigned a, unsigned b, fg_comparison *result, fg_error *err) {
    fg_status status = FG_OK;
    fg_compare total = {0};
    fg_compare_token *per_token = NULL;
    uint64_t common =
        fg_min(fg_model_shape_of(p->pair->models[a]).vocab, fg_model_shape_of(p->pair->models[b]).vocab);
    uint64_t rows = p->heads * p->pair->token_count;
    FG_NEW(per_token, rows);
    FG_TRY(compare_share(p, a, b, share_of(p->pair->ranks, common), &total, per_token, err));
    FG_TRY(dump_rest(p, a, common, err));
    FG_TRY(dump_rest(p, b, common, err));
done:
    status = fg_ranks_agree(p->pair->ranks, err);
    if (status == FG_OK) status = fg_ranks_reduce(p->pair->ranks, &total, 1, sizeof total, join_totals, err);
    if (status == FG_OK)
        status = fg_ranks_reduce(p->pair->ranks, per_token, rows, sizeof *per_token, join_tokens, err);
    if (status == FG_OK) *result = fg_compare_finish(&total, per_token, rows);
    fg_free(per_token);
    return status;
}

/* ---- the next token ---- */

typedef struct best_logit {
    float logit;
    uint32_t id; /* UINT32_MAX: none was found */
} best_logit;

/* The lowest id of equals. */
static void join_best(void *into, const void *from, size_t count) {
    best_logit *best = into;
    const best_logit *other = from;
    for (size_t i = 0; i < count; i++) {
        bool equal = other[i].logit == best[i].logit;
        if (other[i].logit > best[i].logit || (equal && other[i].id < best[i].id)) best[i] = other[i];
    }
}

/* The largest logit of all slices. */
static fg_status choose_best(const fg_pipeline *p, columns mine, const float *logits, uint64_t draw,
                             uint32_t tokens[FG_PAIR_MODELS], fg_error *err) {
    best_logit best[FG_PAIR_MODELS];
    for (unsigned m = 0; m < p->model_count; m++) {
        uint64_t at = 0;
        bool found = fg_sample_best(logits + m * mine.count, mine.count, &at);
        best[m].logit = found ? logits[m * mine.count + at] : -INFINITY;
        best[m].id = found ? (uint32_t)(mine.first + at) : UINT32_MAX;
    }
    fg_status status = fg_ranks_reduce(p->pair->ranks, best, p->model_count, sizeof *best, join_best, err);
    for (unsigned m = 0; status == FG_OK && m < p->model_count; m++) {
        if (best[m].id == UINT32_MAX) return fg_sample_nothing(draw, err);
        tokens[m] = best[m].id;
    }
    return status;
}

/* Whole panels, so that every number of ranks gives the same logits bit for bit. */
static columns panels_of(const fg_pipeline *p, int rank, uint64_t vocab) {
    uint64_t panel = fg_model_head_panel(p->pair->models[FG_REFERENCE]), count = (vocab + panel - 1) / panel;
    uint64_t size = (uint64_t)p->pair->ranks->size, r = (uint64_t)rank;
    uint64_t first = fg_min(vocab, count * r / size * panel);
    return (columns){.first = first, .count = fg_min(vocab, count * (r + 1) / size * panel) - first};
}

/* Rank 0 draws from the whole vocabulary, in the order of ids. */
static fg_status draw_token(const fg_pipeline *p, columns mine, uint64_t vocab, const float *logits,
                            const fg_sampling *sampling, uint64_t draw, uint32_t *tokens, fg_error *err) {
    const fg_ranks *ranks = p->pair->ranks;
    size_t *sizes = fg_alloc((size_t)ranks->size, sizeof *sizes, err); /* bytes of every rank */
    float *all = ranks->rank == 0 ? fg_alloc(vocab, sizeof *all, err) : NULL;
    fg_status status = fg_ranks_agree(ranks, err);
    if (status != FG_OK) goto done;
    for (int r = 0; r < ranks->size; r++) sizes[r] = panels_of(p, r, vocab).count * sizeof *all;
    for (unsigned m = 0; m < p->model_count; m++) {
        fg_ranks_gather(ranks, logits + m * mine.count, sizes, all);
        if (ranks->rank == 0 && err->status == FG_OK)
            fg_sample_draw(sampling, draw, all, vocab, &tokens[m], err);
    }
    status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) fg_ranks_share(ranks, tokens, p->model_count * sizeof *tokens);
done:
    fg_free(sizes);
    fg_free(all);
    return status;
}

fg_status fg_head_next(fg_pipeline *p, uint64_t vocab, const fg_sampling *sampling, uint64_t draw,
                       uint32_t tokens[FG_PAIR_MODELS], fg_error *err) {
    fg_status status = FG_OK;
    columns mine = panels_of(p, p->pair->ranks->rank, vocab);
    float *logits = NULL;
    FG_NEW(logits, p->model_count * mine.count);
    for (unsigned m = 0; mine.count && m < p->model_count; m++)
        FG_TRY(fg_model_logits(p->pair->models[m], p->normed[m], 1, mine.first, mine.count,
                               logits + m * mine.count, err));
done:
    status = fg_ranks_agree(p->pair->ranks, err);
    if (status == FG_OK && sampling->greedy)
        status = choose_best(p, mine, logits, draw, tokens, err);
    else if (status == FG_OK)
        status = draw_token(p, mine, vocab, logits, sampling, draw, tokens, err);
    fg_free(logits);
    return status;
}
