/* fgconv help: pages, manual pages, and what --version prints. */
#include "cli/help.h"
#include "cli/print.h"
#include "commands/build_details.h"
#include "commands/command_table.h"
#include "commands/run.h"

static fg_status print_document(const fg_run *run, const fg_command *topic, fg_error *err) {
    json_t *document;
    FG_CALL(fg_help_document(&fg_command_table, topic, &document, err));
    fg_status status = fg_run_print(run, document, NULL, err);
    json_decref(document);
    return status;
}

static fg_status run_help(const fg_run *run, fg_error *err) {
    const fg_commands *commands = &fg_command_table;
    const fg_command *topic = run->options->help_topic;
    if (run->options->json && run->options->help_form != FG_HELP_VERSION)
        return print_document(run, topic, err);
    switch (run->options->help_form) {
    case FG_HELP_TEXT:
        topic ? fg_help_print_command(commands, topic, run->out) : fg_help_print_program(commands, run->out);
        break;
    case FG_HELP_MARKDOWN:
        fg_manual_markdown(commands, run->out);
        break;
    case FG_HELP_MAN:
        topic ? fg_manual_command(commands, topic, run->out) : fg_manual_program(commands, run->out);
        break;
    case FG_HELP_VERSION:
        if (run->options->json || run->options->verbosity > 0) return fg_build_details_print(run, err);
        fprintf(run->out, "fgconv %s\n", run->version);
        break;
    }
    return fg_print_flush(run->out, err);
}

const fg_command fg_help_command = {
    .name = "help",
    .arguments = "[COMMAND]",
    .most = 1,
    .complete = FG_COMPLETE_COMMANDS,
    .options = FG_TAKES_JSON,
    .bare = true,
    .summary = "print the help of a command, or of the program",
    .about = "Prints the help of COMMAND, as \"fgconv COMMAND --help\" does. Without COMMAND it prints the "
             "help of "
             "the program.",
    .example = "fgconv help convert",
    .run = run_help,
};
