/* Keys that single layers override (transformers' per_layer_config), where a family has them for all layers
 * of one type.
 *
 *   "layer_overrides": { "key": KEY, "types": KEY, "type": TYPE,
 *                        "keys": { NAME: KEY, NAME: { "key": KEY, "if": EXPRESSION }, ... } }
 *
 * KEY holds { LAYER: { NAME: value, ... }, ... }, "types" one type a layer. What the layers of TYPE say of
 * NAME is moved to KEY, the family's own key for them; "if" says where that key counts.
 * Invariant: nothing is dropped: layers of a type that differ, layers of another type that override, and
 * other names are errors.
 */
#ifndef FG_TRANSLATE_LAYER_OVERRIDES_H
#define FG_TRANSLATE_LAYER_OVERRIDES_H

#include "base/json.h"

/* Rewrites `config` by `rule`, the object above; a configuration without the key stays as it is. What a layer
 * does not override has the value that the configuration has, or else `defaults`. FG_ERR_INPUT names `file`,
 * layer and key. */
fg_status fg_layer_overrides_resolve(json_t *config, const json_t *rule, const json_t *defaults,
                                     const char *file, fg_error *err);

#endif
