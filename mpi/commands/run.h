/* What a command gets, and what commands share. A collective command is called by every rank, with the
 * same options. */
#ifndef FG_MPI_COMMANDS_RUN_H
#define FG_MPI_COMMANDS_RUN_H

#include <stdio.h>

#include "cli/options.h"
#include "conversion/conversion.h"
#include "language/converter.h"
#include "outputs.h"
#include "plan/plan.h"
#include "ranks.h"
#include "report/progress.h"

typedef struct fg_run {
    const fg_ranks *ranks;     /* NULL where MPI is not started, for a command that is not collective */
    const fg_launch *launch;   /* what of stdout and stderr is a terminal */
    const fg_options *options; /* as the command line gave them */
    fg_catalogue *catalogue;   /* rank 0 reads files through it; empty elsewhere */
    const char *version;       /* of fgconv */
    const char *commit;        /* that it was built from; "": unknown */
    FILE *in, *out;            /* where results go */
    bool *printed;             /* borrowed; set when a document is printed as JSON; may be NULL */
    int argc;
    char **argv;
} fg_run;

/* The progress style that options, terminal and rank ask for. */
fg_progress_style fg_run_progress(const fg_run *run);
/* Rank 0: a new report with version, command, arguments, start, ranks, nodes. */
fg_status fg_run_report_begin(const fg_run *run, json_t **report, fg_error *err);
/* What one rank did; zeros: not done. */
typedef struct fg_rank_work {
    uint64_t bytes_read, bytes_written;
    double write_seconds, proof_seconds;
} fg_rank_work;
/* Collective: adds warnings, what each rank did, its peak memory and the end time to rank 0's report (NULL
 * elsewhere). */
fg_status fg_run_report_end(const fg_run *run, const char *status, double seconds, const fg_rank_work *work,
                            json_t *report, fg_error *err);
/* Rank 0: into the files that were asked for. */
fg_status fg_run_report_write(const fg_run *run, fg_outputs *outputs, const json_t *report, fg_error *err);
/* Rank 0: what is printed of it (summary, or the whole as JSON with --json), printing that, and both. */
fg_status fg_run_report_text(const fg_run *run, const json_t *report, fg_buffer *text, fg_error *err);
fg_status fg_run_report_print(const fg_run *run, const fg_buffer *text, fg_error *err);
fg_status fg_run_report_show(const fg_run *run, const json_t *report, fg_error *err);
/* Prints a document as JSON with --json, otherwise the text that is written from it. For a collective
 * command, whose process gets no SIGPIPE, a reader that went away is no error. */
typedef fg_status fg_run_text(const json_t *document, const fg_options *options, fg_buffer *out,
                              fg_error *err);
fg_status fg_run_print(const fg_run *run, const json_t *document, fg_run_text *write_text, fg_error *err);
/* The same after a command made the directory `made`, which stays whatever becomes of the text. */
fg_status fg_run_print_made(const fg_run *run, const json_t *document, fg_run_text *write_text,
                            const char *made, fg_error *err);
/* Rank 0: models/TYPE.json of the HF family. */
fg_status fg_run_model_spec(const fg_run *run, const char *model_type, json_t **spec, fg_error *err);
/* Collective: the tensors of a directory, which may be unfinished, against the plan that every rank holds.
 * A difference is FG_ERR_DIFFER; files of either side that changed meanwhile are FG_ERR_INPUT. `conversion`
 * is rank 0's, NULL elsewhere. */
fg_status fg_verify_directory(const fg_run *run, const fg_plan *plan, const fg_conversion *conversion,
                              const char *directory, bool unfinished, fg_error *err); /* verify_command.c */
#endif
