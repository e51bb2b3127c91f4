#include "mapping/tensor_plan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "mapping/hf_names.h"
#include "mapping/tensor_check.h"
#include "mapping/tensor_tied.h"
#include "mapping/tensor_unmatched.h"
#include "plan/plan_check.h"

static const uint32_t NO_TENSOR = UINT32_MAX;

/* The source tensor that holds a part or a link. */
typedef struct match {
    uint32_t source; /* index, or NO_TENSOR */
    uint32_t packed; /* the layout of a source tensor that holds several parts, or NO_TENSOR */
} match;

typedef struct planner {
    fg_tensor_map *map;
    fg_direction direction;
    fg_dtype cast;
    const fg_row_edits *rows;   /* NULL: none are edited */
    const fg_tensor_gaps *gaps; /* NULL: there must be none */
    fg_plan *plan;
    fg_hf_names hf_names;
    match *matches;         /* owned; of each part (import) or link (export) */
    size_t name_count;      /* of those */
    unsigned char *claimed; /* owned; by source tensor */
    fg_buffer scratch;
    fg_error *err;
} planner;

static bool importing(const planner *p) {
    return p->direction == FG_IMPORT;
}

static const fg_tensor *source_of(const planner *p, size_t name) {
    return &p->plan->source.items[p->matches[name].source];
}

static bool is_matched(const planner *p, size_t name) {
    return p->matches[name].source != NO_TENSOR;
}

static const char *source_name(const planner *p, size_t name) {
    return importing(p) ? p->map->parts[name] : p->map->links[name].target;
}

/* The tensor of hf that is split into a part, or NULL. */
static const fg_packed_tensor *split_of(const planner *p, size_t part) {
    return fg_tensor_map_split(p->map, fg_tensor_map_link_of(p->map, part));
}

static const fg_tensor_link *link_of(const planner *p, size_t name) {
    return importing(p) ? fg_tensor_map_link_of(p->map, name) : &p->map->links[name];
}

static const fg_tensor_form *form_of(const planner *p, const fg_tensor_link *link) {
    return &p->map->forms[link->form];
}

static bool is_tied(const planner *p, const fg_tensor_link *link) {
    return form_of(p, link)->tied_to != NULL;
}

/* Tied tensors are left out where the destination has them once. */
static bool is_written(const planner *p, const fg_tensor_link *link) {
    return !is_tied(p, link) || (importing(p) && p->map->tied_twice);
}

/* ---- which source tensor is which ---- */

static fg_status claim(planner *p, size_t name, match found) {
    match *held = &p->matches[name];
    if (held->source != NO_TENSOR) {
        fg_fail(p->err, FG_ERR_INPUT, "the source has \"%s\" and \"%s\", which hold the same weight",
                source_of(p, name)->name, p->plan->source.items[found.source].name);
        return fg_hint(p->err, "remove the one that the model does not use");
    }
    *held = found;
    p->claimed[found.source] = 1;
    return FG_OK;
}

/* Hf may hold parts on their own or packed. */
static fg_status match_hf(planner *p, const char *name, match found) {
    fg_error *err = p->err;
    const fg_tensor_map *map = p->map;
    int64_t index;
    FG_CALL(fg_hf_names_find(&p->hf_names, &map->by_hf, name, &index, err));
    if (index != FG_MAP_NONE && !split_of(p, (size_t)index)) return claim(p, (size_t)index, found);
    FG_CALL(fg_hf_names_find(&p->hf_names, &map->by_packed, name, &index, err));
    if (index == FG_MAP_NONE) return FG_OK;
    found.packed = (uint32_t)index;
    for (uint32_t i = 0; i < map->packed[index].part_count; i++)
        FG_CALL(claim(p, map->packed[index].first_part + i, found));
    return FG_OK;
}

/* What hf calls a tensor of the target, in `scratch`, by the rules alone: they may know names that the
 * target had once. */
static fg_status rename_target(planner *p, const char *name, bool *matched, fg_error *err) {
    fg_name_rules *rules = p->map->converter ? fg_converter_rules(p->map->converter, FG_EXPORT) : NULL;
    *matched = false;
    return rules ? fg_name_rules_apply(rules, name, &p->scratch, matched, err) : FG_OK;
}

static fg_status match_target(planner *p, const char *name, match found) {
    fg_error *err = p->err;
    int64_t index = fg_map_get(&p->map->by_target, name);
    bool matched;
    if (index == FG_MAP_NONE) {
        FG_CALL(rename_target(p, name, &matched, err));
        if (matched) index = fg_map_get(&p->map->by_hf, p->scratch.data);
        if (index != FG_MAP_NONE) index = fg_tensor_map_link_of(p->map, (size_t)index) - p->map->links;
    }
    if (index != FG_MAP_NONE) FG_CALL(claim(p, (size_t)index, found));
    return FG_OK;
}

static fg_status match_sources(planner *p) {
    fg_status status = FG_OK;
    fg_error *err = p->err;
    const fg_tensors *source = &p->plan->source;
    match found = {.packed = NO_TENSOR};
    p->name_count = importing(p) ? p->map->part_count : p->map->count;
    if (p->map->converter)
        FG_TRY(fg_hf_names_init(&p->hf_names, p->map->converter, p->direction, source, err));
    FG_NEW(p->matches, p->name_count);
    FG_NEW(p->claimed, source->count);
    for (size_t i = 0; i < p->name_count; i++) p->matches[i].source = NO_TENSOR;
    for (; found.source < source->count; found.source++)
        FG_TRY((importing(p) ? match_hf : match_target)(p, source->items[found.source].name, found));
done:
    return status;
}

/* ---- tied tensors ---- */

static fg_status join_pair(planner *p, match *mine, match *other) {
    fg_error *err = p->err;
    const fg_tensors *source = &p->plan->source;
    if (other->source == NO_TENSOR) {
        *other = *mine; /* some programs keep the other name of the pair */
    } else if (mine->source == NO_TENSOR) {
        *mine = *other;
    } else {
        FG_CALL(fg_tied_compare(source, &source->items[mine->source], &source->items[other->source], err));
        if (importing(p) && p->map->tied_twice) return FG_OK;
        fg_buffer_clear(&p->scratch);
        FG_CALL(fg_buffer_printf(&p->scratch, err, "tied: the same bytes as \"%s\"",
                                 source->items[other->source].name));
        FG_CALL(fg_plan_drop(p->plan, mine->source, p->scratch.data, err));
    }
    return FG_OK;
}

/* What a link is tied to has one part; a tied link may have several. */
static fg_status join_tied(planner *p) {
    fg_error *err = p->err;
    for (size_t i = 0; i < p->map->tie_count; i++) {
        const fg_tensor_tie *tie = &p->map->ties[i];
        const fg_tensor_link *link = &p->map->links[tie->link];
        uint32_t count = importing(p) ? fg_tensor_map_part_count(p->map, link) : 1;
        match *mine = &p->matches[importing(p) ? link->first_part : tie->link];
        match *other = &p->matches[importing(p) ? p->map->links[tie->to].first_part : tie->to];
        for (uint32_t k = 0; k < count; k++) FG_CALL(join_pair(p, &mine[k], other));
    }
    return FG_OK;
}

/* ---- what is missing, what is unexpected ---- */

static fg_status add_gap(const planner *p, json_t *gaps, const char *name) {
    return gaps ? fg_json_push(gaps, json_string(name), p->err) : FG_OK;
}

/* A tensor that is split is missing once, not with each part. */
static fg_status list_missing(const planner *p, json_t *missing) {
    fg_error *err = p->err;
    for (size_t i = 0; i < p->name_count; i++) {
        const fg_packed_tensor *split = importing(p) ? split_of(p, i) : NULL;
        if (is_matched(p, i) || (!p->gaps && is_tied(p, link_of(p, i))) || (split && split->first_part != i))
            continue;
        FG_CALL(add_gap(p, missing, split ? split->hf : source_name(p, i)));
    }
    return FG_OK;
}

/* The converter's "drop" as name rules: a whole name that matches becomes the reason why it is dropped. */
static fg_status compile_drop_rules(const fg_converter *converter, fg_name_rules **drop, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer pattern = {0}, reason = {0};
    json_t *rules = json_array(), *entry;
    FG_JSON_EACH(json_object_get(fg_converter_document(converter), "drop"), i, entry) {
        fg_buffer_clear(&pattern);
        fg_buffer_clear(&reason);
        const char *given = json_string_value(json_array_get(entry, 0)),
                   *why = json_string_value(json_array_get(entry, 1));
        if (!given || !why)
            FG_FAIL(err, FG_ERR_INPUT, "%s: drop/%zu: expected [pattern, reason]",
                    fg_converter_file(converter), i);
        FG_TRY(fg_buffer_printf(&pattern, err, "(?:%s)\\z", given));
        FG_TRY(fg_buffer_add(&reason, "", 0, err));
        for (const char *c = why; *c; c++)
            FG_TRY(fg_buffer_add(&reason, *c == '\\' ? "\\\\" : c, *c == '\\' ? 2 : 1, err));
        FG_TRY(fg_json_push(rules, json_pack("[s, s]", pattern.data, reason.data), err));
    }
    FG_TRY(fg_name_rules_compile(drop, rules, NULL, fg_converter_file(converter), "drop", NULL, err));
done:
    json_decref(rules);
    fg_buffer_free(&pattern);
    fg_buffer_free(&reason);
    return status;
}

/* Drops what a rule drops; lists the rest of what is not claimed, which gaps let drop, too. */
static fg_status list_unexpected(planner *p, json_t *unexpected) {
    fg_error *err = p->err;
    fg_status status = FG_OK;
    const fg_tensors *source = &p->plan->source;
    fg_name_rules *drop = NULL;
    bool matched;
    if (p->map->converter) FG_TRY(compile_drop_rules(p->map->converter, &drop, err));
    for (uint32_t i = 0; i < source->count; i++) {
        if (p->claimed[i]) continue;
        const char *name = source->items[i].name;
        FG_TRY(fg_hf_names_apply(&p->hf_names, drop, name, &p->scratch, &matched, err));
        if (!matched) FG_TRY(add_gap(p, unexpected, name));
        if (matched || p->gaps)
            FG_TRY(
                fg_plan_drop(p->plan, i, matched ? p->scratch.data : "no rule covers it (--no-strict)", err));
    }
done:
    fg_name_rules_free(&drop);
    return status;
}

/* Why no rule covers a source tensor, as a hint. */
static fg_status explain(planner *p, const char *source) {
    bool renamed = false;
    if (!importing(p)) rename_target(p, source, &renamed, NULL);
    if (p->map->explain) p->map->explain(p->map, source, renamed ? p->scratch.data : source, p->err);
    return fg_hint(
        p->err,
        "\"%s\" of %s says which tensors this configuration has; a \"drop\" pattern of a converter "
        "(--converter-path) leaves tensors out",
        p->map->key, p->map->file);
}

/* How many tensors the source should have. */
static size_t count_expected(const planner *p) {
    size_t count = p->name_count;
    for (size_t i = 0; i < p->map->packed_count && importing(p); i++) {
        const fg_packed_tensor *packed = &p->map->packed[i];
        if (split_of(p, packed->first_part) == packed) count -= packed->part_count - 1;
    }
    return count;
}

static fg_status refuse_unmatched(planner *p, const json_t *missing, const json_t *unexpected) {
    const fg_unmatched unmatched = {.source = &p->plan->source,
                                    .prefix = p->hf_names.prefix,
                                    .lacking = p->hf_names.lacking,
                                    .expected = count_expected(p),
                                    .missing = missing,
                                    .unexpected = unexpected};
    fg_status status = fg_unmatched_check(&unmatched, p->err);
    if (status != FG_OK && json_array_size(unexpected))
        explain(p, json_string_value(json_array_get(unexpected, 0)));
    return status;
}

static fg_status check_matches(planner *p) {
    fg_error *err = p->err;
    fg_status status = FG_OK;
    json_t *missing = p->gaps ? json_incref(p->gaps->missing) : json_array();
    json_t *unexpected = p->gaps ? json_incref(p->gaps->unexpected) : json_array();
    if (!p->gaps && (!missing || !unexpected))
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while matching tensors");
    FG_TRY(list_missing(p, missing));
    FG_TRY(list_unexpected(p, unexpected));
    if (!p->gaps) FG_TRY(refuse_unmatched(p, missing, unexpected));
done:
    json_decref(missing);
    json_decref(unexpected);
    return status;
}

/* ---- outputs ---- */

static fg_dtype output_dtype(const planner *p, const fg_tensor *tensor) {
    return p->cast == FG_DTYPE_NONE ? tensor->dtype : p->cast;
}

static fg_status check_tensor(const planner *p, const fg_tensor *tensor, uint32_t rank, const uint64_t *shape,
                              const json_t *rule) {
    fg_error *err = p->err;
    const fg_tensors *source = &p->plan->source;
    if (!p->map->as_found || p->cast != FG_DTYPE_NONE)
        FG_CALL(fg_tensor_check_dtype(source, tensor, output_dtype(p, tensor), err));
    if (!p->map->as_found) FG_CALL(fg_tensor_check_shape(source, tensor, rank, shape, rule, err));
    return FG_OK;
}

/* The tensor that holds a part has the part's shape, or that of its layout. */
static fg_status check_part(const planner *p, const fg_tensor_form *form, size_t part) {
    uint32_t layout = p->matches[part].packed;
    const fg_packed_tensor *packed = layout == NO_TENSOR ? NULL : &p->map->packed[layout];
    return packed ? check_tensor(p, source_of(p, part), packed->rank, packed->shape, packed->shape_rule)
                  : check_tensor(p, source_of(p, part), form->part_rank, form->part_shape, form->shape_rule);
}

/* What becomes one tensor has one dtype. */
static fg_status check_dtype(const planner *p, const fg_tensor *first, const fg_tensor *tensor,
                             const char *becomes) {
    if (p->cast != FG_DTYPE_NONE || tensor->dtype == first->dtype) return FG_OK;
    fg_fail(p->err, FG_ERR_INPUT, "\"%s\" is %s and \"%s\" is %s, but they become one tensor, \"%s\"",
            first->name, fg_dtype_name(first->dtype), tensor->name, fg_dtype_name(tensor->dtype), becomes);
    return fg_hint(p->err, "give the dtype that all weights are to have with --dtype");
}

/* The parts of a link have one dtype. */
static fg_status check_dtypes(const planner *p, const fg_tensor_link *link) {
    fg_error *err = p->err;
    uint32_t count = fg_tensor_map_part_count(p->map, link);
    for (size_t i = 1; i < count; i++)
        FG_CALL(
            check_dtype(p, source_of(p, link->first_part), source_of(p, link->first_part + i), link->target));
    return FG_OK;
}

/* The name is one of plan->names. */
static fg_status begin_output(const planner *p, const char *name, const fg_tensor *like, uint32_t rank,
                              const uint64_t *shape, bool edited) {
    uint64_t own[FG_MAX_DIMS];
    memcpy(own, shape, sizeof own);
    if (edited) own[0] = p->rows->rows;
    return fg_plan_add_named_output(p->plan, name, output_dtype(p, like), rank, own, p->err);
}

static bool is_plain(const fg_tensor_form *form) {
    for (uint32_t d = 0; d < form->part_rank; d++) {
        if (form->order[d] != d) return false;
    }
    return true;
}

/* Towards hf the box runs in the order of the hf tensor's own dimensions. */
static void reverse_piece(const fg_tensor_form *form, fg_piece *piece) {
    const fg_piece box = *piece;
    for (uint32_t d = 0; d < form->part_rank; d++) {
        uint32_t own = form->order[d];
        piece->extent[own] = box.extent[d];
        piece->from_stride[own] = box.to_stride[d];
        piece->to_stride[own] = box.from_stride[d];
    }
}

/* Part `index` of a link, as a piece of the output that was begun last. */
static fg_status add_part(const planner *p, const fg_tensor_link *link, uint32_t index) {
    const fg_tensor_form *form = form_of(p, link);
    const match *held = &p->matches[importing(p) ? link->first_part + index : (size_t)(link - p->map->links)];
    const fg_packed_tensor *packed = held->packed == NO_TENSOR ? NULL : &p->map->packed[held->packed];
    const fg_packed_tensor *split = importing(p) ? NULL : fg_tensor_map_split(p->map, link);
    uint64_t elements = 1; /* the map has checked that it does not overflow */
    fg_piece piece;
    for (uint32_t d = 0; d < form->part_rank; d++) elements *= form->part_shape[d];
    if (!elements || (fg_tensor_map_part_count(p->map, link) == 1 && !packed && !split && is_plain(form)))
        return fg_plan_add_whole(p->plan, held->source, p->err);
    fg_piece_permuted(&piece, form->part_rank, form->part_shape, form->order);
    piece.source = held->source;
    if (importing(p)) {
        piece.from = packed ? fg_packed_tensor_offset(p->map, packed, link->first_part + index) : 0;
        piece.to = elements * index;
    } else {
        piece.from = elements * index;
        reverse_piece(form, &piece);
        if (split) piece.to = fg_packed_tensor_offset(p->map, split, link->first_part + index);
    }
    return fg_plan_add_piece(p->plan, &piece, p->err);
}

/* What is there of a tensor that is not made, for want of its other parts. */
static fg_status drop_parts(const planner *p, const fg_tensor_link *link, bool *lacking) {
    fg_error *err = p->err;
    uint32_t count = fg_tensor_map_part_count(p->map, link);
    *lacking = false;
    for (uint32_t i = 0; i < count; i++) *lacking = *lacking || !is_matched(p, link->first_part + i);
    const match *held = &p->matches[link->first_part];
    for (uint32_t i = 0; *lacking && i < count; i++) {
        if (held[i].source == NO_TENSOR || (i && held[i].source == held[i - 1].source)) continue;
        FG_CALL(add_gap(p, p->gaps->unexpected, p->plan->source.items[held[i].source].name));
        FG_CALL(fg_plan_drop(p->plan, held[i].source, "other parts of its tensor are missing (--no-strict)",
                             err));
    }
    return FG_OK;
}

static fg_status add_import_output(const planner *p, const fg_tensor_link *link) {
    fg_error *err = p->err;
    const fg_tensor_form *form = form_of(p, link);
    uint32_t count = fg_tensor_map_part_count(p->map, link);
    bool edited = form->vocabulary && p->rows, lacking = false;
    if (!is_written(p, link) || !count) return FG_OK;
    if (p->gaps) FG_CALL(drop_parts(p, link, &lacking));
    if (lacking) return FG_OK;
    for (uint32_t i = 0; i < count; i++) FG_CALL(check_part(p, form, link->first_part + i));
    FG_CALL(check_dtypes(p, link));
    FG_CALL(begin_output(p, link->target, source_of(p, link->first_part), form->rank, form->shape, edited));
    if (edited) FG_CALL(fg_plan_add_rows(p->plan, p->matches[link->first_part].source, p->rows, err));
    for (uint32_t i = 0; !edited && i < count; i++) FG_CALL(add_part(p, link, i));
    return FG_OK;
}

/* What is there of the links that hf has in one tensor; a part that is missing is named in `gaps`. */
static fg_status check_joined(const planner *p, const fg_tensor_link *first, size_t count, bool *whole) {
    fg_error *err = p->err;
    size_t at = (size_t)(first - p->map->links);
    const fg_tensor *like = NULL;
    *whole = true;
    for (size_t i = at; i < at + count; i++) *whole = *whole && is_matched(p, i);
    for (size_t i = at; i < at + count; i++) {
        if (!is_matched(p, i)) continue;
        const fg_tensor_form *form = form_of(p, &p->map->links[i]);
        const fg_tensor *tensor = source_of(p, i);
        if (!*whole) {
            FG_CALL(add_gap(p, p->gaps->unexpected, tensor->name));
            FG_CALL(fg_plan_drop(p->plan, p->matches[i].source,
                                 "other parts of its tensor are missing (--no-strict)", err));
            continue;
        }
        FG_CALL(check_tensor(p, tensor, form->rank, form->shape, form->shape_rule));
        if (like) FG_CALL(check_dtype(p, like, tensor, fg_tensor_map_split(p->map, first)->hf));
        if (!like) like = tensor;
    }
    return FG_OK;
}

/* A tensor of hf that links from `first` on are joined to. */
static fg_status add_joined_output(const planner *p, const fg_tensor_link *first) {
    fg_error *err = p->err;
    const fg_packed_tensor *split = fg_tensor_map_split(p->map, first);
    bool whole;
    size_t count = 1;
    if (first->first_part != split->first_part) return FG_OK; /* it is there already */
    while (first + count < p->map->links + p->map->count && first[count].split == first->split) count++;
    FG_CALL(check_joined(p, first, count, &whole));
    if (!whole) return FG_OK;
    const char *name = fg_text_pool_add(&p->plan->names, split->hf, strlen(split->hf), err);
    if (!name) return FG_ERR_MEMORY;
    FG_CALL(begin_output(p, name, source_of(p, (size_t)(first - p->map->links)), split->rank, split->shape,
                         false));
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < fg_tensor_map_part_count(p->map, &first[i]); k++)
            FG_CALL(add_part(p, &first[i], k));
    }
    return FG_OK;
}

static fg_status add_export_outputs(const planner *p, const fg_tensor_link *link) {
    fg_error *err = p->err;
    const fg_tensor_form *form = form_of(p, link);
    size_t index = (size_t)(link - p->map->links);
    uint32_t count = fg_tensor_map_part_count(p->map, link);
    bool edited = form->vocabulary && p->rows;
    if (link->split) return add_joined_output(p, link);
    if (!is_written(p, link) || !is_matched(p, index)) return FG_OK;
    const fg_tensor *tensor = source_of(p, index);
    FG_CALL(check_tensor(p, tensor, form->rank, form->shape, form->shape_rule));
    for (uint32_t i = 0; i < count; i++) {
        FG_CALL(begin_output(p, p->map->parts[link->first_part + i], tensor, form->part_rank,
                             form->part_shape, edited));
        FG_CALL(edited ? fg_plan_add_rows(p->plan, p->matches[index].source, p->rows, err)
                       : add_part(p, link, i));
    }
    return FG_OK;
}

static fg_status make_plan(planner *p) {
    fg_error *err = p->err;
    FG_CALL(match_sources(p));
    FG_CALL(join_tied(p));
    FG_CALL(check_matches(p));
    fg_tensor_map_forget_names(p->map);
    p->plan->names = fg_text_pool_share(importing(p) ? p->map->targets : p->map->hf_names);
    FG_CALL(
        fg_plan_reserve(p->plan, importing(p) ? p->map->count : p->map->part_count, p->map->part_count, err));
    for (size_t i = 0; i < p->map->count; i++)
        FG_CALL((importing(p) ? add_import_output : add_export_outputs)(p, &p->map->links[i]));
    fg_hf_names_warn(&p->hf_names, &p->plan->source);
    return FG_OK;
}

fg_status fg_tensor_plan(fg_tensor_map *map, fg_direction direction, fg_tensors *source,
                         const fg_tensor_plan_options *options, fg_plan *plan, fg_error *err) {
    planner p = {.map = map,
                 .direction = direction,
                 .cast = options->cast,
                 .rows = options->rows && options->rows->rows ? options->rows : NULL,
                 .gaps = options->gaps,
                 .plan = plan,
                 .err = err};
    *plan = (fg_plan){.source = *source};
    *source = (fg_tensors){0};
    fg_status status = make_plan(&p);
    fg_free(p.matches);
    fg_free(p.claimed);
    fg_hf_names_free(&p.hf_names);
    fg_buffer_free(&p.scratch);
    fg_tensor_map_free(map);
    fg_alloc_trim();
    if (status == FG_OK) status = fg_plan_check(plan, err); /* which needs memory of its own */
    if (status != FG_OK) fg_plan_free(plan);
    return status;
}

const char *fg_plan_main_dtype(const fg_plan *plan) {
    uint64_t bytes[FG_DTYPE_COUNT] = {0};
    fg_dtype best = FG_DTYPE_NONE;
    for (size_t i = 0; i < plan->output_count; i++) {
        const fg_output *output = &plan->outputs[i];
        uint64_t *sum = &bytes[output->dtype];
        if (fg_dtype_is_float(output->dtype) && !fg_add(*sum, fg_output_bytes(output), sum))
            *sum = UINT64_MAX;
        if (fg_dtype_is_float(output->dtype) && best == FG_DTYPE_NONE) best = output->dtype;
    }
    for (int d = 0; d < FG_DTYPE_COUNT; d++) {
        if (bytes[d] > bytes[best]) best = (fg_dtype)d;
    }
    return best == FG_DTYPE_NONE ? NULL : fg_dtype_name(best);
}
