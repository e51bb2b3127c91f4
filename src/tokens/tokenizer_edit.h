/* Adding tokens to tokenizer files, as `transformers` would have saved them.
 *
 * tokenizer.json gains the tokens in "added_tokens" and is the same text else; tokenizer_config.json gets
 * them in "added_tokens_decoder" where it has one, the roles, and "additional_special_tokens";
 * special_tokens_map.json, where there is one, the roles and the list.
 */
#ifndef FG_TOKENS_TOKENIZER_EDIT_H
#define FG_TOKENS_TOKENIZER_EDIT_H

#include "tokens/new_tokens.h"

/* Changes the files in place. */
fg_status fg_tokenizer_files_add(fg_tokenizer_files *files, const fg_new_tokens *tokens, fg_error *err);

#endif
