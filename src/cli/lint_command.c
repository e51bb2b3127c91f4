/* fgconv lint: checks the given converter files; without arguments all of them, and the forward passes in models/. */
#include "cli/commands.h"
#include "convert/lint.h"
#include "model/spec_lint.h"

fg_status fg_command_lint(const fg_options *options, const fg_converter_dirs *dirs, FILE *out,
                          fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer report = {0};
    size_t total = 0, files = options->file_count;
    for (size_t i = 0; i < (files ? files : 1); i++) {
        size_t problems = 0;
        FG_TRY(fg_converter_lint(dirs, files ? options->files[i] : NULL, &report, &problems, err));
        total += problems;
    }
    if (!files) FG_TRY(fg_model_specs_lint(dirs, &report, &total, err));
    FG_TRY(fg_cli_print(out, &report, err));
    if (total) {
        fg_fail(err, FG_ERR_INPUT, "%zu problem%s in converter files", total, total == 1 ? "" : "s");
        FG_TRY(fg_hint(err, "each problem is listed with its file and rule"));
    }
    if (options->verbosity >= 0) {
        fg_buffer_clear(&report);
        FG_TRY(fg_buffer_printf(&report, err, "no problems found\n"));
        FG_TRY(fg_cli_print(out, &report, err));
    }
done:
    fg_buffer_free(&report);
    return status;
}
