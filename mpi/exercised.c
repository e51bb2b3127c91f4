#include "exercised.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/vision.h"

static const fg_model *model_of(const fg_pipeline *p) {
    return p->pair->models[FG_CANDIDATE];
}

/* ---- mixers ---- */

static fg_status add_mixers(const fg_pipeline *p, json_t *gaps, fg_error *err) {
    json_t *list = NULL, *entry, *mixers = NULL;
    const char *name;
    for (uint64_t b = 0; b < p->blocks; b++) {
        for (size_t i = 0; (name = fg_model_idle_mixer(model_of(p), b, i)) != NULL; i++) {
            if (!list) FG_CALL_NEW(list, fg_json_put_array(gaps, "mixers", err));
            if (i == 0) {
                FG_CALL_NEW(entry, fg_json_push_object(list, err));
                FG_CALL(fg_json_put_u64(entry, "block", b, err));
                FG_CALL_NEW(mixers, fg_json_put_array(entry, "mixers", err));
            }
            FG_CALL(fg_json_push(mixers, json_string(name), err));
        }
    }
    return FG_OK;
}

/* ---- windows ---- */

/* The entry of a window; borrowed, and made if it is not there. */
static json_t *window_entry(json_t *windows, uint64_t window, fg_error *err) {
    json_t *entry;
    FG_JSON_EACH(windows, i, entry) {
        if ((uint64_t)json_integer_value(json_object_get(entry, "window")) == window) return entry;
    }
    entry = fg_json_push_object(windows, err);
    return entry && fg_json_put_u64(entry, "window", window, err) == FG_OK ? entry : NULL;
}

static uint64_t longest_prompt(const fg_model_pair *pair) {
    uint64_t tokens = 0;
    for (unsigned i = 0; i < pair->prompt_count; i++) tokens = fg_max(tokens, pair->prompts[i].token_count);
    return tokens;
}

/* A window has an effect on tokens that have more tokens before them, unless every token sees all others. */
static fg_status add_windows(const fg_pipeline *p, json_t *gaps, fg_error *err) {
    const fg_model *model = model_of(p);
    bool none = fg_model_sees_ahead(model);
    uint64_t tokens = longest_prompt(p->pair);
    json_t *windows = NULL, *entry;
    for (uint64_t b = 0; b < p->blocks; b++) {
        uint64_t window = fg_model_window(model, b);
        if (!window || (window < tokens && !none)) continue;
        if (!windows) FG_CALL_NEW(windows, fg_json_put_array(gaps, "windows", err));
        FG_CALL_NEW(entry, window_entry(windows, window, err));
        json_int_t blocks = json_integer_value(json_object_get(entry, "blocks"));
        FG_CALL(fg_json_put_u64(entry, "blocks", (uint64_t)blocks + 1, err));
    }
    return FG_OK;
}

/* ---- experts ---- */

static size_t all_experts(const fg_pipeline *p) {
    size_t count, total = 0;
    for (uint64_t b = 0; b < p->blocks; b++) {
        fg_model_experts_chosen(model_of(p), b, &count);
        total += count;
    }
    return total;
}

/* Counts of all blocks, one after another; this rank has run those of its stage. */
static void gather_chosen(const fg_pipeline *p, uint64_t *chosen, size_t total) {
    size_t count;
    for (uint64_t b = 0, at = 0; b < p->blocks; b++, at += count) {
        const uint64_t *own = fg_model_experts_chosen(model_of(p), b, &count);
        if (fg_pipeline_speaks_for(p, b) && count) memcpy(chosen + at, own, count * sizeof *chosen);
    }
    fg_ranks_sum_u64(p->pair->ranks, chosen, total);
}

static fg_status add_block(json_t *gaps, uint64_t block, const uint64_t *chosen, size_t count,
                           fg_error *err) {
    size_t left = 0;
    json_t *list = json_object_get(gaps, "experts"), *entry, *experts;
    for (size_t e = 0; e < count; e++) left += !chosen[e];
    if (!left) return FG_OK;
    if (!list) FG_CALL_NEW(list, fg_json_put_array(gaps, "experts", err));
    FG_CALL_NEW(entry, fg_json_push_object(list, err));
    FG_CALL(fg_json_put_u64(entry, "block", block, err));
    FG_CALL(fg_json_put_u64(entry, "of", count, err));
    FG_CALL_NEW(experts, fg_json_put_array(entry, "experts", err));
    for (size_t e = 0; e < count; e++) {
        if (!chosen[e]) FG_CALL(fg_json_push(experts, json_integer((json_int_t)e), err));
    }
    return FG_OK;
}

static fg_status add_image(const fg_pipeline *p, json_t *gaps, fg_error *err) {
    fg_vision_shape shape;
    bool unseen = fg_vision_shape_of(model_of(p), &shape);
    for (unsigned i = 0; i < p->pair->prompt_count; i++) unseen = unseen && !p->pair->prompts[i].patches;
    return unseen ? fg_json_put(gaps, "image", json_true(), err) : FG_OK;
}

static fg_status add_experts(const fg_pipeline *p, const uint64_t *chosen, json_t *gaps, fg_error *err) {
    size_t count;
    for (uint64_t b = 0, at = 0; b < p->blocks; b++, at += count) {
        fg_model_experts_chosen(model_of(p), b, &count);
        FG_CALL(add_block(gaps, b, chosen + at, count, err));
    }
    return FG_OK;
}

fg_status fg_exercised_gaps(const fg_pipeline *p, json_t **gaps, fg_error *err) {
    size_t total = all_experts(p);
    uint64_t *chosen = fg_alloc(total + 1, sizeof *chosen, err);
    json_t *made = NULL;
    *gaps = NULL;
    fg_status status = fg_ranks_agree(p->pair->ranks, err);
    if (status != FG_OK) goto done;
    gather_chosen(p, chosen, total);
    if (p->pair->ranks->rank) goto done;
    FG_TRY_NEW(made, json_object());
    FG_TRY(add_mixers(p, made, err));
    FG_TRY(add_windows(p, made, err));
    FG_TRY(add_experts(p, chosen, made, err));
    FG_TRY(add_image(p, made, err));
    *gaps = made;
    made = NULL;
done:
    json_decref(made);
    fg_free(chosen);
    return status == FG_OK ? fg_ranks_agree(p->pair->ranks, err) : status;
}
