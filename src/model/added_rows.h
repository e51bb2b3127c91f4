/* What a model is once rows of its vocabulary were edited (tokens were added): the reference that the result
 * of a conversion is compared with.
 *
 * The rows are worked out here from the source's numbers and their definition, not through the plan, so that
 * a plan that fills a row with something else does not cancel itself out.
 */
#ifndef FG_MODEL_ADDED_ROWS_H
#define FG_MODEL_ADDED_ROWS_H

#include "base/json.h"
#include "format/checkpoint.h"
#include "model/weight_source.h"
#include "plan/rows.h"

/* Wraps `weights` in place: embedding and head, found by their names in `spec` (models/TYPE.json), have
 * `edits->rows` rows from now on, those of `edits` with the numbers that these define. A mean is taken of
 * what `raw` holds and rounded to the type of the weight; copies are of what `weights` holds. Both are taken
 * over (and closed on failure); `spec` and `edits` are borrowed. */
fg_status fg_weight_source_edit_rows(fg_weight_source *weights, fg_weight_source *raw, const json_t *spec,
                                     const fg_format *format, const fg_row_edits *edits, fg_error *err);
/* A copy of a configuration that says how many rows the vocabulary has now. */
fg_status fg_config_set_vocabulary(const json_t *config, const json_t *spec, const fg_format *format,
                                   uint64_t rows, json_t **changed, fg_error *err);

#endif
