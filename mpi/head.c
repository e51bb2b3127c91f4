#include "head.h"

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

/* One model's logits of `count` tokens from `at`; its own last columns may be fewer than the share's. */
static fg_status logits_of(fg_pipeline *p, unsigned model, uint64_t at, uint64_t count, columns mine,
                           float *logits, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_model_logits(p->models[model], p->normed[model] + at * p->hidden, count, mine.first, mine.count,
                           logits, err));
    if (p->dump) FG_TRY(fg_dump_logits(p->dump, (int)model, at, count, mine.first, mine.count, logits, err));
done:
    return status;
}

/* The columns beyond the common ones belong to one model alone: they are only dumped. */
static fg_status dump_rest(fg_pipeline *p, unsigned model, uint64_t common, fg_error *err) {
    fg_status status = FG_OK;
    float *logits = NULL;
    uint64_t vocab = fg_model_shape_of(p->models[model]).vocab;
    if (!p->dump || vocab == common || p->ranks->rank != 0) return FG_OK;
    columns rest = {.first = common, .count = vocab - common};
    FG_NEW(logits, rest.count);
    for (uint64_t t = 0; t < p->tokens; t++) FG_TRY(logits_of(p, model, t, 1, rest, logits, err));
done:
    fg_free(logits);
    return status;
}

static fg_status compare_share(fg_pipeline *p, unsigned a, unsigned b, columns mine, fg_compare *total,
                               fg_compare_token *per_token, fg_error *err) {
    fg_status status = FG_OK;
    float *first = NULL, *second = NULL;
    uint64_t row_bytes = fg_max(1, mine.count) * sizeof(float) * 2;
    uint64_t step = fg_max(1, fg_min(p->tokens, SLICE_BYTES / row_bytes));
    if (!mine.count) return FG_OK;
    FG_NEW(first, step * mine.count);
    FG_NEW(second, step * mine.count);
    for (uint64_t at = 0; at < p->tokens; at += step) {
        uint64_t count = fg_min(step, p->tokens - at);
        FG_TRY(logits_of(p, a, at, count, mine, first, err));
        FG_TRY(logits_of(p, b, at, count, mine, second, err));
        fg_compare_slice(first, second, at, count, mine.first, mine.count, total, per_token + at);
    }
done:
    fg_free(first);
    fg_free(second);
    return status;
}

/* ---- all-reduces over the joins of model/compare.h; MPI wants inout = in joined with inout, in rank order
 * ---- */

static void join_totals(void *in, void *inout, int *count, MPI_Datatype *type) {
    (void)type;
    for (int i = 0; i < *count; i++) {
        fg_compare joined = ((fg_compare *)in)[i];
        fg_compare_join(&joined, (fg_compare *)inout + i);
        ((fg_compare *)inout)[i] = joined;
    }
}

static void join_tokens(void *in, void *inout, int *count, MPI_Datatype *type) {
    (void)type;
    for (int i = 0; i < *count; i++) {
        fg_compare_token joined = ((fg_compare_token *)in)[i];
        fg_compare_token_join(&joined, (fg_compare_token *)inout + i);
        ((fg_compare_token *)inout)[i] = joined;
    }
}

static void all_reduce(const fg_ranks *ranks, void *values, int count, size_t size, MPI_User_function *join) {
    MPI_Datatype type;
    MPI_Op op;
    MPI_Type_contiguous((int)size, MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(join, 0, &op);
    MPI_Allreduce(MPI_IN_PLACE, values, count, type, op, ranks->world);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}

fg_status fg_head_compare(fg_pipeline *p, unsigned a, unsigned b, fg_comparison *result, fg_error *err) {
    fg_status status = FG_OK;
    fg_compare total = {0};
    fg_compare_token *per_token = NULL;
    uint64_t common = fg_min(fg_model_shape_of(p->models[a]).vocab, fg_model_shape_of(p->models[b]).vocab);
    FG_NEW(per_token, p->tokens);
    FG_TRY(compare_share(p, a, b, share_of(p->ranks, common), &total, per_token, err));
    FG_TRY(dump_rest(p, a, common, err));
    FG_TRY(dump_rest(p, b, common, err));
done:
    status = fg_ranks_agree(p->ranks, err);
    if (status == FG_OK) {
        all_reduce(p->ranks, &total, 1, sizeof total, join_totals);
        all_reduce(p->ranks, per_token, (int)p->tokens, sizeof *per_token, join_tokens);
        *result = fg_compare_finish(&total, per_token, p->tokens);
    }
    fg_free(per_token);
    return status;
}
