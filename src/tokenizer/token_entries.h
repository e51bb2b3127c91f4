/* The entries of the list added_tokens of tokenizer.json, and of the object added_tokens_decoder of
 * tokenizer_config.json, as places in their text: of hundreds of thousands of tokens no values are made.
 *
 * Invariant: an entry's id is one that a tokenizer can have, and its content is UTF-8.
 */
#ifndef FG_TOKENIZER_TOKEN_ENTRIES_H
#define FG_TOKENIZER_TOKEN_ENTRIES_H

#include "base/json_scan.h"

typedef struct fg_token_entry {
    int64_t id;
    size_t begin, length; /* its object in the text */
    size_t content;       /* where its content begins in `contents` */
    uint8_t given, set;   /* a bit a flag: whether the object has it, and whether it is true */
} fg_token_entry;

/* Start from {0}. */
typedef struct fg_token_entries {
    fg_token_entry *items; /* owned */
    size_t count, capacity;
    fg_buffer contents; /* each with a NUL */
} fg_token_entries;

/* Adds the entries of the array that comes next. One without a content, with an id that no token can have, or
 * with a member that is given twice is FG_ERR_INPUT. */
fg_status fg_token_entries_read_list(fg_token_entries *entries, fg_json_scan *scan, fg_error *err);
/* The same for an object, whose keys are the ids. */
fg_status fg_token_entries_read_object(fg_token_entries *entries, fg_json_scan *scan, fg_error *err);
const char *fg_token_entries_content(const fg_token_entries *entries, size_t index);
/* The index of the first entry with this id; `count` if there is none. */
size_t fg_token_entries_find(const fg_token_entries *entries, int64_t id);
void fg_token_entries_free(fg_token_entries *entries);

/* Whether a value is the id of a token. */
bool fg_token_id_valid(const json_t *value);
/* FG_ERR_INPUT, with the token and what it has for an id. */
fg_status fg_token_id_refuse(const char *file, const char *token, const json_t *id, fg_error *err);

#endif
