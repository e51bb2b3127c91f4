#include "model_pair.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "model/added_rows.h"

enum { DEFAULT_TOKENS = 24 };

/* ---- sharing what rank 0 knows ---- */

/* null for none; NULL: no memory. */
static json_t *describe_rows(const fg_row_edits *edits) {
    char value[FG_ROW_TEXT];
    if (!edits || !edits->rows) return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < edits->count; i++)
        json_array_append_new(list, json_pack("[I, s]", (json_int_t)edits->items[i].row,
                                              fg_row_value_text(edits->items[i].value, value)));
    if (json_array_size(list) == edits->count)
        return json_pack("{s:I, s:o}", "rows", (json_int_t)edits->rows, "edits", list);
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
    return json_pack("{s:O, s:O, s:s, s:o, s:b}", "spec", side->spec, "config", side->config, "format",
                     side->format->name, "directory", fg_json_string(side->name), "table",
                     side->tensors != NULL);
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

static fg_status share_sides(fg_model_pair *p, fg_error *err) {
    FG_CALL(share_about(p, err));
    if (!p->task->plan) FG_CALL(share_table(p->ranks, p->task->source.tensors, &p->tables[0], err));
    if (!p->task->through_plan)
        FG_CALL(share_table(p->ranks, p->task->destination.tensors, &p->tables[1], err));
    return FG_OK;
}

/* ---- binding ---- */

static const fg_format *format_of(const json_t *about) {
    return fg_format_find(json_string_value(json_object_get(about, "format")));
}

static fg_status bind(fg_model_pair *p, unsigned model, const char *side, const json_t *config,
                      fg_weight_source weights, fg_error *err) {
    const json_t *about = json_object_get(p->about, side);
    fg_status status = fg_model_bind(&p->models[model], &fg_device_cpu, json_object_get(about, "spec"),
                                     format_of(about), config, weights, err);
    if (status != FG_OK)
        return fg_where(err, "binding %s for the proof",
                        json_string_value(json_object_get(about, "directory")));
    p->model_count = model + 1 > p->model_count ? model + 1 : p->model_count;
    return FG_OK;
}

/* A model of the source, with the rows that the conversion edits. */
static fg_status bind_source(fg_model_pair *p, unsigned model, const fg_tensors *source,
                             fg_weight_source weights, fg_error *err) {
    fg_status status = FG_OK;
    fg_weight_source raw = {0};
    const json_t *side = json_object_get(p->about, "source"), *spec = json_object_get(side, "spec"),
                 *own = json_object_get(side, "config");
    json_t *edited = NULL;
    if (p->edits.rows) {
        FG_TRY(fg_weight_source_from_tensors(&raw, source, err));
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

static fg_dtype rounding_of(const fg_model_pair *p, size_t side) {
    return (fg_dtype)json_integer_value(json_array_get(json_object_get(p->about, "round"), side));
}

static fg_status bind_models(fg_model_pair *p, fg_error *err) {
    const fg_model_pair_task *task = p->task;
    const fg_tensors *source = task->plan ? &task->plan->source : &p->tables[0];
    fg_weight_source weights;
    FG_CALL(task->casts ? fg_weight_source_rounded(&weights, task->plan, err)
                        : fg_weight_source_rounded_to(&weights, source, rounding_of(p, 0), err));
    FG_CALL(bind_source(p, FG_REFERENCE, source, weights, err));
    FG_CALL(task->through_plan
                ? fg_weight_source_from_plan(&weights, task->plan, err)
                : fg_weight_source_rounded_to(&weights, &p->tables[1], rounding_of(p, 1), err));
    FG_CALL(bind(p, FG_CANDIDATE, "destination", fg_json_at(p->about, "destination/config"), weights, err));
    if (!task->casts) return FG_OK;
    FG_CALL(fg_weight_source_from_tensors(&weights, source, err));
    return bind_source(p, FG_UNROUNDED, source, weights, err);
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

/* Rank 0's tokens, on every rank; without any, the same drawn ones everywhere. */
static fg_status share_tokens(fg_model_pair *p, fg_error *err) {
    uint64_t vocab = fg_model_pair_vocab(p), given = p->task->token_count;
    fg_ranks_share(p->ranks, &given, sizeof given);
    p->token_count = given ? given : DEFAULT_TOKENS;
    p->tokens = fg_alloc(p->token_count, sizeof *p->tokens, err);
    FG_CALL(fg_ranks_agree(p->ranks, err));
    if (!given) draw_tokens(p->tokens, p->token_count, vocab);
    if (given && p->ranks->rank == 0) memcpy(p->tokens, p->task->tokens, given * sizeof *p->tokens);
    if (given) fg_ranks_share(p->ranks, p->tokens, given * sizeof *p->tokens);
    for (uint64_t i = 0; i < p->token_count; i++) {
        if (p->tokens[i] >= vocab)
            return fg_fail(err, FG_ERR_USAGE, "--token-ids: id %lu, but the vocabulary has %llu rows",
                           (unsigned long)p->tokens[i], (unsigned long long)vocab);
    }
    return FG_OK;
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
    return share_tokens(p, err);
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
    json_decref(p->about);
    fg_row_edits_free(&p->edits);
    fg_free(p->tokens);
    *p = (fg_model_pair){0};
}
