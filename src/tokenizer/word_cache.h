/* What words became, so that a word that comes again is not merged again.
 *
 * Invariant: memory is bounded; when it is full, it is cleared and fills again.
 */
#ifndef FG_TOKENIZER_WORD_CACHE_H
#define FG_TOKENIZER_WORD_CACHE_H

#include <stdbool.h>

#include "tokenizer/id_list.h"
#include "tokenizer/vocabulary.h"

enum { FG_CACHED_WORD = 128 }; /* bytes of the longest word that is kept */

typedef struct fg_word_cache {
    fg_vocabulary words; /* each has the number of those before it as its id */
    fg_id_list ids;      /* of all words, one behind the other */
    fg_id_list ends;     /* where those of each word end */
} fg_word_cache;

/* Appends the ids of a word (at most FG_CACHED_WORD bytes) and says whether it was there. */
fg_status fg_word_cache_get(const fg_word_cache *cache, const char *word, size_t length, bool *found,
                            fg_id_list *ids, fg_error *err);
/* Keeps a word that is not there. */
fg_status fg_word_cache_put(fg_word_cache *cache, const char *word, size_t length, const uint32_t *ids,
                            size_t count, fg_error *err);
void fg_word_cache_free(fg_word_cache *cache);

#endif
