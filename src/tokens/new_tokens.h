/* The result of a request for tokens, for one tokenizer and one model: ids, roles and rows.
 *
 * New ids follow the tokenizer's last, in the order unk, bos, eos, pad (that of SentencePiece),
 * special_tokens, regular_tokens. A role that the tokenizer has already: with the same text nothing happens;
 * with the text of a token that exists the role moves to it; with a new text the new token gets a copy of the
 * old role's row, whatever its init says. The row of a token that exists is only set (to what a role's init
 * asks for, not "mean") if some token is new, as the original tool does it.
 * Tokens that the files name as special but give no id come before all that are new, for transformers numbers
 * them so.
 *
 * Invariant: rows are never dropped: a model whose matrix has more rows than the tokenizer has tokens keeps
 * them, and a new token takes the row at its id. Rows between the model's last and a new token's id get the
 * mean.
 */
#ifndef FG_TOKENS_NEW_TOKENS_H
#define FG_TOKENS_NEW_TOKENS_H

#include "tokens/token_lookup.h"
#include "tokens/token_request.h"

typedef struct fg_new_token {
    char *text; /* owned */
    uint64_t id;
    bool is_new;  /* else it stood in the vocabulary before */
    bool special; /* found in any text, and left out where special tokens are */
    bool listed;  /* joins additional_special_tokens */
} fg_new_token;

typedef struct fg_new_tokens {
    fg_new_token *items; /* owned; those that the request adds, marks as special or lists */
    size_t count, capacity;
    size_t added;                     /* how many are new */
    int64_t roles[FG_ROLE_COUNT];     /* index into items; FG_NO_TOKEN: the role stays as it is */
    int64_t old_roles[FG_ROLE_COUNT]; /* their ids before */
    fg_row_edits rows;                /* of embedding and head; rows.rows 0: they stay as they are */
} fg_new_tokens;

/* `model_rows` is the number of rows of the model's vocabulary matrices. A request that asks for what cannot
 * be (a row to copy that is not there, tokens without a tokenizer.json) is FG_ERR_INPUT. To be freed whatever
 * comes back. */
fg_status fg_new_tokens_decide(fg_new_tokens *tokens, const fg_token_request *request,
                               const fg_tokenizer_files *files, uint64_t model_rows, fg_error *err);
/* Whether the tokenizer's files change. */
bool fg_new_tokens_any(const fg_new_tokens *tokens);
void fg_new_tokens_free(fg_new_tokens *tokens);

#endif
