/* Which tokens the destination gets besides those of the source.
 *
 * Those of --add-tokens; by default a pad token towards a format that needs one, if the tokenizer has none. An update adds none.
 */
#ifndef FG_CONVERSION_VOCABULARY_CHANGE_H
#define FG_CONVERSION_VOCABULARY_CHANGE_H

#include "conversion/configs.h"
#include "tokenizer/tokenizer_files.h"
#include "tokens/new_tokens.h"

typedef struct fg_vocabulary_change {
    fg_tokenizer_files files; /* what the destination's tokenizer files hold */
    fg_token_request request; /* tokens that were asked for; without a document: none */
    fg_new_tokens tokens;     /* and the resulting ids and rows */
    bool grows;               /* the vocabulary gets more rows */
} fg_vocabulary_change;

/* FG_ERR_INPUT: what is asked for cannot be. To be freed whatever comes back. */
fg_status fg_vocabulary_change_decide(const fg_recipe *recipe, const fg_source *source, const fg_route *route,
                                      const fg_configs *configs, fg_vocabulary_change *change, fg_error *err);
/* Whether this run changes the token of a role. */
bool fg_vocabulary_changes_role(const fg_vocabulary_change *change, fg_role role);
/* Forgets tokenizer.json, which is large, unless it has changed. */
void fg_vocabulary_change_trim(fg_vocabulary_change *change);
void fg_vocabulary_change_free(fg_vocabulary_change *change);

#endif
