/* A first converter of a family to a format whose tensors are named by rules (Forgather): the nearest
 * family's, extended by what differs.
 */
#ifndef FG_DRAFT_DRAFT_CONVERTER_H
#define FG_DRAFT_DRAFT_CONVERTER_H

#include "draft/pairing.h"

/* What a draft is made from. All borrowed. */
typedef struct fg_draft_source {
    const char *model_type;
    const json_t *config; /* config.json */
    const fg_outline *outline;
    const fg_family_fit *fit;
    const fg_pairing *pairing;
    const json_t *code; /* what the nearest family's emitted code declares (code_declaration.h), or NULL */
} fg_draft_source;

/* The file as an object, with a member "TODO" (language/todo.h) wherever something is guessed or not known.
 * New reference. */
fg_status fg_draft_converter(const fg_draft_source *source, json_t **document, fg_error *err);

/* The members that a converter of either format begins with. New reference. */
fg_status fg_draft_begin(const fg_draft_source *source, const fg_format *format, json_t **document,
                         fg_error *err);
/* A text for people becomes the member "TODO" of an object. */
fg_status fg_draft_todo(json_t *object, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
