/* The two spellings of rotary settings in config.json.
 *
 *   older:  "rope_theta": X, "rope_scaling": null or {"rope_type" (once "type"): T, parameters}
 *   newer:  "rope_parameters": {"rope_theta": X, "rope_type": T, parameters}; plain ones have "default"
 *
 * Invariant: reading loses nothing: members that these functions do not know stay where declarations see
 * them.
 */
#ifndef FG_TRANSLATE_ROTARY_SETTINGS_H
#define FG_TRANSLATE_ROTARY_SETTINGS_H

#include "base/json.h"

/* Rewrites an object in place: `rope_parameters` goes away, `rope_scaling` is null or has a `rope_type`
 * (next to `type`, if that was there), theta and partial_rotary_factor are outside. What is given twice must
 * agree; types, and the parameters of llama3, must be well-formed: else FG_ERR_INPUT naming `file`. Settings
 * per layer type (rope_parameters of objects alone) are left as they are. */
fg_status fg_rotary_settings_to_older(json_t *config, const char *file, fg_error *err);

/* Whether the configuration, or one of the models inside, is in the newer spelling. */
bool fg_rotary_settings_are_newer(const json_t *config);

/* The other way, from what fg_rotary_settings_to_older gives. */
fg_status fg_rotary_settings_to_newer(json_t *config, fg_error *err);

/* For a configuration that keeps its rope_parameters: gives them the rope_type that they may leave out. */
fg_status fg_rotary_settings_resolve(json_t *config, const char *file, fg_error *err);

/* Removes members of rope_scaling and rope_parameters that the configuration itself has too, by the names of
 * `keys` (NULL: none). Another value there is FG_ERR_INPUT. */
fg_status fg_rotary_settings_drop(json_t *config, const json_t *keys, const char *file, fg_error *err);

/* Of one object of rotary settings, whose place is named in messages: gives it the rope_type that it may
 * leave out. Whether two say the same (NULL: plain ones), theta aside, which neither has. FG_ERR_INPUT: they
 * do not. */
fg_status fg_rotary_settings_resolve_type(json_t *rotary, const char *place, const char *file, fg_error *err);
bool fg_rotary_settings_same(const json_t *a, const json_t *b);
fg_status fg_rotary_settings_disagree(const char *file, const char *what, const json_t *a, const json_t *b,
                                      fg_error *err);

/* The same for a configuration and all objects in it that have rotary settings: those of a vision or text
 * model. Into the older spelling, or on into the newer. Llama3's original length may be absent: code that
 * reads the newer spelling takes the model's for it. */
fg_status fg_rotary_settings_spell(json_t *config, bool newer, const char *file, fg_error *err);

/* The path of a rotary setting in either spelling as the file `config` has it: "rope_parameters/factor" is
 * "rope_scaling/factor" in a file of the older one. Other paths, and all of them where `config` is NULL, stay
 * as they are. `buffer` is returned. */
const char *fg_rotary_settings_name(const json_t *config, const char *path, char *buffer, size_t size);

#endif
