/* A hash map from names to numbers (an index into an array of the caller).
 *
 * Invariant: keys are borrowed: their bytes must outlive the map and not move.
 */
#ifndef FG_BASE_MAP_H
#define FG_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fg_map {
    struct fg_map_slot *slots; /* owned; open addressing */
    size_t capacity;           /* power of two */
    size_t count;
} fg_map;

enum { FG_MAP_NONE = -1 };

/* Room for so many keys without growing on the way. */
fg_status fg_map_reserve(fg_map *map, size_t count, fg_error *err);
/* Adds or replaces. */
fg_status fg_map_set(fg_map *map, const char *key, uint32_t value, fg_error *err);
/* Adds the key unless it is there: `held` is the value that it has then, or FG_MAP_NONE if it was added. */
fg_status fg_map_add(fg_map *map, const char *key, uint32_t value, int64_t *held, fg_error *err);

/* The value, or FG_MAP_NONE. */
int64_t fg_map_get(const fg_map *map, const char *key);

void fg_map_free(fg_map *map);

#endif
