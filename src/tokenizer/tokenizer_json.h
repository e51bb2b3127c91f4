/* The parts of a tokenizer.json (normalizer, pre_tokenizer, post_processor, decoder): JSON objects with a
 * "type". Helpers that read their fields.
 *
 * Invariant: a field that a part's reader does not know is an error that names it: what is not understood is
 * not ignored.
 */
#ifndef FG_TOKENIZER_TOKENIZER_JSON_H
#define FG_TOKENIZER_TOKENIZER_JSON_H

#include "base/json.h"
#include "base/utf8_text.h"

/* The place of a part, for messages: "DIR/tokenizer.json: pre_tokenizer". */
typedef struct fg_tokenizer_json {
    const json_t *json;
    const char *file, *name;
    struct fg_bpe_lists *lists; /* of a model: its long lists, of which `json` has none; NULL: it has them */
} fg_tokenizer_json;

/* The type; FG_ERR_INPUT if it is no object or has none. Borrowed. */
fg_status fg_tokenizer_json_type(const fg_tokenizer_json *component, const char **type, fg_error *err);
/* FG_ERR_INPUT unless every key is among `keys`, which are separated by spaces. */
fg_status fg_tokenizer_json_keys(const fg_tokenizer_json *component, const char *keys, fg_error *err);
/* A field that must be there. A string may hold NUL: its length is given. */
fg_status fg_tokenizer_json_string(const fg_tokenizer_json *component, const char *key, const char **text,
                                   size_t *length, fg_error *err);
fg_status fg_tokenizer_json_flag(const fg_tokenizer_json *component, const char *key, bool missing,
                                 bool *flag, fg_error *err);
/* A copy of such a string, owned by the caller. */
fg_status fg_tokenizer_json_copy(const fg_tokenizer_json *component, const char *key, char **copy,
                                 size_t *length, fg_error *err);
/* A string of one character. */
fg_status fg_tokenizer_json_character(const fg_tokenizer_json *component, const char *key,
                                      char character[FG_UTF8_MOST + 1], fg_error *err);
/* The index of a string in a list of those that are supported. */
fg_status fg_tokenizer_json_choice(const fg_tokenizer_json *component, const char *key,
                                   const char *const *words, size_t count, size_t *choice, fg_error *err);
/* An array, borrowed. */
fg_status fg_tokenizer_json_list(const fg_tokenizer_json *component, const char *key, const json_t **list,
                                 fg_error *err);

#endif
