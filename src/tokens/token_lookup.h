/* The ids of some tokens, found in tokenizer files without building the vocabulary.
 *
 * A walk: want some texts, then read the files once.
 *
 * Invariant: nothing of tokenizer.json, and no added token, becomes a value. A token's id is the one of
 * added_tokens_decoder in tokenizer_config.json, else of added_tokens, else of the model's vocabulary.
 */
#ifndef FG_TOKENS_TOKEN_LOOKUP_H
#define FG_TOKENS_TOKEN_LOOKUP_H

#include "tokenizer/token_entries.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/vocabulary.h"

enum { FG_NO_TOKEN = -1 }; /* in place of an id */

/* A token that is looked for; FG_NO_TOKEN: it has no such id. */
typedef struct fg_wanted_token {
    int64_t id, of_model; /* the second: in the model's vocabulary alone */
} fg_wanted_token;

/* Start from {0}. */
typedef struct fg_token_lookup {
    fg_token_entries added;    /* the list added_tokens of tokenizer.json */
    fg_token_entries declared; /* the object added_tokens_decoder of tokenizer_config.json */
    size_t begin, end;         /* the bytes that this list takes in the text; both 0 if there is none */
    fg_vocabulary texts;       /* text -> index into wanted */
    fg_wanted_token *wanted;   /* owned */
    size_t capacity;
    uint64_t vocabulary; /* tokens of the model */
    uint64_t next_id;    /* what the next token that is added gets */
} fg_token_lookup;

/* The text of a token that a file names: "TEXT" or {"content": "TEXT"}; NULL for other values. Borrowed. */
const char *fg_token_text(const json_t *token);

/* Adds a text (NULL: nothing) to those that are looked for. */
fg_status fg_token_lookup_want(fg_token_lookup *lookup, const char *text, fg_error *err);
/* Malformed text, ids that are none, and a vocabulary of a form that is not known are FG_ERR_INPUT. The
 * lookup is to be freed whatever comes back. */
fg_status fg_token_lookup_read(fg_token_lookup *lookup, const fg_tokenizer_files *files, fg_error *err);
/* The id of a wanted token, or FG_NO_TOKEN. */
int64_t fg_token_lookup_find(const fg_token_lookup *lookup, const char *text);
/* Whether transformers gives the list added_tokens, in its order, the ids that it says: those of the model's
 * vocabulary, else one after the other behind it. Its texts must have been wanted. FG_ERR_INPUT if not: the
 * tokens would not be the ones of their rows. */
fg_status fg_token_lookup_check(const fg_token_lookup *lookup, const char *directory, fg_error *err);
void fg_token_lookup_free(fg_token_lookup *lookup);

#endif
