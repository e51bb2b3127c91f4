/* fgconv lint: checks the given converter files or files of models/; without arguments all of both. */
#include "cli/print.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "lint/lint.h"
#include "lint/lint_specs.h"

static fg_status lint_all(fg_catalogue *catalogue, fg_buffer *report, size_t *problems, fg_error *err) {
    FG_CALL(fg_converter_lint(catalogue, NULL, report, problems, err));
    return fg_model_specs_lint(catalogue, report, problems, err);
}

static fg_status lint_file(fg_catalogue *catalogue, const char *path, fg_buffer *report, size_t *problems,
                           fg_error *err) {
    bool is_spec;
    size_t found = 0;
    FG_CALL(fg_model_spec_is_file(path, &is_spec, err));
    FG_CALL((is_spec ? fg_model_spec_lint : fg_converter_lint)(catalogue, path, report, &found, err));
    if (!is_spec && !found) FG_CALL(fg_converter_reads_lint(catalogue, path, report, &found, err));
    *problems += found;
    return FG_OK;
}

static fg_status run_lint(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *options = run->options;
    fg_buffer report = {0};
    size_t total = 0;
    if (!options->file_count) FG_TRY(lint_all(run->catalogue, &report, &total, err));
    for (size_t i = 0; i < options->file_count; i++)
        FG_TRY(lint_file(run->catalogue, options->files[i], &report, &total, err));
    FG_TRY(fg_print(run->out, FG_FOR_PEOPLE, &report, err));
    if (total) {
        fg_fail(err, FG_ERR_INPUT, "%zu problem%s in converter files", total, total == 1 ? "" : "s");
        FG_TRY(fg_hint(err, "each problem is listed with its file and rule"));
    }
    if (options->verbosity >= 0) {
        fg_buffer_clear(&report);
        FG_TRY(fg_buffer_printf(&report, err, "no problems found\n"));
        FG_TRY(fg_print(run->out, FG_FOR_PEOPLE, &report, err));
    }
done:
    fg_buffer_free(&report);
    return status;
}

const fg_command fg_lint_command = {
    .name = "lint",
    .arguments = "[FILE...]",
    .most = SIZE_MAX,
    .complete = FG_COMPLETE_FILES,
    .options = FG_TAKES_CONVERTERS,
    .summary = "check converter files",
    .about = "Checks the given converter files and files of models/, or all of them. Each problem is "
             "printed with "
             "its file and rule.",
    .example = "fgconv lint --converter-path my-converters my-converters/forgather/llama.json",
    .run = run_lint,
};
