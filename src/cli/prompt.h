/* Which tokens the models of a proof get, and which tokenizer turns generated ones into text.
 *
 * In this order: --token-ids; --prompt; a default prompt; and where no tokenizer can read that one, nothing, for
 * which a fixed set of ids is drawn from the vocabulary.
 *
 * The source's tokenizer tokenizes the prompt, with its special tokens. The destination's must give the same ids: for a conversion a difference is a warning, for two models that are compared an error.
 *
 * Invariant: the ids lie within both vocabularies, unless --token-ids gave them (fg_model_pair_open refuses those). One
 * tokenizer is held at a time and none afterwards.
 */
#ifndef FG_CLI_PROMPT_H
#define FG_CLI_PROMPT_H

#include "cli/options.h"
#include "tokenizer/id_list.h"
#include "tokenizer/tokenizer_files.h"

typedef struct fg_prompt_side {
    const char *name;                    /* of the model, for messages */
    const fg_tokenizer_files *tokenizer; /* without any where it has none */
    fg_format format;
    const json_t *spec, *config; /* models/TYPE.json, config.json */
} fg_prompt_side;

typedef struct fg_prompt {
    fg_id_list ids;                      /* owned; none: they are to be drawn from the vocabulary */
    const fg_tokenizer_files *tokenizer; /* borrowed from a side; for generated text, NULL: none */
} fg_prompt;

/* Resolves it for source and destination (the same files twice: one tokenizer). FG_ERR_INPUT: a prompt that
 * was given cannot be used; tokenizers of two models (the command is validate) disagree; nothing to generate
 * from. */
fg_status fg_prompt_resolve(fg_prompt *prompt, const fg_options *options, const fg_prompt_side *source,
                            const fg_prompt_side *destination, fg_error *err);
void fg_prompt_free(fg_prompt *prompt);

#endif
