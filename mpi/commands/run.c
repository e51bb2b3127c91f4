#include "commands/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/visible_json.h"
#include "cli/command.h"
#include "cli/print.h"
#include "model/spec.h"
#include "report/page.h"
#include "report/report_text.h"

fg_progress_style fg_run_progress(const fg_run *run) {
    bool shown = run->ranks->rank == 0 && run->options->verbosity >= 0;
    if (!shown) return FG_PROGRESS_NONE;
    if (run->options->progress != FG_PROGRESS_AUTO) return run->options->progress;
    return run->launch->stderr_terminal ? FG_PROGRESS_BAR : FG_PROGRESS_LINES;
}

fg_status fg_run_report_begin(const fg_run *run, json_t **report, fg_error *err) {
    char now[FG_CLOCK_TEXT];
    *report = json_pack("{s:{s:s}, s:s, s:b, s:s, s:i, s:i}", "fgconv", "version", run->version, "command",
                        run->options->command->name, "dry_run", run->options->dry_run, "started",
                        fg_clock_text(now), "ranks", run->ranks->size, "nodes", run->ranks->node_count);
    if (!*report) return fg_fail(err, FG_ERR_MEMORY, "out of memory while starting the report");
    return fg_json_put_texts(*report, "arguments", run->argv + 1, (size_t)(run->argc - 1), err);
}

static uint64_t peak_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static fg_status put_warnings(json_t *report, fg_error *err) {
    json_t *warnings;
    FG_CALL_NEW(warnings, fg_json_put_array(report, "warnings", err));
    for (size_t i = 0; i < fg_log_warning_count(); i++)
        FG_CALL(fg_json_push(warnings, fg_json_string(fg_log_warning(i)), err));
    return FG_OK;
}

typedef struct rank_figures {
    fg_rank_work work;
    uint64_t peak, node;
} rank_figures;

static fg_status put_ranks(const rank_figures *all, size_t count, json_t *report, fg_error *err) {
    json_t *list;
    FG_CALL_NEW(list, fg_json_put_array(report, "per_rank", err));
    for (size_t r = 0; r < count; r++) {
        const rank_figures *one = &all[r];
        FG_CALL(fg_json_push(list,
                             json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:I}", "rank", (json_int_t)r, "node",
                                       (json_int_t)one->node, "bytes_read", (json_int_t)one->work.bytes_read,
                                       "bytes_written", (json_int_t)one->work.bytes_written, "write_seconds",
                                       one->work.write_seconds, "proof_seconds", one->work.proof_seconds,
                                       "peak_bytes", (json_int_t)one->peak),
                             err));
    }
    return FG_OK;
}

/* Collective. */
static fg_status gather_ranks(const fg_run *run, const fg_rank_work *work, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    size_t count = (size_t)run->ranks->size;
    const rank_figures mine = {.work = *work, .peak = peak_bytes(), .node = (uint64_t)run->ranks->node_index};
    rank_figures *all = fg_alloc(count, sizeof *all, err);
    size_t *sizes = fg_alloc(count, sizeof *sizes, err);
    FG_TRY(fg_ranks_agree(run->ranks, err));
    for (size_t r = 0; r < count; r++) sizes[r] = sizeof mine;
    fg_ranks_gather(run->ranks, &mine, sizes, run->ranks->rank == 0 ? all : NULL);
    if (report) FG_TRY(put_ranks(all, count, report, err));
done:
    fg_free(all);
    fg_free(sizes);
    return status;
}

fg_status fg_run_report_end(const fg_run *run, const char *outcome, double seconds, const fg_rank_work *work,
                            json_t *report, fg_error *err) {
    char now[FG_CLOCK_TEXT];
    uint64_t peak = peak_bytes();
    FG_CALL(gather_ranks(run, work, report, err));
    fg_ranks_max_u64(run->ranks, &peak, 1);
    if (!report) return FG_OK;
    FG_CALL(put_warnings(report, err));
    FG_CALL(fg_json_set_at(report, "memory/peak_bytes_per_rank", json_integer((json_int_t)peak), err));
    FG_CALL(fg_json_put(report, "seconds", json_real(seconds), err));
    FG_CALL(fg_json_put(report, "status", json_string(outcome), err));
    return fg_json_put(report, "finished", json_string(fg_clock_text(now)), err);
}

static fg_audience audience(const fg_run *run) {
    return run->options->json ? FG_FOR_PROGRAMS : FG_FOR_PEOPLE;
}

static bool shows_colours(const fg_run *run) {
    return !run->options->json && fg_launch_colours(run->launch->stdout_terminal);
}

static fg_status write_report(const json_t *report, const fg_options *options, fg_buffer *out,
                              fg_error *err) {
    if (options->dry_run) FG_CALL(fg_report_plan(report, out, err));
    FG_CALL(fg_report_summary(report, &options->command->headline, out, err));
    return options->verbosity > 0 ? fg_report_measures(report, out, err) : FG_OK;
}

/* The same, and the first line of the summary is bold, in red unless all went well. */
static fg_status write_coloured(const json_t *report, const fg_options *options, fg_buffer *out,
                                fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer summary = {0};
    bool done = strcmp(fg_report_string(report, "status", ""), "done") == 0;
    if (options->dry_run) FG_TRY(fg_report_plan(report, out, err));
    FG_TRY(fg_report_summary(report, &options->command->headline, &summary, err));
    size_t verdict = strcspn(summary.data, "\n");
    FG_TRY(fg_buffer_put(out, done ? FG_BOLD : FG_BOLD_RED, err));
    FG_TRY(fg_buffer_add(out, summary.data, verdict, err));
    FG_TRY(fg_buffer_put(out, FG_PLAIN, err));
    FG_TRY(fg_buffer_put(out, summary.data + verdict, err));
    if (options->verbosity > 0) FG_TRY(fg_report_measures(report, out, err));
done:
    fg_buffer_free(&summary);
    return status;
}

/* Text for people: a name with a newline in it does not make two lines. */
static fg_status write_visible(const fg_run *run, const json_t *document, fg_run_text *write_text,
                               fg_buffer *out, fg_error *err) {
    json_t *visible;
    FG_CALL(fg_visible_json(document, &visible, err));
    fg_status status = write_text(visible, run->options, out, err);
    json_decref(visible);
    return status;
}

static fg_status write_document(const fg_run *run, const json_t *document, fg_run_text *write_text,
                                fg_buffer *out, fg_error *err) {
    return run->options->json ? fg_json_write_line(document, FG_JSON_UTF8, out, err)
                              : write_visible(run, document, write_text, out, err);
}

fg_status fg_run_report_text(const fg_run *run, const json_t *report, fg_buffer *text, fg_error *err) {
    if (run->options->json) return fg_json_write_line(report, 0, text, err);
    if (run->options->verbosity < 0) return FG_OK;
    return write_visible(run, report, shows_colours(run) ? write_coloured : write_report, text, err);
}

fg_status fg_run_report_write(const fg_run *run, fg_outputs *outputs, const json_t *report, fg_error *err) {
    fg_buffer page = {0};
    fg_status status = fg_output_file_write_report(&outputs->report, report, err);
    if (status == FG_OK && outputs->page.partial) {
        status = fg_report_page(report, &run->options->command->headline, &page, err);
        if (status == FG_OK) status = fg_output_file_write(&outputs->page, &page, err);
    }
    fg_buffer_free(&page);
    return status;
}

/* There is one document on stdout: after an error the report, if there is one, else the error. */
static void note_printed(const fg_run *run) {
    if (run->options->json && run->printed) *run->printed = true;
}

fg_status fg_run_report_print(const fg_run *run, const fg_buffer *text, fg_error *err) {
    note_printed(run);
    return fg_print_beside(run->out, shows_colours(run) ? FG_FOR_TERMINALS : audience(run), text, err);
}

fg_status fg_run_report_show(const fg_run *run, const json_t *report, fg_error *err) {
    fg_buffer text = {0};
    fg_status status = fg_run_report_text(run, report, &text, err);
    if (status == FG_OK) status = fg_run_report_print(run, &text, err);
    fg_buffer_free(&text);
    return status;
}

fg_status fg_run_print(const fg_run *run, const json_t *document, fg_run_text *write_text, fg_error *err) {
    fg_buffer text = {0};
    fg_status status = write_document(run, document, write_text, &text, err);
    if (status == FG_OK) note_printed(run);
    if (status == FG_OK)
        status = run->options->command->collective ? fg_print_beside(run->out, audience(run), &text, err)
                                                   : fg_print(run->out, audience(run), &text, err);
    fg_buffer_free(&text);
    return status;
}

fg_status fg_run_print_made(const fg_run *run, const json_t *document, fg_run_text *write_text,
                            const char *made, fg_error *err) {
    fg_buffer text = {0};
    fg_status status = write_document(run, document, write_text, &text, err);
    if (status == FG_OK) note_printed(run);
    if (status == FG_OK) status = fg_print_beside(run->out, audience(run), &text, err);
    if (status != FG_OK) fg_hint(err, "%s is complete and may be used; this failed after it was made", made);
    fg_buffer_free(&text);
    return status;
}

fg_status fg_run_model_spec(const fg_run *run, const char *model_type, json_t **spec, fg_error *err) {
    fg_status status = fg_model_spec_read(spec, run->catalogue, model_type, err);
    if (status != FG_OK)
        fg_hint(err,
                "the proof needs models/%s.json; give its directory with --converter-path, or choose "
                "--validate bytes",
                model_type);
    return status;
}
