/* Refusals of a directory in which no model is where transformers, Forgather or Fast-LLM would look: they say
 * what is there instead, and what to do with it. Only names are looked at.
 */
#ifndef FG_FORMAT_MISSING_MODEL_H
#define FG_FORMAT_MISSING_MODEL_H

#include <stddef.h>

#include "base/error.h"

/* There is no config.json (nor a Fast-LLM metadata.yaml). FG_ERR_INPUT. */
fg_status fg_refuse_no_config(const char *directory, fg_error *err);
/* None of the files `names` (NULL at the end) is there. FG_ERR_INPUT. */
fg_status fg_refuse_no_weights(const char *directory, const char *const *names, fg_error *err);
/* `path` is a file, or nothing, where a model's directory is expected. FG_ERR_USAGE. */
fg_status fg_refuse_no_directory(const char *path, fg_error *err);

#endif
