/* How a family that has a converter fits a model that has none: what differs between the two, by the names
 * and shapes of tensors and by the keys of the configuration.
 *
 * Invariant: what is equal may still be computed otherwise: only the model's own code says that.
 */
#ifndef FG_DRAFT_FAMILY_FIT_H
#define FG_DRAFT_FAMILY_FIT_H

#include "draft/outline.h"
#include "language/converter.h"

/* All owned, but for the converter. */
typedef struct fg_family_fit {
    const fg_converter *converter; /* borrowed; its target has no classes */
    json_t *config;                /* the outline's, with what the family means by absent keys */
    json_t *missing; /* NAME -> shape or null: tensors that the family has for this configuration, and the
                         model lacks */
    json_t *extra;   /* NAME -> shape: the other way */
    json_t *unknown; /* KEY -> value: keys that the family does not know, or not with this value */
    json_t *absent;  /* KEY -> label of the declaration: keys that the family needs */
    size_t lacking;  /* keys that the family writes and the model lacks */
    size_t distance; /* how much differs */
} fg_family_fit;

/* The family of the catalogue for this format that fits best; of equals the first. FG_ERR_INPUT: there is
 * none. */
fg_status fg_family_fit_nearest(fg_family_fit *fit, fg_catalogue *catalogue, const fg_format *format,
                                const fg_outline *outline, fg_error *err);
void fg_family_fit_free(fg_family_fit *fit);

/* The next converter of a catalogue for a format, from entry `*index` on; NULL: there is none. What does not
 * load is passed over. Borrowed. */
fg_status fg_family_next(fg_catalogue *catalogue, const fg_format *format, size_t *index,
                         const fg_converter **converter, fg_error *err);

/* The declaration of a converter's root section that claims a key of hf; NULL: none does. */
const fg_declaration *fg_family_claim(const fg_converter *converter, const char *key);
/* Whether it takes the value; conditions are not looked at. */
bool fg_family_takes(const fg_converter *converter, const fg_declaration *declaration, const json_t *value);
/* The "tensors" of a converter. Borrowed. */
const json_t *fg_family_tensors(const fg_converter *converter);
/* What a rule of "tensors" gives for a configuration. */
typedef struct fg_family_tensor {
    json_t *shape; /* owned: a list; NULL: it cannot be worked out */
    bool present;  /* the configuration asks for it */
    bool tied;     /* another tensor stands for it */
} fg_family_tensor;
fg_status fg_family_tensor_make(fg_family_tensor *tensor, const fg_converter *converter, const char *name,
                                const json_t *rule, const json_t *config, fg_error *err);

#endif
