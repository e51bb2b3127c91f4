/* The tokens that stop a generation, each with the reason why: the value of eos_token_id in
 * generation_config.json.
 *
 * transformers stops at those of generation_config.json, else at those of config.json, and never asks the
 * tokenizer. So a model that learned to end its turns needs both there, the old eos and the end of a turn.
 *
 * Invariant: ids are in the order in which they were added, each once; the reason is that of the first.
 */
#ifndef FG_TOKENS_STOP_TOKENS_H
#define FG_TOKENS_STOP_TOKENS_H

#include "tokens/token_request.h"

typedef struct fg_stop_token {
    int64_t id;
    char *reason; /* owned */
} fg_stop_token;

typedef struct fg_stop_tokens {
    fg_stop_token *items; /* owned */
    size_t count, capacity;
} fg_stop_tokens;

/* Adds an id, a list of ids, or nothing (null, NULL). Other kinds of values are FG_ERR_INPUT. The reason
 * may be NULL. */
fg_status fg_stop_tokens_add(fg_stop_tokens *stop, const json_t *ids, const char *reason, fg_error *err);
/* Adds what a request for tokens names: its eos token, and ends of turns (<|im_end|>, <|eot|>,
 * <|end_of_turn|>). `files` are the tokenizer's, with these tokens. */
fg_status fg_stop_tokens_add_requested(fg_stop_tokens *stop, const fg_token_request *request,
                                       const fg_tokenizer_files *files, fg_error *err);
/* Adds the tokens of "A,B". One that the tokenizer does not have is FG_ERR_INPUT. */
fg_status fg_stop_tokens_add_listed(fg_stop_tokens *stop, const char *list, const fg_tokenizer_files *files,
                                    fg_error *err);

/* An id, a list if there are several, NULL (and FG_OK) if there is none; a new reference. */
fg_status fg_stop_tokens_ids(const fg_stop_tokens *stop, json_t **ids, fg_error *err);
/* The same of the eos ids of config.json, generation_config.json and the tokenizer (FG_NO_TOKEN: it has
 * none). */
fg_status fg_stop_tokens_merge(const json_t *config_eos, const json_t *generation_eos, int64_t tokenizer_eos,
                               json_t **merged, fg_error *err);
/* [{id, text (null if it is no added token), reason}], a new reference. */
fg_status fg_stop_tokens_describe(const fg_stop_tokens *stop, const fg_tokenizer_files *files, json_t **list,
                                  fg_error *err);
void fg_stop_tokens_free(fg_stop_tokens *stop);

#endif
