/* Checking converter files beyond what loading them checks: for authors of converters, and for the tests of
 * this repository. */
#ifndef FG_LINT_LINT_H
#define FG_LINT_LINT_H

#include "language/converter.h"
#include "plan/plan.h"

/* Checks one file, or (NULL) all that fg_converters_list and fg_migrations_files find. A migration loads. Per
 * file: it loads; each name list is used; the names of a small model round-trip; the family's default
 * configuration comes back from a round trip the same; converters/models/ has the family. A row a file in
 * `report`, a list (lint/lint_errors.h); bad ones are counted in `problems`. A converter file that is wrong
 * is no failure of the call; a path that cannot be read is. */
fg_status fg_converter_lint(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                            fg_error *err);

/* The family's defaults with few layers, and what the file's "example" lays over them; it has every key that
 * a converter may demand. New reference; NULL: the family has neither. */
fg_status fg_lint_small_config(const fg_converter *converter, json_t **config, fg_error *err);

/* Adds the outputs that the converter's "tensors" give in this direction, without pieces. `hf`: completed. */
fg_status fg_lint_outputs(const fg_converter *converter, const json_t *hf, fg_direction direction,
                          fg_plan *plan, fg_error *err);

#endif
