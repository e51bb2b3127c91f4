/* Byte pair encoding: the model part of a tokenizer.
 *
 * A word (what the pre-tokenizer leaves whole) becomes its characters' tokens; then, as long as there is one,
 * the pair of neighbours whose merge is first in the list (leftmost first) becomes one token. A
 * character without a token becomes the tokens of its bytes (byte_fallback: "<0x0A>"), or the unknown token
 * (fuse_unk: one for a run of them), or nothing where there is no unknown token.
 *
 * Invariant: encoding uses scratch memory and a cache inside the model, so one model serves one thread.
 */
#ifndef FG_TOKENIZER_BPE_H
#define FG_TOKENIZER_BPE_H

#include "base/json.h"
#include "tokenizer/id_list.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"

typedef struct fg_bpe {
    fg_vocabulary vocabulary;
    struct fg_merge_slot *merges; /* owned; open addressing by pair of ids */
    size_t merge_slots;
    uint32_t *merged; /* owned; the id that the merge of a rank makes */
    size_t merge_count;
    uint32_t byte_ids[256]; /* "<0x00>" ...; FG_ID_ABSENT */
    uint32_t unknown;       /* FG_ID_ABSENT: none */
    bool byte_fallback, fuse_unknown;
    bool whole_words; /* ignore_merges: a word that is a token is that token */
    struct fg_bpe_scratch *scratch;
    fg_word_cache cache;
} fg_bpe;

/* Reads the object "model" of a tokenizer.json; `file` is for messages. FG_ERR_INPUT names what is malformed
 * or not supported: another type of model, dropout, prefixes or suffixes of sub-words, merges of tokens that
 * are not there. */
fg_status fg_bpe_read(fg_bpe *bpe, const json_t *model, const char *file, fg_error *err);
/* Appends the ids of a word of valid UTF-8. */
fg_status fg_bpe_encode(fg_bpe *bpe, const char *word, size_t length, fg_id_list *ids, fg_error *err);
void fg_bpe_free(fg_bpe *bpe);

#endif
