/* The tensor map of a converter that says by the "weights" of its sections what its tensors are
 * (docs/adding-a-model.md, "Tensors by sections").
 */
#ifndef FG_MAPPING_SECTION_MAP_H
#define FG_MAPPING_SECTION_MAP_H

#include "language/declaration.h"
#include "mapping/tensor_map.h"

/* `target` is the completed configuration, which the map borrows. FG_ERR_INPUT: shapes that cannot be
 * worked out, names that meet. */
fg_status fg_section_map_new(fg_tensor_map *map, const fg_converter *converter, const json_t *target,
                             fg_error *err);

/* How many rows the tensors of the vocabulary have; 0 if no rule marks one. */
fg_status fg_section_map_vocabulary_rows(const fg_converter *converter, const json_t *target, uint64_t *rows,
                                         fg_error *err);

/* Whether a converter has such rules. */
bool fg_section_map_used(const fg_converter *converter);

#endif
