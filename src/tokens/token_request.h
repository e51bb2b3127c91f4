/* The YAML file of --add-tokens: which tokens a model shall have, and what their rows shall hold.
 *
 *   bos_token, eos_token, pad_token, unk_token:  TEXT, or { token: TEXT, init: INIT, if_missing: true }
 *   special_tokens, regular_tokens:              [TEXT, ...]
 *
 * INIT is zero, mean or copy:ID. Without it a pad token gets zeros, other roles the mean; with if_missing a
 * role that the tokenizer has stays as it is.
 *
 * Invariant of a request that was read: texts are not empty; no token is listed twice, and none that
 * is regular has a role. Roles may share a token if they do not ask for different rows.
 */
#ifndef FG_TOKENS_TOKEN_REQUEST_H
#define FG_TOKENS_TOKEN_REQUEST_H

#include "plan/rows.h"
#include "tokens/token_ids.h"

typedef struct fg_role_request {
    const char *token; /* borrowed from the document; NULL: the file does not name this role */
    bool if_missing;
    fg_row_value init;
} fg_role_request;

typedef struct fg_token_request {
    char *file;               /* owned; for messages; NULL: the default, which no file holds */
    json_t *document, *marks; /* owned */
    fg_role_request roles[FG_ROLE_COUNT];
    const json_t *special, *regular; /* arrays of strings, borrowed from the document; may be NULL */
} fg_token_request;

/* What is wrong is FG_ERR_INPUT with line and column. The request is to be freed whatever comes back. */
fg_status fg_token_request_read(fg_token_request *request, const char *path, fg_error *err);
/* What is asked for when no file is given: a pad token, "[PAD]" with zeros, if there is none. */
fg_status fg_token_request_default(fg_token_request *request, fg_error *err);
/* A request whose document was kept (in a report). */
fg_status fg_token_request_recall(fg_token_request *request, const json_t *document, fg_error *err);
/* All texts of a request, by index: of the roles (NULL where it does not name the role), of special_tokens,
 * of regular_tokens. */
size_t fg_token_request_count(const fg_token_request *request);
const char *fg_token_request_text(const fg_token_request *request, size_t index);
void fg_token_request_free(fg_token_request *request);

/* FG_ERR_INPUT about the value at a path of the document ("pad_token/init"), naming file, line and column. */
#define fg_token_request_refuse(request, err, path, ...)                                                     \
    fg_never_ok(fg_token_request_refuse_at((request), (err), (path), __VA_ARGS__))
fg_status fg_token_request_refuse_at(const fg_token_request *request, fg_error *err, const char *path,
                                     const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
