#include "pipeline.h"

#include <limits.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/vision.h"
#include "vision_pass.h"

/* What one rank may hold for the micro-batches of a proof, all models together: hidden states, keys and
 * values, weights as float32. */
static const uint64_t PROOF_BYTES = 320 << 20;
/* Micro-batches of a proof for each rank: with two models, ranks then wait for a fifth of the time. */
enum { BATCHES_PER_RANK = 2 };
enum { GENERATION_BATCH = 4 * FG_TILE }; /* tokens */
/* All that one rank may allocate for a generation, with what it holds already; libraries and scratch memory
 * are extra. */
static const uint64_t GENERATION_BYTES = 416 << 20;

static const fg_ranks *ranks_of(const fg_pipeline *p) {
    return p->pair->ranks;
}

static bool is_last(const fg_pipeline *p) {
    return ranks_of(p)->rank == ranks_of(p)->size - 1;
}

/* Hidden states are run where the result goes; with blocks of prediction heads, these work on copies. */
static bool runs_in_place(const fg_pipeline *p) {
    return p->trunk == p->blocks;
}

/* ---- shares and buffers ---- */

static fg_proof_places places_of(const fg_pipeline *p) {
    fg_vision_shape vision = {0};
    fg_vision_shape_of(p->pair->models[FG_REFERENCE], &vision);
    return (fg_proof_places){.image = p->prompt->patches > 0,
                             .vision_blocks = vision.blocks,
                             .blocks = p->blocks,
                             .heads = p->heads};
}

/* The first block of a rank. */
static uint64_t first_block_of(const fg_pipeline *p, uint64_t rank) {
    return p->blocks * rank / (uint64_t)ranks_of(p)->size;
}

static void take_share(fg_pipeline *p) {
    uint64_t rank = (uint64_t)ranks_of(p)->rank;
    fg_model_shape shape = fg_model_shape_of(p->pair->models[FG_REFERENCE]);
    p->hidden = shape.hidden;
    p->blocks = shape.blocks;
    p->trunk = shape.trunk;
    p->heads = p->room ? 1 : shape.heads;
    p->places = places_of(p);
    p->first_block = first_block_of(p, rank);
    p->block_count = first_block_of(p, rank + 1) - p->first_block;
    if (!p->token_ids) p->token_ids = p->prompt->tokens;
}

/* Hidden states of a model after the final norm, and one float more for a message. */
static uint64_t normed_count(const fg_pipeline *p) {
    return (p->room ? p->batch : p->heads * p->prompt->token_count) * p->hidden + 1;
}

/* Keys and values of all blocks of a rank, all models together; UINT64_MAX when that is beyond counting. */
static uint64_t keys_bytes(const fg_pipeline *p, uint64_t rank) {
    uint64_t first = first_block_of(p, rank), count = first_block_of(p, rank + 1) - first, bytes = 0;
    uint64_t positions = fg_max(p->room, p->prompt->token_count);
    for (unsigned m = 0; m < p->model_count; m++) {
        if (!fg_add(bytes, fg_cache_bytes(p->pair->models[m], first, count, positions), &bytes))
            return UINT64_MAX;
    }
    return bytes;
}

/* What is left of `most` beyond `held` bytes and the keys and values of a rank. */
static uint64_t left_of(const fg_pipeline *p, uint64_t most, uint64_t held, uint64_t rank) {
    if (!fg_add(held, keys_bytes(p, rank), &held)) return 0;
    return held < most ? most - held : 0;
}

static uint64_t left_of_proof(const fg_pipeline *p, uint64_t rank) {
    return left_of(p, PROOF_BYTES, p->model_count * normed_count(p) * sizeof(float), rank);
}

/* The weights as float32 that this rank may cache, all models together. */
static uint64_t cache_budget(const fg_pipeline *p) {
    uint64_t rank = (uint64_t)ranks_of(p)->rank;
    if (!p->room) return left_of_proof(p, rank);
    for (unsigned m = 0; m < p->pair->model_count; m++)
        fg_model_cache_weights(p->pair->models[m], 0); /* a proof's */
    return left_of(p, GENERATION_BYTES, fg_alloc_live(), rank);
}

static uint64_t share_bytes(const fg_pipeline *p) {
    uint64_t bytes = 0;
    for (unsigned m = 0; m < p->model_count; m++)
        bytes += fg_model_block_bytes(p->pair->models[m], p->first_block, p->block_count);
    return bytes;
}

/* Whether each rank may keep the keys and values of all its blocks. */
static bool keys_fit(const fg_pipeline *p) {
    for (uint64_t r = 0; r < (uint64_t)ranks_of(p)->size; r++) {
        if (!left_of_proof(p, r)) return false;
    }
    return true;
}

static bool runs_at_once(const fg_pipeline *p) {
    for (unsigned m = 0; m < p->model_count; m++) {
        if (fg_model_sees_ahead(p->pair->models[m])) return true;
    }
    return p->prompt->token_count <= FG_TILE;
}

/* One rank runs all tokens through a block before the next, so that it reads weights once and holds keys and
 * values of one block. Several ranks work at the same time on micro-batches, for which each keeps keys and
 * values; they are whole tiles, so the bits are the same however many there are. */
static uint64_t batch_of(const fg_pipeline *p) {
    uint64_t tokens = p->prompt->token_count, ranks = (uint64_t)ranks_of(p)->size;
    if (runs_at_once(p)) return tokens;
    if (p->room) return fg_min(tokens, GENERATION_BATCH);
    if (ranks == 1 || !keys_fit(p)) return tokens;
    uint64_t tiles = (tokens + FG_TILE - 1) / FG_TILE, batches = BATCHES_PER_RANK * ranks;
    return fg_min(tokens, (tiles + batches - 1) / batches * FG_TILE);
}

/* Weights are cached where they are read again: for the next micro-batch, if all of a rank fit, or for the
 * next token of a generation. */
static void choose_batch(fg_pipeline *p) {
    uint64_t budget = cache_budget(p);
    p->batch = batch_of(p);
    bool cached = p->room || (p->batch < p->prompt->token_count && share_bytes(p) <= budget);
    for (unsigned m = 0; m < p->model_count; m++) {
        uint64_t own = fg_model_block_bytes(p->pair->models[m], p->first_block, p->block_count);
        uint64_t most = p->room ? budget / p->model_count : own;
        fg_model_cache_weights(p->pair->models[m], cached ? most : 0);
    }
}

static fg_status make_buffers(fg_pipeline *p, fg_error *err) {
    fg_status status = FG_OK;
    uint64_t positions = fg_max(p->room, p->prompt->token_count);
    if (!runs_in_place(p)) FG_NEW(p->stream, p->batch * p->hidden + 1);
    if (!runs_in_place(p)) FG_NEW(p->aside, p->batch * p->hidden);
    for (unsigned m = 0; m < p->model_count; m++) {
        FG_NEW(p->normed[m], normed_count(p));
        FG_NEW(p->digests[m], fg_place_final_norm(&p->places, p->heads));
        if (p->batch < positions && p->block_count)
            FG_TRY(fg_cache_new(&p->caches[m], p->pair->models[m], p->first_block, p->block_count, positions,
                                err));
    }
done:
    return status;
}

fg_status fg_pipeline_check(const fg_model_pair *pair, const fg_pair_prompt *prompt, fg_error *err) {
    uint64_t floats;
    fg_model_shape shape = fg_model_shape_of(pair->models[FG_REFERENCE]);
    bool fits = fg_mul(prompt->token_count, shape.hidden, &floats) && fg_mul(floats, shape.heads, &floats);
    if (fits && floats < INT_MAX) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "--token-ids: %llu tokens are more than can be compared at once",
                   (unsigned long long)prompt->token_count);
}

uint64_t fg_pipeline_expected_bytes(fg_pipeline *p) {
    uint64_t buffers = 0, weights = 0, keys = 0;
    take_share(p);
    choose_batch(p);
    uint64_t positions = fg_max(p->room, p->prompt->token_count);
    if (!runs_in_place(p)) buffers += 2 * sizeof(float) * p->batch * p->hidden;
    for (unsigned m = 0; m < p->model_count; m++) {
        const fg_model *model = p->pair->models[m];
        buffers += fg_model_scratch_bytes(model, positions) + sizeof(float) * normed_count(p);
        if (p->batch == positions) {
            for (uint64_t b = 0; b < p->block_count; b++)
                keys = fg_max(keys, fg_cache_bytes(model, p->first_block + b, 1, positions));
            continue;
        }
        keys += fg_cache_bytes(model, p->first_block, p->block_count, positions);
        weights += fg_model_block_bytes(model, p->first_block, p->block_count);
    }
    buffers += keys;
    if (!p->room) buffers += fg_measures_bytes(p->batch, p->hidden);
    if (!p->room && weights > cache_budget(p)) weights = 0;
    if (p->room) weights = fg_min(weights, GENERATION_BYTES - fg_min(GENERATION_BYTES, buffers));
    uint64_t bytes = buffers + weights + fg_vision_pass_bytes(p);
    fg_ranks_max_u64(ranks_of(p), &bytes, 1);
    return bytes;
}

/* Where weights stay on a GPU, ranks read theirs at the same time, before the first computes. */
static fg_status preload(fg_pipeline *p, fg_error *err) {
    for (unsigned m = 0; ranks_of(p)->size > 1 && m < p->model_count; m++)
        FG_CALL(fg_model_preload(p->pair->models[m], p->first_block, p->block_count, err));
    return FG_OK;
}

fg_status fg_pipeline_open(fg_pipeline *p, fg_error *err) {
    take_share(p);
    choose_batch(p);
    if (fg_pipeline_check(p->pair, p->prompt, err) == FG_OK && make_buffers(p, err) == FG_OK) preload(p, err);
    return fg_ranks_agree(ranks_of(p), err);
}

void fg_pipeline_close(fg_pipeline *p) {
    fg_free(p->stream);
    fg_free(p->aside);
    for (unsigned m = 0; m < FG_PAIR_MODELS; m++) {
        fg_free(p->normed[m]);
        fg_free(p->digests[m]);
        fg_free(p->image_rows[m]);
        fg_cache_free(&p->caches[m]);
    }
}

/* ---- one model, one micro-batch ---- */

typedef struct micro_batch {
    fg_pipeline *pipeline;
    unsigned model;
    uint64_t position, count; /* tokens */
    float *stream;            /* hidden states [count, hidden] on their way, and one float more */
    float *normed;            /* where the first head's result goes after the final norm, [count, hidden] */
    fg_error *err;            /* of the dump, which the probe writes */
} micro_batch;

/* Of `count` tokens from `position` on. */
static void add_digest(const micro_batch *l, uint64_t place, uint64_t position, uint64_t count,
                       const float *values) {
    size_t bytes = count * l->pipeline->hidden * sizeof *values;
    l->pipeline->digests[l->model][place] += XXH3_64bits_withSeed(values, bytes, position);
}

/* Where the reference's hidden states of the same point still are when the candidate's are there; NULL: they
 * are not, for blocks work in place, and the final norm overwrites what the last one gives. */
static const float *reference_of(const micro_batch *l, fg_measure_point point, const float *values) {
    const fg_pipeline *p = l->pipeline;
    bool stays = runs_in_place(p) && point.item == FG_DUMP_OUTPUT && point.of + 1 < p->blocks;
    if (!stays && point.item != FG_DUMP_FINAL_NORM) return NULL;
    return p->normed[FG_REFERENCE] + (values - p->normed[l->model]);
}

/* For the measures and the dump. */
static fg_status show_hidden(const micro_batch *l, fg_dump_item item, uint64_t block, uint64_t position,
                             uint64_t count, const float *values, fg_error *err) {
    const fg_measure_point point = {item, block};
    const fg_measured measured = {point, position, count, values, reference_of(l, point, values)};
    if (l->pipeline->measures) FG_CALL(fg_measures_add(l->pipeline->measures, l->model, &measured, err));
    if (!l->pipeline->dump || l->model >= FG_DUMP_SIDES) return FG_OK;
    return fg_dump_hidden(l->pipeline->dump, (int)l->model, item, block, position, count, values, err);
}

static void on_sublayer(void *context, uint64_t block, fg_sublayer sublayer, uint64_t position,
                        uint64_t count, const float *values) {
    const micro_batch *l = context;
    add_digest(l, fg_place_block(&l->pipeline->places, block, sublayer), position, count, values);
    show_hidden(l, sublayer == FG_SUB_MIXER ? FG_DUMP_MIXER : FG_DUMP_MLP, block, position, count, values,
                l->err);
}

static fg_status embed(const micro_batch *l, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    if (l->position == 0 && !p->room) FG_CALL(fg_vision_pass_run(p, l->model, err));
    FG_CALL(fg_model_embed(p->pair->models[l->model], p->token_ids + l->position, l->count, l->stream, err));
    fg_vision_pass_place(p, l->model, l->position, l->count, l->stream);
    add_digest(l, fg_place_embedding(&p->places), l->position, l->count, l->stream);
    return show_hidden(l, FG_DUMP_EMBEDDING, 0, l->position, l->count, l->stream, err);
}

static fg_status one_block(const micro_batch *l, uint64_t block, float *stream, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    fg_status status = FG_OK;
    fg_probe probe = {.visit = on_sublayer, .context = (void *)(uintptr_t)l};
    FG_TRY(fg_model_block(p->pair->models[l->model], block, p->caches[l->model], l->position, l->count,
                          stream, &probe, err));
    FG_TRY((fg_status)err->status); /* what the probe met */
    FG_TRY(show_hidden(l, FG_DUMP_OUTPUT, block, l->position, l->count, stream, err));
    p->done_bytes += fg_model_block_bytes(p->pair->models[l->model], block, 1);
    fg_progress_update(&p->progress, p->done_bytes);
done:
    return status;
}

static fg_status finish(const micro_batch *l, uint64_t head, const float *stream, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    float *normed = l->normed + head * p->prompt->token_count * p->hidden;
    FG_CALL(fg_model_final_norm(p->pair->models[l->model], head, stream, l->count, normed, err));
    add_digest(l, fg_place_final_norm(&p->places, head), l->position, l->count, normed);
    return show_hidden(l, FG_DUMP_FINAL_NORM, head, l->position, l->count, normed, err);
}

/* A head's own block, on a copy of the hidden states. A generation has only the first head. */
static fg_status one_head(const micro_batch *l, uint64_t head, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    if (head >= p->heads) return FG_OK;
    memcpy(p->aside, l->stream, l->count * p->hidden * sizeof *p->aside);
    FG_CALL(one_block(l, p->trunk + head, p->aside, err));
    return finish(l, head, p->aside, err);
}

static uint64_t end_block(const fg_pipeline *p) {
    return p->first_block + p->block_count;
}

static fg_status through_blocks(const micro_batch *l, uint64_t first, uint64_t end, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    for (uint64_t b = first; b < end; b++) {
        if (b < p->trunk)
            FG_CALL(one_block(l, b, l->stream, err));
        else
            FG_CALL(one_head(l, b - p->trunk, err));
    }
    if (end == end_block(p) && is_last(p) && runs_in_place(p)) FG_CALL(finish(l, 0, l->stream, err));
    return FG_OK;
}

/* The rank that has a head's result: the one that holds its block, or the last. */
static int owner_of(const fg_pipeline *p, uint64_t head) {
    uint64_t block = p->trunk + head;
    if (runs_in_place(p)) return ranks_of(p)->size - 1;
    int rank = 0;
    while (first_block_of(p, (uint64_t)rank + 1) <= block) rank++;
    return rank;
}

/* The blocks [first, end) of this rank. A rank that failed, or was told of a failure, sends that on instead
 * of hidden states, so that no rank waits for ever. */
static void run_micro_batch(const micro_batch *l, uint64_t first, uint64_t end, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    const fg_ranks *ranks = ranks_of(p);
    size_t size = (l->count * p->hidden + 1) * sizeof *l->stream;
    int rank = ranks->rank;
    float *failed = l->stream + l->count * p->hidden;
    bool begins = first == p->first_block;
    if (begins) *failed = 0;
    if (begins && rank > 0) fg_ranks_receive(ranks, rank - 1, l->stream, size);
    bool good = *failed == 0 && err->status == FG_OK;
    if (good && begins && rank == 0) good = embed(l, err) == FG_OK;
    if (good) good = through_blocks(l, first, end, err) == FG_OK;
    *failed = good ? 0 : 1;
    if (end == end_block(p) && !is_last(p)) fg_ranks_send(ranks, rank + 1, l->stream, size);
}

/* ---- all models, all micro-batches ---- */

/* Where models have streams of their own, each runs a block before the first runs the next: what is kept of
 * one to be compared with another is that of a block. */
static uint64_t blocks_at_once(const fg_pipeline *p) {
    return runs_in_place(p) ? 1 : fg_max(1, p->block_count);
}

static void run_models(const micro_batch *batches, fg_error *err) {
    const fg_pipeline *p = batches->pipeline;
    uint64_t first = p->first_block, end;
    do {
        end = fg_min(first + blocks_at_once(p), end_block(p));
        for (unsigned m = 0; m < p->model_count; m++) run_micro_batch(&batches[m], first, end, err);
        first = end;
    } while (end < end_block(p));
}

/* The tokens [position, position + count) by micro-batches. Results go one behind the other for a run; a
 * generation needs the last token's only, so that each overwrites the one before. Gives the tokens of the
 * last micro-batch. */
static uint64_t run_micro_batches(fg_pipeline *p, uint64_t position, uint64_t count, fg_error *err) {
    uint64_t last = 0;
    for (unsigned m = 0; m < p->pair->model_count; m++)
        fg_model_set_length(p->pair->models[m], position + count);
    for (uint64_t at = position; at < position + count; at += last) {
        micro_batch batches[FG_PAIR_MODELS];
        last = fg_min(p->batch, position + count - at);
        for (unsigned m = 0; m < p->model_count; m++) {
            float *normed = p->normed[m] + (p->room ? 0 : at * p->hidden);
            batches[m] = (micro_batch){.pipeline = p,
                                       .model = m,
                                       .position = at,
                                       .count = last,
                                       .stream = runs_in_place(p) ? normed : p->stream,
                                       .normed = normed,
                                       .err = err};
        }
        run_models(batches, err);
    }
    return last;
}

fg_status fg_pipeline_run(fg_pipeline *p, fg_error *err) {
    uint64_t tokens = p->prompt->token_count, bytes = share_bytes(p) * ((tokens + p->batch - 1) / p->batch);
    bool embeds = ranks_of(p)->rank == 0;
    if (embeds) bytes += fg_vision_pass_weight_bytes(p);
    fg_progress_begin(&p->progress, "proving", bytes, p->style);
    run_micro_batches(p, 0, tokens, err);
    fg_progress_end(&p->progress, p->done_bytes);
    fg_status status = fg_ranks_agree(ranks_of(p), err);
    for (unsigned m = 0; m < p->model_count; m++) fg_cache_free(&p->caches[m]); /* the head needs memory */
    for (unsigned m = 0; status == FG_OK && m < p->model_count; m++) {
        for (uint64_t h = 0; h < p->heads; h++)
            fg_ranks_share_from(ranks_of(p), owner_of(p, h), p->normed[m] + h * tokens * p->hidden,
                                tokens * p->hidden * sizeof **p->normed);
        fg_ranks_sum_u64(ranks_of(p), p->digests[m], fg_place_final_norm(&p->places, p->heads));
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
