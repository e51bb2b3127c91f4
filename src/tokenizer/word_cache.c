#include "tokenizer/word_cache.h"

enum { WORDS = 1 << 15 };

fg_status fg_word_cache_get(const fg_word_cache *cache, const char *word, size_t length, bool *found,
                            fg_id_list *ids, fg_error *err) {
    uint32_t number = fg_vocabulary_find(&cache->words, word, length);
    *found = number != FG_ID_ABSENT;
    if (!*found) return FG_OK;
    uint32_t begin = number ? cache->ends.ids[number - 1] : 0;
    return fg_id_list_append(ids, cache->ids.ids + begin, cache->ends.ids[number] - begin, err);
}

fg_status fg_word_cache_put(fg_word_cache *cache, const char *word, size_t length, const uint32_t *ids,
                            size_t count, fg_error *err) {
    if (length > FG_CACHED_WORD) return FG_OK;
    if (cache->ends.count == WORDS) fg_word_cache_free(cache);
    FG_CALL(fg_id_list_append(&cache->ids, ids, count, err));
    FG_CALL(fg_id_list_add(&cache->ends, (uint32_t)cache->ids.count, err));
    return fg_vocabulary_add(&cache->words, word, length, cache->ends.count - 1, err);
}

void fg_word_cache_free(fg_word_cache *cache) {
    fg_vocabulary_free(&cache->words);
    fg_id_list_free(&cache->ids);
    fg_id_list_free(&cache->ends);
    *cache = (fg_word_cache){0};
}
