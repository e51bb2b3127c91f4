/* fgconv completion: a script that completes the command line in a shell. */
#include "cli/help.h"
#include "cli/print.h"
#include "commands/command_table.h"
#include "commands/run.h"

static fg_status run_completion(const fg_run *run, fg_error *err) {
    fg_status status = fg_completion_script(&fg_command_table, run->options->source, run->out, err);
    return status == FG_OK ? fg_print_flush(run->out, err) : status;
}

const fg_command fg_completion_command = {
    .name = "completion",
    .arguments = "bash|zsh|fish",
    .least = 1,
    .most = 1,
    .complete = FG_COMPLETE_SHELLS,
    .bare = true,
    .summary = "print a completion script for a shell",
    .about =
        "Prints a script that completes the commands, options and values of fgconv. Load it with \"source "
        "<(fgconv completion bash)\"; for zsh write it to a file _fgconv in a directory of fpath, for fish "
        "to ~/.config/fish/completions/fgconv.fish.",
    .example = "source <(fgconv completion bash)",
    .run = run_completion,
};
