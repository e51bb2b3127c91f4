/* The tensor map of a converter, whichever way it says what its tensors are. */
#ifndef FG_MAPPING_CONVERTER_MAP_H
#define FG_MAPPING_CONVERTER_MAP_H

#include "mapping/tensor_map.h"

/* Completed configurations of both sides (as in fg_translation); a converter needs only one of them. */
typedef struct fg_completed {
    const json_t *hf, *target;
} fg_completed;

/* The map borrows the configurations. `lost`: as for fg_name_map_new; sections lose no names. */
fg_status fg_converter_map_new(fg_tensor_map *map, const fg_converter *converter, fg_completed config,
                               json_t *lost, fg_error *err);

/* How many rows the tensors of the vocabulary have; 0 if no rule marks one. */
fg_status fg_converter_vocabulary_rows(const fg_converter *converter, fg_completed config, uint64_t *rows,
                                       fg_error *err);

#endif
