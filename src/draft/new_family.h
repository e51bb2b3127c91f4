/* A first converter and a first file of models/ for a family that has none: the nearest family that is there,
 * by the names of tensors and keys, and what differs. Where it cannot know it says so by "TODO"
 * (language/todo.h), with which nothing can be converted.
 */
#ifndef FG_DRAFT_NEW_FAMILY_H
#define FG_DRAFT_NEW_FAMILY_H

#include "language/catalogue.h"
#include "store/tensors.h"

/* `draft`, a new reference:
 *
 *   {"model_type": TYPE, "nearest": TYPE,
 *    "like_tensors": [NUMBER, OF], "like_keys": [NUMBER, OF],
 *    "files": {"forgather/TYPE.json": {...}, "models/TYPE.json": {...}, ...},
 *    "todo": ["FILE: PLACE: text", ...],
 *    "left_out": {FORMAT or "models": why there is no file}}
 *
 * `config` is a config.json of hf, `tensors` those of its weights; nothing is read but the catalogue's files.
 * FG_ERR_INPUT: the configuration does not name a model type that a file can be called after, or there is a
 * converter for it already. */
fg_status fg_new_family_draft(const json_t *config, const fg_tensors *tensors, fg_catalogue *catalogue,
                              json_t **draft, fg_error *err);

#endif
