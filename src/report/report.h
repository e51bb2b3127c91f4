/* The report of a run: one JSON document of everything that was decided, written, measured and compared
 * (fgconv_report.json in the destination, and --report FILE). The printed summary is made from it.
 *
 * docs/report.schema.json says which keys there are; a test compares it with the reports of all commands.
 * What was not measured has no key, and no line in the summary.
 */
#ifndef FG_REPORT_REPORT_H
#define FG_REPORT_REPORT_H

#include "base/json.h"

/* Its name in a destination. */
#define FG_REPORT_FILE "fgconv_report.json"

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
/* What the proof measured, for people (-v): a line for each half-block. */
fg_status fg_report_measures(const json_t *report, fg_buffer *out, fg_error *err);
/* The half-blocks of the vision encoder, of the prompt that has an image; NULL: there is none. Borrowed. */
const json_t *fg_report_vision(const json_t *proof);
/* The plan for people (--dry-run): what would be written, sizes, memory, what is dropped and left out, and
 * why. */
fg_status fg_report_plan(const json_t *report, fg_buffer *out, fg_error *err);

#endif
