/* The pages of help: one for the program, one for each command. */
#include <string.h>

#include "cli/help.h"
#include "cli/help_text.h"

enum {
    COLUMNS = 100,
    COMMAND_ABOUT = 31, /* column where a page says what a command does */
    OPTION_ABOUT = 32,  /* and what an option does */
};

/* The left side, then the text from a column on; a left side that is too long gets its own line. */
static void print_row(FILE *out, const char *left, const char *text, size_t column) {
    const fg_help_layout layout = {.indent = column, .limit = COLUMNS};
    size_t length = strlen(left) + 2;
    fprintf(out, "  %s", left);
    if (length + 2 > column)
        fprintf(out, "\n%*s", (int)column, "");
    else
        fprintf(out, "%*s", (int)(column - length), "");
    fg_help_wrap(out, text, column, &layout);
}

static void print_option(const fg_option *option, FILE *out) {
    char left[FG_HELP_LINE], text[FG_HELP_LINE];
    print_row(out, fg_help_spelling(option, left), fg_help_about(option, text), OPTION_ABOUT);
}

static void print_exit_codes(FILE *out) {
    char left[8];
    fputs("\nExit codes:\n", out);
    for (size_t i = 0; i < fg_exit_code_count; i++) {
        snprintf(left, sizeof left, "%d", fg_exit_codes[i].code);
        print_row(out, left, fg_exit_codes[i].about, 7);
    }
}

/* ---- the program ---- */

static void print_commands(const fg_commands *commands, FILE *out) {
    char left[FG_HELP_LINE];
    fputs("\nCommands:\n", out);
    for (size_t i = 0; i < commands->count; i++) {
        const fg_command *command = commands->items[i];
        snprintf(left, sizeof left, "%s %s", command->name, command->arguments);
        print_row(out, left, command->summary, COMMAND_ABOUT);
    }
}

/* It fits a screen: options that are not common are on the pages of commands. */
void fg_help_print_program(const fg_commands *commands, FILE *out) {
    char left[FG_HELP_LINE], text[FG_HELP_LINE];
    fputs(
        "fgconv converts language-model checkpoints between Hugging Face (hf), Forgather and Fast-LLM, and\n"
        "proves the result: both models run on the same tokens and their logits must be equal.\n"
        "\n"
        "Usage:\n"
        "  fgconv [OPTIONS] SRC DST            convert the checkpoint in SRC into the new directory DST\n"
        "  fgconv COMMAND [OPTIONS] ARGUMENTS  run a command\n"
        "  fgconv --ranks N ...                distribute the work over N processes\n",
        out);
    print_commands(commands, out);
    fputs("\nCommon options (\"fgconv help convert\" lists all options of a conversion):\n", out);
    for (size_t i = 0; i < fg_option_count; i++) {
        const fg_option *option = &fg_option_table[i];
        if (option->common)
            print_row(out, fg_help_spelling(option, left), fg_help_brief(option, text), OPTION_ABOUT);
    }
    fputs(
        "\nExamples:\n"
        "  fgconv Llama-3.2-1B llama-fg            Hugging Face to Forgather\n"
        "  fgconv --to fast_llm Qwen3-8B qwen3-fl  to Fast-LLM\n"
        "  fgconv --dry-run Mistral-7B mistral-fg  plan and prove it without writing\n"
        "\n"
        "\"fgconv help COMMAND\" prints the options and exit codes of a command; fgconv(1) is the manual.\n",
        out);
}

/* ---- a command ---- */

static void print_group(const fg_command *command, fg_option_group group, FILE *out) {
    bool first = true;
    for (size_t i = 0; i < fg_option_count; i++) {
        const fg_option *option = &fg_option_table[i];
        if (option->group != group || !fg_help_shows(option, command)) continue;
        if (first) fprintf(out, "\n%s:\n", fg_option_group_title(group));
        first = false;
        print_option(option, out);
    }
}

void fg_help_print_command(const fg_commands *commands, const fg_command *command, FILE *out) {
    const fg_help_layout layout = {.limit = COLUMNS};
    bool first = command == commands->items[0]; /* whose name may be left out */
    fprintf(out, "fgconv %s: %s\n\nUsage: ", command->name, command->summary);
    if (command->collective) fputs("[mpirun -n N] ", out);
    fprintf(out, "fgconv %s%s%s [OPTIONS]%s%s\n\n", first ? "[" : "", command->name, first ? "]" : "",
            *command->arguments ? " " : "", command->arguments);
    fg_help_wrap(out, command->about, 0, &layout);
    for (int group = 0; group < FG_GROUP_COUNT; group++) print_group(command, (fg_option_group)group, out);
    fprintf(out, "\nExample:\n  %s\n", command->example);
    print_exit_codes(out);
}
