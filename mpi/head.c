#include "head.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

/* Logits of one rank and both models that are held at once. */
static const uint64_t SLICE_BYTES = 48 << 20;
enum { SLICE_TOKENS = 8 * FG_TILE };

typedef struct columns {
    uint64_t first, count;
} columns;

/* A rank's columns: whole panels, which are multiplied at once, so that every number of ranks gives the same
 * logits bit for bit. */
static columns panels_of(const fg_pipeline *p, int rank, uint64_t vocab) {
    uint64_t panel = fg_model_head_panel(p->pair->models[FG_REFERENCE]), count = (vocab + panel - 1) / panel;
    uint64_t size = (uint64_t)p->pair->ranks->size, r = (uint64_t)rank;
    uint64_t first = fg_min(vocab, count * r / size * panel);
    return (columns){.first = first, .count = fg_min(vocab, count * (r + 1) / size * panel) - first};
}

static columns share_of(const fg_pipeline *p, uint64_t vocab) {
    return panels_of(p, p->pair->ranks->rank, vocab);
}

/* Some tokens of one prediction head; the pipeline's result has one head after the other. */
typedef struct some_tokens {
    uint64_t head, at, count;
} some_tokens;

static uint64_t row_of(const fg_pipeline *p, some_tokens some) {
    return some.head * p->prompt->token_count + some.at;
}

/* One model's logits; its own last columns may be fewer than the share's. */
static fg_status logits_of(fg_pipeline *p, unsigned model, some_tokens some, columns mine, bool dumped,
                           float *logits, fg_error *err) {
    const float *normed = p->normed[model] + row_of(p, some) * p->hidden;
    FG_CALL(fg_model_logits(p->pair->models[model], normed, some.count, mine.first, mine.count, logits, err));
    if (p->dump && dumped)
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
    for (uint64_t row = 0; row < p->heads * p->prompt->token_count; row++) {
        some_tokens one = {row / p->prompt->token_count, row % p->prompt->token_count, 1};
        FG_TRY(logits_of(p, model, one, rest, true, logits, err));
    }
done:
    fg_free(logits);
    return status;
}

/* Logits that are compared at once: some tokens, in whole tiles, of some columns, in whole panels. */
typedef struct slice {
    uint64_t tokens, columns;
} slice;

/* Of a share of `all` columns. */
static slice slice_of(const fg_pipeline *p, uint64_t all) {
    uint64_t panel = fg_model_head_panel(p->pair->models[FG_REFERENCE]), pair = 2 * sizeof(float);
    slice s = {.tokens = fg_min(p->prompt->token_count, SLICE_TOKENS)};
    s.columns = fg_min(all, fg_max(1, SLICE_BYTES / pair / s.tokens / panel) * panel);
    return s;
}

typedef struct head_comparison {
    unsigned a, b; /* models */
    bool again;    /* something differs: each logit counts */
    slice most;
    float *first, *second; /* owned; logits of a and b, [most.tokens, most.columns] */
    fg_compare total;
    fg_compare_token *per_token; /* owned; as the pipeline's result */
} head_comparison;

static fg_status compare_columns(fg_pipeline *p, head_comparison *c, columns some, fg_error *err) {
    uint64_t tokens = p->prompt->token_count;
    void (*add)(const float *, const float *, uint64_t, uint64_t, uint64_t, uint64_t, fg_compare *,
                fg_compare_token *) = c->again ? fg_compare_slice : fg_compare_slice_if_equal;
    for (some_tokens t = {0}; t.head < p->heads; t.head++) {
        for (t.at = 0; t.at < tokens; t.at += t.count) {
            t.count = fg_min(c->most.tokens, tokens - t.at);
            FG_CALL(logits_of(p, c->a, t, some, !c->again, c->first, err));
            FG_CALL(logits_of(p, c->b, t, some, !c->again, c->second, err));
            add(c->first, c->second, row_of(p, t), t.count, some.first, some.count, &c->total,
                c->per_token + row_of(p, t));
        }
    }
    return FG_OK;
}

static fg_status compare_share(fg_pipeline *p, head_comparison *c, columns mine, fg_error *err) {
    fg_status status = FG_OK;
    if (!mine.count) return FG_OK;
    c->most = slice_of(p, mine.count);
    FG_NEW(c->first, c->most.tokens * c->most.columns);
    FG_NEW(c->second, c->most.tokens * c->most.columns);
    for (uint64_t at = 0; at < mine.count; at += c->most.columns) {
        columns some = {.first = mine.first + at, .count = fg_min(c->most.columns, mine.count - at)};
        FG_TRY(compare_columns(p, c, some, err));
    }
done:
    fg_free(c->first);
    fg_free(c->second);
    c->first = c->second = NULL;
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
    const slice s = slice_of(p, share_of(p, fg_model_pair_vocab(p->pair)).count);
    return 2 * sizeof(float) * s.tokens * s.columns +
           p->heads * p->prompt->token_count * sizeof(fg_compare_token);
}

/* Collective. The whole vocabulary, joined on every rank. */
static fg_status compare_all(fg_pipeline *p, head_comparison *c, uint64_t common, fg_error *err) {
    const fg_ranks *ranks = p->pair->ranks;
    uint64_t rows = p->heads * p->prompt->token_count;
    c->total = (fg_compare){0};
    memset(c->per_token, 0, rows * sizeof *c->per_token);
    compare_share(p, c, share_of(p, common), err);
    FG_CALL(fg_ranks_agree(ranks, err));
    FG_CALL(fg_ranks_reduce(ranks, &c->total, 1, sizeof c->total, join_totals, err));
    return fg_ranks_reduce(ranks, c->per_token, rows, sizeof *c->per_token, join_tokens, err);
}

fg_status fg_head_compare(fg_pipeline *p, unsigned a, unsigned b, fg_comparison *result, fg_error *err) {
    fg_status status = FG_OK;
    head_comparison c = {.a = a, .b = b};
    uint64_t common =
        fg_min(fg_model_shape_of(p->pair->models[a]).vocab, fg_model_shape_of(p->pair->models[b]).vocab);
    uint64_t rows = p->heads * p->prompt->token_count;
    FG_NEW(c.per_token, rows);
    FG_TRY(dump_rest(p, a, common, err));
    FG_TRY(dump_rest(p, b, common, err));
done:
    status = fg_ranks_agree(p->pair->ranks, err);
    if (status == FG_OK) status = compare_all(p, &c, common, err);
    c.again = status == FG_OK && fg_compare_is_incomplete(&c.total, c.per_token, rows);
    if (c.again) status = compare_all(p, &c, common, err);
    if (status == FG_OK) *result = fg_compare_finish(&c.total, c.per_token, rows);
    fg_free(c.per_token);
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
    columns mine = share_of(p, vocab);
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
