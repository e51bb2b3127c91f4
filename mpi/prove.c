#include "prove.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "head.h"
#include "model/rounding.h"

enum { REFERENCE = 0, CANDIDATE = 1, UNROUNDED = 2, DEFAULT_TOKENS = 24 };

/* What every rank needs to bind the models. */
typedef struct setting {
    const fg_proof_task *task;
    json_t *about;        /* owned: specs, configs, formats, names, tokens */
    fg_tensors tables[2]; /* owned: decoded from rank 0's; empty where the plan has them */
    fg_model *models[FG_PIPELINE_MODELS];
    unsigned model_count;
    uint32_t *tokens; /* owned */
    uint64_t token_count;
} setting;

/* ---- rank 0's knowledge reaches all ---- */

static json_t *describe_side(const fg_proof_side *side) {
    return json_pack("{s:O, s:O, s:i, s:s, s:b}", "spec", side->spec, "config", side->config, "format",
                     (int)side->format, "directory", side->name, "table", side->tensors != NULL);
}

static fg_status describe(const fg_proof_task *task, fg_text *text, fg_error *err) {
    fg_status status = FG_OK;
    json_t *about = json_object(), *tokens = json_array();
    for (size_t i = 0; tokens && i < task->token_count; i++)
        FG_TRY(fg_json_push(tokens, json_integer(task->tokens[i]), err));
    FG_TRY(fg_json_put(about, "source", describe_side(&task->source), err));
    FG_TRY(fg_json_put(about, "destination", describe_side(&task->destination), err));
    FG_TRY(fg_json_put(about, "tokens", json_incref(tokens), err));
    FG_TRY(fg_json_put(about, "round",
                       json_pack("[i, i]", (int)task->round_source, (int)task->round_destination), err));
    if (task->names)
        FG_TRY(fg_json_put(about, "name_map", json_incref((json_t *)(uintptr_t)task->names), err));
    FG_TRY(fg_json_write(about, FG_JSON_COMPACT, text, err));
done:
    json_decref(about);
    json_decref(tokens);
    return status;
}

static fg_status share_about(const fg_ranks *ranks, setting *s, fg_error *err) {
    fg_text text = {0};
    if (ranks->rank == 0) describe(s->task, &text, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) status = fg_ranks_share_text(ranks, &text, err);
    if (status == FG_OK) {
        fg_json_parse("the proof's setting", text.data, text.length, &s->about, err);
        status = fg_ranks_agree(ranks, err);
    }
    fg_text_free(&text);
    return status;
}

static fg_status share_table(const fg_ranks *ranks, const fg_tensors *mine, fg_tensors *table,
                             fg_error *err) {
    fg_text text = {0};
    if (ranks->rank == 0) fg_tensors_encode(mine, &text, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) status = fg_ranks_share_text(ranks, &text, err);
    if (status == FG_OK) {
        fg_tensors_decode(text.data, text.length, table, err);
        status = fg_ranks_agree(ranks, err);
    }
    fg_text_free(&text);
    return status;
}

static fg_status share_setting(const fg_ranks *ranks, setting *s, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(share_about(ranks, s, err));
    if (!s->task->plan) FG_TRY(share_table(ranks, s->task->source.tensors, &s->tables[0], err));
    if (!s->task->through_plan) FG_TRY(share_table(ranks, s->task->destination.tensors, &s->tables[1], err));
done:
    return status;
}

/* ---- binding ---- */

static fg_status bind(setting *s, unsigned model, const char *side, fg_weights weights, fg_dtype round,
                      fg_error *err) {
    const json_t *about = json_object_get(s->about, side);
    if (round != FG_DTYPE_NONE) {
        fg_status status = fg_weights_round_to(&weights, round, err);
        if (status != FG_OK) {
            fg_weights_close(&weights);
            return status;
        }
    }
    fg_status status = fg_model_bind(&s->models[model], json_object_get(about, "spec"),
                                     (fg_format)json_integer_value(json_object_get(about, "format")),
                                     json_object_get(about, "config"), weights, err);
    if (status != FG_OK)
        return fg_where(err, "binding %s for the proof",
                        json_string_value(json_object_get(about, "directory")));
    fg_model_set_mask(s->models[model], s->task->mask);
    s->model_count = model + 1 > s->model_count ? model + 1 : s->model_count;
    return FG_OK;
}

static fg_dtype rounding_of(const setting *s, size_t side) {
    return (fg_dtype)json_integer_value(json_array_get(json_object_get(s->about, "round"), side));
}

static fg_status bind_models(setting *s, fg_error *err) {
    fg_status status = FG_OK;
    const fg_proof_task *task = s->task;
    const fg_tensors *source = task->plan ? &task->plan->source : &s->tables[0];
    fg_weights weights;
    FG_TRY(task->casts ? fg_weights_rounded(&weights, task->plan, err)
                       : fg_weights_from_tensors(&weights, source, err));
    FG_TRY(bind(s, REFERENCE, "source", weights, rounding_of(s, 0), err));
    FG_TRY(task->through_plan ? fg_weights_from_plan(&weights, task->plan, err)
                              : fg_weights_from_tensors(&weights, &s->tables[1], err));
    FG_TRY(bind(s, CANDIDATE, "destination", weights, rounding_of(s, 1), err));
    if (!task->casts) goto done;
    FG_TRY(fg_weights_from_tensors(&weights, source, err));
    FG_TRY(bind(s, UNROUNDED, "source", weights, FG_DTYPE_NONE, err));
done:
    return status;
}

static fg_status check_shapes(const setting *s, fg_error *err) {
    fg_model_shape a = fg_model_shape_of(s->models[REFERENCE]), b = fg_model_shape_of(s->models[CANDIDATE]);
    if (a.hidden != b.hidden || a.blocks != b.blocks)
        return fg_fail(err, FG_ERR_DIFFER,
                       "the models differ: hidden size %llu and %llu, %llu and %llu blocks",
                       (unsigned long long)a.hidden, (unsigned long long)b.hidden,
                       (unsigned long long)a.blocks, (unsigned long long)b.blocks);
    if (a.vocab != b.vocab)
        fg_warn("the vocabularies have %llu and %llu rows: only the first %llu logits are compared",
                (unsigned long long)a.vocab, (unsigned long long)b.vocab,
                (unsigned long long)fg_min(a.vocab, b.vocab));
    return FG_OK;
}

/* ---- tokens ---- */

/* A fixed sequence that reaches over the whole vocabulary: first and last id, and SplitMix64 numbers between
 * (Steele, Lea, Flood 2014). */
static void draw_tokens(uint32_t *tokens, uint64_t count, uint64_t vocab) {
    uint64_t state = 0x66676f6e76ULL;
    for (uint64_t i = 0; i < count; i++) {
        state += 0x9e3779b97f4a7c15ULL;
        uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        tokens[i] = (uint32_t)((z ^ (z >> 31)) % vocab);
    }
    if (count > 1) {
        tokens[0] = 0;
        tokens[1] = (uint32_t)(vocab - 1);
    }
}

static fg_status settle_tokens(setting *s, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *given = json_object_get(s->about, "tokens");
    uint64_t vocab =
        fg_min(fg_model_shape_of(s->models[REFERENCE]).vocab, fg_model_shape_of(s->models[CANDIDATE]).vocab);
    s->token_count = json_array_size(given) ? json_array_size(given) : DEFAULT_TOKENS;
    FG_NEW(s->tokens, s->token_count);
    if (!json_array_size(given)) draw_tokens(s->tokens, s->token_count, vocab);
    for (size_t i = 0; i < json_array_size(given); i++) {
        json_int_t id = json_integer_value(json_array_get(given, i));
        if ((uint64_t)id >= vocab)
            FG_TRY(fg_fail(err, FG_ERR_USAGE, "--token-ids: id %lld, but the vocabulary has %llu rows",
                           (long long)id, (unsigned long long)vocab));
        s->tokens[i] = (uint32_t)id;
    }
done:
    return status;
}

/* ---- running ---- */

static fg_status open_dump(const fg_ranks *ranks, const setting *s, fg_dump **dump, fg_error *err) {
    if (!s->task->dump) return FG_OK;
    fg_dump_layout layout = {
        .path = s->task->dump, .tokens = s->token_count, .about = s->about, .version = s->task->version};
    for (int side = 0; side < FG_DUMP_SIDES; side++) {
        fg_model_shape shape = fg_model_shape_of(s->models[side]);
        layout.vocab_of[side] = shape.vocab;
        layout.hidden_of[side] = shape.hidden;
        layout.blocks_of[side] = shape.blocks;
    }
    return fg_dump_create(dump, ranks, &layout, s->tokens, err);
}

static void find_parting(const fg_pipeline *p, fg_proof_result *result) {
    for (uint64_t place = 0; place <= fg_place_final_norm(p->blocks); place++) {
        if (p->digests[REFERENCE][place] == p->digests[CANDIDATE][place]) continue;
        result->parted = true;
        result->place = place;
        return;
    }
}

static fg_status run(const fg_ranks *ranks, setting *s, fg_proof_result *result, fg_error *err) {
    fg_status status = FG_OK;
    fg_dump *dump = NULL;
    fg_model_shape shape = fg_model_shape_of(s->models[REFERENCE]);
    fg_pipeline p = {.ranks = ranks,
                     .model_count = s->model_count,
                     .token_ids = s->tokens,
                     .tokens = s->token_count,
                     .hidden = shape.hidden,
                     .blocks = shape.blocks,
                     .one_batch = s->task->mask == FG_MASK_NONE,
                     .style = s->task->style};
    memcpy(p.models, s->models, sizeof p.models);
    FG_TRY(open_dump(ranks, s, &dump, err));
    p.dump = dump;
    FG_TRY(fg_pipeline_open(&p, err));
    FG_TRY(fg_pipeline_run(&p, err));
    find_parting(&p, result);
    FG_TRY(fg_head_compare(&p, REFERENCE, CANDIDATE, &result->logits, err));
    result->rounded = s->model_count > UNROUNDED;
    p.dump = NULL; /* the logits are written once */
    if (result->rounded) FG_TRY(fg_head_compare(&p, UNROUNDED, CANDIDATE, &result->rounding, err));
done:
    fg_pipeline_close(&p);
    fg_dump_close(&dump, status == FG_OK, err);
    return status == FG_OK ? fg_ranks_agree(ranks, err) : status;
}

static void free_setting(setting *s) {
    for (unsigned m = 0; m < FG_PIPELINE_MODELS; m++) fg_model_free(&s->models[m]);
    fg_tensors_free(&s->tables[0]);
    fg_tensors_free(&s->tables[1]);
    json_decref(s->about);
    fg_free(s->tokens);
}

static void judge(const setting *s, fg_proof_result *result) {
    const fg_comparison *logits = &result->logits;
    fg_model_shape shape = fg_model_shape_of(s->models[CANDIDATE]);
    result->tokens = s->token_count;
    result->vocab = shape.vocab;
    result->blocks = shape.blocks;
    result->passed = logits->largest_difference <= s->task->atol && !logits->non_finite[FG_SIDE_A] &&
                     !logits->non_finite[FG_SIDE_B];
}

fg_status fg_prove(const fg_ranks *ranks, const fg_proof_task *task, fg_proof_result *result, fg_error *err) {
    setting s = {.task = task};
    double begun = fg_seconds();
    *result = (fg_proof_result){0};
    fg_status status = share_setting(ranks, &s, err);
    if (status == FG_OK) {
        bind_models(&s, err);
        if (err->status == FG_OK) check_shapes(&s, err);
        if (err->status == FG_OK) settle_tokens(&s, err);
        status = fg_ranks_agree(ranks, err);
    }
    if (status == FG_OK) status = run(ranks, &s, result, err);
    if (status == FG_OK) judge(&s, result);
    result->seconds = fg_seconds() - begun;
    free_setting(&s);
    return status;
}

/* ---- words ---- */

static const char *const part_names[FG_SUB_COUNT] = {"the mixer (attention)", "the feed-forward layer"};

/* The part that a place belongs to; `block` is set for those that are in one. */
static const char *part_of(const fg_proof_result *result, bool *in_block, uint64_t *block) {
    *in_block = false;
    if (!result->parted) return "the output head";
    if (result->place == 0) return "the embedding";
    if (result->place == fg_place_final_norm(result->blocks)) return "the final norm";
    *in_block = true;
    *block = (result->place - 1) / FG_SUB_COUNT;
    return part_names[(result->place - 1) % FG_SUB_COUNT];
}

const char *fg_proof_place(const fg_proof_result *result, char *buffer, size_t size) {
    bool in_block;
    uint64_t block = 0;
    const char *part = part_of(result, &in_block, &block);
    if (in_block) {
        snprintf(buffer, size, "%s of block %llu", part, (unsigned long long)block);
    } else {
        snprintf(buffer, size, "%s", part);
    }
    return buffer;
}

static fg_status report_place(const fg_proof_result *result, json_t *proof, fg_error *err) {
    bool in_block;
    uint64_t block = 0;
    json_t *place = json_pack("{s:s}", "sublayer", part_of(result, &in_block, &block));
    fg_status status = fg_json_put(proof, "first_difference", place, err);
    if (status == FG_OK && in_block)
        status = fg_json_put(place, "block", json_integer((json_int_t)block), err);
    return status;
}

/* JSON has no infinity: a difference without bound is null. */
static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *comparison(const fg_comparison *c) {
    uint64_t non_finite = c->non_finite[FG_SIDE_A] + c->non_finite[FG_SIDE_B];
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "max_abs", number(c->largest_difference),
                     "mean_abs", number(c->mean_difference), "kl", number(c->kl_mean), "kl_max",
                     number(c->kl_largest), "argmax_agreement", number(c->same_arg_max), "largest_logit",
                     number(c->largest_logit[FG_SIDE_A]), "non_finite", (json_int_t)non_finite);
}

fg_status fg_proof_report(const fg_proof_result *result, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    json_t *proof = comparison(&result->logits);
    FG_TRY(fg_json_put(proof, "kind", json_string("logits"), err));
    FG_TRY(fg_json_put(proof, "passed", json_boolean(result->passed), err));
    FG_TRY(fg_json_put(proof, "tokens", json_integer((json_int_t)result->tokens), err));
    FG_TRY(fg_json_put(proof, "vocab", json_integer((json_int_t)result->vocab), err));
    FG_TRY(fg_json_put(proof, "blocks", json_integer((json_int_t)result->blocks), err));
    FG_TRY(fg_json_put(proof, "seconds", json_real(result->seconds), err));
    if (!result->passed) FG_TRY(report_place(result, proof, err));
    if (result->rounded) FG_TRY(fg_json_put(proof, "rounding", comparison(&result->rounding), err));
    FG_TRY(fg_json_put(report, "proof", json_incref(proof), err));
done:
    json_decref(proof);
    return status;
}
