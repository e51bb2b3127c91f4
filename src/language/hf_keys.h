/* Keys of hf's configurations that belong to no family: defaults/hf_keys.json, the same for every target.
 *
 * Invariant: a key that a declaration claims is never looked up here; what is listed nowhere stays unknown.
 */
#ifndef FG_LANGUAGE_HF_KEYS_H
#define FG_LANGUAGE_HF_KEYS_H

#include "language/catalogue.h"

/* The lists of the first directory that has the file: an object, owned by the catalogue; NULL where no
 * directory has it. */
fg_status fg_hf_keys_load(fg_catalogue *catalogue, const json_t **keys, fg_error *err);

/* Why a key with this value does not change the model, NULL if no list says so. Borrowed. `top`: the key is
 * in the configuration itself or in that of a model inside, where alone most of them are what they are
 * called; `value` NULL: whatever it is. */
const char *fg_hf_keys_reason(const json_t *keys, const char *key, const json_t *value, bool top);

/* What the value of a key is expected to be ("a token id, a list of them, or null") and is not; NULL if it is
 * that, or if no type is known. Borrowed. */
const char *fg_hf_keys_mismatch(const json_t *keys, const char *key, const json_t *value);

/* What stops every conversion of a file with this key and value: {"message", "hint"}, or NULL. Borrowed. */
const json_t *fg_hf_keys_refusal(const json_t *keys, const char *key, const json_t *value);

/* The part of a path ("a/b") that is known to change what a model computes, NULL if there is none.
 * Borrowed. */
const char *fg_hf_keys_computation(const json_t *keys, const char *path);

/* Whether `key` holds the configuration of a model inside another. */
bool fg_hf_keys_is_model(const json_t *keys, const char *key);

#endif
