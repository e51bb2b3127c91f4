/* What rank 0 alone holds of a conversion, and does: decide, begin, report, publish.
 *
 * Invariant: no function here is collective.
 */
#ifndef FG_MPI_COMMANDS_CONVERSION_ROOT_H
#define FG_MPI_COMMANDS_CONVERSION_ROOT_H

#include "commands/proof_run.h"
#include "commands/run.h"
#include "conversion/conversion.h"
#include "outputs.h"
#include "write.h"

/* Start from {.run = ..., .kept = ...}. */
typedef struct fg_conversion_root {
    const fg_run *run;
    fg_recipe recipe;
    fg_conversion conversion;
    json_t *identity;     /* of the conversion, with --resume */
    fg_kept_blocks *kept; /* borrowed; filled here with what the journal of an earlier run says */
    json_t *report;
    fg_error shortage; /* of a dry run: the destination would not fit on the disk */
    fg_outputs outputs;
    json_t *source_spec, *destination_spec; /* how the models compute, if they are run */
    fg_tokenizer_files tokenizer;           /* the source's, if models are run */
} fg_conversion_root;

/* Everything before the first write that needs no other rank: the plan, what is proved and on which prompt
 * (`proof_run`), and that the destination (`stage`) can be made. */
fg_status fg_conversion_root_decide(fg_conversion_root *root, fg_recipe_kind kind, fg_stage *stage,
                                    fg_proof_run *proof_run, fg_error *err);
/* Estimates what is needed; then creates DST.partial with everything but the tensors' bytes, unless it is a
 * dry run. */
fg_status fg_conversion_root_begin(fg_conversion_root *root, fg_stage *stage, const fg_proof_run *proof_run,
                                   fg_error *err);
/* What the earlier run wrote was compared with its journal: the journal loses what differs. */
fg_status fg_conversion_root_checked(const fg_conversion_root *root, const fg_stage *stage, fg_error *err);
/* All is written: the ranks' journals become one. */
fg_status fg_conversion_root_written(const fg_conversion_root *root, const fg_stage *stage, fg_error *err);
/* Opens what was written as any reader would: by its own headers and index. */
fg_status fg_conversion_root_reopen(const fg_conversion_root *root, const fg_stage *stage,
                                    fg_checkpoint *result, fg_error *err);
/* Says what the two models are. Without `result` the destination is what the plan will make; `names` are for
 * the dump. `pair` borrows all of it. */
void fg_conversion_root_describe(const fg_conversion_root *root, const fg_checkpoint *result,
                                 const json_t *names, fg_model_pair_task *pair);
/* What was written (nothing by a dry run), and what the proof found. */
fg_status fg_conversion_root_report(fg_conversion_root *root, const fg_write_result *written,
                                    const fg_proof_run *proof_run, fg_error *err);
/* After a proof that did not pass: shows the report if it was asked for, and gives FG_ERR_DIFFER. */
fg_status fg_conversion_root_judge(fg_conversion_root *root, const fg_proof_run *proof_run, fg_error *err);
/* The report's status: "done", "differ", "no_space". */
const char *fg_conversion_root_outcome(const fg_conversion_root *root, const fg_proof_run *proof_run);
/* The destination appears, unless it is a dry run, then the report is shown. FG_ERR_SYSTEM at the end of a
 * dry run whose destination would not fit. */
fg_status fg_conversion_root_publish(fg_conversion_root *root, fg_stage *stage, fg_error *err);
/* Returns `status`, or why an output file could not be kept. */
fg_status fg_conversion_root_close(fg_conversion_root *root, fg_status status, fg_error *err);

#endif
