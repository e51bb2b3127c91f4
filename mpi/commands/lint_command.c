/* fgconv lint: checks the given converter files or files of models/; without arguments all of both. */
#include "base/alloc.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "lint/lint.h"
#include "lint/lint_errors.h"
#include "lint/lint_specs.h"

static fg_status lint_all(fg_catalogue *catalogue, json_t *report, size_t *problems, fg_error *err) {
    FG_CALL(fg_converter_lint(catalogue, NULL, report, problems, err));
    return fg_model_specs_lint(catalogue, report, problems, err);
}

static fg_status lint_file(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                           fg_error *err) {
    bool is_spec;
    size_t found = 0;
    FG_CALL(fg_model_spec_is_file(path, &is_spec, err));
    FG_CALL((is_spec ? fg_model_spec_lint : fg_converter_lint)(catalogue, path, report, &found, err));
    if (!is_spec && !found) FG_CALL(fg_converter_reads_lint(catalogue, path, report, &found, err));
    *problems += found;
    return FG_OK;
}

static fg_status lint_files(const fg_run *run, json_t *report, size_t *problems, fg_error *err) {
    const fg_options *options = run->options;
    if (!options->file_count) return lint_all(run->catalogue, report, problems, err);
    for (size_t i = 0; i < options->file_count; i++)
        FG_CALL(lint_file(run->catalogue, options->files[i], report, problems, err));
    return FG_OK;
}

static fg_status write_text(const json_t *document, const fg_options *options, fg_buffer *text,
                            fg_error *err) {
    bool fine = json_integer_value(json_object_get(document, "problems")) == 0;
    FG_CALL(fg_lint_errors_text(json_object_get(document, "files"), text, err));
    return fine && options->verbosity >= 0 ? fg_buffer_put(text, "no problems found\n", err) : FG_OK;
}

static fg_status run_lint(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    json_t *document = json_object(), *files;
    size_t problems = 0;
    FG_TRY(fg_json_put_text(document, "status", "done", err));
    FG_TRY(fg_json_put_u64(document, "problems", 0, err));
    FG_TRY_NEW(files, fg_json_put_array(document, "files", err));
    FG_TRY(lint_files(run, files, &problems, err));
    FG_TRY(fg_json_put_text(document, "status", problems ? "problems" : "done", err));
    FG_TRY(fg_json_put_u64(document, "problems", problems, err));
    FG_TRY(fg_run_print(run, document, write_text, err));
    if (problems) {
        fg_fail(err, FG_ERR_INPUT, "%zu problem%s in converter files", problems, problems == 1 ? "" : "s");
        FG_TRY(fg_hint(err, "each problem is listed with its file and rule"));
    }
done:
    json_decref(document);
    return status;
}

const fg_command fg_lint_command = {
    .name = "lint",
    .arguments = "[FILE...]",
    .most = SIZE_MAX,
    .complete = FG_COMPLETE_FILES,
    .options = FG_TAKES_CONVERTERS | FG_TAKES_JSON,
    .summary = "check converter files",
    .about = "Checks the given converter files and files of models/, or all of them. Each problem is "
             "printed with "
             "its file and rule.",
    .example = "fgconv lint --converter-path my-converters my-converters/forgather/llama.json",
    .run = run_lint,
};
