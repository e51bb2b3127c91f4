/* The escape hatch of the converter language: C functions that a declaration {"custom": NAME, "hf": [...],
 * "field": [...]} calls.
 *
 * No converter here needs one; before adding a row, write the missing word of the language instead.
 */
#ifndef FG_TRANSLATE_CUSTOM_H
#define FG_TRANSLATE_CUSTOM_H

#include "translate/translator.h"

typedef fg_status (*fg_custom_run)(fg_translator *translator, const fg_frame *frame,
                                   const fg_declaration *declaration, fg_error *err);

/* Reads and writes only the paths that the declaration claims. */
typedef struct fg_custom {
    const char *name; /* NULL ends the table */
    fg_custom_run import, export;
} fg_custom;

/* The row of a name, or NULL. */
const fg_custom *fg_custom_find(const char *name);

#endif
