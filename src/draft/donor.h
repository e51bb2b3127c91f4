/* What other families of a catalogue say about a key or a tensor that the nearest one does not have.
 */
#ifndef FG_DRAFT_DONOR_H
#define FG_DRAFT_DONOR_H

#include "draft/family_fit.h"

/* The first declaration of another family with the same target that carries this key over, with this value;
 * NULL: there is none. Borrowed. */
fg_status fg_donor_key(const fg_family_fit *fit, const char *key, const json_t *value,
                       const fg_declaration **declaration, fg_error *err);
/* The first family that has a tensor of this name and shape; NULL: none. Borrowed. */
fg_status fg_donor_tensor(const fg_family_fit *fit, const char *name, const json_t *shape,
                          const fg_converter **converter, fg_error *err);
/* The rule for a tensor that the emitted code has a parameter for, of this shape, by the nearest family's
 * name rules and the code's declared `parameters`; NULL: it has none. New reference. */
fg_status fg_donor_parameter(const fg_family_fit *fit, const json_t *parameters, const char *name,
                             const json_t *shape, json_t **rule, fg_error *err);
/* Fits the rule of another family to the model, which has the tensor: without its "if" where that does not
 * hold. `shape`, a new reference, is what it gives, or NULL. */
fg_status fg_donor_resolve(const fg_family_fit *fit, const char *name, json_t *rule, json_t **shape,
                           fg_error *err);
/* The name in the target, with "{i}", that a converter gives to one of hf; NULL: its rules have none. Newly
 * allocated. */
fg_status fg_donor_target(const fg_converter *converter, const char *name, char **target, fg_error *err);

#endif
