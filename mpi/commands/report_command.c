/* fgconv report: the page of a report that is there. */
#include "base/alloc.h"
#include "base/file.h"
#include "cli/print.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "report/output_file.h"
#include "report/page.h"
#include "report/report_text.h"

static fg_status refuse(const char *path, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: this is not a report of fgconv", path);
    return fg_hint(err, "give a directory that fgconv has written, or what --report or --json gave");
}

/* A file, or that of a directory. */
static fg_status read_report(const char *given, json_t **report, fg_error *err) {
    fg_status status = FG_OK;
    bool directory;
    char *path = NULL;
    FG_TRY(fg_path_is_directory(given, &directory, err));
    FG_TRY_NEW(path, directory ? fg_path_join(given, FG_REPORT_FILE, err) : fg_strdup(given, err));
    FG_TRY(fg_json_read(path, report, err));
    if (!fg_report_is(*report)) FG_TRY(refuse(path, err));
done:
    fg_free(path);
    return status;
}

static fg_status write_page(const char *path, const fg_buffer *page, fg_error *err) {
    fg_output_file file = {0};
    fg_status status = fg_output_file_reserve_page(&file, "report", path, err);
    if (status == FG_OK) status = fg_output_file_write(&file, page, err);
    fg_status closed = fg_output_file_close(&file, status == FG_OK, err);
    return status == FG_OK ? closed : status;
}

static fg_status run_report(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *options = run->options;
    const fg_headline plain = {.done = "{source} and {destination}"};
    json_t *report = NULL;
    fg_buffer page = {0};
    FG_TRY(read_report(options->source, &report, err));
    const fg_command *command = fg_command_find(&fg_command_table, fg_report_string(report, "command", ""));
    FG_TRY(
        fg_report_page(report, command && command->headline.done ? &command->headline : &plain, &page, err));
    if (options->destination) FG_TRY(write_page(options->destination, &page, err));
    if (options->json)
        FG_TRY(fg_run_print(run, report, NULL, err));
    else if (!options->destination)
        FG_TRY(fg_print(run->out, FG_FOR_PROGRAMS, &page, err));
done:
    json_decref(report);
    fg_buffer_free(&page);
    return status;
}

const fg_command fg_report_command = {
    .name = "report",
    .arguments = "DIR|FILE.json [OUT.html]",
    .least = 1,
    .most = 2,
    .complete = FG_COMPLETE_FILES,
    .options = FG_TAKES_JSON,
    .writes = true,
    .bare = true,
    .summary = "make a page with charts of a report",
    .about = "Makes one page of HTML of the report in a directory, or of one that --report or --json gave. "
             "The page "
             "needs no other file and no network. Without OUT.html it is printed; with --json the report is.",
    .example = "fgconv report llama-fg llama-fg.html",
    .run = run_report,
};
