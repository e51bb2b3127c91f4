#include "tokenizer/word_cache.h"

#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"

struct fg_cached_word {
    uint32_t hash;
    uint32_t start;         /* in words */
    uint32_t ids;           /* in ids */
    uint16_t length, count; /* length 0: free */
};

enum { SLOTS = 1 << 16, WORDS = SLOTS / 2 };

static uint32_t hash_of(const char *word, size_t length) {
    return (uint32_t)XXH3_64bits(word, length);
}

/* The slot of the word, or the free one where it belongs. */
static struct fg_cached_word *find_slot(const fg_word_cache *cache, const char *word, size_t length,
                                        uint32_t hash) {
    for (size_t i = hash % SLOTS;; i = (i + 1) % SLOTS) {
        struct fg_cached_word *slot = &cache->slots[i];
        if (!slot->length) return slot;
        if (slot->hash == hash && slot->length == length &&
            memcmp(cache->words.data + slot->start, word, length) == 0)
            return slot;
    }
}

fg_status fg_word_cache_get(const fg_word_cache *cache, const char *word, size_t length, bool *found,
                            fg_id_list *ids, fg_error *err) {
    *found = false;
    if (!cache->slots || !length) return FG_OK;
    const struct fg_cached_word *slot = find_slot(cache, word, length, hash_of(word, length));
    if (!slot->length) return FG_OK;
    *found = true;
    return fg_id_list_append(ids, cache->ids.ids + slot->ids, slot->count, err);
}

static void forget(fg_word_cache *cache) {
    memset(cache->slots, 0, SLOTS * sizeof *cache->slots);
    fg_buffer_clear(&cache->words);
    cache->count = cache->ids.count = 0;
}

fg_status fg_word_cache_put(fg_word_cache *cache, const char *word, size_t length, const uint32_t *ids,
                            size_t count, fg_error *err) {
    fg_status status = FG_OK;
    if (!length || length > FG_CACHED_WORD || count > UINT16_MAX) return FG_OK;
    if (!cache->slots) FG_NEW(cache->slots, SLOTS);
    if (cache->count == WORDS) forget(cache);
    uint32_t hash = hash_of(word, length);
    struct fg_cached_word entry = {hash, (uint32_t)cache->words.length, (uint32_t)cache->ids.count,
                                   (uint16_t)length, (uint16_t)count};
    FG_TRY(fg_buffer_add(&cache->words, word, length, err));
    FG_TRY(fg_id_list_append(&cache->ids, ids, count, err));
    *find_slot(cache, word, length, hash) = entry;
    cache->count++;
done:
    return status;
}

void fg_word_cache_free(fg_word_cache *cache) {
    fg_free(cache->slots);
    fg_buffer_free(&cache->words);
    fg_id_list_free(&cache->ids);
    *cache = (fg_word_cache){0};
}
