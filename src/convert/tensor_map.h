/* Which tensors of the target are made of which of hf, from the "weights" of a converter's sections and one configuration.
 *
 * A rule, keyed by the target's name (or "fast_llm" gives it), relative to the section:
 *   {"hf": NAME or [NAME, ...], "shape": [EXPRESSION, ...]}   the hf tensors, all of this shape; the target's tensor is these one after
 *                          another along its first dimension, each of them permuted before
 *     "each": EXPRESSION   the names repeat that often, {i} counts        "permute": [1, 0]   order of the hf dimensions in the target
 *     "other": [LAYOUT, ...]   other layouts in which hf may hold the same: {"hf", "shape", "each"}, tensors whose elements, one tensor after
 *                          another, are those of the first layout, one after another; NAME alone is another name. An import reads any, an
 *                          export writes the first
 *     "fast_llm_shape": [EXPRESSION, ...]   the target's shape where it is not that of the permuted tensors, one below another
 *     "repeat": EXPRESSION  there are that many such tensors, {i} in the target's name and in hf's ({i+1} is one more)
 *     "if": EXPRESSION     the tensor is there   "vocabulary": true       its rows are those of the vocabulary
 *     "tied_to": the full name of another target tensor, "tied_if": EXPRESSION   then the tensor is on neither side
 *   {"of": LABEL, "hf": PREFIX}   the rules of the section that the declaration LABEL leads to, both names being prefixes;
 *                          {i} counts the blocks of a sequence, {name} names the entries of a dictionary
 *     "with": {NAME: EXPRESSION}   what $NAME means inside    "repeat": EXPRESSION   (with {i}) once for each of so many
 * A section's "let" defines $names like "with". Expressions see the target's completed configuration, at the section's place.
 *
 * Invariant: names of a side are unique; the parts of a link fill the target's tensor, in order.
 */
#ifndef FG_CONVERT_TENSOR_MAP_H
#define FG_CONVERT_TENSOR_MAP_H

#include "base/map.h"
#include "convert/declaration.h"

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

/* `target` is the completed configuration (fg_translation.target). FG_ERR_INPUT: shapes that cannot be worked out, names that meet. */
fg_status fg_tensor_map_new(fg_tensor_map *weights, const fg_converter *converter,
                            const fg_converter_dirs *dirs, const json_t *target, fg_error *err);
void fg_tensor_map_free(fg_tensor_map *weights);

/* How many rows the tensors of the vocabulary have; 0 if no rule marks one. */
fg_status fg_tensor_map_vocabulary_rows(const fg_converter *converter, const fg_converter_dirs *dirs,
                                        const json_t *target, uint64_t *rows, fg_error *err);

/* Load-time check of the rules of all sections: known keys, expressions that parse, labels that lead to sections. */
fg_status fg_tensor_map_check(const fg_declarations *declarations, const fg_layers *layers, fg_error *err);

/* Whether a converter says by "weights" what its tensors are (else by "tensors" and name rules). */
bool fg_tensor_map_used(const fg_converter *converter);

#endif
