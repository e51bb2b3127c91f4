/* Checking the files of models/ without a model: for `fgconv lint`.
 *
 * Every file is for a family that some converter knows and that can be run, with a side for each format that has such a converter, and names
 * roles that there are. The keys of a format with classes (convert/classes.h) exist in these, and what stands in for an absent one is the
 * default that its class has.
 */
#ifndef FG_MODEL_SPEC_LINT_H
#define FG_MODEL_SPEC_LINT_H

#include "convert/converter.h"

/* A line a file in `report`: "ok  PATH: ..." or "bad PATH: ..."; bad ones are added to `problems`. */
fg_status fg_model_specs_lint(const fg_converter_dirs *dirs, fg_buffer *report, size_t *problems,
                              fg_error *err);

#endif
