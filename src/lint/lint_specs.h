/* Checking the files of models/ without a model: for `fgconv lint`.
 *
 * Every file is for a family that some converter knows and that can be run, with a side for each format that
 * has such a converter, and names roles that there are. The keys of a format with classes
 * (language/classes.h) exist in these, and what stands in for an absent one is the default that its class
 * has.
 */
#ifndef FG_LINT_LINT_SPECS_H
#define FG_LINT_LINT_SPECS_H

#include "language/converter.h"

/* A row a file in `report`, a list (lint/lint_errors.h); bad ones are added to `problems`. */
fg_status fg_model_specs_lint(fg_catalogue *catalogue, json_t *report, size_t *problems, fg_error *err);

/* The same for one file, whose directory is searched first. fg_model_spec_is_file: a JSON file in a folder
 * models/. */
fg_status fg_model_spec_is_file(const char *path, bool *is, fg_error *err);
fg_status fg_model_spec_lint(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                             fg_error *err);

/* Whether the forward pass of its family reads all that a converter's file writes, which fg_converter_lint
 * passed. The row in `report` is about the file of models/; there is none if nothing is wrong. */
fg_status fg_converter_reads_lint(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                                  fg_error *err);

#endif
