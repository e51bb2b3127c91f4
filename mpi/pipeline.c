#include "pipeline.h"

#include <limits.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"

enum { TAG_STREAM = 72 };

/* Widened weights that one rank may keep for its micro-batches, all models together. */
static const uint64_t KEEP_BYTES = 192 << 20;

static bool is_last(const fg_pipeline *p) {
    return p->ranks->rank == p->ranks->size - 1;
}

/* ---- shares and buffers ---- */

static void take_share(fg_pipeline *p) {
    uint64_t size = (uint64_t)p->ranks->size, rank = (uint64_t)p->ranks->rank;
    p->first_block = p->blocks * rank / size;
    p->block_count = p->blocks * (rank + 1) / size - p->first_block;
}

/* Micro-batches read every weight once more each, unless it is kept: so they are used only where all ranks
 * can keep theirs. */
static void choose_batch(fg_pipeline *p) {
    uint64_t bytes = 0;
    for (unsigned m = 0; m < p->model_count; m++)
        bytes += fg_model_block_bytes(p->models[m], p->first_block, p->block_count);
    uint64_t most = bytes;
    fg_ranks_max_u64(p->ranks, &most, 1);
    uint64_t batches = most <= KEEP_BYTES && !p->one_batch ? (uint64_t)p->ranks->size : 1;
    batches = fg_max(1, fg_min(batches, p->tokens));
    p->batch = (p->tokens + batches - 1) / batches;
    for (unsigned m = 0; batches > 1 && m < p->model_count; m++)
        fg_model_keep(p->models[m], fg_model_block_bytes(p->models[m], p->first_block, p->block_count));
}

static fg_status make_buffers(fg_pipeline *p, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(p->stream, p->batch * p->hidden + 1);
    for (unsigned m = 0; m < p->model_count; m++) {
        FG_NEW(p->normed[m], p->tokens * p->hidden);
        FG_NEW(p->digests[m], fg_place_final_norm(p->blocks) + 1);
        if (p->batch < p->tokens && p->block_count)
            FG_TRY(fg_cache_new(&p->caches[m], p->models[m], p->first_block, p->block_count, p->tokens, err));
    }
done:
    return status;
}

fg_status fg_pipeline_open(fg_pipeline *p, fg_error *err) {
    uint64_t floats;
    take_share(p);
    choose_batch(p);
    if (!fg_mul(p->tokens, p->hidden, &floats) || floats >= INT_MAX)
        fg_fail(err, FG_ERR_USAGE, "--token-ids: %llu tokens are more than can be compared at once",
                (unsigned long long)p->tokens);
    if (err->status == FG_OK) make_buffers(p, err);
    return fg_ranks_agree(p->ranks, err);
}

void fg_pipeline_close(fg_pipeline *p) {
    fg_free(p->stream);
    for (unsigned m = 0; m < FG_PIPELINE_MODELS; m++) {
        fg_free(p->normed[m]);
        fg_free(p->digests[m]);
        fg_cache_free(&p->caches[m]);
    }
}

/* ---- one model, one micro-batch ---- */

typedef struct leg {
    fg_pipeline *pipeline;
    unsigned model;
    uint64_t position, count; /* tokens */
    fg_error *err;            /* of the dump, which the probe writes */
} leg;

static void note(const leg *l, uint64_t place, const float *values) {
    size_t bytes = l->count * l->pipeline->hidden * sizeof *values;
    l->pipeline->digests[l->model][place] += XXH3_64bits_withSeed(values, bytes, l->position);
}

static fg_status dump_hidden(const leg *l, fg_dump_item item, uint64_t block, const float *values,
                             fg_error *err) {
    if (!l->pipeline->dump || l->model >= FG_DUMP_SIDES) return FG_OK;
    return fg_dump_hidden(l->pipeline->dump, (int)l->model, item, block, l->position, l->count, values, err);
}

static void look(void *context, uint64_t block, fg_sublayer sublayer, const float *values, uint64_t count) {
    const leg *l = context;
    (void)count;
    note(l, fg_place_of(block, sublayer), values);
    dump_hidden(l, sublayer == FG_SUB_MIXER ? FG_DUMP_MIXER : FG_DUMP_MLP, block, values, l->err);
}

static fg_status embed(const leg *l, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    fg_status status = FG_OK;
    FG_TRY(fg_model_embed(p->models[l->model], p->token_ids + l->position, l->count, p->stream, err));
    note(l, 0, p->stream);
    FG_TRY(dump_hidden(l, FG_DUMP_EMBEDDING, 0, p->stream, err));
done:
    return status;
}

static fg_status through_blocks(const leg *l, fg_progress *progress, uint64_t *done_bytes, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    fg_status status = FG_OK;
    fg_probe probe = {.visit = look, .context = (void *)(uintptr_t)l};
    for (uint64_t b = p->first_block; b < p->first_block + p->block_count; b++) {
        FG_TRY(fg_model_block(p->models[l->model], b, p->caches[l->model], l->position, l->count, p->stream,
                              &probe, err));
        FG_TRY((fg_status)err->status); /* what the probe met */
        FG_TRY(dump_hidden(l, FG_DUMP_OUTPUT, b, p->stream, err));
        *done_bytes += fg_model_block_bytes(p->models[l->model], b, 1);
        fg_progress_update(progress, *done_bytes);
    }
done:
    return status;
}

static fg_status finish(const leg *l, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    fg_status status = FG_OK;
    float *normed = p->normed[l->model] + l->position * p->hidden;
    FG_TRY(fg_model_final_norm(p->models[l->model], 0, p->stream, l->count, normed, err));
    note(l, fg_place_final_norm(p->blocks), normed);
    FG_TRY(dump_hidden(l, FG_DUMP_FINAL_NORM, 0, normed, err));
done:
    return status;
}

/* A rank that failed, or heard of a failure, hands on the news in place of numbers: nobody waits for what
 * never comes. */
static void run_leg(const leg *l, fg_progress *progress, uint64_t *done_bytes, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    int length = (int)(l->count * p->hidden) + 1, rank = p->ranks->rank;
    float *failed = p->stream + l->count * p->hidden;
    *failed = 0;
    if (rank > 0)
        MPI_Recv(p->stream, length, MPI_FLOAT, rank - 1, TAG_STREAM, p->ranks->world, MPI_STATUS_IGNORE);
    bool good = *failed == 0 && err->status == FG_OK;
    if (good && rank == 0) good = embed(l, err) == FG_OK;
    if (good) good = through_blocks(l, progress, done_bytes, err) == FG_OK;
    if (good && is_last(p)) finish(l, err);
    *failed = good ? 0 : 1;
    if (!is_last(p)) MPI_Send(p->stream, length, MPI_FLOAT, rank + 1, TAG_STREAM, p->ranks->world);
}

static uint64_t work_bytes(const fg_pipeline *p) {
    uint64_t bytes = 0, batches = (p->tokens + p->batch - 1) / p->batch;
    for (unsigned m = 0; m < p->model_count; m++)
        bytes += fg_model_block_bytes(p->models[m], p->first_block, p->block_count);
    return bytes * batches;
}

fg_status fg_pipeline_run(fg_pipeline *p, fg_error *err) {
    fg_progress progress;
    uint64_t done_bytes = 0;
    fg_progress_begin(&progress, "proving", work_bytes(p), p->style);
    for (uint64_t at = 0; at < p->tokens; at += p->batch) {
        for (unsigned m = 0; m < p->model_count; m++) {
            leg l = {.pipeline = p,
                     .model = m,
                     .position = at,
                     .count = fg_min(p->batch, p->tokens - at),
                     .err = err};
            run_leg(&l, &progress, &done_bytes, err);
        }
    }
    fg_progress_end(&progress, done_bytes);
    fg_status status = fg_ranks_agree(p->ranks, err);
    for (unsigned m = 0; status == FG_OK && m < p->model_count; m++) {
        MPI_Bcast(p->normed[m], (int)(p->tokens * p->hidden), MPI_FLOAT, p->ranks->size - 1, p->ranks->world);
        fg_ranks_sum_u64(p->ranks, p->digests[m], fg_place_final_norm(p->blocks) + 1);
    }
    return status;
}
