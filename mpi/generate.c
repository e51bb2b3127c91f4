#include "generate.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/visible_text.h"
#include "head.h"
#include "tokenizer/token_stream.h"

enum { END_IDS = 64 };

/* What all ranks know, sent as bytes. */
typedef struct terms {
    uint64_t limit;
    fg_sampling sampling;
    uint32_t end_ids[END_IDS];
    uint64_t end_count;
} terms;

typedef struct generator {
    const fg_model_pair *pair;
    const fg_generation_task *task; /* rank 0's counts */
    terms terms;
    fg_pipeline pipeline;
    uint32_t *ids; /* owned; the prompt and what follows it */
    uint64_t count, room;
    fg_tokenizer *tokenizer; /* rank 0; NULL: there is none */
    fg_token_stream stream;
    double begun, first_at;
    fg_generation *result;
} generator;

static bool speaks(const generator *g) {
    return g->pair->ranks->rank == 0;
}

/* ---- beginning ---- */

static fg_status add_end(terms *t, const json_t *id, fg_error *err) {
    json_int_t value = json_integer_value(id);
    if (!json_is_integer(id) || value < 0 || value > UINT32_MAX || t->end_count == END_IDS)
        return fg_fail(err, FG_ERR_INPUT, "eos_token_id: found %s, expected up to %d token ids",
                       json_is_integer(id) ? "an invalid id, or too many ids" : fg_json_kind(id), END_IDS);
    t->end_ids[t->end_count++] = (uint32_t)value;
    return FG_OK;
}

static fg_status read_terms(generator *g, fg_error *err) {
    terms *t = &g->terms;
    const json_t *ends = g->task->end_ids;
    t->limit = g->task->limit;
    t->sampling = g->task->sampling;
    if (json_is_integer(ends)) FG_CALL(add_end(t, ends, err));
    for (size_t i = 0; i < json_array_size(ends); i++) FG_CALL(add_end(t, json_array_get(ends, i), err));
    return FG_OK;
}

static fg_status open_text(generator *g, fg_error *err) {
    if (!g->task->tokenizer) return FG_OK;
    FG_CALL(fg_tokenizer_new(&g->tokenizer, g->task->tokenizer, err));
    FG_CALL(fg_token_stream_begin(&g->stream, g->tokenizer, g->pair->prompts[0].tokens,
                                  g->pair->prompts[0].token_count, err));
    g->result->has_text = true;
    return FG_OK;
}

static fg_status make_room(generator *g, fg_error *err) {
    fg_status status = FG_OK;
    bool fits = fg_add(g->pair->prompts[0].token_count, g->terms.limit, &g->room) && g->room < INT_MAX;
    if (!fits)
        FG_FAIL(err, FG_ERR_USAGE, "--max-new-tokens: %llu tokens are more than can be generated",
                (unsigned long long)g->terms.limit);
    FG_NEW(g->ids, g->room);
    g->count = g->pair->prompts[0].token_count;
    memcpy(g->ids, g->pair->prompts[0].tokens, g->count * sizeof *g->ids);
done:
    return status;
}

static fg_status share_terms(generator *g, fg_error *err) {
    if (speaks(g)) read_terms(g, err);
    FG_CALL(fg_ranks_agree(g->pair->ranks, err));
    fg_ranks_share(g->pair->ranks, &g->terms, sizeof g->terms);
    make_room(g, err);
    return fg_ranks_agree(g->pair->ranks, err);
}

static void set_pipeline(generator *g) {
    g->pipeline = (fg_pipeline){.pair = g->pair,
                                .prompt = g->pair->prompts,
                                .model_count = FG_CANDIDATE + 1,
                                .token_ids = g->ids,
                                .room = g->room};
}

/* The tokenizer comes before the weights, which take what memory it leaves. */
static fg_status begin(generator *g, fg_error *err) {
    if (speaks(g)) open_text(g, err);
    FG_CALL(fg_ranks_agree(g->pair->ranks, err));
    FG_CALL(share_terms(g, err));
    g->result->sampling = g->terms.sampling;
    g->result->prompt_tokens = g->count;
    set_pipeline(g);
    return fg_pipeline_open(&g->pipeline, err);
}

/* ---- a token ---- */

/* What is printed is not what is compared: a reader that is gone ends nothing. */
static fg_status print(const generator *g, const char *text, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer visible = {0};
    if (!g->task->out || !text) return FG_OK;
    FG_TRY(fg_visible_add(text, strlen(text), FG_VISIBLE_LINES, &visible, err));
    if (visible.length) fputs(visible.data, g->task->out);
    fflush(g->task->out);
done:
    fg_buffer_free(&visible);
    return status;
}

static fg_status print_token(generator *g, uint32_t token, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer *text = &g->result->text, ids = {0};
    size_t before = text->length;
    if (g->tokenizer) {
        FG_TRY(fg_token_stream_add(&g->stream, token, text, err));
        if (text->data) FG_TRY(print(g, text->data + before, err));
    } else {
        FG_TRY(
            fg_buffer_printf(&ids, err, g->result->tokens.count > 1 ? " %lu" : "%lu", (unsigned long)token));
        FG_TRY(print(g, ids.data, err));
    }
done:
    fg_buffer_free(&ids);
    return status;
}

static bool ends(const generator *g, uint32_t token) {
    for (uint64_t i = 0; i < g->terms.end_count; i++) {
        if (g->terms.end_ids[i] == token) return true;
    }
    return false;
}

/* Takes in what the models chose; `*over` says that it was the last. */
static fg_status add_chosen(generator *g, const uint32_t *chosen, bool *over, fg_error *err) {
    fg_generation *r = g->result;
    uint32_t token = chosen[FG_CANDIDATE];
    FG_CALL(fg_id_list_add(&r->tokens, token, err));
    if (r->tokens.count == 1) g->first_at = fg_clock_seconds();
    r->reference_token = chosen[FG_REFERENCE];
    if (chosen[FG_REFERENCE] != token)
        r->end = FG_END_DIFFERENCE;
    else if (ends(g, token))
        r->end = FG_END_TOKEN;
    *over = r->end != FG_END_LIMIT || r->tokens.count == g->terms.limit;
    if (!*over) g->ids[g->count++] = token;
    if (speaks(g)) FG_CALL(print_token(g, token, err));
    return FG_OK;
}

static fg_status go_on(generator *g, fg_error *err) {
    uint32_t chosen[FG_PAIR_MODELS];
    bool over = false;
    FG_CALL(fg_pipeline_advance(&g->pipeline, 0, g->count, err));
    for (uint64_t draw = 0;; draw++) {
        FG_CALL(
            fg_head_next(&g->pipeline, fg_model_pair_vocab(g->pair), &g->terms.sampling, draw, chosen, err));
        add_chosen(g, chosen, &over, err);
        FG_CALL(fg_ranks_agree(g->pair->ranks, err));
        if (over) break;
        FG_CALL(fg_pipeline_advance(&g->pipeline, g->count - 1, 1, err));
    }
    return FG_OK;
}

/* ---- the end ---- */

static void measure(generator *g) {
    fg_generation *r = g->result;
    double now = fg_clock_seconds(), later = now - g->first_at;
    uint64_t count = r->tokens.count;
    r->seconds = now - g->begun;
    if (count > 1 && later > 0) r->tokens_per_second = (double)(count - 1) / later;
    if (count == 1 && r->seconds > 0) r->tokens_per_second = 1 / r->seconds;
}

static fg_status say_end(generator *g, fg_error *err) {
    fg_status status = FG_OK;
    fg_generation *r = g->result;
    fg_buffer line = {0};
    unsigned long last = r->tokens.ids[r->tokens.count - 1];
    FG_TRY(fg_buffer_printf(&line, err, "\n%zu token%s, %.*f a second, ", r->tokens.count,
                            r->tokens.count == 1 ? "" : "s", r->tokens_per_second < 10 ? 1 : 0,
                            r->tokens_per_second));
    if (r->end == FG_END_LIMIT)
        FG_TRY(fg_buffer_put(&line, "stopped by the limit (--max-new-tokens)\n", err));
    else if (r->end == FG_END_TOKEN)
        FG_TRY(fg_buffer_printf(&line, err, "stopped by the end token %lu%s%s%s\n", last,
                                r->end_text.length ? " \"" : "", r->end_text.length ? r->end_text.data : "",
                                r->end_text.length ? "\"" : ""));
    else
        FG_TRY(fg_buffer_put(&line, "stopped because the models differ\n", err));
    FG_TRY(print(g, line.data, err));
done:
    fg_buffer_free(&line);
    return status;
}

static fg_status finish(generator *g, fg_error *err) {
    fg_status status = FG_OK;
    fg_generation *r = g->result;
    size_t before = r->text.length;
    measure(g);
    if (!speaks(g)) goto done;
    if (g->tokenizer) {
        FG_TRY(fg_token_stream_end(&g->stream, &r->text, err));
        if (r->text.data) FG_TRY(print(g, r->text.data + before, err));
        if (r->end == FG_END_TOKEN)
            FG_TRY(fg_tokenizer_decode(g->tokenizer, &r->tokens.ids[r->tokens.count - 1], 1, true,
                                       &r->end_text, err));
    }
    FG_TRY(say_end(g, err));
done:
    return fg_ranks_agree(g->pair->ranks, err);
}

fg_status fg_generation_check(const fg_model_pair *pair, const fg_generation_task *task, uint64_t *bytes,
                              fg_error *err) {
    fg_status status = FG_OK;
    generator g = {.pair = pair, .task = task};
    FG_TRY(share_terms(&g, err));
    set_pipeline(&g);
    *bytes = fg_pipeline_expected_bytes(&g.pipeline);
done:
    fg_free(g.ids);
    return status;
}

fg_status fg_generate(const fg_model_pair *pair, const fg_generation_task *task, fg_generation *result,
                      fg_error *err) {
    fg_status status = FG_OK;
    generator g = {.pair = pair, .task = task, .result = result, .begun = fg_clock_seconds()};
    *result = (fg_generation){0};
    FG_TRY(begin(&g, err));
    FG_TRY(go_on(&g, err));
    FG_TRY(finish(&g, err));
done:
    fg_pipeline_close(&g.pipeline);
    fg_token_stream_free(&g.stream);
    fg_tokenizer_free(&g.tokenizer);
    fg_free(g.ids);
    return status;
}

void fg_generation_free(fg_generation *result) {
    fg_id_list_free(&result->tokens);
    fg_buffer_free(&result->text);
    fg_buffer_free(&result->end_text);
    *result = (fg_generation){0};
}

/* ---- the report ---- */

static fg_status report_end(const fg_generation *r, json_t *part, fg_error *err) {
    static const char *const names[] = {
        [FG_END_LIMIT] = "limit", [FG_END_TOKEN] = "eos", [FG_END_DIFFERENCE] = "difference"};
    uint32_t last = r->tokens.count ? r->tokens.ids[r->tokens.count - 1] : 0;
    FG_CALL(fg_json_put_text(part, "stopped_by", names[r->end], err));
    if (r->end == FG_END_TOKEN) FG_CALL(fg_json_put_u64(part, "eos_token_id", last, err));
    if (r->end == FG_END_DIFFERENCE) {
        json_t *difference = json_pack("{s:I, s:I, s:I}", "token", (json_int_t)r->tokens.count - 1, "source",
                                       (json_int_t)r->reference_token, "destination", (json_int_t)last);
        FG_CALL(fg_json_put(part, "first_difference", difference, err));
    }
    return FG_OK;
}

static fg_status report_sampling(const fg_sampling *s, json_t *part, fg_error *err) {
    FG_CALL(fg_json_put(part, "greedy", json_boolean(s->greedy), err));
    if (s->greedy) return FG_OK;
    FG_CALL(fg_json_put(part, "temperature", json_real(s->temperature), err));
    FG_CALL(fg_json_put(part, "top_p", json_real(s->top_p), err));
    FG_CALL(fg_json_put_u64(part, "top_k", s->top_k, err));
    return fg_json_put_u64(part, "seed", s->seed, err);
}

fg_status fg_generation_report(const fg_generation *r, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    json_t *part = json_object(), *tokens = json_array();
    for (size_t i = 0; i < r->tokens.count; i++)
        FG_TRY(fg_json_push(tokens, json_integer(r->tokens.ids[i]), err));
    FG_TRY(fg_json_put(part, "passed", json_boolean(r->end != FG_END_DIFFERENCE), err));
    FG_TRY(fg_json_put_u64(part, "prompt_tokens", r->prompt_tokens, err));
    FG_TRY(fg_json_put(part, "tokens", json_incref(tokens), err));
    FG_TRY(fg_json_put(
        part, "text",
        r->has_text ? json_stringn(r->text.data ? r->text.data : "", r->text.length) : json_null(), err));
    FG_TRY(report_end(r, part, err));
    FG_TRY(report_sampling(&r->sampling, part, err));
    FG_TRY(fg_json_put(part, "seconds", json_real(r->seconds), err));
    FG_TRY(fg_json_put(part, "tokens_per_second", json_real(r->tokens_per_second), err));
    FG_TRY(fg_json_put(report, "generation", json_incref(part), err));
done:
    json_decref(part);
    json_decref(tokens);
    return status;
}
