#include "mapping/weight_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "mapping/hf_names.h"
#include "mapping/tensor_check.h"
#include "mapping/tensor_tied.h"
#include "mapping/tensor_unmatched.h"

enum { NONE = -1, MEANING = 300 };

/* The source tensor that holds a part or a link. */
typedef struct match {
    int64_t source; /* index, or NONE */
    uint64_t from;  /* the element where it begins */
    const fg_packed_tensor
        *packed; /* borrowed; the source tensor's layout if it holds several parts, else NULL */
} match;

typedef struct planner {
    const fg_converter *converter;
    fg_direction direction;
    fg_dtype cast;
    const fg_row_edits *rows; /* NULL: none are edited */
    fg_plan *plan;
    fg_tensor_map weights;
    fg_hf_names hf_names;
    match *matches;         /* owned; of each part (import) or link (export) */
    size_t name_count;      /* of those */
    unsigned char *claimed; /* owned; by source tensor */
    fg_error *err;
} planner;

static bool importing(const planner *p) {
    return p->direction == FG_IMPORT;
}

/* ---- which source tensor is which ---- */

static const char *source_name(const planner *p, size_t i) {
    return importing(p) ? p->weights.parts[i].hf : p->weights.links[i].target;
}

static const fg_weight_link *link_of(const planner *p, size_t i) {
    return &p->weights.links[importing(p) ? p->weights.parts[i].link : i];
}

static fg_status claim(planner *p, size_t name, const match *found) {
    const fg_tensor *items = p->plan->source.items;
    match *held = &p->matches[name];
    if (held->source != NONE) {
        fg_fail(p->err, FG_ERR_INPUT, "the source has \"%s\" and \"%s\", which hold the same weight",
                items[held->source].name, items[found->source].name);
        return fg_hint(p->err, "remove the one that the model does not use");
    }
    *held = *found;
    p->claimed[found->source] = 1;
    return FG_OK;
}

static uint64_t element_count(uint32_t rank, const uint64_t *shape) {
    uint64_t elements = 1; /* the map has checked that it does not overflow */
    for (uint32_t d = 0; d < rank; d++) elements *= shape[d];
    return elements;
}

static fg_status claim_packed(planner *p, size_t source, const fg_packed_tensor *packed) {
    fg_status status = FG_OK;
    const fg_weight_link *link = link_of(p, packed->first_part);
    match found = {.source = (int64_t)source, .packed = packed};
    for (size_t i = 0; i < packed->part_count; i++) {
        FG_TRY(claim(p, packed->first_part + i, &found));
        found.from += element_count(link->part_rank, link->part_shape);
    }
done:
    return status;
}

/* Hf may hold parts on their own or packed. */
static fg_status match_source(planner *p, size_t source) {
    fg_status status = FG_OK;
    const char *name = p->plan->source.items[source].name;
    const fg_tensor_map *map = &p->weights;
    const match alone = {.source = (int64_t)source};
    int64_t found;
    FG_TRY(
        fg_hf_names_find(&p->hf_names, importing(p) ? &map->by_hf : &map->by_target, name, &found, p->err));
    if (found != FG_MAP_NONE) FG_TRY(claim(p, (size_t)found, &alone));
    if (found != FG_MAP_NONE || !importing(p)) goto done;
    FG_TRY(fg_hf_names_find(&p->hf_names, &map->by_packed, name, &found, p->err));
    if (found != FG_MAP_NONE) FG_TRY(claim_packed(p, source, &map->packed[found]));
done:
    return status;
}

static fg_status match_sources(planner *p) {
    fg_status status = FG_OK;
    fg_error *err = p->err;
    const fg_tensors *source = &p->plan->source;
    p->name_count = importing(p) ? p->weights.part_count : p->weights.count;
    FG_TRY(fg_hf_names_init(&p->hf_names, p->converter, p->direction, source, err));
    FG_NEW(p->matches, p->name_count);
    FG_NEW(p->claimed, source->count);
    for (size_t i = 0; i < p->name_count; i++) p->matches[i].source = NONE;
    for (size_t i = 0; i < source->count; i++) FG_TRY(match_source(p, i));
done:
    return status;
}

/* ---- tied tensors ---- */

/* The index in `matches` of what the tied link is tied to. */
static fg_status partner_of(const planner *p, const fg_weight_link *link, size_t *partner) {
    int64_t other = fg_map_get(&p->weights.by_target, link->tied_to);
    if (other == FG_MAP_NONE || p->weights.links[other].tied_to || p->weights.links[other].part_count != 1)
        return fg_fail(
            p->err, FG_ERR_INPUT,
            "%s: \"%s\" is tied to \"%s\", which is not there, tied itself or made of several tensors",
            fg_converter_file(p->converter), link->target, link->tied_to);
    *partner = importing(p) ? p->weights.links[other].first_part : (size_t)other;
    return FG_OK;
}

static fg_status join_tied(planner *p) {
    fg_status status = FG_OK;
    const fg_tensors *source = &p->plan->source;
    fg_buffer reason = {0};
    size_t partner;
    for (size_t i = 0; i < p->name_count; i++) {
        if (!link_of(p, i)->tied_to) continue;
        FG_TRY(partner_of(p, link_of(p, i), &partner));
        if (p->matches[i].source == NONE) continue;
        int64_t mine = p->matches[i].source, *other = &p->matches[partner].source;
        if (*other == NONE) {
            *other = mine; /* some programs keep the other name of the pair */
            continue;
        }
        FG_TRY(fg_tied_compare(source, &source->items[mine], &source->items[*other], p->err));
        fg_buffer_clear(&reason);
        FG_TRY(
            fg_buffer_printf(&reason, p->err, "tied: the same bytes as \"%s\"", source->items[*other].name));
        FG_TRY(fg_plan_drop(p->plan, (uint32_t)mine, reason.data, p->err));
    }
done:
    fg_buffer_free(&reason);
    return status;
}

/* ---- what is missing, what is unexpected ---- */

/* Drops what a rule drops; collects the rest of what is not claimed. */
static fg_status drop_or_collect(planner *p, fg_unmatched *unmatched) {
    fg_status status = FG_OK;
    const fg_tensors *source = &p->plan->source;
    fg_name_rules *drop = NULL;
    fg_buffer reason = {0};
    bool matched;
    FG_TRY(fg_drop_rules_compile(p->converter, &drop, p->err));
    for (size_t i = 0; i < source->count; i++) {
        if (p->claimed[i]) continue;
        FG_TRY(fg_hf_names_apply(&p->hf_names, drop, source->items[i].name, &reason, &matched, p->err));
        FG_TRY(matched ? fg_plan_drop(p->plan, (uint32_t)i, reason.data, p->err)
                       : fg_unmatched_add_unexpected(unmatched, (uint32_t)i, p->err));
    }
done:
    fg_name_rules_free(&drop);
    fg_buffer_free(&reason);
    return status;
}

static fg_status check_matches(planner *p) {
    fg_status status = FG_OK;
    fg_unmatched unmatched = {.source = &p->plan->source,
                              .prefix = p->hf_names.prefix,
                              .lacking = p->hf_names.lacking,
                              .expected = p->name_count};
    for (size_t i = 0; i < p->name_count; i++) {
        if (p->matches[i].source == NONE && !link_of(p, i)->tied_to)
            FG_TRY(fg_unmatched_add_missing(&unmatched, source_name(p, i), p->err));
    }
    FG_TRY(drop_or_collect(p, &unmatched));
    status = fg_unmatched_check(&unmatched, p->err);
    if (status != FG_OK)
        fg_hint(
            p->err,
            "\"weights\" of %s says which tensors this configuration has; a \"drop\" pattern of a converter "
            "(--converter-path) leaves tensors out",
            fg_converter_file(p->converter));
done:
    fg_unmatched_free(&unmatched);
    return status;
}

/* ---- outputs ---- */

static fg_status add_import_piece(const planner *p, const fg_weight_link *link, size_t part) {
    fg_piece piece;
    fg_piece_permuted(&piece, link->part_rank, link->part_shape, link->order);
    piece.source = (uint32_t)p->matches[part].source;
    piece.from = p->matches[part].from;
    piece.to = p->weights.parts[part].offset;
    return fg_plan_add_piece(p->plan, &piece, p->err);
}

/* Towards hf the box runs in the order of the hf tensor's own dimensions. */
static fg_status add_export_piece(const planner *p, const fg_weight_link *link, size_t part,
                                  uint32_t source) {
    fg_piece box, piece;
    fg_piece_permuted(&box, link->part_rank, link->part_shape, link->order);
    piece = box;
    for (uint32_t d = 0; d < link->part_rank; d++) {
        uint32_t own = link->order[d];
        piece.extent[own] = box.extent[d];
        piece.from_stride[own] = box.to_stride[d];
        piece.to_stride[own] = box.from_stride[d];
    }
    piece.source = source;
    piece.from = p->weights.parts[part].offset;
    return fg_plan_add_piece(p->plan, &piece, p->err);
}

/* The one dtype of a link's parts. */
static fg_status part_dtype(const planner *p, const fg_weight_link *link, fg_dtype *dtype) {
    const fg_tensor *items = p->plan->source.items, *first = &items[p->matches[link->first_part].source];
    *dtype = p->cast == FG_DTYPE_NONE ? first->dtype : p->cast;
    for (size_t i = link->first_part; i < link->first_part + link->part_count; i++) {
        const fg_tensor *tensor = &items[p->matches[i].source];
        if (p->cast != FG_DTYPE_NONE || tensor->dtype == first->dtype) continue;
        fg_fail(p->err, FG_ERR_INPUT, "\"%s\" is %s and \"%s\" is %s, but they become one tensor, \"%s\"",
                first->name, fg_dtype_name(first->dtype), tensor->name, fg_dtype_name(tensor->dtype),
                link->target);
        return fg_hint(p->err, "give the dtype that all weights are to have with --dtype");
    }
    return FG_OK;
}

/* The tensor that holds a part has the part's shape, or that of its layout. */
static fg_status check_part_shape(const planner *p, const fg_weight_link *link, const match *part) {
    char meaning[MEANING];
    const fg_packed_tensor *packed = part->packed;
    const json_t *rule = packed ? packed->shape_rule : json_object_get(link->rule, "shape");
    return fg_tensor_check_shape(
        &p->plan->source, &p->plan->source.items[part->source], packed ? packed->rank : link->part_rank,
        packed ? packed->shape : link->part_shape, fg_json_brief(rule, meaning, sizeof meaning), p->err);
}

static fg_status add_import_output(const planner *p, const fg_weight_link *link) {
    fg_status status = FG_OK;
    fg_dtype dtype;
    const fg_tensors *source = &p->plan->source;
    uint64_t shape[FG_MAX_DIMS];
    bool edited = link->vocabulary && p->rows;
    if (link->tied_to || !link->part_count) goto done;
    for (size_t i = link->first_part; i < link->first_part + link->part_count; i++) {
        const fg_tensor *tensor = &source->items[p->matches[i].source];
        FG_TRY(fg_tensor_check_dtype(source, tensor, p->cast == FG_DTYPE_NONE ? tensor->dtype : p->cast,
                                     p->err));
        FG_TRY(check_part_shape(p, link, &p->matches[i]));
    }
    FG_TRY(part_dtype(p, link, &dtype));
    memcpy(shape, link->shape, sizeof shape);
    if (edited) shape[0] = p->rows->rows;
    FG_TRY(fg_plan_add_output(p->plan, link->target, dtype, link->rank, shape, p->err));
    if (edited)
        FG_TRY(fg_plan_add_rows(p->plan, (uint32_t)p->matches[link->first_part].source, p->rows, p->err));
    for (size_t i = link->first_part; !edited && i < link->first_part + link->part_count; i++)
        FG_TRY(add_import_piece(p, link, i));
done:
    return status;
}

static fg_status add_export_outputs(const planner *p, size_t index) {
    fg_status status = FG_OK;
    const fg_weight_link *link = &p->weights.links[index];
    char meaning[MEANING];
    uint64_t shape[FG_MAX_DIMS];
    bool edited = link->vocabulary && p->rows;
    if (link->tied_to) goto done;
    uint32_t from = (uint32_t)p->matches[index].source;
    const fg_tensor *tensor = &p->plan->source.items[from];
    fg_dtype dtype = p->cast == FG_DTYPE_NONE ? tensor->dtype : p->cast;
    FG_TRY(fg_tensor_check_dtype(&p->plan->source, tensor, dtype, p->err));
    FG_TRY(fg_tensor_check_shape(&p->plan->source, tensor, link->rank, link->shape,
                                 fg_json_brief(json_object_get(link->rule, "shape"), meaning, sizeof meaning),
                                 p->err));
    for (size_t i = link->first_part; i < link->first_part + link->part_count; i++) {
        memcpy(shape, link->part_shape, sizeof shape);
        if (edited) shape[0] = p->rows->rows;
        FG_TRY(fg_plan_add_output(p->plan, p->weights.parts[i].hf, dtype, link->part_rank, shape, p->err));
        FG_TRY(edited ? fg_plan_add_rows(p->plan, from, p->rows, p->err)
                      : add_export_piece(p, link, i, from));
    }
done:
    return status;
}

static fg_status make_plan(planner *p, const json_t *target) {
    fg_status status = FG_OK;
    FG_TRY(fg_tensor_map_new(&p->weights, p->converter, target, p->err));
    FG_TRY(match_sources(p));
    FG_TRY(join_tied(p));
    FG_TRY(check_matches(p));
    for (size_t i = 0; i < p->weights.count; i++)
        FG_TRY(importing(p) ? add_import_output(p, &p->weights.links[i]) : add_export_outputs(p, i));
    FG_TRY(fg_plan_check(p->plan, p->err));
    fg_hf_names_warn(&p->hf_names, &p->plan->source);
done:
    return status;
}

fg_status fg_weight_plan(const fg_converter *converter, fg_direction direction, fg_tensors *source,
                         const json_t *target, fg_dtype cast, const fg_row_edits *rows, fg_plan *plan,
                         fg_error *err) {
    planner p = {.converter = converter,
                 .direction = direction,
                 .cast = cast,
                 .rows = rows && rows->rows ? rows : NULL,
                 .plan = plan,
                 .err = err};
    *plan = (fg_plan){.source = *source};
    *source = (fg_tensors){0};
    fg_status status = make_plan(&p, target);
    fg_tensor_map_free(&p.weights);
    fg_free(p.matches);
    fg_hf_names_free(&p.hf_names);
    fg_free(p.claimed);
    if (status != FG_OK) fg_plan_free(plan);
    return status;
}
