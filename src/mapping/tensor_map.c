#include "mapping/tensor_map.h"

#include <string.h>

#include "base/alloc.h"

enum { LATELY = 32 };

void fg_tensor_map_forget_names(fg_tensor_map *map) {
    fg_map_free(&map->by_target);
    fg_map_free(&map->by_hf);
    fg_map_free(&map->by_packed);
}

void fg_tensor_map_free(fg_tensor_map *map) {
    for (size_t i = 0; i < map->packed_count; i++) fg_free(map->packed[i].hf);
    fg_free(map->forms);
    fg_free(map->links);
    fg_free(map->parts);
    fg_free(map->ties);
    fg_free(map->packed);
    fg_text_pool_free(&map->targets);
    fg_text_pool_free(&map->hf_names);
    fg_tensor_map_forget_names(map);
    *map = (fg_tensor_map){0};
}

uint32_t fg_tensor_map_part_count(const fg_tensor_map *map, const fg_tensor_link *link) {
    bool last = link + 1 == map->links + map->count;
    return (last ? (uint32_t)map->part_count : link[1].first_part) - link->first_part;
}

const fg_tensor_link *fg_tensor_map_link_of(const fg_tensor_map *map, size_t part) {
    size_t low = 0, high = map->count; /* the last link that begins at the part or before it */
    bool alike = part < map->count && map->links[part].first_part == part; /* links have a part each */
    if (alike && (part + 1 == map->count || map->links[part + 1].first_part > part)) return &map->links[part];
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (map->links[middle].first_part <= part)
            low = middle;
        else
            high = middle;
    }
    return &map->links[low];
}

const fg_packed_tensor *fg_tensor_map_split(const fg_tensor_map *map, const fg_tensor_link *link) {
    return link->split ? &map->packed[link->split - 1] : NULL;
}

static uint64_t part_elements(const fg_tensor_map *map, const fg_tensor_link *link) {
    const fg_tensor_form *form = &map->forms[link->form];
    uint64_t elements = 1; /* who makes a map has checked that it does not overflow */
    for (uint32_t d = 0; d < form->part_rank; d++) elements *= form->part_shape[d];
    return elements;
}

uint64_t fg_packed_tensor_offset(const fg_tensor_map *map, const fg_packed_tensor *packed, size_t part) {
    const fg_tensor_link *link = fg_tensor_map_link_of(map, packed->first_part);
    uint64_t offset = 0;
    for (size_t first = packed->first_part; first < part; link++) {
        size_t end = (size_t)link->first_part + fg_tensor_map_part_count(map, link);
        if (end > part) end = part;
        offset += part_elements(map, link) * (end - first);
        first = end;
    }
    return offset;
}

static bool same_form(const fg_tensor_form *a, const fg_tensor_form *b) {
    return a->rank == b->rank && a->part_rank == b->part_rank && a->shape_rule == b->shape_rule &&
           a->tied_to == b->tied_to && a->vocabulary == b->vocabulary &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           memcmp(a->part_shape, b->part_shape, sizeof a->part_shape) == 0 &&
           memcmp(a->order, b->order, sizeof a->order) == 0;
}

/* A block has few forms, and blocks are alike. */
fg_status fg_tensor_map_add_form(fg_tensor_map *map, const fg_tensor_form *form, uint32_t *index,
                                 fg_error *err) {
    for (size_t i = map->form_count; i > 0 && i + LATELY > map->form_count; i--) {
        if (!same_form(&map->forms[i - 1], form)) continue;
        *index = (uint32_t)(i - 1);
        return FG_OK;
    }
    FG_CALL(fg_grow(&map->forms, map->form_count, &map->form_capacity, sizeof *map->forms, err));
    map->forms[map->form_count] = *form;
    *index = (uint32_t)map->form_count++;
    return FG_OK;
}

static fg_status add_twice(const fg_tensor_map *map, const char *name, fg_error *err) {
    return fg_fail(err, FG_ERR_INPUT, "%s: two rules of \"%s\" are for \"%s\"", map->file, map->key, name);
}

fg_status fg_tensor_map_reserve(fg_tensor_map *map, size_t links, fg_error *err) {
    FG_CALL_NEW(map->links, fg_alloc(links, sizeof *map->links, err));
    map->capacity = links;
    FG_CALL_NEW(map->parts, fg_alloc(links, sizeof *map->parts, err));
    map->part_capacity = links;
    FG_CALL(fg_map_reserve(&map->by_target, links, err));
    return fg_map_reserve(&map->by_hf, links, err);
}

fg_status fg_tensor_map_add_link(fg_tensor_map *map, const char *target, uint32_t form, const char *hf,
                                 fg_error *err) {
    int64_t other;
    const char *name;
    FG_CALL(fg_grow(&map->links, map->count, &map->capacity, sizeof *map->links, err));
    FG_CALL_NEW(name, fg_text_pool_add(&map->targets, target, strlen(target), err));
    FG_CALL(fg_map_add(&map->by_target, name, (uint32_t)map->count, &other, err));
    if (other != FG_MAP_NONE && hf)
        return fg_fail(err, FG_ERR_INPUT, "%s: \"%s\" and \"%s\" both become \"%s\"", map->file,
                       map->parts[map->links[other].first_part], hf, target);
    if (other != FG_MAP_NONE) return add_twice(map, target, err);
    map->links[map->count++] =
        (fg_tensor_link){.target = name, .form = form, .first_part = (uint32_t)map->part_count};
    return FG_OK;
}

/* Before a name of hf is added. */
static fg_status check_name(const fg_tensor_map *map, const char *hf, fg_error *err) {
    if (map->part_count + map->packed_count >= FG_TENSORS_MAX)
        return fg_fail(err, FG_ERR_INPUT, "the configuration asks for more than %d tensors", FG_TENSORS_MAX);
    return fg_map_get(&map->by_packed, hf) == FG_MAP_NONE ? FG_OK : add_twice(map, hf, err);
}

fg_status fg_tensor_map_add_part(fg_tensor_map *map, const char *hf, fg_error *err) {
    int64_t other;
    FG_CALL(check_name(map, hf, err));
    FG_CALL(fg_grow(&map->parts, map->part_count, &map->part_capacity, sizeof *map->parts, err));
    if (!map->as_found) FG_CALL_NEW(hf, fg_text_pool_add(&map->hf_names, hf, strlen(hf), err));
    FG_CALL(fg_map_add(&map->by_hf, hf, (uint32_t)map->part_count, &other, err));
    if (other != FG_MAP_NONE) return add_twice(map, hf, err);
    map->parts[map->part_count++] = hf;
    return FG_OK;
}

fg_status fg_tensor_map_add_packed(fg_tensor_map *map, const fg_packed_tensor *packed, fg_error *err) {
    fg_status status = FG_OK;
    char *hf = packed->hf;
    FG_TRY(check_name(map, hf, err));
    if (fg_map_get(&map->by_hf, hf) != FG_MAP_NONE) FG_TRY(add_twice(map, hf, err));
    FG_TRY(fg_grow(&map->packed, map->packed_count, &map->packed_capacity, sizeof *map->packed, err));
    FG_TRY(fg_map_set(&map->by_packed, hf, (uint32_t)map->packed_count, err));
    map->packed[map->packed_count++] = *packed;
    hf = NULL;
done:
    fg_free(hf);
    return status;
}

fg_status fg_tensor_map_add_split(fg_tensor_map *map, const fg_packed_tensor *packed, fg_error *err) {
    FG_CALL(fg_tensor_map_add_packed(map, packed, err));
    for (size_t i = map->count; i > 0 && map->links[i - 1].first_part >= packed->first_part; i--)
        map->links[i - 1].split = (uint32_t)map->packed_count;
    return FG_OK;
}

fg_status fg_tensor_map_tie(fg_tensor_map *map, uint32_t link, const char *name, int64_t partner,
                            const char *to, fg_error *err) {
    const fg_tensor_link *other = partner == FG_MAP_NONE ? NULL : &map->links[partner];
    if (!other || map->forms[other->form].tied_to || fg_tensor_map_part_count(map, other) != 1)
        return fg_fail(
            err, FG_ERR_INPUT,
            "%s: \"%s\" is tied to \"%s\", which is not there, tied itself or made of several tensors",
            map->file, name, to);
    FG_CALL(fg_grow(&map->ties, map->tie_count, &map->tie_capacity, sizeof *map->ties, err));
    map->ties[map->tie_count++] = (fg_tensor_tie){.link = link, .to = (uint32_t)partner};
    return FG_OK;
}
