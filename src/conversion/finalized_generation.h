/* The generation settings of a directory that finalize makes: ids of roles, and what stops a generation. */
#ifndef FG_CONVERSION_FINALIZED_GENERATION_H
#define FG_CONVERSION_FINALIZED_GENERATION_H

#include "conversion/decisions.h"
#include "tokens/token_ids.h"

/* `config` is the destination's, and gets an eos_token_id if it has none. `ids` are those of the destination's tokenizer.
 * `generation_config`: what the file holds, NULL: there is none. `stop_tokens`: as fg_stop_tokens_describe. Both new references. */
fg_status fg_finalized_generation(const fg_decisions *decisions, const fg_token_ids *ids, json_t *config,
                                  json_t **generation_config, json_t **stop_tokens, fg_error *err);

#endif
