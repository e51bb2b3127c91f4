/* What transformers assumes for a key that an HF configuration leaves out: defaults/transformers.json
 * (scripts/generate-defaults). */
#ifndef FG_LANGUAGE_DEFAULTS_H
#define FG_LANGUAGE_DEFAULTS_H

#include "language/catalogue.h"

/* The defaults of a model type: an object, owned by the catalogue; NULL for types that none of its files
 * knows. */
fg_status fg_defaults_load(fg_catalogue *catalogue, const char *model_type, const json_t **defaults,
                           fg_error *err);

/* Adds the members of `defaults` that `config` does not have. */
fg_status fg_defaults_complete(json_t *config, const json_t *defaults, fg_error *err);

#endif
