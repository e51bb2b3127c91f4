/* Which tensors of the target are made of which of hf, from the "weights" of a converter's sections and one
 * configuration. The rules are described in docs/adding-a-model.md ("Tensors by sections").
 *
 * Invariant: names of a side are unique; the parts of a link fill the target's tensor, in order.
 */
#ifndef FG_MAPPING_TENSOR_MAP_H
#define FG_MAPPING_TENSOR_MAP_H

#include "base/map.h"
#include "language/converter.h"

/* One hf tensor. */
typedef struct fg_weight_part {
    char *hf; /* owned */
    uint32_t link;
    uint64_t offset; /* in elements of the target's tensor */
} fg_weight_part;

/* A tensor of hf in another layout: the elements of several parts of one link, one part after another. */
typedef struct fg_packed_tensor {
    char *hf; /* owned */
    size_t first_part, part_count;
    uint32_t rank;
    uint64_t shape[FG_MAX_DIMS];
    const json_t *shape_rule; /* borrowed */
} fg_packed_tensor;

/* One tensor of the target. */
typedef struct fg_weight_link {
    char *target; /* owned */
    uint32_t rank, part_rank;
    uint64_t shape[FG_MAX_DIMS], part_shape[FG_MAX_DIMS]; /* of the target's tensor, of each hf tensor */
    uint8_t order[FG_MAX_DIMS]; /* hf dimension of each dimension of the permuted tensor */
    size_t first_part, part_count;
    const json_t *rule;  /* borrowed */
    const char *tied_to; /* borrowed; NULL unless it is tied in this configuration */
    bool vocabulary;
} fg_weight_link;

typedef struct fg_tensor_map {
    fg_weight_link *links; /* owned */
    size_t count, capacity;
    fg_weight_part *parts; /* owned */
    size_t part_count, part_capacity;
    fg_packed_tensor *packed; /* owned */
    size_t packed_count, packed_capacity;
    fg_map by_target, by_hf, by_packed; /* index of link, of part, of packed tensor */
} fg_tensor_map;

/* `target` is the completed configuration (fg_translation.target). FG_ERR_INPUT: shapes that cannot be worked
 * out, names that meet. */
fg_status fg_tensor_map_new(fg_tensor_map *weights, const fg_converter *converter, const json_t *target,
                            fg_error *err);
void fg_tensor_map_free(fg_tensor_map *weights);

/* How many rows the tensors of the vocabulary have; 0 if no rule marks one. */
fg_status fg_tensor_map_vocabulary_rows(const fg_converter *converter, const json_t *target, uint64_t *rows,
                                        fg_error *err);

/* Whether a converter says by "weights" what its tensors are (else by "tensors" and name rules). */
bool fg_tensor_map_used(const fg_converter *converter);

#endif
