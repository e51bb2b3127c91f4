/* Hyperparameters of a model, read from a config.json as models/TYPE.json says for a format.
 *
 * Invariant of settings that were read: sizes are at least 1 and small enough that products of two fit, heads
 * is a multiple of kv_heads, head_size is even, epsilon and theta are finite.
 */
#ifndef FG_MODEL_SETTINGS_H
#define FG_MODEL_SETTINGS_H

#include <stdint.h>

#include "base/json.h"

typedef struct fg_rotary_settings {
    double theta;
    double factor, low, high,
        original; /* llama3: how much slower, the two bounds, and the length that they refer to */
} fg_rotary_settings;

typedef struct fg_settings {
    uint64_t hidden, vocab, blocks, heads, kv_heads, head_size, inner;
    uint64_t window; /* keys that a query sees, itself included; 0: all before it */
    double epsilon;
    bool tied;
    const char *activation;  /* a word of the tables, borrowed from spec or config */
    const char *rotary_type; /* the same */
    fg_rotary_settings rotary;
} fg_settings;

/* `settings` is the object formats/FORMAT of a spec, with these members.
 *
 * "config": { ROLE: { "key": PATH, "absent": VALUE, "null": VALUE } }
 *     The value of the key; VALUE stands in where it is absent or null: a JSON value, {"same_as": ROLE} or
 *     {"quotient": [ROLE, ROLE]} of roles before it in the order of `fg_settings`. Without "absent" the key
 *     must be there, without "null" it must not be null. Only the role window may lack an entry (none).
 *
 * "rotary": { "theta": KEY, "scaling": KEY, "parameters": KEY, "default_theta": NUMBER, "types": [WORD, ...]
 * } Both spellings are read; where both stand they must agree.
 *
 * "only": { PATH: [VALUE, ...] }
 *     Keys that must be absent or have one of the values; each item of a list must.
 *
 * "only_if": { CONDITION: REASON }
 *     For what keys mean together: conditions over the config that must be true (convert/expression.h; an
 *     absent key is null there, has() tells the two apart), and what the message says where one is not.
 *
 * What is missing, of another type or not supported is FG_ERR_INPUT that names key and value. Strings in
 * `result` are borrowed. */
fg_status fg_settings_read(const json_t *settings, const json_t *config, fg_settings *result, fg_error *err);

#endif
