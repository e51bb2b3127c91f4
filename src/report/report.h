/* The report of a run: one JSON document of everything that was decided, written, measured and compared
 * (fgconv_report.json in the destination, and --report FILE). The printed summary is made from it.
 *
 * Keys: fgconv {version}, command, arguments [..], dry_run, started (ISO 8601, UTC), finished, status
 * ("done", "differ", ...), ranks, nodes, source {directory, weights_directory, training_checkpoint {step,
 * saved (local time), chosen: "latest"|"given"} (if the weights are from one), format, model_type, tensors,
 * bytes, dtypes {name: bytes}}, destination {directory, format, tensors, bytes, shards [{file, bytes}]} (for
 * `validate`: the second model), options {...} (what `verify` needs to make the plan again), converter {file,
 * model_type}, config {left_out [{key, value, reason}]}, tensors [{name, source, dtype, shape, digest}],
 * dropped [{name, reason}], tokens [{id, text, new, special, row}] (those that were added or became special;
 * row: zero, mean, copy:ID), stop_tokens [{id, text (null unless it is an added token), reason}] (of
 * finalize: what stops a generation), made_files [..], copied_files [..], left_files [..], warnings [..],
 * rates {seconds, bytes_per_second, ...}, memory {peak_bytes_per_rank, expected_bytes_per_rank,
 * expected_proof_bytes_per_rank, expected_generation_bytes_per_rank}, disk {needed_bytes, free_bytes},
 * estimate {seconds, read_bytes, read_bytes_per_second} (of a dry run: how long writing takes), overflows,
 * proof {kind: "logits"|"bytes"|"none", tokens, blocks, max_abs, mean_abs, kl, argmax_agreement (0 to 1),
 * non_finite, first_difference {block, sublayer} (without `block`: a part outside the blocks, "the
 * embedding"), rounding {max_abs, mean_abs, kl, argmax_agreement}, seconds}, generation (with -g) {passed,
 * prompt_tokens, tokens [id] (the destination's), text (null without a tokenizer), stopped_by:
 * "limit"|"eos"|"difference", eos_token_id (if that stopped it), first_difference {token (from 0), source,
 * destination}, greedy, temperature, top_p, top_k, seed (unless greedy), seconds, tokens_per_second}.
 */
#ifndef FG_REPORT_REPORT_H
#define FG_REPORT_REPORT_H

#include "base/json.h"

/* How the summary of a command's report begins, for each way that the command can end. {source},
 * {destination} and {status} stand for those of the report. NULL: as `done`. */
typedef struct fg_headline {
    const char *done, *planned; /* planned: done, without writing */
    const char *differ;         /* the models, or bytes */
    const char *tokens_differ;  /* the generated ones, of equal logits; NULL: as `differ` */
    const char *stopped;        /* any other status */
} fg_headline;

/* That of a command which writes a directory, from three forms of its verb: "Converting", "converted",
 * "Converted". */
#define FG_HEADLINE_WRITES(doing, did, begins)                                                               \
    {                                                                                                        \
        .done = begins " {source} to {destination}",                                                         \
        .planned = doing " {source} to {destination} would work; nothing was written",                       \
        .differ = "Not " did ": {destination} differs from {source}, nothing was published",                 \
        .stopped = "Not " did ": {source} to {destination} ({status})",                                      \
    }

/* The summary for people, from a complete report: a dozen lines. */
fg_status fg_report_summary(const json_t *report, const fg_headline *headline, fg_buffer *out, fg_error *err);
/* The plan for people (--dry-run): what would be written, sizes, memory, what is dropped and left out, and
 * why. */
fg_status fg_report_plan(const json_t *report, fg_buffer *out, fg_error *err);

#endif
