/* Which key and which tensor of a model probably is which of the nearest family, where the names differ.
 */
#ifndef FG_DRAFT_PAIRING_H
#define FG_DRAFT_PAIRING_H

#include "draft/family_fit.h"

/* All owned. */
typedef struct fg_pairing {
    json_t *keys;    /* the family's KEY -> {"name": the model's, "sure": BOOL} */
    json_t *tensors; /* the family's NAME -> the same */
    json_t *config;  /* the fit's configuration, with the family's keys for the model's */
} fg_pairing;

/* A pair is sure if sizes leave no other choice. */
fg_status fg_pairing_make(fg_pairing *pairing, const fg_family_fit *fit, const fg_outline *outline,
                          fg_error *err);
void fg_pairing_free(fg_pairing *pairing);

/* The model's name for one of the family, borrowed: of a pair; NULL: there is none. `sure` may be NULL. */
const char *fg_pairing_name(const json_t *pairs, const char *name, bool *sure);
/* Whether some name of the family stands for this one of the model. */
bool fg_pairing_uses(const json_t *pairs, const char *name);
/* The value with the model's keys in place of the family's, in each text as a whole word. New reference. */
fg_status fg_pairing_rename(const fg_pairing *pairing, const json_t *value, json_t **renamed, fg_error *err);

#endif
