#include "base/map.h"

#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"

struct fg_map_slot {
    const char *key; /* NULL: free */
    uint64_t hash;
    int64_t value;
};

static struct fg_map_slot *find_slot(const fg_map *map, const char *key, uint64_t hash) {
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct fg_map_slot *slot = &map->slots[i];
        if (!slot->key || (slot->hash == hash && strcmp(slot->key, key) == 0)) return slot;
    }
}

static fg_status enlarge(fg_map *map, fg_error *err) {
    fg_map larger = {.capacity = map->capacity ? map->capacity * 2 : 16, .count = map->count};
    FG_CALL_NEW(larger.slots, fg_alloc(larger.capacity, sizeof *larger.slots, err));
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key) *find_slot(&larger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    }
    fg_free(map->slots);
    *map = larger;
    return FG_OK;
}

fg_status fg_map_set(fg_map *map, const char *key, int64_t value, fg_error *err) {
    if (map->count * 2 >= map->capacity) {
        FG_CALL(enlarge(map, err));
    }
    uint64_t hash = XXH3_64bits(key, strlen(key));
    struct fg_map_slot *slot = find_slot(map, key, hash);
    if (!slot->key) map->count++;
    *slot = (struct fg_map_slot){.key = key, .hash = hash, .value = value};
    return FG_OK;
}

int64_t fg_map_get(const fg_map *map, const char *key) {
    if (!map->capacity) return FG_MAP_NONE;
    const struct fg_map_slot *slot = find_slot(map, key, XXH3_64bits(key, strlen(key)));
    return slot->key ? slot->value : FG_MAP_NONE;
}

void fg_map_free(fg_map *map) {
    fg_free(map->slots);
    *map = (fg_map){0};
}
