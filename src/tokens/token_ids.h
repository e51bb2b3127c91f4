/* The ids of a model's special roles (bos, eos, pad, unk), found in tokenizer files, and the merge of eos
 * ids.
 *
 * Facts: a role's text is in tokenizer_config.json ("bos_token": text or {"content": text}), else in
 * special_tokens_map.json; its id in added_tokens_decoder of tokenizer_config.json, else in added_tokens or
 * the vocabulary of tokenizer.json.
 */
#ifndef FG_TOKENS_TOKEN_IDS_H
#define FG_TOKENS_TOKEN_IDS_H

#include "tokens/token_lookup.h"

typedef enum fg_role { FG_ROLE_BOS, FG_ROLE_EOS, FG_ROLE_PAD, FG_ROLE_UNK, FG_ROLE_COUNT } fg_role;

typedef struct fg_token_ids {
    bool present;              /* the directory has a tokenizer */
    int64_t id[FG_ROLE_COUNT]; /* FG_NO_TOKEN: the tokenizer has none */
} fg_token_ids;

const char *fg_role_name(fg_role role); /* "bos" */
/* "bos_token" and "bos_token_id", in `buffer`, which is returned. */
enum { FG_ROLE_KEY = 16 };
const char *fg_role_key(fg_role role, char buffer[FG_ROLE_KEY]);
const char *fg_role_id_key(fg_role role, char buffer[FG_ROLE_KEY]);
/* The text of a role; NULL if the tokenizer has none. Borrowed from the files. */
const char *fg_role_text(const fg_tokenizer_files *files, fg_role role);

/* A role whose text has no id is a warning and counts as absent. Malformed files are FG_ERR_INPUT. */
fg_status fg_token_ids_read(const fg_tokenizer_files *files, fg_token_ids *ids, fg_error *err);

#endif
