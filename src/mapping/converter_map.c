#include "mapping/converter_map.h"

#include "mapping/name_map.h"
#include "mapping/section_map.h"

fg_status fg_converter_map_new(fg_tensor_map *map, const fg_converter *converter, fg_completed config,
                               json_t *lost, fg_error *err) {
    if (fg_section_map_used(converter)) return fg_section_map_new(map, converter, config.target, err);
    return fg_name_map_new(map, converter, config.hf, lost, err);
}

fg_status fg_converter_vocabulary_rows(const fg_converter *converter, fg_completed config, uint64_t *rows,
                                       fg_error *err) {
    if (fg_section_map_used(converter))
        return fg_section_map_vocabulary_rows(converter, config.target, rows, err);
    return fg_name_map_vocabulary_rows(converter, config.hf, rows, err);
}
