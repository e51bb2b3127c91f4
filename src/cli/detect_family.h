/* Which family a Fast-LLM configuration belongs to, where nothing says it: the configurations of Fast-LLM are the same for all
 * families, so that each converter is tried.
 *
 * Invariant: a family is found only if no other one would do; what is tried and thrown away says nothing.
 */
#ifndef FG_CLI_DETECT_FAMILY_H
#define FG_CLI_DETECT_FAMILY_H

#include "base/log.h"
#include "convert/converter.h"

/* A configuration, and the converters that might take it. Borrowed. */
typedef struct fg_family_question {
    const fg_converter_dirs *dirs;
    fg_format other; /* the converters' format */
    fg_direction direction;
    const json_t *config;
    const char *file; /* for messages */
} fg_family_question;

/* Where a configuration of the format says its family. */
const char *fg_family_key(fg_format format);
/* Whether a family of hf has a converter to Forgather; false for NULL. */
fg_status fg_family_is_known(const fg_converter_dirs *dirs, const char *family, bool *known, fg_error *err);
/* Whether the converter of a family takes the configuration: `refused` has FG_OK, and `warning` the first warning ("" without any), or what
 * is refused. Returns an error only for what is no refusal. */
fg_status fg_family_try(const fg_family_question *question, const char *family, fg_error *refused,
                        char warning[FG_LOG_LINE], fg_error *err);
/* The one family of hf whose converter takes `base_model`. Newly allocated. None or several: FG_ERR_INPUT that names `file` and the
 * families, of which each refuses what, and which would warn that something is lost. */
fg_status fg_family_find(const fg_converter_dirs *dirs, const json_t *base_model, const char *file,
                         char **family, fg_error *err);

#endif
