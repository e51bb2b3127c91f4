#include "prove.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "exercised.h"
#include "head.h"
#include "report/report_text.h"

static fg_dump_layout layout_of(const fg_model_pair *pair) {
    fg_dump_layout layout = {
        .prompts = pair->prompts, .prompt_count = pair->prompt_count, .about = pair->about};
    for (int side = 0; side < FG_DUMP_SIDES; side++) {
        layout.shapes[side] = fg_model_shape_of(pair->models[side]);
        fg_vision_shape_of(pair->models[side], &layout.vision[side]);
    }
    return layout;
}

static fg_status open_dump(const fg_model_pair *pair, const fg_proof_task *task, fg_dump **dump,
                           fg_error *err) {
    if (!task->dump) return FG_OK;
    fg_dump_layout layout = layout_of(pair);
    layout.path = task->dump;
    layout.version = task->version;
    return fg_dump_create(dump, pair->ranks, &layout, err);
}

static fg_pipeline pipeline_of(const fg_model_pair *pair, unsigned prompt) {
    return (fg_pipeline){.pair = pair, .prompt = &pair->prompts[prompt], .model_count = pair->model_count};
}

static void find_parting(const fg_pipeline *p, fg_prompt_result *result) {
    result->places = p->places;
    for (uint64_t place = 0; place < fg_place_final_norm(&p->places, p->heads); place++) {
        if (p->digests[FG_REFERENCE][place] == p->digests[FG_CANDIDATE][place]) continue;
        result->parted = true;
        result->place = place;
        return;
    }
}

static void judge(const fg_pair_prompt *prompt, const fg_proof_task *task, fg_prompt_result *result) {
    const fg_comparison *logits = &result->logits;
    result->tokens = prompt->token_count;
    result->patches = prompt->patches;
    if (prompt->image) {
        result->height = prompt->image->height;
        result->width = prompt->image->width;
    }
    result->passed = logits->largest_difference <= task->atol && !logits->non_finite[FG_SIDE_A] &&
                     !logits->non_finite[FG_SIDE_B];
    if (task->profile) result->passed = fg_profile_met(task->profile, logits);
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : part > 0 ? INFINITY : 0;
}

static fg_dump_point point_of(const fg_measures *measures, size_t index) {
    const fg_measure_point where = fg_measures_point(measures, index);
    const fg_compare *total = &measures->totals[index];
    fg_dump_point point = {.item = where.item,
                           .of = where.of,
                           .largest = NAN,
                           .mean = NAN,
                           .source_norm = NAN,
                           .destination_norm = NAN,
                           .relative = NAN,
                           .cosine = NAN};
    if (measures->lost[index] || !total->values) return point;
    double a = sqrt(total->square[FG_SIDE_A]), b = sqrt(total->square[FG_SIDE_B]);
    point.largest = total->largest_difference;
    point.mean = total->sum / (double)total->values;
    point.source_norm = a;
    point.destination_norm = b;
    point.relative = ratio(total->largest_difference, total->largest_value[FG_SIDE_A]);
    point.cosine = a > 0 && b > 0 ? total->product / (a * b) : NAN;
    return point;
}

/* Rank 0. */
static fg_status dump_differences(const fg_pipeline *p, bool vision, const fg_measures *measures,
                                  fg_error *err) {
    fg_status status = FG_OK;
    fg_dump_point *points = NULL;
    if (!p->dump || p->pair->ranks->rank != 0) return FG_OK;
    FG_NEW(points, measures->count);
    for (size_t i = 0; i < measures->count; i++) points[i] = point_of(measures, i);
    FG_TRY(fg_dump_differences(p->dump, vision, points, measures->count, err));
done:
    fg_free(points);
    return status;
}

/* `gaps` gets what no prompt up to this one exercised. */
static fg_status run_prompt(fg_pipeline *p, const fg_proof_task *task, fg_prompt_result *result,
                            json_t **gaps, fg_error *err) {
    fg_status status = FG_OK;
    p->style = task->style;
    p->measures = &result->measures;
    const fg_model_shape shape = fg_model_shape_of(p->pair->models[FG_REFERENCE]);
    fg_vision_shape vision;
    fg_measures_begin(&result->measures, shape.blocks, shape.heads, err);
    if (p->prompt->patches && fg_vision_shape_of(p->pair->models[FG_REFERENCE], &vision)) {
        fg_measures_begin(&result->vision_measures, vision.blocks, 1, err);
        p->vision_measures = &result->vision_measures;
    }
    FG_TRY(fg_pipeline_open(p, err));
    FG_TRY(fg_pipeline_run(p, err));
    FG_TRY(fg_measures_join(&result->measures, p->pair->ranks, err));
    if (p->vision_measures) FG_TRY(fg_measures_join(p->vision_measures, p->pair->ranks, err));
    dump_differences(p, false, &result->measures, err);
    if (p->vision_measures) dump_differences(p, true, p->vision_measures, err);
    FG_TRY(fg_ranks_agree(p->pair->ranks, err));
    find_parting(p, result);
    json_decref(*gaps);
    *gaps = NULL;
    FG_TRY(fg_exercised_gaps(p, gaps, err));
    FG_TRY(fg_head_compare(p, FG_REFERENCE, FG_CANDIDATE, &result->logits, err));
    p->dump = NULL; /* the logits are written once */
    if (p->model_count > FG_UNROUNDED)
        FG_TRY(fg_head_compare(p, FG_UNROUNDED, FG_CANDIDATE, &result->rounding, err));
    judge(p->prompt, task, result);
done:
    fg_pipeline_close(p);
    return status;
}

static fg_status run(const fg_model_pair *pair, const fg_proof_task *task, fg_proof_result *result,
                     fg_error *err) {
    fg_status status = FG_OK;
    fg_dump *dump = NULL;
    FG_TRY(open_dump(pair, task, &dump, err));
    result->passed = true;
    for (unsigned i = 0; i < pair->prompt_count; i++) {
        fg_pipeline p = pipeline_of(pair, i);
        p.dump = dump;
        if (dump) fg_dump_set_prompt(dump, i);
        FG_TRY(run_prompt(&p, task, &result->prompts[i], &result->gaps, err));
        result->passed = result->passed && result->prompts[i].passed;
    }
done:
    fg_dump_close(&dump, err);
    return status == FG_OK ? fg_ranks_agree(pair->ranks, err) : status;
}

fg_status fg_proof_check(const fg_model_pair *pair, uint64_t *bytes, uint64_t *dump_bytes, fg_error *err) {
    const fg_dump_layout layout = layout_of(pair);
    *bytes = 0;
    *dump_bytes = fg_dump_bytes(&layout);
    for (unsigned i = 0; i < pair->prompt_count; i++) {
        fg_pipeline p = pipeline_of(pair, i);
        FG_CALL(fg_pipeline_check(pair, p.prompt, err)); /* the same on every rank */
        uint64_t expected = fg_pipeline_expected_bytes(&p);
        *bytes = fg_max(*bytes, expected + fg_head_compare_bytes(&p));
    }
    return FG_OK;
}

fg_status fg_prove(const fg_model_pair *pair, const fg_proof_task *task, fg_proof_result *result,
                   fg_error *err) {
    double begun = fg_clock_seconds();
    *result = (fg_proof_result){.shape = fg_model_shape_of(pair->models[FG_CANDIDATE]),
                                .profile = task->profile,
                                .rounded = pair->model_count > FG_UNROUNDED,
                                .prompt_count = pair->prompt_count};
    fg_status status = run(pair, task, result, err);
    result->seconds = fg_clock_seconds() - begun;
    return status;
}

void fg_proof_result_free(fg_proof_result *result) {
    json_decref(result->gaps);
    for (unsigned i = 0; i < result->prompt_count; i++) {
        fg_measures_free(&result->prompts[i].measures);
        fg_measures_free(&result->prompts[i].vision_measures);
    }
    *result = (fg_proof_result){0};
}

/* ---- texts and report ---- */

const fg_prompt_result *fg_proof_decisive(const fg_proof_result *result) {
    unsigned i = 0;
    while (i < result->prompt_count && result->prompts[i].passed) i++;
    return &result->prompts[i < result->prompt_count ? i : 0];
}

static fg_place_name place_name(const fg_prompt_result *result) {
    const fg_place_name head = {.part = "head", .block = FG_NO_BLOCK};
    return result->parted ? fg_place_name_of(&result->places, result->place) : head;
}

const char *fg_proof_place(const fg_prompt_result *result, char *buffer, size_t size) {
    const fg_place_name name = place_name(result);
    if (name.block == FG_NO_BLOCK)
        snprintf(buffer, size, "%s", fg_report_part(name.part));
    else
        snprintf(buffer, size, "%s of block %lld%s", fg_report_part(name.part), (long long)name.block,
                 name.vision ? " of the vision encoder" : "");
    return buffer;
}

static fg_status report_place(const fg_prompt_result *result, json_t *entry, fg_error *err) {
    const fg_place_name name = place_name(result);
    json_t *place = json_pack("{s:s}", "part", name.part);
    fg_status status = fg_json_put(entry, "first_difference", place, err);
    if (status == FG_OK && name.vision) status = fg_json_put(place, "vision_encoder", json_true(), err);
    if (status != FG_OK || name.block == FG_NO_BLOCK) return status;
    return fg_json_put(place, "block", json_integer(name.block), err);
}

/* JSON has no infinity: a difference without bound is null. */
static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* NULL if there is no memory. */
static json_t *comparison(const fg_comparison *c, fg_error *err) {
    uint64_t non_finite = c->non_finite[FG_SIDE_A] + c->non_finite[FG_SIDE_B],
             nan = c->nan[FG_SIDE_A] + c->nan[FG_SIDE_B];
    json_t *measured = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "max_abs", number(c->largest_difference),
        "mean_abs", number(c->mean_difference), "cosine", number(c->cosine), "kl", number(c->kl_mean),
        "kl_p95", number(c->kl_p95), "kl_max", number(c->kl_largest), "argmax_agreement",
        number(c->same_arg_max), "top5_agreement", number(c->same_top), "largest_logit",
        number(c->largest_value[FG_SIDE_A]), "non_finite", (json_int_t)non_finite, "nan", (json_int_t)nan);
    if (measured && fg_json_put_u64s(measured, "kl_histogram", c->kl_histogram, FG_KL_BINS, err) == FG_OK)
        return measured;
    json_decref(measured);
    return NULL;
}

/* ---- half-blocks ---- */

typedef const char *measured_parts[FG_DUMP_FINAL_NORM + 1];
static const measured_parts parts = {[FG_DUMP_EMBEDDING] = "embedding",
                                     [FG_DUMP_MIXER] = "mixer",
                                     [FG_DUMP_MLP] = "mlp",
                                     [FG_DUMP_OUTPUT] = "output",
                                     [FG_DUMP_FINAL_NORM] = "final_norm"};
static const measured_parts vision_parts = {[FG_DUMP_EMBEDDING] = "patches",
                                            [FG_DUMP_MIXER] = "mixer",
                                            [FG_DUMP_MLP] = "mlp",
                                            [FG_DUMP_OUTPUT] = "output",
                                            [FG_DUMP_FINAL_NORM] = "adapter"};

static fg_status report_measure(const fg_measures *measures, size_t index, const char *const *names,
                                json_t *list, fg_error *err) {
    const fg_compare *c = &measures->totals[index];
    const fg_measure_point point = fg_measures_point(measures, index);
    uint64_t non_finite = c->non_finite[FG_SIDE_A] + c->non_finite[FG_SIDE_B],
             nan = c->nan[FG_SIDE_A] + c->nan[FG_SIDE_B];
    double most = c->largest_difference, largest = c->largest_value[FG_SIDE_A];
    json_t *entry = json_pack("{s:s}", "part", names[point.item]);
    FG_CALL(fg_json_push(list, entry, err));
    bool numbered = point.item != FG_DUMP_EMBEDDING && point.item != FG_DUMP_FINAL_NORM;
    if (numbered) FG_CALL(fg_json_put_u64(entry, "block", point.of, err));
    if (point.item == FG_DUMP_FINAL_NORM && measures->heads > 1)
        FG_CALL(fg_json_put_u64(entry, "head", point.of, err));
    FG_CALL(fg_json_put(entry, "max_abs", number(most), err));
    FG_CALL(fg_json_put(entry, "relative", number(most > 0 ? most / largest : 0), err));
    FG_CALL(fg_json_put(entry, "cosine", number(fg_compare_cosine(c)), err));
    if (nan) FG_CALL(fg_json_put_u64(entry, "nan", nan, err));
    return non_finite > nan ? fg_json_put_u64(entry, "inf", non_finite - nan, err) : FG_OK;
}

static fg_status report_measures(const fg_measures *measures, const char *const *names, const char *key,
                                 json_t *proof, fg_error *err) {
    json_t *list;
    FG_CALL_NEW(list, fg_json_put_array(proof, key, err));
    for (size_t i = 0; i < measures->count; i++) {
        if (!measures->lost[i]) FG_CALL(report_measure(measures, i, names, list, err));
    }
    return FG_OK;
}

static const char *verdict(const fg_proof_result *result) {
    double most = 0;
    for (unsigned i = 0; i < result->prompt_count; i++)
        most = fmax(most, result->prompts[i].logits.largest_difference);
    if (!result->passed) return "differ";
    return most > 0 ? "within_tolerance" : "proved";
}

/* What was measured with one prompt. */
static fg_status report_prompt(const fg_proof_result *result, const fg_prompt_result *prompt, json_t *entry,
                               fg_error *err) {
    FG_CALL(fg_json_put_u64(entry, "tokens", prompt->tokens, err));
    FG_CALL(report_measures(&prompt->measures, parts, "half_blocks", entry, err));
    if (prompt->vision_measures.count)
        FG_CALL(report_measures(&prompt->vision_measures, vision_parts, "vision_half_blocks", entry, err));
    if (!prompt->passed) FG_CALL(report_place(prompt, entry, err));
    if (!result->rounded) return FG_OK;
    return fg_json_put(entry, "rounding", comparison(&prompt->rounding, err), err);
}

/* Each prompt, where there is more to say than of a text. */
static fg_status report_prompts(const fg_proof_result *result, json_t *proof, fg_error *err) {
    json_t *list, *entry;
    if (result->prompt_count == 1 && !result->prompts[0].patches) return FG_OK;
    FG_CALL_NEW(list, fg_json_put_array(proof, "prompts", err));
    for (unsigned i = 0; i < result->prompt_count; i++) {
        const fg_prompt_result *prompt = &result->prompts[i];
        FG_CALL_NEW(entry, comparison(&prompt->logits, err));
        FG_CALL(fg_json_push(list, entry, err));
        FG_CALL(fg_json_put(entry, "kind", json_string(prompt->patches ? "image" : "text"), err));
        FG_CALL(fg_json_put(entry, "passed", json_boolean(prompt->passed), err));
        FG_CALL(report_prompt(result, prompt, entry, err));
        if (!prompt->patches) continue;
        json_t *image = json_pack("{s:I, s:I, s:I}", "height", (json_int_t)prompt->height, "width",
                                  (json_int_t)prompt->width, "patches", (json_int_t)prompt->patches);
        FG_CALL(fg_json_put(entry, "image", image, err));
    }
    return FG_OK;
}

static fg_status report_profile(const fg_profile *profile, json_t *proof, fg_error *err) {
    return fg_json_put(proof, "profile",
                       json_pack("{s:s, s:f, s:f, s:f}", "name", profile->name, "kl", profile->kl_mean,
                                 "kl_p95", profile->kl_p95, "cosine", profile->cosine),
                       err);
}

fg_status fg_proof_report(const fg_proof_result *result, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    const fg_model_shape *shape = &result->shape;
    const fg_prompt_result *decisive = fg_proof_decisive(result);
    json_t *proof = comparison(&decisive->logits, err);
    FG_TRY(fg_json_put(proof, "kind", json_string("logits"), err));
    FG_TRY(fg_json_put(proof, "verdict", json_string(verdict(result)), err));
    FG_TRY(fg_json_put(proof, "passed", json_boolean(result->passed), err));
    if (result->profile) FG_TRY(report_profile(result->profile, proof, err));
    FG_TRY(fg_json_put_u64(proof, "vocab", shape->vocab, err));
    FG_TRY(fg_json_put_u64(proof, "blocks", shape->blocks, err));
    if (shape->heads > 1) FG_TRY(fg_json_put_u64(proof, "prediction_heads", shape->heads, err));
    FG_TRY(fg_json_put(proof, "seconds", json_real(result->seconds), err));
    FG_TRY(report_prompt(result, decisive, proof, err));
    FG_TRY(report_prompts(result, proof, err));
    FG_TRY(fg_json_put(proof, "not_exercised", json_incref(result->gaps), err));
    FG_TRY(fg_json_put(report, "proof", json_incref(proof), err));
done:
    json_decref(proof);
    return status;
}
