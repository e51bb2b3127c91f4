/* Detects the family of a configuration that does not name it, where those of a format look alike for all
 * families: each converter walks it, and the coverage decides.
 *
 * Invariant: a family is found only if no other one fits; failed attempts print nothing.
 */
#ifndef FG_CONVERSION_DETECT_FAMILY_H
#define FG_CONVERSION_DETECT_FAMILY_H

#include "base/warnings.h"
#include "language/converter.h"

/* A configuration, and the converters to try. Borrowed. */
typedef struct fg_family_question {
    fg_catalogue *catalogue;
    const fg_format *other; /* the converters' format */
    fg_direction direction;
    const json_t *config;
    const char *file; /* for messages */
} fg_family_question;

/* Whether a family of hf has a converter to a format; false for NULL. */
fg_status fg_family_is_known(fg_catalogue *catalogue, const fg_format *format, const char *family,
                             bool *known, fg_error *err);
/* Whether the converter of a family accepts the configuration: `refused` has FG_OK, and `warnings` (may be
 * NULL) gets its warnings, or the refusal. Any other failure is returned. */
fg_status fg_family_try(const fg_family_question *question, const char *family, fg_error *refused,
                        fg_warnings *warnings, fg_error *err);
/* The only hf family whose converter to `format` accepts the model's configuration. Newly allocated. With
 * none or several: FG_ERR_INPUT that names `file`, the families, what each refuses, and which would warn of a
 * loss. */
fg_status fg_family_find(fg_catalogue *catalogue, const fg_format *format, const json_t *model,
                         const char *file, char **family, fg_error *err);

#endif
