#include "mapping/name_map.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "mapping/tensor_template.h"

enum { BRIEF = 120 };

typedef struct builder {
    fg_tensor_map *map;
    fg_tensor_templates templates;
    uint32_t *forms;    /* owned; by template */
    size_t split_parts; /* of the tensor under way that is split */
    json_t *lost;       /* borrowed; names of hf that do not round-trip; NULL: they are errors */
    fg_buffer hf, target, back;
    fg_error *err;
} builder;

static fg_status read_templates(const fg_converter *converter, const json_t *hf, fg_tensor_templates *all,
                                fg_error *err) {
    const fg_tensor_table table = {.entries = json_object_get(fg_converter_document(converter), "tensors"),
                                   .file = fg_converter_file(converter),
                                   .key = "tensors",
                                   .model_type = fg_converter_model_type(converter)};
    return fg_tensor_templates_new(all, &table, hf, err);
}

/* ---- names, checked by a round trip ---- */

static fg_status rename_one(const fg_converter *converter, fg_direction direction, const char *name,
                            fg_buffer *out, fg_error *err) {
    bool matched;
    fg_status status =
        fg_name_rules_apply(fg_converter_rules(converter, direction), name, out, &matched, err);
    if (status != FG_OK || matched) return status;
    return fg_fail(err, FG_ERR_INPUT, "%s: no name rule matches the %s name \"%s\"",
                   fg_converter_file(converter), direction == FG_IMPORT ? "hf" : "target", name);
}

/* The target's name of a name of hf, in `target`. */
static fg_status round_trip(builder *b, const char *hf, fg_error *err) {
    const fg_converter *converter = b->map->converter;
    FG_CALL(rename_one(converter, FG_IMPORT, hf, &b->target, err));
    FG_CALL(rename_one(converter, FG_EXPORT, b->target.data, &b->back, err));
    if (strcmp(b->back.data, hf) == 0) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: \"%s\" becomes \"%s\", which comes back as \"%s\"", b->map->file,
                   hf, b->target.data, b->back.data);
}

/* Where names may be lost, a name that does not round-trip is noted. */
static fg_status find_target(builder *b, const char *hf, bool *lost, fg_error *err) {
    fg_error why = {0};
    *lost = false;
    if (!b->lost) return round_trip(b, hf, err);
    if (round_trip(b, hf, &why) == FG_OK) return FG_OK;
    if (why.status != FG_ERR_INPUT) return fg_fail_again(err, &why);
    *lost = true;
    return fg_json_push(b->lost, json_string(hf), err);
}

static fg_status add_link(builder *b, size_t template, uint64_t block) {
    fg_error *err = b->err;
    const fg_tensor_template *t = &b->templates.items[template];
    bool lost;
    if (!t->present || block >= t->count) return FG_OK;
    FG_CALL(fg_tensor_name_put(t->name, t->repeats ? block : 0, &b->hf, err));
    FG_CALL(find_target(b, b->hf.data, &lost, err));
    if (lost) return FG_OK;
    FG_CALL(fg_tensor_map_add_link(b->map, b->target.data, b->forms[template], b->hf.data, err));
    return fg_tensor_map_add_part(b->map, b->hf.data, err);
}

static fg_status add_whole(const builder *b, const fg_tensor_template *t, uint64_t block) {
    fg_error *err = b->err;
    fg_packed_tensor whole = {.first_part = (uint32_t)(b->map->part_count - t->parts),
                              .part_count = (uint32_t)t->parts,
                              .rank = t->rank,
                              .shape_rule = json_object_get(t->rule, "shape")};
    memcpy(whole.shape, t->shape, sizeof whole.shape);
    whole.shape[0] = t->whole_rows;
    FG_CALL_NEW(whole.hf, fg_tensor_name_of(t->whole, block, err));
    return fg_tensor_map_add_split(b->map, &whole, err);
}

/* A name, and behind the last part of a tensor that is split the tensor, unless one of them was lost. */
static fg_status add_name(builder *b, size_t template, uint64_t block) {
    fg_error *err = b->err;
    const fg_tensor_template *t = &b->templates.items[template];
    size_t before = b->map->part_count;
    FG_CALL(add_link(b, template, block));
    if (!t->whole) return FG_OK;
    b->split_parts += b->map->part_count - before;
    if (!t->parts) return FG_OK;
    bool complete = b->split_parts == t->parts;
    b->split_parts = 0;
    return complete ? add_whole(b, t, t->repeats ? block : 0) : FG_OK;
}

/* ---- templates ---- */

static fg_status add_forms(builder *b) {
    fg_status status = FG_OK;
    fg_error *err = b->err;
    FG_NEW(b->forms, b->templates.count);
    for (size_t i = 0; i < b->templates.count; i++) {
        const fg_tensor_template *t = &b->templates.items[i];
        fg_tensor_form form = {.rank = t->rank,
                               .part_rank = t->rank,
                               .vocabulary = t->vocabulary,
                               .shape_rule = json_object_get(t->rule, "shape"),
                               .tied_to = t->tied ? t->tied_to : NULL};
        for (uint32_t d = 0; d < t->rank; d++) {
            form.shape[d] = form.part_shape[d] = t->shape[d];
            form.order[d] = (uint8_t)d;
        }
        FG_TRY(fg_tensor_map_add_form(b->map, &form, &b->forms[i], err));
    }
done:
    return status;
}

/* All templates that repeat, for block 0, then block 1 ... */
static fg_status add_blocks(builder *b) {
    fg_error *err = b->err;
    uint64_t blocks = 0;
    for (size_t i = 0; i < b->templates.count; i++) {
        const fg_tensor_template *t = &b->templates.items[i];
        if (t->repeats && t->present && t->count > blocks) blocks = t->count;
    }
    for (uint64_t block = 0; block < blocks; block++) {
        for (size_t i = 0; i < b->templates.count; i++) {
            if (b->templates.items[i].repeats) FG_CALL(add_name(b, i, block));
        }
    }
    return FG_OK;
}

static fg_status add_names(builder *b) {
    fg_error *err = b->err;
    bool blocks_done = false;
    uint64_t names = 0; /* of which there are not more than FG_TENSORS_MAX */
    for (size_t i = 0; i < b->templates.count; i++)
        names += b->templates.items[i].present ? b->templates.items[i].count : 0;
    FG_CALL(fg_tensor_map_reserve(b->map, names, err));
    for (size_t i = 0; i < b->templates.count; i++) {
        bool repeats = b->templates.items[i].repeats;
        if (!repeats)
            FG_CALL(add_name(b, i, 0));
        else if (!blocks_done)
            FG_CALL(add_blocks(b));
        blocks_done = blocks_done || repeats;
    }
    return FG_OK;
}

/* ---- ties ---- */

/* Parts and links have the same indices. */
static fg_status tie(void *context, const char *name, const char *to, fg_error *err) {
    fg_tensor_map *map = context;
    return fg_tensor_map_tie(map, (uint32_t)fg_map_get(&map->by_hf, name), name, fg_map_get(&map->by_hf, to),
                             to, err);
}

static fg_status explain(const fg_tensor_map *map, const char *source, const char *hf, fg_error *err) {
    fg_tensor_templates all;
    uint64_t block = 0;
    char brief[BRIEF];
    fg_status status = read_templates(map->converter, map->config, &all, NULL);
    for (size_t i = 0; i < all.count; i++) {
        const fg_tensor_template *t = &all.items[i];
        if (!fg_tensor_template_matches(t->whole ? t->whole : t->name, hf, &block)) continue;
        if (!t->present)
            fg_hint(err, "\"%s\" belongs to models with %s, which config.json does not have", source,
                    fg_json_brief(json_object_get(t->rule, "if"), brief, sizeof brief));
        else
            fg_hint(err, "\"%s\" has the index %" PRIu64 ", but config.json gives %" PRIu64 " (%s)", source,
                    block, t->count, fg_json_brief(json_object_get(t->rule, "repeat"), brief, sizeof brief));
    }
    fg_tensor_templates_free(&all);
    return status;
}

fg_status fg_name_map_new(fg_tensor_map *map, const fg_converter *converter, const json_t *hf, json_t *lost,
                          fg_error *err) {
    fg_status status = FG_OK;
    builder b = {.map = map, .lost = lost, .err = err};
    *map = (fg_tensor_map){.converter = converter,
                           .config = hf,
                           .file = fg_converter_file(converter),
                           .key = "tensors",
                           .tied_twice = true,
                           .explain = explain};
    FG_TRY(read_templates(converter, hf, &b.templates, err));
    FG_TRY(add_forms(&b));
    FG_TRY(add_names(&b));
    if (!json_array_size(lost)) FG_TRY(fg_tensor_templates_tied(&b.templates, tie, map, err));
done:
    fg_tensor_templates_free(&b.templates);
    fg_free(b.forms);
    fg_buffer_free(&b.hf);
    fg_buffer_free(&b.target);
    fg_buffer_free(&b.back);
    if (status != FG_OK) fg_tensor_map_free(map);
    return status;
}

/* ---- what the templates say without a map ---- */

fg_status fg_name_map_vocabulary_rows(const fg_converter *converter, const json_t *hf, uint64_t *rows,
                                      fg_error *err) {
    fg_tensor_templates all;
    fg_status status = read_templates(converter, hf, &all, err);
    *rows = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (all.items[i].vocabulary && all.items[i].present) *rows = all.items[i].shape[0];
    }
    fg_tensor_templates_free(&all);
    return status;
}

typedef struct pair_list {
    const fg_converter *converter;
    json_t *pairs;
    fg_buffer name, to;
} pair_list;

static fg_status add_pair(void *context, const char *name, const char *to, fg_error *err) {
    pair_list *list = context;
    FG_CALL(rename_one(list->converter, FG_IMPORT, name, &list->name, err));
    FG_CALL(rename_one(list->converter, FG_IMPORT, to, &list->to, err));
    return fg_json_push(list->pairs, json_pack("[s, s]", list->name.data, list->to.data), err);
}

fg_status fg_name_map_tied(const fg_converter *converter, const json_t *hf, json_t **pairs, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensor_templates all = {0};
    pair_list list = {.converter = converter, .pairs = json_array()};
    if (!list.pairs) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while listing tied tensors");
    FG_TRY(read_templates(converter, hf, &all, err));
    FG_TRY(fg_tensor_templates_tied(&all, add_pair, &list, err));
done:
    fg_tensor_templates_free(&all);
    fg_buffer_free(&list.name);
    fg_buffer_free(&list.to);
    if (status != FG_OK) json_decref(list.pairs);
    *pairs = status == FG_OK ? list.pairs : NULL;
    return status;
}
