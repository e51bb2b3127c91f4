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
/* Micro-batches of a proof for each stage, where there are more stages than models: with two models, stages
 * then wait for a fifth of the time. */
enum { BATCHES_PER_STAGE = 2 };
enum { GENERATION_BATCH = 4 * FG_TILE }; /* tokens */
/* All that one rank may allocate for a generation, with what it holds already; libraries and scratch memory
 * are extra. */
static const uint64_t GENERATION_BYTES = 416 << 20;

static const fg_ranks *ranks_of(const fg_pipeline *p) {
    return p->pair->ranks;
}

/* Hidden states are run where the result goes; with blocks of prediction heads, these work on copies. */
static bool runs_in_place(const fg_pipeline *p) {
    return p->trunk == p->blocks;
}

static bool is_mine(const fg_pipeline *p, uint64_t block) {
    return fg_grid_stage_of(&p->grid, block) == p->grid.stage;
}

bool fg_pipeline_speaks_for(const fg_pipeline *p, uint64_t block) {
    return is_mine(p, block) && p->grid.member == 0;
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

static bool shares_rows(const fg_pipeline *p) {
    return fg_model_can_share_rows(p->pair->models[FG_REFERENCE]);
}

static fg_status take_share(fg_pipeline *p, fg_error *err) {
    fg_model_shape shape = fg_model_shape_of(p->pair->models[FG_REFERENCE]);
    p->hidden = shape.hidden;
    p->blocks = shape.blocks;
    p->trunk = shape.trunk;
    p->heads = p->room ? 1 : shape.heads;
    p->places = places_of(p);
    if (!p->token_ids) p->token_ids = p->prompt->tokens;
    return fg_grid_lay_out(&p->grid, ranks_of(p), p->model_count, shares_rows(p), err);
}

static uint64_t positions_of(const fg_pipeline *p) {
    return fg_max(p->room, p->prompt->token_count);
}

/* Hidden states of a model after the final norm. */
static uint64_t normed_count(const fg_pipeline *p) {
    return (p->room ? p->batch : p->heads * p->prompt->token_count) * p->hidden;
}

/* Hidden states of a model on their way, where they are not run in place. */
static uint64_t stream_count(const fg_pipeline *p) {
    return (p->room ? p->batch : p->prompt->token_count) * p->hidden;
}

/* Keys and values of a block, all models together; UINT64_MAX when that is beyond counting. */
static uint64_t keys_of_block(const fg_pipeline *p, uint64_t block) {
    uint64_t bytes = 0;
    for (unsigned m = 0; m < p->model_count; m++) {
        if (!fg_add(bytes, fg_cache_bytes(p->pair->models[m], block, positions_of(p)), &bytes))
            return UINT64_MAX;
    }
    return bytes;
}

/* Those that a rank of a stage holds at a time: of a run those of one block, of a generation of all. */
static uint64_t keys_bytes(const fg_pipeline *p, unsigned stage) {
    uint64_t bytes = 0;
    for (uint64_t b = stage; b < p->blocks; b += p->grid.stages) {
        uint64_t more = keys_of_block(p, b);
        if (!p->room)
            bytes = fg_max(bytes, more);
        else if (!fg_add(bytes, more, &bytes))
            return UINT64_MAX;
    }
    return bytes;
}

/* What is left of `most` beyond `held` bytes and the keys and values of a stage. */
static uint64_t left_of(const fg_pipeline *p, uint64_t most, uint64_t held, unsigned stage) {
    if (!fg_add(held, keys_bytes(p, stage), &held)) return 0;
    return held < most ? most - held : 0;
}

static uint64_t left_of_proof(const fg_pipeline *p, unsigned stage) {
    return left_of(p, PROOF_BYTES, p->model_count * normed_count(p) * sizeof(float), stage);
}

/* The weights as float32 that this rank may cache, all models together. */
static uint64_t cache_budget(const fg_pipeline *p) {
    if (!p->room) return left_of_proof(p, p->grid.stage);
    for (unsigned m = 0; m < p->pair->model_count; m++)
        fg_model_cache_weights(p->pair->models[m], 0); /* a proof's */
    return left_of(p, GENERATION_BYTES, fg_alloc_live(), p->grid.stage);
}

/* This rank's part of the weights of a model's blocks, as float32. */
static uint64_t share_bytes_of(const fg_pipeline *p, unsigned model) {
    uint64_t bytes = 0;
    for (uint64_t b = p->grid.stage; b < p->blocks; b += p->grid.stages)
        bytes += fg_model_block_bytes(p->pair->models[model], b) / p->grid.members;
    return bytes;
}

static uint64_t share_bytes(const fg_pipeline *p) {
    uint64_t bytes = 0;
    for (unsigned m = 0; m < p->model_count; m++) bytes += share_bytes_of(p, m);
    return bytes;
}

/* Whether each stage may keep the keys and values of all its blocks. */
static bool keys_fit(const fg_pipeline *p) {
    for (unsigned s = 0; s < p->grid.stages; s++) {
        if (!left_of_proof(p, s)) return false;
    }
    return true;
}

static bool runs_at_once(const fg_pipeline *p) {
    for (unsigned m = 0; m < p->model_count; m++) {
        if (fg_model_sees_ahead(p->pair->models[m])) return true;
    }
    return p->prompt->token_count <= FG_TILE;
}

/* Where there is a model for each stage, all tokens go through a block before the next, so that weights are
 * read once: as far as they can be measured. More stages work at the same time on micro-batches, for which
 * each keeps keys and values. They are whole tiles, so the bits are the same however many there are. A GPU,
 * which several stages may use, is best given all tokens at once. */
static uint64_t batch_of(const fg_pipeline *p) {
    uint64_t tokens = p->prompt->token_count, stages = p->grid.stages;
    if (runs_at_once(p)) return tokens;
    if (p->room) return fg_min(tokens, GENERATION_BATCH);
    uint64_t tiles = (tokens + FG_TILE - 1) / FG_TILE, batches = BATCHES_PER_STAGE * stages,
             most = fg_max(1, fg_measures_tokens(p->hidden) / FG_TILE);
    if (stages > p->model_count && keys_fit(p) && shares_rows(p))
        most = fg_min(most, (tiles + batches - 1) / batches);
    return fg_min(tokens, most * FG_TILE);
}

/* Weights are cached where they are read again: for the next micro-batch, if all of a rank fit, or for the
 * next token of a generation. */
static void choose_batch(fg_pipeline *p) {
    uint64_t budget = cache_budget(p);
    p->batch = batch_of(p);
    bool cached = p->room || (p->batch < p->prompt->token_count && share_bytes(p) <= budget);
    for (unsigned m = 0; m < p->model_count; m++)
        fg_model_cache_weights(p->pair->models[m], cached ? budget / p->model_count : 0);
}

static fg_status make_buffers(fg_pipeline *p, fg_error *err) {
    fg_status status = FG_OK;
    if (!runs_in_place(p)) FG_NEW(p->aside, p->batch * p->hidden);
    for (unsigned m = 0; m < p->model_count; m++) {
        FG_NEW(p->normed[m], normed_count(p));
        FG_NEW(p->digests[m], fg_place_final_norm(&p->places, p->heads));
        if (!runs_in_place(p)) FG_NEW(p->stream[m], stream_count(p));
        if (p->room && p->batch < p->room)
            FG_TRY(
                fg_cache_new(&p->caches[m], p->pair->models[m], p->grid.stage, p->grid.stages, p->room, err));
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

/* Keys and values that this rank holds at a time. */
static uint64_t held_keys_bytes(const fg_pipeline *p) {
    uint64_t most = 0;
    if (p->batch < positions_of(p)) return keys_bytes(p, p->grid.stage);
    for (uint64_t b = p->grid.stage; b < p->blocks; b += p->grid.stages) {
        for (unsigned m = 0; m < p->model_count; m++)
            most = fg_max(most, fg_cache_bytes(p->pair->models[m], b, positions_of(p)));
    }
    return most;
}

/* A generation gets to the end of each micro-batch before it begins the next. */
static fg_grid_load load_of(const fg_pipeline *p) {
    return (fg_grid_load){.numbers = p->batch * p->hidden,
                          .one_at_a_time = p->room || p->batch >= p->prompt->token_count};
}

static uint64_t buffer_bytes(const fg_pipeline *p) {
    uint64_t numbers = runs_in_place(p) ? 0 : p->batch * p->hidden, bytes;
    const fg_grid_load load = load_of(p);
    bytes = fg_grid_bytes(&p->grid, &load);
    for (unsigned m = 0; m < p->model_count; m++) {
        numbers += normed_count(p) + (runs_in_place(p) ? 0 : stream_count(p));
        bytes += fg_model_scratch_bytes(p->pair->models[m], positions_of(p));
    }
    return bytes + sizeof(float) * numbers + held_keys_bytes(p);
}

uint64_t fg_pipeline_expected_bytes(fg_pipeline *p) {
    fg_error err = {0}; /* a lack of memory, which the next agreement finds */
    uint64_t bytes = 0;
    if (take_share(p, &err) == FG_OK) {
        choose_batch(p);
        uint64_t weights = p->batch < positions_of(p) ? share_bytes(p) : 0;
        bytes = buffer_bytes(p);
        if (!p->room) bytes += fg_measures_bytes(FG_MEASURES_OF_BLOCK * p->batch * p->hidden);
        if (!p->room && weights > cache_budget(p)) weights = 0;
        if (p->room) weights = fg_min(weights, GENERATION_BYTES - fg_min(GENERATION_BYTES, bytes));
        bytes += weights + fg_vision_pass_bytes(p);
    }
    fg_grid_close(&p->grid);
    fg_ranks_max_u64(ranks_of(p), &bytes, 1);
    return bytes;
}

/* Where weights stay on a GPU, ranks read theirs at the same time, before the first computes. */
static fg_status preload(fg_pipeline *p, fg_error *err) {
    for (unsigned m = 0; ranks_of(p)->size > 1 && m < p->model_count; m++) {
        for (uint64_t b = p->grid.stage; b < p->blocks; b += p->grid.stages)
            FG_CALL(fg_model_preload(p->pair->models[m], b, err));
    }
    return FG_OK;
}

fg_status fg_pipeline_open(fg_pipeline *p, fg_error *err) {
    FG_CALL(take_share(p, err));
    choose_batch(p);
    if (fg_pipeline_check(p->pair, p->prompt, err) == FG_OK && make_buffers(p, err) == FG_OK) preload(p, err);
    FG_CALL(fg_ranks_agree(ranks_of(p), err));
    const fg_grid_load load = load_of(p);
    FG_CALL(fg_grid_open(&p->grid, &load, err));
    for (unsigned m = 0; m < p->model_count; m++) fg_model_share_rows(p->pair->models[m], &p->grid.sharing);
    return FG_OK;
}

void fg_pipeline_close(fg_pipeline *p) {
    for (unsigned m = 0; m < p->model_count; m++) fg_model_share_rows(p->pair->models[m], NULL);
    fg_grid_close(&p->grid);
    fg_free(p->aside);
    for (unsigned m = 0; m < FG_PAIR_MODELS; m++) {
        fg_free(p->stream[m]);
        fg_free(p->normed[m]);
        fg_free(p->digests[m]);
        fg_free(p->image_rows[m]);
        fg_cache_free(&p->caches[m]);
    }
}

void fg_pipeline_count(fg_pipeline *p, uint64_t bytes) {
    uint64_t done = fg_tally_add(&p->tally, bytes);
    if (p->style != FG_PROGRESS_NONE) fg_progress_update(&p->progress, done);
}

/* ---- one model, one micro-batch ---- */

typedef struct micro_batch {
    fg_pipeline *pipeline;
    unsigned model;
    uint64_t position, count; /* tokens */
    float *stream;            /* hidden states [count, hidden] on their way */
    float *normed;            /* where the first head's result goes after the final norm, [count, hidden] */
    struct fg_sends *sends;   /* owned; of the stream */
    fg_error *err;            /* of the dump, which the probe writes */
} micro_batch;

/* Of `count` tokens from `position` on. */
static void add_digest(const micro_batch *l, uint64_t place, uint64_t position, uint64_t count,
                       const float *values) {
    size_t bytes = count * l->pipeline->hidden * sizeof *values;
    if (l->pipeline->grid.member) return; /* all members of a stage have the same numbers */
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
    const fg_measured measured = {.point = point,
                                  .position = position,
                                  .count = count,
                                  .width = l->pipeline->hidden,
                                  .values = values,
                                  .reference = reference_of(l, point, values)};
    if (l->pipeline->grid.member) return FG_OK; /* all members of a stage have the same numbers */
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
                          stream, p->room ? NULL : &probe,
                          err));    /* nobody asks for digests of a generation */
    FG_TRY((fg_status)err->status); /* what the probe met */
    FG_TRY(show_hidden(l, FG_DUMP_OUTPUT, block, l->position, l->count, stream, err));
    fg_pipeline_count(p, fg_model_block_bytes(p->pair->models[l->model], block) / p->grid.members);
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

static fg_status through_block(const micro_batch *l, uint64_t block, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    if (block == 0) FG_CALL(embed(l, err));
    if (block >= p->trunk) return one_head(l, block - p->trunk, err);
    FG_CALL(one_block(l, block, l->stream, err));
    return block + 1 == p->blocks ? finish(l, 0, l->stream, err) : FG_OK;
}

/* ---- from stage to stage ---- */

/* Members of a stage are partners of those of the next: of the larger stage several have the same one. */
static unsigned partner_of(unsigned member, unsigned members) {
    return member % members;
}

/* What goes before hidden states: whether there are some. */
typedef struct notice {
    uint32_t good;
} notice;

/* How many members of another stage get hidden states from this rank at most. */
static size_t receivers_of(const fg_pipeline *p) {
    size_t most = 0;
    for (unsigned s = 0; s < p->grid.stages; s++) most = fg_max(most, fg_grid_members(&p->grid, s));
    return (most + p->grid.members - 1) / p->grid.members;
}

static void receive_stream(micro_batch *l, uint64_t block) {
    fg_pipeline *p = l->pipeline;
    const fg_grid *g = &p->grid;
    if (block == 0 || is_mine(p, block - 1)) return;
    unsigned stage = fg_grid_stage_of(g, block - 1);
    int from = fg_grid_rank(g, stage, partner_of(g->member, fg_grid_members(g, stage)));
    notice note = {0};
    if (fg_grid_hands_over(g)) {
        if (!fg_grid_take_over(&p->grid, l->model, l->stream, l->count * p->hidden)) fg_grid_fail(&p->grid);
        return;
    }
    fg_sends_finish(l->sends); /* of an earlier block; they have come round */
    fg_ranks_receive(ranks_of(p), from, &note, sizeof note);
    if (note.good)
        fg_ranks_receive(ranks_of(p), from, l->stream, l->count * p->hidden * sizeof *l->stream);
    else
        fg_grid_fail(&p->grid);
}

static void send_stream(micro_batch *l, uint64_t block, bool good) {
    fg_pipeline *p = l->pipeline;
    const fg_grid *g = &p->grid;
    if (block + 1 == p->blocks || is_mine(p, block + 1)) return;
    unsigned stage = fg_grid_stage_of(g, block + 1);
    if (fg_grid_hands_over(g)) {
        if (good) fg_grid_hand_over(&p->grid, l->model, l->stream, l->count * p->hidden);
        return;
    }
    for (unsigned m = 0; m < fg_grid_members(g, stage); m++) {
        const notice note = {good};
        int to = fg_grid_rank(g, stage, m);
        if (partner_of(m, g->members) != g->member) continue;
        fg_ranks_send(ranks_of(p), to, &note, sizeof note);
        if (good) fg_sends_begin(l->sends, to, l->stream, l->count * p->hidden * sizeof *l->stream);
    }
}

/* A rank that failed, or was told of a failure, sends that on instead of hidden states, so that no rank waits
 * for ever. */
static void run_block(micro_batch *l, uint64_t block, fg_error *err) {
    fg_pipeline *p = l->pipeline;
    receive_stream(l, block);
    bool good = err->status == FG_OK && !p->grid.failed && !p->grid.told;
    if (good) good = through_block(l, block, err) == FG_OK && err->status == FG_OK;
    if (!good) fg_grid_fail(&p->grid);
    send_stream(l, block, good);
}

/* ---- all models, all micro-batches ---- */

static fg_status make_micro_batches(fg_pipeline *p, uint64_t position, uint64_t count, micro_batch *made,
                                    fg_error *err) {
    for (uint64_t at = position; at < position + count; at += p->batch) {
        for (unsigned m = 0; m < p->model_count; m++, made++) {
            uint64_t numbers = p->room ? 0 : at * p->hidden;
            *made = (micro_batch){.pipeline = p,
                                  .model = m,
                                  .position = at,
                                  .count = fg_min(p->batch, position + count - at),
                                  .normed = p->normed[m] + numbers,
                                  .err = err};
            made->stream = runs_in_place(p) ? made->normed : p->stream[m] + numbers;
            FG_CALL(fg_sends_new(ranks_of(p), receivers_of(p), made->count * p->hidden * sizeof *made->stream,
                                 &made->sends, err));
        }
    }
    return FG_OK;
}

static void free_caches(fg_pipeline *p) {
    for (unsigned m = 0; m < FG_PAIR_MODELS; m++) fg_cache_free(&p->caches[m]);
}

/* A run holds keys and values of the block that the micro-batches go through, if there are several. */
static fg_status take_caches(fg_pipeline *p, uint64_t block, fg_error *err) {
    free_caches(p);
    for (unsigned m = 0; m < p->model_count && p->batch < p->prompt->token_count; m++)
        FG_CALL(fg_cache_new(&p->caches[m], p->pair->models[m], block, p->blocks, positions_of(p), err));
    return FG_OK;
}

/* All models, the tokens [position, position + count) by micro-batches: each through a block of this stage
 * before the first goes through the next. */
static fg_status run_micro_batches(fg_pipeline *p, uint64_t position, uint64_t count, fg_error *err) {
    fg_status status = FG_OK;
    uint64_t all = (count + p->batch - 1) / p->batch * p->model_count;
    micro_batch *made = fg_alloc(all, sizeof *made, err);
    if (made) make_micro_batches(p, position, count, made, err);
    FG_TRY(fg_ranks_agree(ranks_of(p), err));
    for (uint64_t b = p->grid.stage; b < p->blocks; b += p->grid.stages) {
        if (!p->room) take_caches(p, b, err); /* a failure goes on with the hidden states */
        for (uint64_t i = 0; i < all; i++) run_block(&made[i], b, err);
    }
    for (uint64_t i = 0; i < all; i++) fg_sends_finish(made[i].sends);
    fg_grid_finish(&p->grid, err);
    status = fg_ranks_agree(ranks_of(p), err);
done:
    for (uint64_t i = 0; made && i < all; i++) fg_sends_free(made[i].sends);
    fg_free(made);
    return status;
}

static void set_length(const fg_pipeline *p, uint64_t tokens) {
    for (unsigned m = 0; m < p->pair->model_count; m++) fg_model_set_length(p->pair->models[m], tokens);
}

/* A head's result is that of its block, or of the last. */
static int owner_of(const fg_pipeline *p, uint64_t head) {
    uint64_t block = runs_in_place(p) ? p->blocks - 1 : p->trunk + head;
    return fg_grid_rank(&p->grid, fg_grid_stage_of(&p->grid, block), 0);
}

fg_status fg_pipeline_run(fg_pipeline *p, fg_error *err) {
    uint64_t tokens = p->prompt->token_count, bytes = share_bytes(p) * ((tokens + p->batch - 1) / p->batch);
    if (is_mine(p, 0)) bytes += fg_vision_pass_weight_bytes(p);
    fg_ranks_sum_u64(ranks_of(p), &bytes, 1);
    set_length(p, tokens);
    fg_progress_begin(&p->progress, "proving", bytes, p->style);
    fg_status status = fg_tally_open(&p->tally, ranks_of(p), p->style != FG_PROGRESS_NONE, err);
    if (status == FG_OK) status = run_micro_batches(p, 0, tokens, err);
    fg_progress_end(&p->progress, status == FG_OK ? bytes : fg_tally_add(&p->tally, 0));
    fg_tally_close(&p->tally);
    free_caches(p); /* the head needs memory */
    for (unsigned m = 0; status == FG_OK && m < p->model_count; m++) {
        for (uint64_t h = 0; h < p->heads; h++)
            fg_ranks_share_from(ranks_of(p), owner_of(p, h), p->normed[m] + h * tokens * p->hidden,
                                tokens * p->hidden * sizeof **p->normed);
        fg_ranks_sum_u64(ranks_of(p), p->digests[m], fg_place_final_norm(&p->places, p->heads));
    }
    return status;
}

/* Only the last token's result is needed: each micro-batch overwrites what the one before gave. */
fg_status fg_pipeline_advance(fg_pipeline *p, uint64_t position, uint64_t count, fg_error *err) {
    uint64_t last = 0;
    set_length(p, position + count);
    for (uint64_t at = position; at < position + count; at += last) {
        last = fg_min(p->batch, position + count - at);
        FG_CALL(run_micro_batches(p, at, last, err));
    }
    for (unsigned m = 0; m < p->model_count; m++) {
        float *normed = p->normed[m];
        if (last > 1) memmove(normed, normed + (last - 1) * p->hidden, p->hidden * sizeof *normed);
        fg_ranks_share_from(ranks_of(p), owner_of(p, 0), normed, p->hidden * sizeof *normed);
    }
    return FG_OK;
}
