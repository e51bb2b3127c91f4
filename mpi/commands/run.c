#include "commands/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/print.h"
#include "model/spec.h"

fg_progress_style fg_run_progress(const fg_run *run) {
    bool shown = run->ranks->rank == 0 && run->options->verbosity >= 0;
    return shown ? run->options->progress : FG_PROGRESS_NONE;
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

fg_status fg_run_report_end(const fg_run *run, const char *outcome, double seconds, json_t *report,
                            fg_error *err) {
    char now[FG_CLOCK_TEXT];
    uint64_t peak = peak_bytes();
    fg_ranks_max_u64(run->ranks, &peak, 1);
    if (!report) return FG_OK;
    FG_CALL(put_warnings(report, err));
    FG_CALL(fg_json_set_at(report, "memory/peak_bytes_per_rank", json_integer((json_int_t)peak), err));
    FG_CALL(fg_json_put(report, "seconds", json_real(seconds), err));
    FG_CALL(fg_json_put(report, "status", json_string(outcome), err));
    return fg_json_put(report, "finished", json_string(fg_clock_text(now)), err);
}

fg_status fg_run_report_show(const fg_run *run, const json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    if (run->options->json) {
        FG_TRY(fg_json_write(report, 0, &text, err));
        FG_TRY(fg_buffer_add(&text, "\n", 1, err));
    } else if (run->options->verbosity >= 0) {
        if (run->options->dry_run) FG_TRY(fg_report_plan(report, &text, err));
        FG_TRY(fg_report_summary(report, &run->options->command->headline, &text, err));
    }
    FG_TRY(fg_print_beside(run->out, &text, err));
done:
    fg_buffer_free(&text);
    return status;
}

fg_status fg_run_print(const fg_run *run, const json_t *document, fg_run_text *write_text, fg_error *err) {
    fg_buffer text = {0};
    if (run->options->json) return fg_print_json(run->out, document, FG_JSON_UTF8, err);
    fg_status status = write_text(document, run->options, &text, err);
    if (status == FG_OK) status = fg_print(run->out, &text, err);
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
