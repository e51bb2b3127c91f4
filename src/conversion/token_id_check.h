/* Token ids that the vocabulary does not have: said, because other programs fail on them later or in
 * silence. */
#ifndef FG_CONVERSION_TOKEN_ID_CHECK_H
#define FG_CONVERSION_TOKEN_ID_CHECK_H

#include "conversion/conversion.h"

/* Warns of each id (keys that end in "_token_id", lists of ids too) in `config` and the objects in it that is
 * no row of the vocabulary: that of the nearest vocab_size, else of `rows`; 0: not known. `file` is for the
 * messages. */
void fg_token_ids_warn(const char *file, const json_t *config, uint64_t rows);

/* The same for all that a conversion writes: `config`, what is next to a Fast-LLM configuration,
 * generation_config.json. */
fg_status fg_conversion_warn_of_token_ids(const fg_conversion *c, const json_t *config, fg_error *err);

#endif
