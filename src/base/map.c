#include "base/map.h"

#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"

struct fg_map_slot {
    const char *key; /* NULL: free */
    uint32_t hash;   /* the low bits: enough for places in a table that fits into memory */
    uint32_t value;
};

static struct fg_map_slot *find_slot(const fg_map *map, const char *key, uint32_t hash) {
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct fg_map_slot *slot = &map->slots[i];
        if (!slot->key || (slot->hash == hash && strcmp(slot->key, key) == 0)) return slot;
    }
}

static uint32_t hash_of(const char *key) {
    return (uint32_t)XXH3_64bits(key, strlen(key));
}

static fg_status enlarge(fg_map *map, size_t capacity, fg_error *err) {
    fg_map larger = {.capacity = capacity, .count = map->count};
    FG_CALL_NEW(larger.slots, fg_alloc_scattered(larger.capacity, sizeof *larger.slots, err));
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key) *find_slot(&larger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    }
    fg_free(map->slots);
    *map = larger;
    return FG_OK;
}

fg_status fg_map_reserve(fg_map *map, size_t count, fg_error *err) {
    size_t capacity = 16;
    while (capacity < count * 2) capacity *= 2;
    return capacity > map->capacity ? enlarge(map, capacity, err) : FG_OK;
}

/* The slot of the key, or the free one for it; NULL if there is no memory. */
static struct fg_map_slot *slot_for(fg_map *map, const char *key, uint32_t hash, fg_error *err) {
    bool full = map->count * 2 >= map->capacity;
    if (full && fg_map_reserve(map, map->count + 1, err) != FG_OK) return NULL;
    return find_slot(map, key, hash);
}

static void fill(fg_map *map, struct fg_map_slot *slot, const char *key, uint32_t hash, uint32_t value) {
    if (!slot->key) map->count++;
    *slot = (struct fg_map_slot){.key = key, .hash = hash, .value = value};
}

fg_status fg_map_set(fg_map *map, const char *key, uint32_t value, fg_error *err) {
    uint32_t hash = hash_of(key);
    struct fg_map_slot *slot = slot_for(map, key, hash, err);
    if (!slot) return FG_ERR_MEMORY;
    fill(map, slot, key, hash, value);
    return FG_OK;
}

fg_status fg_map_add(fg_map *map, const char *key, uint32_t value, int64_t *held, fg_error *err) {
    uint32_t hash = hash_of(key);
    struct fg_map_slot *slot = slot_for(map, key, hash, err);
    if (!slot) return FG_ERR_MEMORY;
    *held = slot->key ? (int64_t)slot->value : FG_MAP_NONE;
    if (!slot->key) fill(map, slot, key, hash, value);
    return FG_OK;
}

int64_t fg_map_get(const fg_map *map, const char *key) {
    if (!map->capacity) return FG_MAP_NONE;
    const struct fg_map_slot *slot = find_slot(map, key, hash_of(key));
    return slot->key ? (int64_t)slot->value : FG_MAP_NONE;
}

void fg_map_free(fg_map *map) {
    fg_free(map->slots);
    *map = (fg_map){0};
}
