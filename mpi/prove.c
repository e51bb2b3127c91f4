#include "prove.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "head.h"

static fg_dump_layout layout_of(const fg_model_pair *pair) {
    fg_dump_layout layout = {.tokens = pair->token_count, .about = pair->about};
    for (int side = 0; side < FG_DUMP_SIDES; side++)
        layout.shapes[side] = fg_model_shape_of(pair->models[side]);
    return layout;
}

static fg_status open_dump(const fg_model_pair *pair, const fg_proof_task *task, fg_dump **dump,
                           fg_error *err) {
    if (!task->dump) return FG_OK;
    fg_dump_layout layout = layout_of(pair);
    layout.path = task->dump;
    layout.version = task->version;
    return fg_dump_create(dump, pair->ranks, &layout, pair->tokens, err);
}

static void find_parting(const fg_pipeline *p, fg_proof_result *result) {
    for (uint64_t place = 0; place < fg_place_final_norm(p->blocks, p->heads); place++) {
        if (p->digests[FG_REFERENCE][place] == p->digests[FG_CANDIDATE][place]) continue;
        result->parted = true;
        result->place = place;
        return;
    }
}

static fg_status run(const fg_model_pair *pair, const fg_proof_task *task, fg_proof_result *result,
                     fg_error *err) {
    fg_status status = FG_OK;
    fg_dump *dump = NULL;
    fg_pipeline p = {.pair = pair, .model_count = pair->model_count, .style = task->style};
    FG_TRY(open_dump(pair, task, &dump, err));
    p.dump = dump;
    FG_TRY(fg_pipeline_open(&p, err));
    FG_TRY(fg_pipeline_run(&p, err));
    find_parting(&p, result);
    FG_TRY(fg_head_compare(&p, FG_REFERENCE, FG_CANDIDATE, &result->logits, err));
    result->rounded = pair->model_count > FG_UNROUNDED;
    p.dump = NULL; /* the logits are written once */
    if (result->rounded) FG_TRY(fg_head_compare(&p, FG_UNROUNDED, FG_CANDIDATE, &result->rounding, err));
done:
    fg_pipeline_close(&p);
    fg_dump_close(&dump, err);
    return status == FG_OK ? fg_ranks_agree(pair->ranks, err) : status;
}

static void judge(const fg_model_pair *pair, const fg_proof_task *task, fg_proof_result *result) {
    const fg_comparison *logits = &result->logits;
    result->shape = fg_model_shape_of(pair->models[FG_CANDIDATE]);
    result->tokens = pair->token_count;
    result->passed = logits->largest_difference <= task->atol && !logits->non_finite[FG_SIDE_A] &&
                     !logits->non_finite[FG_SIDE_B];
}

fg_status fg_proof_check(const fg_model_pair *pair, uint64_t *bytes, uint64_t *dump_bytes, fg_error *err) {
    fg_status status = fg_pipeline_check(pair, err); /* the same on every rank */
    if (status != FG_OK) return status;
    fg_pipeline p = {.pair = pair, .model_count = pair->model_count};
    *bytes = fg_pipeline_expected_bytes(&p) + fg_head_compare_bytes(&p);
    const fg_dump_layout layout = layout_of(pair);
    *dump_bytes = fg_dump_bytes(&layout);
    return FG_OK;
}

fg_status fg_prove(const fg_model_pair *pair, const fg_proof_task *task, fg_proof_result *result,
                   fg_error *err) {
    double begun = fg_seconds();
    *result = (fg_proof_result){0};
    fg_status status = run(pair, task, result, err);
    if (status == FG_OK) judge(pair, task, result);
    result->seconds = fg_seconds() - begun;
    return status;
}

/* ---- texts and report ---- */

static const char *const part_names[FG_SUB_COUNT] = {"the mixer (attention)", "the feed-forward layer"};

enum { NO_BLOCK = -1 };

/* The part of the model that a place is in, and the block that has it. */
static const char *part_of(const fg_proof_result *result, int64_t *block) {
    *block = NO_BLOCK;
    if (!result->parted) return "the output head";
    if (result->place == 0) return "the embedding";
    if (result->place == fg_place_final_norm(result->shape.blocks, 0)) return "the final norm";
    if (result->place > fg_place_final_norm(result->shape.blocks, 0))
        return "the final norm of a further prediction head";
    *block = (int64_t)((result->place - 1) / FG_SUB_COUNT);
    return part_names[(result->place - 1) % FG_SUB_COUNT];
}

const char *fg_proof_place(const fg_proof_result *result, char *buffer, size_t size) {
    int64_t block;
    const char *part = part_of(result, &block);
    if (block == NO_BLOCK)
        snprintf(buffer, size, "%s", part);
    else
        snprintf(buffer, size, "%s of block %lld", part, (long long)block);
    return buffer;
}

static fg_status report_place(const fg_proof_result *result, json_t *proof, fg_error *err) {
    int64_t block;
    json_t *place = json_pack("{s:s}", "sublayer", part_of(result, &block));
    fg_status status = fg_json_put(proof, "first_difference", place, err);
    if (status != FG_OK || block == NO_BLOCK) return status;
    return fg_json_put(place, "block", json_integer(block), err);
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
    const fg_model_shape *shape = &result->shape;
    json_t *proof = comparison(&result->logits);
    FG_TRY(fg_json_put(proof, "kind", json_string("logits"), err));
    FG_TRY(fg_json_put(proof, "passed", json_boolean(result->passed), err));
    FG_TRY(fg_json_put_u64(proof, "tokens", result->tokens, err));
    FG_TRY(fg_json_put_u64(proof, "vocab", shape->vocab, err));
    FG_TRY(fg_json_put_u64(proof, "blocks", shape->blocks, err));
    if (shape->heads > 1) FG_TRY(fg_json_put_u64(proof, "prediction_heads", shape->heads, err));
    FG_TRY(fg_json_put(proof, "seconds", json_real(result->seconds), err));
    if (!result->passed) FG_TRY(report_place(result, proof, err));
    if (result->rounded) FG_TRY(fg_json_put(proof, "rounding", comparison(&result->rounding), err));
    FG_TRY(fg_json_put(report, "proof", json_incref(proof), err));
done:
    json_decref(proof);
    return status;
}
