/* Which tokens the models of a proof get, and which tokenizer turns generated ones into text.
 *
 * In this order: ids that are given; a text; a default text; and where no tokenizer can read that one,
 * nothing, for which a fixed set of ids is drawn from the vocabulary.
 *
 * The source's tokenizer tokenizes the text, with its special tokens. The destination's must give the same
 * ids: for a conversion a difference is a warning, for two models that are compared an error.
 *
 * Invariant: the ids lie within both vocabularies, unless they were given (fg_model_pair_open refuses
 * those). One tokenizer is held at a time and none afterwards.
 */
#ifndef FG_TOKENS_PROMPT_H
#define FG_TOKENS_PROMPT_H

#include "tokenizer/id_list.h"
#include "tokenizer/tokenizer_files.h"

typedef struct fg_prompt_request {
    const uint32_t *ids; /* --token-ids, borrowed */
    size_t id_count;
    const char *text; /* --prompt; NULL: the default */
    bool generates;   /* -g: generated tokens need a tokenizer for their text */
    bool compares;    /* two models that are there, not a conversion */
} fg_prompt_request;

typedef struct fg_prompt_side {
    const char *name;                    /* of the model, for messages */
    const fg_tokenizer_files *tokenizer; /* without any where it has none */
    uint64_t rows;                       /* of its vocabulary; UINT64_MAX: not known */
    const json_t *config;                /* config.json; max_position_embeddings is looked at */
} fg_prompt_side;

typedef struct fg_prompt {
    fg_id_list ids;                      /* owned; none: they are to be drawn from the vocabulary */
    const fg_tokenizer_files *tokenizer; /* borrowed from a side; for generated text, NULL: none */
} fg_prompt;

/* Tokens of a prompt: twice the longest that a proof is measured with. */
enum { FG_PROMPT_LIMIT = 65536 };

/* Resolves it for source and destination (the same files twice: one tokenizer). FG_ERR_INPUT: a text that was
 * given cannot be used; too many tokens; tokenizers of two models that are compared disagree; nothing to
 * generate from. */
fg_status fg_prompt_resolve(fg_prompt *prompt, const fg_prompt_request *request, const fg_prompt_side *source,
                            const fg_prompt_side *destination, fg_error *err);
void fg_prompt_free(fg_prompt *prompt);

#endif
