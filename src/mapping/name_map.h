/* The tensor map of a converter that says by "tensors" and name rules what its tensors are
 * (docs/adding-a-model.md, "Tensors by names").
 *
 * Each name goes to the target and back: a round trip must give the same hf name, and no two names may become
 * the same. Templates with {i} are written out block by block where the first of them stands.
 */
#ifndef FG_MAPPING_NAME_MAP_H
#define FG_MAPPING_NAME_MAP_H

#include "mapping/tensor_map.h"

/* `hf` is the completed configuration, which the map borrows. Shapes and counts that cannot be worked out,
 * names that meet, names that do not round-trip are FG_ERR_INPUT. With `lost` (array; may be NULL) all of the
 * last are listed there and left out, and if there are any, nothing is tied. */
fg_status fg_name_map_new(fg_tensor_map *map, const fg_converter *converter, const json_t *hf, json_t *lost,
                          fg_error *err);

/* How many rows the tensors of the vocabulary have; 0 if the converter marks none. */
fg_status fg_name_map_vocabulary_rows(const fg_converter *converter, const json_t *hf, uint64_t *rows,
                                      fg_error *err);

/* Pairs of target names that hold the same weight (for `param_sharing`): array of [tied name, name it is
 * tied to]. */
fg_status fg_name_map_tied(const fg_converter *converter, const json_t *hf, json_t **pairs, fg_error *err);

#endif
