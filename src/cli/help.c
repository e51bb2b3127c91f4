#include <string.h>

#include "cli/option_table.h"
#include "cli/options.h"

enum {
    COLUMNS = 100,     /* of --help */
    MAN_COLUMNS = 78,  /* of the source of the man page */
    USAGE_ABOUT = 32,  /* column where --help says what a command does */
    OPTION_ABOUT = 30, /* and what an option does */
    TEXT = 512,
};

/* Prints words, beginning at `column` of the current line, and breaks lines before `limit`; following lines
 * are indented. */
static void print_wrapped(FILE *out, const char *text, size_t column, size_t indent, size_t limit,
                          bool roff) {
    bool first = true;
    while (*text) {
        size_t length = strcspn(text, " ");
        bool breaks = !first && column + 1 + length > limit;
        if (breaks) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        /* A line that begins with a point would be a request of roff. */
        if (roff && (first || breaks) && (*text == '.' || *text == '\'')) fputs("\\&", out);
        for (size_t i = 0; i < length; i++) {
            if (roff && text[i] == '-' && (text[i + 1] == '-' || (i && text[i - 1] == '-'))) fputc('\\', out);
            fputc(text[i], out);
        }
        column += length;
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void append(char *text, const char *more) {
    strncat(text, more, TEXT - strlen(text) - 1);
}

/* "convert, config": the commands that take the option; "all" for those that every command takes. */
static const char *commands_of(const fg_option *option, char *text) {
    text[0] = '\0';
    if (!option->commands) append(text, "all");
    for (size_t i = 0; i < fg_command_count && option->commands; i++) {
        if (fg_command_table[i].missing || !(option->commands & 1u << fg_command_table[i].command)) continue;
        if (*text) append(text, ", ");
        append(text, fg_command_table[i].name);
    }
    return text;
}

/* What the option does, and what of it this version cannot do. */
static const char *about(const fg_option *option, char *text) {
    text[0] = '\0';
    append(text, option->about);
    if (option->missing) append(text, "; not in this version");
    for (size_t i = 0; i < FG_OPTION_CHOICES && option->choices[i].name; i++) {
        if (!option->choices[i].missing) continue;
        append(text, "; ");
        append(text, option->choices[i].name);
        append(text, ": not in this version");
    }
    return text;
}

/* "-c, --checkpoint-path PATH" */
static const char *spelling(const fg_option *option, char *text) {
    char argument[TEXT];
    text[0] = '\0';
    if (option->letter) {
        char letter[] = {'-', option->letter, ',', ' ', '\0'};
        append(text, letter);
    }
    append(text, "--");
    append(text, option->name);
    if (option->alias) {
        append(text, ", --");
        append(text, option->alias);
    }
    fg_option_argument(option, argument, sizeof argument);
    if (*argument) append(text, " ");
    append(text, argument);
    return text;
}

/* ---- --help ---- */

static void help_commands(FILE *out) {
    fputs("Commands (options stand anywhere):\n", out);
    for (size_t i = 0; i < fg_command_count; i++) {
        const fg_command_entry *command = &fg_command_table[i];
        if (command->missing) continue;
        char left[TEXT];
        const char *name = command->command == FG_COMMAND_CONVERT ? "[convert]" : command->name;
        snprintf(left, sizeof left, "fgconv %s %s", name, command->arguments);
        fprintf(out, "  %-*s", USAGE_ABOUT - 2, left);
        print_wrapped(out, command->about, USAGE_ABOUT, USAGE_ABOUT, COLUMNS, false);
    }
    fputs(
        "\nBefore convert, validate, verify, update, finalize and update-vocab, \"mpirun -n N\" shares the\n"
        "work out to N processes.\n",
        out);
}

static void help_option(const fg_option *option, FILE *out) {
    char left[TEXT], text[TEXT], commands[TEXT];
    size_t length = strlen(spelling(option, left));
    fprintf(out, "  %s", left);
    if (length + 4 > OPTION_ABOUT) {
        fprintf(out, "\n%*s", OPTION_ABOUT, "");
    } else {
        fprintf(out, "%*s", (int)(OPTION_ABOUT - length - 2), "");
    }
    about(option, text);
    if (option->commands && option->commands != 1u << FG_COMMAND_CONVERT) {
        append(text, " [");
        append(text, commands_of(option, commands));
        append(text, "]");
    }
    print_wrapped(out, text, OPTION_ABOUT, OPTION_ABOUT, COLUMNS, false);
}

void fg_options_help(FILE *out) {
    fputs("fgconv converts language model checkpoints between HuggingFace (hf) and Forgather, in parallel,\n"
          "and proves the result: both models run on the same tokens and their logits must be equal.\n\n",
          out);
    help_commands(out);
    fputs("\nExamples:\n"
          "  fgconv Llama-3.2-1B llama-fg\n"
          "      convert a HuggingFace directory to Forgather; a Forgather directory goes the other way\n"
          "  mpirun -n 8 fgconv --dtype bfloat16 --max-shard-size 2GB Qwen3-8B qwen3-fg\n"
          "      the same with eight processes, rounding the weights to bfloat16\n"
          "  fgconv --dry-run Mistral-7B mistral-fg\n"
          "      say what would be written and prove it, without writing\n",
          out);
    fputs("\nOptions (in brackets: the commands that take them, when convert is not the only one):\n", out);
    for (int group = 0; group < FG_GROUP_COUNT; group++) {
        fprintf(out, "\n%s:\n", fg_option_group_title((fg_option_group)group));
        for (size_t i = 0; i < fg_option_count; i++) {
            if ((int)fg_option_table[i].group == group) help_option(&fg_option_table[i], out);
        }
    }
    fputs("\nExit status: 0 done, 10 the models differ, 2 usage, 3 input refused, 4 disk or system failed,\n"
          "5 out of memory, 70 a bug in fgconv, 130 and 143 stopped by a signal.\n",
          out);
}

/* ---- --help=markdown ---- */

/* A bar inside a cell would end it. */
static void print_cell(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
}

void fg_options_markdown(FILE *out) {
    char text[TEXT];
    fputs("| option | what it does | commands |\n| --- | --- | --- |\n", out);
    for (size_t i = 0; i < fg_option_count; i++) {
        fputs("| `", out);
        print_cell(out, spelling(&fg_option_table[i], text));
        fputs("` | ", out);
        print_cell(out, about(&fg_option_table[i], text));
        fprintf(out, " | %s |\n", commands_of(&fg_option_table[i], text));
    }
}

/* ---- --help=man ---- */

static void man_option(const fg_option *option, FILE *out) {
    char text[TEXT], commands[TEXT];
    fputs(".It", out);
    if (option->letter) fprintf(out, " Fl %c ,", option->letter);
    fprintf(out, " Fl -%s", option->name);
    if (option->alias) fprintf(out, " , Fl -%s", option->alias);
    if (option->argument) fprintf(out, " Ar %s", option->argument);
    if (fg_option_takes_value(option) && !option->argument) {
        fputs(" Brq", out);
        for (size_t i = 0; i < FG_OPTION_CHOICES && option->choices[i].name; i++)
            fprintf(out, "%s Cm %s", i ? " |" : "", option->choices[i].name);
    }
    fputc('\n', out);
    about(option, text);
    append(text, ".");
    if (text[0] >= 'a' && text[0] <= 'z') text[0] = (char)(text[0] - 'a' + 'A');
    print_wrapped(out, text, 0, 0, MAN_COLUMNS, true);
    snprintf(text, sizeof text, option->commands ? "Taken by: %s." : "Taken by %s commands.",
             commands_of(option, commands));
    print_wrapped(out, text, 0, 0, MAN_COLUMNS, true);
}

void fg_options_man(FILE *out) {
    for (int group = 0; group < FG_GROUP_COUNT; group++) {
        fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n", fg_option_group_title((fg_option_group)group));
        for (size_t i = 0; i < fg_option_count; i++) {
            if ((int)fg_option_table[i].group == group) man_option(&fg_option_table[i], out);
        }
        fputs(".El\n", out);
    }
}

void fg_options_print_help(const fg_options *options, FILE *out) {
    switch (options->help_form) {
    case FG_HELP_TEXT:
        fg_options_help(out);
        break;
    case FG_HELP_MARKDOWN:
        fg_options_markdown(out);
        break;
    case FG_HELP_MAN:
        fg_options_man(out);
        break;
    }
}
