/* A tensor map: which tensors of the target are made of which of hf in one configuration.
 *
 * Name rules (mapping/name_map.h), the "weights" of sections (mapping/section_map.h) and migrations
 * (language/migration.h, which call the older side hf) each make one; mapping/tensor_plan.h makes a plan of
 * it.
 *
 * Invariant: names of a side are unique; the parts of a link have one shape and fill the target's tensor one
 * after another, in the order in which they were added; what a link is tied to has one part and is not tied
 * itself. Hf may hold the parts of several links in one tensor, which is split: such parts are no tensors of
 * hf, and all parts of their links are in it.
 */
#ifndef FG_MAPPING_TENSOR_MAP_H
#define FG_MAPPING_TENSOR_MAP_H

#include "base/map.h"
#include "language/converter.h"

/* Names of one model. */
enum { FG_TENSORS_MAX = 4000000 };

/* What links have in common. */
typedef struct fg_tensor_form {
    uint64_t shape[FG_MAX_DIMS], part_shape[FG_MAX_DIMS]; /* of the target's tensor, of each hf tensor */
    uint32_t rank, part_rank;
    uint8_t order[FG_MAX_DIMS]; /* hf dimension of each dimension of the permuted tensor */
    bool vocabulary;            /* its rows are the tokens of the vocabulary */
    const json_t *shape_rule;   /* borrowed; expressions of part_shape, for messages */
    const char *tied_to; /* borrowed; a name, as its rule has it; NULL: not tied in this configuration */
} fg_tensor_form;

/* One tensor of the target. Its parts are those up to the next link's first. */
typedef struct fg_tensor_link {
    const char *target; /* owned by the map */
    uint32_t form, first_part;
    uint32_t
        split; /* 1 + index of the packed tensor that is split into its parts; 0: they are tensors of hf */
} fg_tensor_link;

/* Links of which the first is tied to the second. */
typedef struct fg_tensor_tie {
    uint32_t link, to;
} fg_tensor_tie;

/* A tensor of hf that holds the elements of several parts, one part after another: in another layout than the
 * one that is written, of parts of one link; or one that is split, of the parts of several. */
typedef struct fg_packed_tensor {
    char *hf; /* owned */
    uint32_t first_part, part_count, rank;
    uint64_t shape[FG_MAX_DIMS];
    const json_t *shape_rule; /* borrowed */
} fg_packed_tensor;

typedef struct fg_tensor_map fg_tensor_map;

struct fg_tensor_map {
    const fg_converter *converter; /* borrowed; NULL for a migration */
    const json_t *config;          /* borrowed; the configuration that the map is for */
    const char *file, *key;        /* borrowed; the file and its member that say what the tensors are */
    bool tied_twice;               /* the target holds a tied tensor, too */
    bool as_found; /* made of a source's table: shapes are the tensors' own, of any dtype, and the names of
                    * parts are borrowed */
    fg_tensor_form *forms; /* owned */
    size_t form_count, form_capacity;
    fg_tensor_link *links; /* owned; in the order of the state dict */
    size_t count, capacity;
    const char **parts;               /* owned; names of hf tensors */
    fg_text_pool *targets, *hf_names; /* owned; of links, and of parts unless as_found */
    size_t part_count, part_capacity;
    fg_tensor_tie *ties; /* owned */
    size_t tie_count, tie_capacity;
    fg_packed_tensor *packed; /* owned */
    size_t packed_count, packed_capacity;
    fg_map by_target, by_hf, by_packed; /* index of link, of part, of packed tensor */
    /* Why no rule covers a tensor of the source, which hf calls `hf`: a hint. NULL: the map cannot say. */
    fg_status (*explain)(const fg_tensor_map *map, const char *source, const char *hf, fg_error *err);
};

void fg_tensor_map_free(fg_tensor_map *map);
uint32_t fg_tensor_map_part_count(const fg_tensor_map *map, const fg_tensor_link *link);
/* Gives back what finds links and parts by their names: the tables are as large as all names. */
void fg_tensor_map_forget_names(fg_tensor_map *map);
/* The link that a part belongs to. */
const fg_tensor_link *fg_tensor_map_link_of(const fg_tensor_map *map, size_t part);
/* The packed tensor that is split into the parts of a link, or NULL. */
const fg_packed_tensor *fg_tensor_map_split(const fg_tensor_map *map, const fg_tensor_link *link);
/* Where a part begins in a packed tensor that holds it, in elements. */
uint64_t fg_packed_tensor_offset(const fg_tensor_map *map, const fg_packed_tensor *packed, size_t part);

/* ---- for those that make one ---- */

/* The index of a form: of one like it that was added lately, or of a copy. */
fg_status fg_tensor_map_add_form(fg_tensor_map *map, const fg_tensor_form *form, uint32_t *index,
                                 fg_error *err);
/* Room for so many links of a part each in an empty map, which grows beyond them. */
fg_status fg_tensor_map_reserve(fg_tensor_map *map, size_t links, fg_error *err);
/* A link without parts; copies `target`. `hf` is for messages: the only name that becomes `target`, or NULL.
 * Two links of one name are FG_ERR_INPUT. */
fg_status fg_tensor_map_add_link(fg_tensor_map *map, const char *target, uint32_t form, const char *hf,
                                 fg_error *err);
/* A part of the last link; copies the name (unless as_found). Two of one name are FG_ERR_INPUT. */
fg_status fg_tensor_map_add_part(fg_tensor_map *map, const char *hf, fg_error *err);
/* A packed tensor. Takes its name over, on failure too. */
fg_status fg_tensor_map_add_packed(fg_tensor_map *map, const fg_packed_tensor *packed, fg_error *err);
/* The same for one that is split: its parts are those of the last links, from `first_part` on. */
fg_status fg_tensor_map_add_split(fg_tensor_map *map, const fg_packed_tensor *packed, fg_error *err);
/* Ties the link `name` to the link `to`, as indices and as the names that messages have; FG_ERR_INPUT
 * where the invariant forbids it (`partner` is FG_MAP_NONE: there is no such link). */
fg_status fg_tensor_map_tie(fg_tensor_map *map, uint32_t link, const char *name, int64_t partner,
                            const char *to, fg_error *err);

#endif
