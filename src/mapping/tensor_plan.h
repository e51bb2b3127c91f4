/* Making the plan of a conversion from a converter, the source's tensor table and the translated
 * configuration.
 *
 * Coverage of tensors: each tensor that the converter declares for this configuration must be there with the
 * declared shape; each source tensor must be used or dropped by a rule that names it; each output is filled
 * once. Names are checked: a round trip must give the same hf name, and no two names may become the same.
 */
#ifndef FG_MAPPING_TENSOR_PLAN_H
#define FG_MAPPING_TENSOR_PLAN_H

#include "language/converter.h"
#include "plan/plan.h"
#include "plan/rows.h"

/* Where names may be missing or unexpected (`fgconv update --no-strict`), as the source calls them: arrays of
 * names, owned by the caller; NULL where they are not needed. */
typedef struct fg_tensor_gaps {
    json_t *missing, *unexpected;
} fg_tensor_gaps;

/* `cast`: FG_DTYPE_NONE keeps each tensor's own type; else floats get it and integers are refused. `hf` is
 * fg_translation.hf. A tied tensor (tied_if true) is written under both names towards Forgather and left out
 * towards hf; when the source holds both, their bytes are compared here (streamed) and a difference is
 * FG_ERR_INPUT.
 * `rows`, unless NULL or empty, says what rows of the vocabulary's tensors become.
 * `gaps`, unless NULL, gets the names of tensors that are missing, which the plan then does not make, and of
 * those that no rule covers, which it drops; else both are refused.
 * Takes the source table over into the plan (`source` is left empty, on failure too; the plan is then empty).
 * The plan is checked (fg_plan_check). Outputs are in the order of the converter's "tensors", block by
 * block. */
fg_status fg_tensor_plan(const fg_converter *converter, fg_direction direction, fg_tensors *source,
                         const json_t *hf, fg_dtype cast, const fg_row_edits *rows,
                         const fg_tensor_gaps *gaps, fg_plan *plan, fg_error *err);

/* How many rows the tensors of the vocabulary have in a completed hf configuration; 0 if the converter marks
 * none. */
fg_status fg_tensor_vocabulary_rows(const fg_converter *converter, const json_t *hf, uint64_t *rows,
                                    fg_error *err);

/* The tensors that the converter declares for a completed hf configuration, in order: array of {"name": hf
 * name, "shape": [...], "tied_to": hf name or null when it is not tied in this configuration, "also_read":
 * [target names]}. */
fg_status fg_tensor_names_expand(const fg_converter *converter, const json_t *hf, json_t **names,
                                 fg_error *err);

/* Pairs of output names that hold the same weight (for `param_sharing`): array of [hf-tied name, name it is
 * tied to] in destination names; towards hf, where a tied tensor is left out, the array is empty. */
fg_status fg_tensor_plan_tied(const fg_converter *converter, fg_direction direction, const json_t *hf,
                              json_t **pairs, fg_error *err);

/* The name of the float type that most bytes of the outputs have ("bfloat16"); NULL for a plan without
 * floats. */
const char *fg_plan_main_dtype(const fg_plan *plan);

#endif
