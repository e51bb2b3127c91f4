/* The specs of models: converters/models/TYPE.json, which say how a model type's own code computes.
 *
 * "extends"         another file of models/, of which this one replaces single members (null removes one)
 *
 * "norm", "query_key_norm" (or null), "mixer", "mlp"    words of the tables in model/words.c
 *
 * "formats"         { "hf": { "config", "rotary", "only", "only_if": see model/settings.h; "weights" },
 *                   ... }
 *
 * "weights"         { ROLE: NAME or [NAME, ...] }
 *
 * A NAME is a full name, "{i}" stands for the number of the block; of several exactly one may be there.
 * Roles: embedding, head, final_norm, block.mixer_norm, block.mlp_norm,
 * attention.{query,key,value,output,query_norm,key_norm}, mlp.{gate,up,down}. Words: norm and query_key_norm:
 * rms; mixer: attention; mlp: gated.
 */
#ifndef FG_MODEL_SPEC_H
#define FG_MODEL_SPEC_H

#include "base/json.h"
#include "convert/converter.h"

/* models/`model_type`.json of the first directory that has it, with what it extends; owned by the caller.
 * FG_ERR_INPUT if there is none or it is broken. */
fg_status fg_model_spec_read(json_t **spec, const fg_converter_dirs *dirs, const char *model_type,
                             fg_error *err);

#endif
