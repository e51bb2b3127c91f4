/* Which family a Fast-LLM configuration belongs to, where nothing says it: the configurations of Fast-LLM are the same for all
 * families, so that each converter is tried.
 *
 * Invariant: a family is found only if no other one would do; what is tried and thrown away says nothing.
 */
#ifndef FG_CLI_FAMILY_H
#define FG_CLI_FAMILY_H

#include "convert/converter.h"

/* The one family of hf whose converter takes `base_model`. Newly allocated. None or several: FG_ERR_INPUT that names `file` and the
 * families, of which each refuses what, and which would warn that something is lost. */
fg_status fg_family_find(const fg_converter_dirs *dirs, const json_t *base_model, const char *file,
                         char **family, fg_error *err);

#endif
