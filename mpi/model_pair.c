#include "model_pair.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "model/added_rows.h"
#include "model/vision.h"
#include "pair_prompts.h"

/* ---- sharing what rank 0 knows ---- */

/* null for none; NULL: no memory. */
static json_t *describe_rows(const fg_row_edits *edits) {
    char value[FG_ROW_TEXT];
    if (!edits || !edits->rows) return json_null();
    json_t *list = json_array();
    fg_status status = FG_OK;
    for (size_t i = 0; status == FG_OK && i < edits->count; i++)
        status = fg_json_push(list,
                              json_pack("[I, s]", (json_int_t)edits->items[i].row,
                                        fg_row_value_text(edits->items[i].value, value)),
                              NULL);
    if (status == FG_OK) return json_pack("{s:I, s:o}", "rows", (json_int_t)edits->rows, "edits", list);
    json_decref(list);
    return NULL;
}

static fg_status read_rows(const json_t *described, fg_row_edits *edits, fg_error *err) {
    json_t *entry;
    fg_row_value value;
    FG_JSON_EACH(json_object_get(described, "edits"), i, entry) {
        if (!fg_row_value_parse(json_string_value(json_array_get(entry, 1)), &value))
            return fg_fail(err, FG_ERR_BUG, "an edited row was received in an unknown form");
        FG_CALL(fg_row_edits_set(edits, (uint64_t)json_integer_value(json_array_get(entry, 0)), value, err));
    }
    edits->rows = (uint64_t)json_integer_value(json_object_get(described, "rows"));
    return FG_OK;
}

static json_t *describe_side(const fg_model_pair_side *side) {
    return json_pack("{s:O, s:O, s:s, s:o, s:b, s:b}", "spec", side->spec, "config", side->config, "format",
                     side->format->name, "directory", fg_json_string(side->name), "assembled",
                     side->assembly != NULL, "rounded", side->rounded != NULL);
}

static fg_status describe(const fg_model_pair_task *task, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    json_t *about = json_object();
    FG_TRY(fg_json_put(about, "source", describe_side(&task->source), err));
    FG_TRY(fg_json_put(about, "destination", describe_side(&task->destination), err));
    FG_TRY(fg_json_put(about, "round",
                       json_pack("[i, i]", (int)task->round_source, (int)task->round_destination), err));
    FG_TRY(fg_json_put(about, "rows", describe_rows(task->rows), err));
    if (task->names)
        FG_TRY(fg_json_put(about, "name_map", json_incref((json_t *)(uintptr_t)task->names), err));
    FG_TRY(fg_json_write(about, FG_JSON_COMPACT, text, err));
done:
    json_decref(about);
    return status;
}

static fg_status share_about(fg_model_pair *p, fg_error *err) {
    const fg_ranks *ranks = p->ranks;
    fg_buffer text = {0};
    if (ranks->rank == 0) describe(p->task, &text, err);
    fg_status status = fg_ranks_share_text(ranks, &text, err);
    if (status == FG_OK) {
        if (fg_json_parse("what the models are bound by", text.data, text.length, &p->about, err) == FG_OK)
            read_rows(json_object_get(p->about, "rows"), &p->edits, err);
        status = fg_ranks_agree(ranks, err);
    }
    fg_buffer_free(&text);
    return status;
}

static fg_status share_table(const fg_ranks *ranks, const fg_tensors *mine, fg_tensors *table,
                             fg_error *err) {
    fg_buffer text = {0};
    if (ranks->rank == 0) fg_tensors_encode(mine, &text, err);
    fg_status status = fg_ranks_share_text(ranks, &text, err);
    if (status == FG_OK) {
        fg_tensors_decode(text.data, text.length, table, err);
        status = fg_ranks_agree(ranks, err);
    }
    fg_buffer_free(&text);
    return status;
}

static fg_status share_assembly(const fg_ranks *ranks, const fg_plan *mine, fg_plan *plan, fg_error *err) {
    fg_buffer text = {0};
    if (ranks->rank == 0) fg_plan_encode(mine, &text, err);
    fg_status status = fg_ranks_share_text(ranks, &text, err);
    if (status == FG_OK) {
        fg_plan_decode(text.data, text.length, plan, err);
        status = fg_ranks_agree(ranks, err);
    }
    fg_buffer_free(&text);
    return status;
}

static fg_status share_rounding(fg_model_pair *p, fg_error *err) {
    fg_status status = FG_OK;
    size_t count = p->assemblies[0].output_count;
    FG_NEW(p->rounded, count + 1);
done:
    status = fg_ranks_agree(p->ranks, err);
    if (status != FG_OK) return status;
    if (p->ranks->rank == 0) memcpy(p->rounded, p->task->source.rounded, count * sizeof *p->rounded);
    fg_ranks_share(p->ranks, p->rounded, count * sizeof *p->rounded);
    return FG_OK;
}

/* `has_table`: its tensors are known without an assembly. */
static fg_status share_side(fg_model_pair *p, unsigned which, bool has_table, fg_error *err) {
    const fg_model_pair_side *side = which ? &p->task->destination : &p->task->source;
    const json_t *about = json_object_get(p->about, which ? "destination" : "source");
    if (json_is_true(json_object_get(about, "assembled")))
        FG_CALL(share_assembly(p->ranks, side->assembly, &p->assemblies[which], err));
    else if (!has_table)
        FG_CALL(share_table(p->ranks, side->tensors, &p->tables[which], err));
    return json_is_true(json_object_get(about, "rounded")) ? share_rounding(p, err) : FG_OK;
}

static fg_status share_sides(fg_model_pair *p, fg_error *err) {
    FG_CALL(share_about(p, err));
    FG_CALL(share_side(p, 0, p->task->plan != NULL, err));
    return share_side(p, 1, p->task->through_plan, err);
}

/* ---- binding ---- */

static const fg_format *format_of(const json_t *about) {
    return fg_format_find(json_string_value(json_object_get(about, "format")));
}

static fg_status bind(fg_model_pair *p, unsigned model, const char *side, const json_t *config,
                      fg_weight_source weights, fg_error *err) {
    const json_t *about = json_object_get(p->about, side);
    fg_status status = fg_model_bind(&p->models[model], p->task->device, json_object_get(about, "spec"),
                                     format_of(about), config, weights, err);
    if (status != FG_OK) {
        const char *directory = json_string_value(json_object_get(about, "directory"));
        fg_about_file(err, directory);
        return fg_where(err, "binding %s for the proof", directory);
    }
    p->model_count = model + 1 > p->model_count ? model + 1 : p->model_count;
    return FG_OK;
}

static fg_dtype rounding_of(const fg_model_pair *p, size_t side) {
    return (fg_dtype)json_integer_value(json_array_get(json_object_get(p->about, "round"), side));
}

/* The source's numbers as they are stored. */
static fg_status open_stored(const fg_model_pair *p, fg_weight_source *weights, fg_error *err) {
    const fg_plan *plan = p->task->plan, *assembly = &p->assemblies[0];
    if (assembly->output_count) return fg_weight_source_from_plan(weights, assembly, err);
    return fg_weight_source_from_tensors(weights, plan ? &plan->source : &p->tables[0], err);
}

/* One side's numbers, rounded to one type or to none. */
static fg_status open_rounded_to(const fg_model_pair *p, unsigned side, const fg_tensors *table,
                                 fg_weight_source *weights, fg_error *err) {
    const fg_plan *assembly = &p->assemblies[side];
    if (assembly->output_count)
        return fg_weight_source_plan_rounded_to(weights, assembly, rounding_of(p, side), err);
    return fg_weight_source_rounded_to(weights, table, rounding_of(p, side), err);
}

/* The source's numbers as the reference computes with them: rounded as the conversion rounds them. */
static fg_status open_reference(const fg_model_pair *p, fg_weight_source *weights, fg_error *err) {
    const fg_model_pair_task *task = p->task;
    if (!task->casts)
        return open_rounded_to(p, 0, task->plan ? &task->plan->source : &p->tables[0], weights, err);
    if (p->rounded) return fg_weight_source_plan_rounded(weights, &p->assemblies[0], p->rounded, err);
    return fg_weight_source_rounded(weights, task->plan, err);
}

/* A model of the source, with the rows that the conversion edits. */
static fg_status bind_source(fg_model_pair *p, unsigned model, fg_weight_source weights, fg_error *err) {
    fg_status status = FG_OK;
    fg_weight_source raw = {0};
    const json_t *side = json_object_get(p->about, "source"), *spec = json_object_get(side, "spec"),
                 *own = json_object_get(side, "config");
    json_t *edited = NULL;
    if (p->edits.rows) {
        FG_TRY(open_stored(p, &raw, err));
        FG_TRY(fg_weight_source_edit_rows(&weights, &raw, spec, format_of(side), &p->edits, err));
        FG_TRY(fg_config_set_vocabulary(own, spec, format_of(side), p->edits.rows, &edited, err));
    }
    status = bind(p, model, "source", edited ? edited : own, weights, err);
    weights = (fg_weight_source){0};
done:
    fg_weight_source_close(&weights);
    json_decref(edited);
    return status;
}

static fg_status bind_models(fg_model_pair *p, fg_error *err) {
    const fg_model_pair_task *task = p->task;
    fg_weight_source weights;
    FG_CALL(open_reference(p, &weights, err));
    FG_CALL(bind_source(p, FG_REFERENCE, weights, err));
    FG_CALL(task->through_plan ? fg_weight_source_from_plan(&weights, task->plan, err)
                               : open_rounded_to(p, 1, &p->tables[1], &weights, err));
    FG_CALL(bind(p, FG_CANDIDATE, "destination", fg_json_at(p->about, "destination/config"), weights, err));
    if (!task->casts) return FG_OK;
    FG_CALL(open_stored(p, &weights, err));
    return bind_source(p, FG_UNROUNDED, weights, err);
}

/* A prompt with an image must mean the same to both. */
static fg_status check_vision(const fg_model_pair *p, fg_error *err) {
    fg_vision_shape a = {0}, b = {0};
    bool sees = fg_vision_shape_of(p->models[FG_REFERENCE], &a);
    if (sees != fg_vision_shape_of(p->models[FG_CANDIDATE], &b))
        return fg_fail(err, FG_ERR_DIFFER, "the models differ: only one has a vision encoder");
    if (a.hidden != b.hidden || a.blocks != b.blocks || a.channels != b.channels ||
        a.patch_height != b.patch_height || a.patch_width != b.patch_width)
        return fg_fail(
            err, FG_ERR_DIFFER,
            "the models differ: vision encoders of hidden size %llu and %llu, %llu and %llu blocks, "
            "patches of %llu x %llu and %llu x %llu",
            (unsigned long long)a.hidden, (unsigned long long)b.hidden, (unsigned long long)a.blocks,
            (unsigned long long)b.blocks, (unsigned long long)a.patch_height,
            (unsigned long long)a.patch_width, (unsigned long long)b.patch_height,
            (unsigned long long)b.patch_width);
    if (a.has_image_token == b.has_image_token && a.image_token == b.image_token) return FG_OK;
    return fg_fail(err, FG_ERR_DIFFER, "the models differ: the image tokens %lld and %lld",
                   a.has_image_token ? (long long)a.image_token : -1,
                   b.has_image_token ? (long long)b.image_token : -1);
}

static fg_status check_shapes(const fg_model_pair *p, fg_error *err) {
    fg_model_shape a = fg_model_shape_of(p->models[FG_REFERENCE]),
                   b = fg_model_shape_of(p->models[FG_CANDIDATE]);
    if (a.hidden != b.hidden || a.blocks != b.blocks || a.heads != b.heads)
        return fg_fail(err, FG_ERR_DIFFER,
                       "the models differ: hidden size %llu and %llu, %llu and %llu blocks, %llu and %llu "
                       "prediction heads",
                       (unsigned long long)a.hidden, (unsigned long long)b.hidden,
                       (unsigned long long)a.blocks, (unsigned long long)b.blocks,
                       (unsigned long long)a.heads, (unsigned long long)b.heads);
    FG_CALL(check_vision(p, err));
    if (a.vocab != b.vocab)
        fg_warn("the vocabularies have %llu and %llu rows: only the first %llu logits are compared",
                (unsigned long long)a.vocab, (unsigned long long)b.vocab,
                (unsigned long long)fg_min(a.vocab, b.vocab));
    return FG_OK;
}

/* A conversion is proved with its source's mask on both sides, as the formats may differ in it. Two
 * directories that are compared each use their own. */
static void resolve_mask(fg_model_pair *p) {
    fg_mask mask = p->task->mask, own = fg_model_own_mask(p->models[FG_REFERENCE]);
    if (mask == FG_MASK_NATIVE && p->task->plan) mask = own;
    if (mask == FG_MASK_NATIVE && own != fg_model_own_mask(p->models[FG_CANDIDATE]))
        fg_warn("one model has causal attention and the other has not: --mask causal or --mask none gives "
                "both the same mask");
    for (unsigned m = 0; m < p->model_count; m++) fg_model_set_mask(p->models[m], mask);
}

/* ---- edited rows of the vocabulary ---- */

static fg_status check_row(const fg_model_pair *pair, const fg_row_edit *edit, float *expected, float *found,
                           fg_error *err) {
    fg_status status = FG_OK;
    uint32_t id = (uint32_t)edit->row;
    uint64_t hidden = fg_model_shape_of(pair->models[FG_CANDIDATE]).hidden;
    char value[FG_ROW_TEXT];
    FG_TRY(fg_model_embed(pair->models[FG_REFERENCE], &id, 1, expected, err));
    FG_TRY(fg_model_embed(pair->models[FG_CANDIDATE], &id, 1, found, err));
    if (memcmp(expected, found, hidden * sizeof *found) == 0) goto done;
    status = fg_fail(err, FG_ERR_DIFFER,
                     "the models differ: the embedding row of token %lu is not %s, as requested",
                     (unsigned long)id, fg_row_value_text(edit->value, value));
done:
    return status;
}

/* Names the first edited row whose embedding is not what was asked for. The head's rows are compared with the
 * logits. */
static fg_status check_rows(const fg_model_pair *pair, fg_error *err) {
    fg_status status = FG_OK;
    float *rows = NULL;
    uint64_t hidden = fg_model_shape_of(pair->models[FG_CANDIDATE]).hidden;
    if (!pair->edits.rows) return FG_OK;
    FG_NEW(rows, 2 * hidden);
    for (size_t i = (size_t)pair->ranks->rank; i < pair->edits.count; i += (size_t)pair->ranks->size)
        FG_TRY(check_row(pair, &pair->edits.items[i], rows, rows + hidden, err));
done:
    fg_free(rows);
    return fg_ranks_agree(pair->ranks, err);
}

/* ---- the whole ---- */

uint64_t fg_model_pair_vocab(const fg_model_pair *p) {
    return fg_min(fg_model_shape_of(p->models[FG_REFERENCE]).vocab,
                  fg_model_shape_of(p->models[FG_CANDIDATE]).vocab);
}

fg_status fg_model_pair_bind(fg_model_pair *p, const fg_ranks *ranks, const fg_model_pair_task *task,
                             fg_error *err) {
    *p = (fg_model_pair){.ranks = ranks, .task = task};
    FG_CALL(share_sides(p, err));
    if (bind_models(p, err) == FG_OK && check_shapes(p, err) == FG_OK) resolve_mask(p);
    FG_CALL(fg_ranks_agree(ranks, err));
    return fg_pair_prompts_share(p, err);
}

fg_status fg_model_pair_open(fg_model_pair *p, const fg_ranks *ranks, const fg_model_pair_task *task,
                             fg_error *err) {
    fg_status status = fg_model_pair_bind(p, ranks, task, err);
    return status == FG_OK ? check_rows(p, err) : status;
}

void fg_model_pair_close(fg_model_pair *p) {
    for (unsigned m = 0; m < FG_PAIR_MODELS; m++) fg_model_free(&p->models[m]);
    fg_tensors_free(&p->tables[0]);
    fg_tensors_free(&p->tables[1]);
    fg_plan_free(&p->assemblies[0]);
    fg_plan_free(&p->assemblies[1]);
    fg_free(p->rounded);
    json_decref(p->about);
    fg_row_edits_free(&p->edits);
    fg_pair_prompts_free(p);
    *p = (fg_model_pair){0};
}
