/* generation_config.json of a model that is released: its initial settings, and the token ids that override
 * them.
 *
 * A preset is a JSON object of settings as transformers names them, and of max_tokens, which transformers
 * calls max_new_tokens. Without do_sample it samples if it says how (temperature, top_k, top_p, min_p),
 * except at a temperature of 0, which means greedy decoding; it does not if it has several beams.
 *
 * Invariant: a key of a preset that is not known, or has a value of another kind, is refused and never left
 * out in silence.
 */
#ifndef FG_TOKENS_GENERATION_CONFIG_H
#define FG_TOKENS_GENERATION_CONFIG_H

#include "tokens/token_ids.h"

/* `how` is "carry" or NULL (a copy of `source`, or an empty object if that is NULL), "none" (`config` becomes
 * NULL), the name of a JSON file, or NAME of ~/.forgather/generation_config/NAME.json. A preset that is not
 * there is FG_ERR_USAGE; what is wrong inside is FG_ERR_INPUT. The result is owned by the caller. */
fg_status fg_generation_config_begin(const char *how, const json_t *source, json_t **config, fg_error *err);

/* Lays bos and pad of the tokenizer and `eos` (an id, a list of ids, or NULL: it stays as it is) over it. */
fg_status fg_generation_config_lay_ids(json_t *config, const fg_token_ids *ids, const json_t *eos,
                                       fg_error *err);

#endif
