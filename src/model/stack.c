#include "model/stack.h"

#include "base/alloc.h"
#include "base/checked.h"

/* ---- binding ---- */

static fg_status bind_half(fg_binder *binder, const fg_half *kind, fg_sublayer which, fg_block_half *half,
                           fg_error *err) {
    static const char *const before[FG_SUB_COUNT] = {"block.mixer_norm", "block.mlp_norm"},
                             *const behind[FG_SUB_COUNT] = {"block.post_mixer_norm", "block.post_mlp_norm"};
    FG_CALL(fg_norm_bind(binder, before[which], &kind->before, binder->hidden, &half->before, err));
    FG_CALL(kind->sublayer->bind(binder, kind->settings, &half->weights, err));
    return fg_norm_bind(binder, behind[which], &kind->behind, binder->hidden, &half->behind, err);
}

static fg_status bind_block(fg_binder binder, fg_block *block, fg_error *err) {
    const fg_block_kind *kind = block->kind;
    binder.config = kind->config;
    if (kind->side) binder.side = kind->side;
    for (int s = 0; s < FG_SUB_COUNT; s++)
        FG_CALL(bind_half(&binder, &kind->halves[s], (fg_sublayer)s, &block->halves[s], err));
    if (!kind->output_scale) return FG_OK;
    return fg_bind_optional(&binder, "block.output_scale", 1, &block->output_scale, err);
}

fg_status fg_stack_bind(fg_stack *stack, const fg_binder *binder, const fg_hyperparameters_source *source,
                        const fg_hyperparameters *outer, uint64_t count, fg_error *err) {
    fg_status status = FG_OK;
    uint32_t *kind_of = NULL;
    fg_binder own = *binder;
    stack->hidden = binder->hidden;
    FG_TRY(fg_block_kinds_read(&stack->kinds, outer, binder->blocks, *source, &kind_of, err));
    FG_NEW(stack->blocks, count);
    stack->count = count;
    for (own.block = 0; own.block < count; own.block++) {
        fg_block *block = &stack->blocks[own.block];
        block->kind = &stack->kinds.items[kind_of[fg_min(own.block, binder->blocks - 1)]];
        FG_TRY(bind_block(own, block, err));
    }
done:
    fg_free(kind_of);
    return status;
}

static void free_block(fg_block *block, fg_workspace *w) {
    for (int s = 0; s < FG_SUB_COUNT; s++) {
        fg_block_half *half = &block->halves[s];
        fg_norm_free(&half->before);
        fg_norm_free(&half->behind);
        fg_sublayer_weights_free(w, &half->weights);
    }
    fg_free(block->output_scale.name);
}

void fg_stack_free(fg_stack *stack, fg_workspace *w) {
    for (uint64_t b = 0; b < stack->count; b++) free_block(&stack->blocks[b], w);
    fg_scratch_free(w, &stack->normed);
    fg_scratch_free(w, &stack->added);
    fg_block_kinds_free(&stack->kinds);
    fg_free(stack->blocks);
    *stack = (fg_stack){0};
}

void fg_stack_forget(fg_stack *stack, fg_workspace *w) {
    for (uint64_t b = 0; b < stack->count; b++) {
        for (int s = 0; s < FG_SUB_COUNT; s++)
            fg_sublayer_weights_forget(w, &stack->blocks[b].halves[s].weights);
    }
}

fg_status fg_stack_preload(fg_stack *stack, fg_workspace *w, uint64_t block, fg_error *err) {
    for (int s = 0; s < FG_SUB_COUNT; s++)
        FG_CALL(fg_sublayer_weights_preload(w, &stack->blocks[block].halves[s].weights, err));
    return FG_OK;
}

/* ---- running ---- */

/* Tokens that a mixer or MLP is given at once: what they compute on the way is held for so many. */
enum { PIECE = 4 * FG_TILE };

/* What the two halves of a block have in common. */
typedef struct block_run {
    const fg_stack *stack;
    uint64_t index;
    const fg_block *block;
    const fg_probe *probe; /* may be NULL */
    uint64_t position, count;
    fg_real *hidden; /* the residual stream of all tokens */
} block_run;

static fg_real *stream_at(const block_run *r, const fg_block_call *call) {
    return r->hidden + (call->position - r->position) * r->stack->hidden;
}

/* What the probe sees, and the residual stream gets. */
static fg_status add_output(const block_run *r, fg_sublayer which, const fg_block_call *call, fg_error *err) {
    fg_workspace *w = call->work;
    uint64_t numbers = call->count * call->hidden;
    double multiplier = r->block->kind->residual_multiplier;
    const float *seen;
    if (multiplier != 1) w->device->scale(w->state, call->output, numbers, (float)multiplier);
    if (r->probe) {
        FG_CALL(fg_workspace_see(w, call->output, numbers, &seen, err));
        r->probe->visit(r->probe->context, r->index, which, call->position, call->count, seen);
    }
    w->device->add(w->state, stream_at(r, call), 0, call->output, 0, 1, numbers);
    return FG_OK;
}

/* What a half does with one piece. */
typedef fg_status piece_work(const block_run *r, fg_sublayer which, fg_block_call *piece, fg_error *err);

static fg_status norm_input(const block_run *r, fg_sublayer which, fg_block_call *piece, fg_error *err) {
    const fg_norm *before = &r->block->halves[which].before;
    const fg_heads shape = {piece->count, 1, piece->hidden, piece->hidden};
    fg_real *normed = r->stack->normed.values;
    piece->input = stream_at(r, piece);
    if (!before->settings.kind) return FG_OK;
    FG_CALL(fg_norm_run(piece->work, before, piece->input, &shape, normed, err));
    piece->input = normed;
    return FG_OK;
}

static fg_status fill_piece(const block_run *r, fg_sublayer which, fg_block_call *piece, fg_error *err) {
    FG_CALL(norm_input(r, which, piece, err));
    return r->block->kind->halves[which].sublayer->fill(piece, err);
}

static fg_status run_piece(const block_run *r, fg_sublayer which, fg_block_call *piece, fg_error *err) {
    const fg_sublayer_kind *sublayer = r->block->kind->halves[which].sublayer;
    const fg_norm *behind = &r->block->halves[which].behind;
    const fg_heads shape = {piece->count, 1, piece->hidden, piece->hidden};
    FG_CALL(norm_input(r, which, piece, err));
    if (sublayer->fill && !piece->sees_ahead) FG_CALL(sublayer->fill(piece, err));
    FG_CALL(sublayer->run(piece, err));
    if (behind->settings.kind)
        FG_CALL(fg_norm_run(piece->work, behind, piece->output, &shape, piece->output, err));
    return add_output(r, which, piece, err);
}

static fg_status each_piece(const block_run *r, fg_sublayer which, const fg_block_call *call,
                            piece_work *work, fg_error *err) {
    for (uint64_t at = 0; at < r->count; at += PIECE) {
        fg_block_call piece = *call;
        piece.position = r->position + at;
        piece.count = fg_min(PIECE, r->count - at);
        FG_CALL(work(r, which, &piece, err));
    }
    return FG_OK;
}

static bool looks_ahead(const fg_half *half, fg_mask mask) {
    const fg_sublayer_kind *sublayer = half->sublayer;
    if (mask == FG_MASK_NATIVE) return sublayer->sees_ahead && sublayer->sees_ahead(half->settings);
    return mask == FG_MASK_NONE;
}

/* Where tokens see those after them, the cache has all of them before the first runs. */
static fg_status run_half(const block_run *r, fg_sublayer which, fg_block_call call, fg_error *err) {
    const fg_half *kind = &r->block->kind->halves[which];
    call.settings = kind->settings;
    call.weights = &r->block->halves[which].weights;
    call.sees_ahead = looks_ahead(kind, call.mask);
    if (call.sees_ahead && kind->sublayer->fill) FG_CALL(each_piece(r, which, &call, fill_piece, err));
    return each_piece(r, which, &call, run_piece, err);
}

static fg_status scale_output(const block_run *r, const fg_block_call *call, fg_error *err) {
    fg_workspace *w = call->work;
    const fg_real *weight;
    float scale;
    if (!r->block->output_scale.name) return FG_OK;
    FG_CALL(fg_vector_read(w, &r->block->output_scale, 1, &weight, err));
    FG_CALL(w->device->get(w->state, weight, 1, &scale, err));
    w->device->scale(w->state, r->hidden, r->count * call->hidden, scale);
    return FG_OK;
}

static fg_status run_block(const block_run *r, const fg_block_call *call, fg_error *err) {
    FG_CALL(run_half(r, FG_SUB_MIXER, *call, err));
    FG_CALL(run_half(r, FG_SUB_MLP, *call, err));
    FG_CALL(scale_output(r, call, err));
    call->cache->filled = fg_max(call->cache->filled, call->given);
    return FG_OK;
}

fg_status fg_stack_run(fg_stack *stack, uint64_t block, fg_block_call call, fg_real *hidden,
                       const fg_probe *probe, fg_error *err) {
    fg_status status = FG_OK;
    fg_layer_cache own = {0};
    fg_workspace *w = call.work;
    const fg_cache_size size = fg_stack_cache_size(stack, block);
    const block_run r = {.stack = stack,
                         .index = block,
                         .block = &stack->blocks[block],
                         .probe = probe,
                         .position = call.position,
                         .count = call.count,
                         .hidden = hidden};
    uint64_t most = fg_min(PIECE, call.count);
    if (!call.cache) {
        FG_TRY(fg_layer_cache_make(&own, w, &size, call.count, err));
        call.cache = &own;
    }
    call.hidden = stack->hidden;
    call.given = call.position + call.count;
    FG_TRY(fg_layer_cache_continue(call.cache, w, &size, block, call.position, call.count, err));
    FG_TRY(fg_scratch_fit(w, &stack->normed, most, stack->hidden, err));
    FG_TRY(fg_scratch_fit(w, &stack->added, most, stack->hidden, err));
    call.output = stack->added.values;
    FG_TRY(run_block(&r, &call, err));
done:
    fg_layer_cache_free(&own, w);
    return status;
}

/* ---- what its blocks need ---- */

fg_cache_size fg_stack_cache_size(const fg_stack *stack, uint64_t block) {
    const fg_half *mixer = &stack->blocks[block].kind->halves[FG_SUB_MIXER];
    return mixer->sublayer->cache_size ? mixer->sublayer->cache_size(mixer->settings) : (fg_cache_size){0};
}

uint64_t fg_stack_window(const fg_stack *stack, uint64_t block) {
    const fg_half *mixer = &stack->blocks[block].kind->halves[FG_SUB_MIXER];
    return mixer->sublayer->window ? mixer->sublayer->window(mixer->settings) : 0;
}

uint64_t fg_stack_block_bytes(const fg_stack *stack, uint64_t block) {
    uint64_t bytes = 0;
    for (int s = 0; s < FG_SUB_COUNT; s++)
        bytes += fg_sublayer_weights_bytes(&stack->blocks[block].halves[s].weights);
    return bytes;
}

uint64_t fg_stack_scratch(const fg_stack *stack, uint64_t positions) {
    uint64_t most = 0, tokens = fg_min(PIECE, positions);
    for (size_t i = 0; i < stack->kinds.count; i++) {
        for (int s = 0; s < FG_SUB_COUNT; s++) {
            const fg_half *half = &stack->kinds.items[i].halves[s];
            const fg_sublayer_kind *kind = half->sublayer;
            uint64_t own = kind->scratch(half->settings, tokens, positions);
            most = fg_max(most, own + tokens * kind->states * stack->hidden);
        }
    }
    return most + 2 * tokens * stack->hidden;
}

static bool sees_ahead(const fg_block_kind *kind) {
    const fg_half *mixer = &kind->halves[FG_SUB_MIXER];
    return mixer->sublayer->sees_ahead && mixer->sublayer->sees_ahead(mixer->settings);
}

fg_mask fg_stack_own_mask(const fg_stack *stack) {
    bool ahead = sees_ahead(&stack->kinds.items[0]);
    for (size_t i = 1; i < stack->kinds.count; i++) {
        if (sees_ahead(&stack->kinds.items[i]) != ahead) return FG_MASK_NATIVE;
    }
    return ahead ? FG_MASK_NONE : FG_MASK_CAUSAL;
}
