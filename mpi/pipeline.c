#include "pipeline.h"

#include <limits.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"

/* Weights as float32 that one rank may cache for the micro-batches of a proof, all models together. */
static const uint64_t KEEP_BYTES = 192 << 20;
/* All that one rank may allocate for a generation, with what it holds already; libraries and scratch memory
 * are extra. */
static const uint64_t GENERATION_BYTES = 416 << 20;

static const fg_ranks *ranks_of(const fg_pipeline *p) {
    return p->pair->ranks;
}

static bool is_last(const fg_pipeline *p) {
    return ranks_of(p)->rank == ranks_of(p)->size - 1;
}

/* ---- shares and buffers ---- */

static void take_share(fg_pipeline *p) {
    uint64_t size = (uint64_t)ranks_of(p)->size, rank = (uint64_t)ranks_of(p)->rank;
    fg_model_shape shape = fg_model_shape_of(p->pair->models[FG_REFERENCE]);
    p->hidden = shape.hidden;
    p->blocks = shape.blocks;
    p->trunk = shape.trunk;
    p->heads = p->room ? 1 : shape.heads;
    p->first_block = p->blocks * rank / size;
    p->block_count = p->blocks * (rank + 1) / size - p->first_block;
    if (!p->token_ids) p->token_ids = p->pair->tokens;
}

/* The weights as float32 that this rank may cache, all models together. */
static uint64_t cache_budget(const fg_pipeline *p) {
    if (!p->room) return KEEP_BYTES;
    for (unsigned m = 0; m < p->pair->model_count; m++)
        fg_model_cache_weights(p->pair->models[m], 0); /* a proof's */
    uint64_t held = fg_alloc_live();
    for (unsigned m = 0; m < p->model_count; m++) {
        uint64_t cache = fg_cache_bytes(p->pair->models[m], p->first_block, p->block_count, p->room);
        if (!fg_add(held, cache, &held)) return 0;
    }
    return held < GENERATION_BYTES ? GENERATION_BYTES - held : 0;
}

static uint64_t share_bytes(const fg_pipeline *p) {
    uint64_t bytes = 0;
    for (unsigned m = 0; m < p->model_count; m++)
        bytes += fg_model_block_bytes(p->pair->models[m], p->first_block, p->block_count);
    return bytes;
}

/* Each micro-batch reads every weight again unless it is cached: so they are used only where all ranks can
 * cache theirs, and not where every token sees every other. A generation caches what it can, as it needs each
 * weight for each token, and runs its prompt in one batch: the size of a batch decides the order of sums, and
 * every number of ranks must choose the same tokens. */
static void choose_batch(fg_pipeline *p) {
    uint64_t tokens = p->pair->token_count, budget = cache_budget(p), too_large = share_bytes(p) > budget;
    fg_ranks_max_u64(ranks_of(p), &too_large, 1);
    bool one = too_large || p->room;
    for (unsigned m = 0; m < p->model_count; m++) one = one || fg_model_sees_ahead(p->pair->models[m]);
    uint64_t batches = fg_max(1, fg_min(one ? 1 : (uint64_t)ranks_of(p)->size, tokens));
    p->batch = (tokens + batches - 1) / batches;
    for (unsigned m = 0; m < p->model_count; m++) {
        uint64_t own = fg_model_block_bytes(p->pair->models[m], p->first_block, p->block_count);
        fg_model_cache_weights(p->pair->models[m], p->room ? budget / p->model_count : batches > 1 ? own : 0);
    }
}

static fg_status make_buffers(fg_pipeline *p, fg_error *err) {
    fg_status status = FG_OK;
    uint64_t tokens = p->pair->token_count, positions = fg_max(p->room, tokens);
    FG_NEW(p->stream, p->batch * p->hidden + 1);
    FG_NEW(p->aside, p->batch * p->hidden);
    for (unsigned m = 0; m < p->model_count; m++) {
        FG_NEW(p->normed[m], (p->room ? p->batch : p->heads * tokens) * p->hidden);
        FG_NEW(p->digests[m], fg_place_final_norm(p->blocks, p->heads));
        if (p->batch < positions && p->block_count)
            FG_TRY(fg_cache_new(&p->caches[m], p->pair->models[m], p->first_block, p->block_count, positions,
                                err));
    }
done:
    return status;
}

fg_status fg_pipeline_check(const fg_model_pair *pair, fg_error *err) {
    uint64_t floats;
    fg_model_shape shape = fg_model_shape_of(pair->models[FG_REFERENCE]);
    bool fits = fg_mul(pair->token_count, shape.hidden, &floats) && fg_mul(floats, shape.heads, &floats);
    if (fits && floats < INT_MAX) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "--token-ids: %llu tokens are more than can be compared at once",
                   (unsigned long long)pair->token_count);
}

uint64_t fg_pipeline_expected_bytes(fg_pipeline *p) {
    uint64_t buffers = 0, weights = 0;
    take_share(p);
    choose_batch(p);
    uint64_t tokens = p->pair->token_count, positions = fg_max(p->room, tokens);
    for (unsigned m = 0; m < p->model_count; m++) {
        const fg_model *model = p->pair->models[m];
        buffers += fg_model_scratch_bytes(model, p->batch);
        buffers += sizeof(float) * p->hidden * (p->room ? p->batch : p->heads * tokens);
        if (p->batch == positions) continue;
        buffers += fg_cache_bytes(model, p->first_block, p->block_count, positions);
        weights += fg_model_block_bytes(model, p->first_block, p->block_count);
    }
    if (p->room) weights = fg_min(weights, GENERATION_BYTES - fg_min(GENERATION_BYTES, buffers));
    uint64_t bytes = buffers + weights;
    fg_ranks_max_u64(ranks_of(p), &bytes, 1);
    return bytes;
}

fg_status fg_pipeline_open(fg_pipeline *p, fg_error *err) {
    take_share(p);
    choose_batch(p);
    if (fg_pipeline_check(p->pair, err) == FG_OK) make_buffers(p, err);
    return fg_ranks_agree(ranks_of(p), err);
}

void fg_pipeline_close(fg_pipeline *p) {
    fg_free(p->stream);
    fg_free(p->aside);
    for (unsigned m = 0; m < FG_PAIR_MODELS; m++) {
        fg_free(p->normed[m]);
        fg_free(p->digests[m]);
        fg_cache_free(&p->caches[m]);
    }
}

/* ---- one model, one micro-batch ---- */

typedef struct micro_batch {
    fg_pipeline *pipeline;
    unsigned model;
    uint64_t position, count; /* tokens */
    float *normed;            /* where the first head's result goes after the final norm, [count, hidden] */
    fg_error *err;            /* of the dump, which the probe writes */
} micro_batch;

static void add_digest(const micro_batch *l, uint64_t place, const float *values) {
    size_t bytes = l->count * l->pipeline->hidden * sizeof *values;
    l->pipeline->digests[l->model][place] += XXH3_64bits_withSeed(values, bytes, l->position);
}

static fg_status dump_hidden(const micro_batch *l, fg_dump_item item, uint64_t block, const float *values,
                             fg_error *err) {
    if (!l->pipeline->dump || l->model >= FG_DUMP_SIDES) return FG_OK;
    return fg_dump_hidden(l->pipeline->dump, (int)l->model, item, block, l->position, l->count, values, err);
}

static void on_sublayer(void *context, uint64_t block, fg_sublayer sublayer, const float *values,
                        uint64_t count) {
    const micro_batch *l = context;
    (void)count;
    add_digest(l, fg_place_of(block, sublayer), values);
    dump_hidden(l, sublayer == FG_SUB_MIXER ? FG_DUMP_MIXER : FG_DUMP_MLP, block, values, l->err);
}

static fg_status embed(const micro_batch *l, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    FG_CALL(fg_model_embed(p->pair->models[l->model], p->token_ids + l->position, l->count, p->stream, err));
    add_digest(l, 0, p->stream);
    return dump_hidden(l, FG_DUMP_EMBEDDING, 0, p->stream, err);
}

static fg_status one_block(const micro_batch *l, uint64_t block, float *stream, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    fg_status status = FG_OK;
    fg_probe probe = {.visit = on_sublayer, .context = (void *)(uintptr_t)l};
    FG_TRY(fg_model_block(p->pair->models[l->model], block, p->caches[l->model], l->position, l->count,
                          stream, &probe, err));
    FG_TRY((fg_status)err->status); /* what the probe met */
    FG_TRY(dump_hidden(l, FG_DUMP_OUTPUT, block, stream, err));
    p->done_bytes += fg_model_block_bytes(p->pair->models[l->model], block, 1);
    fg_progress_update(&p->progress, p->done_bytes);
done:
    return status;
}

static fg_status finish(const micro_batch *l, uint64_t head, const float *stream, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    float *normed = l->normed + head * p->pair->token_count * p->hidden;
    FG_CALL(fg_model_final_norm(p->pair->models[l->model], head, stream, l->count, normed, err));
    add_digest(l, fg_place_final_norm(p->blocks, head), normed);
    return dump_hidden(l, FG_DUMP_FINAL_NORM, head, normed, err);
}

/* A head's own block, on a copy of the hidden states. A generation has only the first head. */
static fg_status one_head(const micro_batch *l, uint64_t head, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    if (head >= p->heads) return FG_OK;
    memcpy(p->aside, p->stream, l->count * p->hidden * sizeof *p->aside);
    FG_CALL(one_block(l, p->trunk + head, p->aside, err));
    return finish(l, head, p->aside, err);
}

static fg_status through_blocks(const micro_batch *l, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    for (uint64_t b = p->first_block; b < p->first_block + p->block_count; b++) {
        if (b < p->trunk)
            FG_CALL(one_block(l, b, p->stream, err));
        else
            FG_CALL(one_head(l, b - p->trunk, err));
    }
    if (is_last(p) && p->trunk == p->blocks) FG_CALL(finish(l, 0, p->stream, err));
    return FG_OK;
}

/* The rank that has a head's result: the one that holds its block, or the last. */
static int owner_of(const fg_pipeline *p, uint64_t head) {
    uint64_t size = (uint64_t)ranks_of(p)->size, block = p->trunk + head;
    if (p->trunk == p->blocks) return (int)size - 1;
    int rank = 0;
    while (p->blocks * ((uint64_t)rank + 1) / size <= block) rank++;
    return rank;
}

/* A rank that failed, or was told of a failure, sends that on instead of hidden states, so that no rank waits
 * for ever. */
static void run_micro_batch(const micro_batch *l, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    const fg_ranks *ranks = ranks_of(p);
    size_t size = (l->count * p->hidden + 1) * sizeof *p->stream;
    int rank = ranks->rank;
    float *failed = p->stream + l->count * p->hidden;
    *failed = 0;
    if (rank > 0) fg_ranks_receive(ranks, rank - 1, p->stream, size);
    bool good = *failed == 0 && err->status == FG_OK;
    if (good && rank == 0) good = embed(l, err) == FG_OK;
    if (good) good = through_blocks(l, err) == FG_OK;
    *failed = good ? 0 : 1;
    if (!is_last(p)) fg_ranks_send(ranks, rank + 1, p->stream, size);
}

/* ---- all models, all micro-batches ---- */

/* The tokens [position, position + count) by micro-batches. Results go one behind the other for a run; a
 * generation needs the last token's only, so that each overwrites the one before. Gives the tokens of the
 * last micro-batch. */
static uint64_t run_micro_batches(fg_pipeline *p, uint64_t position, uint64_t count, fg_error *err) {
    uint64_t last = 0;
    for (uint64_t at = position; at < position + count; at += last) {
        last = fg_min(p->batch, position + count - at);
        for (unsigned m = 0; m < p->model_count; m++) {
            micro_batch l = {.pipeline = p,
                             .model = m,
                             .position = at,
                             .count = last,
                             .normed = p->normed[m] + (p->room ? 0 : at * p->hidden),
                             .err = err};
            run_micro_batch(&l, err);
        }
    }
    return last;
}

fg_status fg_pipeline_run(fg_pipeline *p, fg_error *err) {
    uint64_t tokens = p->pair->token_count, bytes = share_bytes(p) * ((tokens + p->batch - 1) / p->batch);
    fg_progress_begin(&p->progress, "proving", bytes, p->style);
    run_micro_batches(p, 0, tokens, err);
    fg_progress_end(&p->progress, p->done_bytes);
    fg_status status = fg_ranks_agree(ranks_of(p), err);
    for (unsigned m = 0; status == FG_OK && m < p->model_count; m++) {
        for (uint64_t h = 0; h < p->heads; h++)
            fg_ranks_share_from(ranks_of(p), owner_of(p, h), p->normed[m] + h * tokens * p->hidden,
                                tokens * p->hidden * sizeof **p->normed);
        fg_ranks_sum_u64(ranks_of(p), p->digests[m], fg_place_final_norm(p->blocks, p->heads));
    }
    return status;
}

fg_status fg_pipeline_advance(fg_pipeline *p, uint64_t position, uint64_t count, fg_error *err) {
    uint64_t last = run_micro_batches(p, position, count, err);
    fg_status status = fg_ranks_agree(ranks_of(p), err);
    for (unsigned m = 0; status == FG_OK && m < p->model_count; m++) {
        float *normed = p->normed[m];
        if (last > 1) memmove(normed, normed + (last - 1) * p->hidden, p->hidden * sizeof *normed);
        fg_ranks_share_from(ranks_of(p), owner_of(p, 0), normed, p->hidden * sizeof *normed);
    }
    return status;
}
