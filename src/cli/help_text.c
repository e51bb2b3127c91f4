#include "cli/help_text.h"

#include <string.h>

static void append(char text[FG_HELP_LINE], const char *more) {
    strncat(text, more, FG_HELP_LINE - strlen(text) - 1);
}

const char *fg_help_spelling(const fg_option *option, char text[FG_HELP_LINE]) {
    char argument[FG_HELP_LINE];
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

const char *fg_help_about(const fg_option *option, char text[FG_HELP_LINE]) {
    text[0] = '\0';
    append(text, option->about);
    for (size_t i = 0; fg_option_choice_at(option, i).name; i++) {
        const fg_option_choice choice = fg_option_choice_at(option, i);
        if (!choice.missing) continue;
        append(text, "; ");
        append(text, choice.name);
        append(text, ": not in this version");
    }
    return text;
}

const char *fg_help_brief(const fg_option *option, char text[FG_HELP_LINE]) {
    size_t length = strcspn(option->about, ";:(");
    while (length && option->about[length - 1] == ' ') length--;
    text[0] = '\0';
    return strncat(text, option->about, length < FG_HELP_LINE ? length : FG_HELP_LINE - 1);
}

bool fg_help_shows(const fg_option *option, const fg_command *command) {
    return !option->hidden && fg_command_takes(command, option);
}

static void print_word(FILE *out, const char *word, size_t length, bool roff) {
    for (size_t i = 0; i < length; i++) {
        if (roff && word[i] == '-' && (word[i + 1] == '-' || (i && word[i - 1] == '-'))) fputc('\\', out);
        fputc(word[i], out);
    }
}

void fg_help_wrap(FILE *out, const char *text, size_t column, const fg_help_layout *layout) {
    bool first = true;
    while (*text) {
        size_t length = strcspn(text, " ");
        bool breaks = !first && column + 1 + length > layout->limit;
        if (breaks) {
            fprintf(out, "\n%*s", (int)layout->indent, "");
            column = layout->indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        /* A line that begins with a point would be a request of roff. */
        if (layout->roff && (first || breaks) && (*text == '.' || *text == '\'')) fputs("\\&", out);
        print_word(out, text, length, layout->roff);
        column += length;
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}
