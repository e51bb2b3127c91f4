/* Tokens in addition to the model's own: special ones and those that were added later. They are found in the
 * text before anything is cut, the longest first where several begin at one place.
 *
 * Invariant: those that are not normalized are found in the text as it came, the others in what the
 * normalizer made of the rest, by their normalized text.
 */
#ifndef FG_TOKENIZER_ADDED_TOKENS_H
#define FG_TOKENIZER_ADDED_TOKENS_H

#include "base/json_scan.h"
#include "base/utf8_text.h"
#include "tokenizer/component.h"
#include "tokenizer/token_trie.h"

enum { FG_ADDED_TOKEN_LIMIT = 4096 }; /* bytes of the longest one */

typedef struct fg_added_token {
    char *content, *normalized_content; /* owned; the second NULL where normalizing changes nothing */
    size_t length, normalized_length;
    uint32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} fg_added_token;

typedef struct fg_added_tokens {
    fg_added_token *tokens; /* owned */
    size_t count, capacity;
    fg_vocabulary names; /* content -> id */
    uint32_t *by_id;     /* owned; index + 1 */
    size_t id_capacity;
    fg_token_trie plain, normalized;
    fg_pattern *word; /* a character of words */
} fg_added_tokens;

/* What a part of the text is. */
typedef struct fg_text_part {
    size_t start, end;
    uint32_t id; /* FG_ID_ABSENT: text between tokens */
} fg_text_part;

typedef struct fg_text_parts {
    fg_text_part *parts; /* owned */
    size_t count, capacity;
} fg_text_parts;

/* Reads the list "added_tokens" of tokenizer.json, as a value (or NULL) or, with `text`, from there, then the
 * text of "added_tokens_decoder" of tokenizer_config.json (length 0: none), which adds what is missing and
 * replaces flags, as transformers does. A token takes the id of its text in the model's vocabulary, else the
 * next free one; a file that says another id is warned of, as HF tokenizers does. */
fg_status fg_added_tokens_read(fg_added_tokens *added, const json_t *list, const fg_json_scan *text,
                               const fg_buffer *decoder, const fg_vocabulary *model,
                               const fg_component *normalizer, const char *directory, fg_error *err);
/* The token of an id, or NULL. */
const fg_added_token *fg_added_tokens_at(const fg_added_tokens *added, uint32_t id);
/* Cuts a text into tokens and what lies between; `normalized` says which of the two kinds of tokens is
 * looked for. `parts` is overwritten. */
fg_status fg_added_tokens_find(const fg_added_tokens *added, bool normalized, const char *text, size_t length,
                               fg_text_parts *parts, fg_error *err);
void fg_added_tokens_free(fg_added_tokens *added);

#endif
