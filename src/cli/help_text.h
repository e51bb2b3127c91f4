/* How options are written in help, man pages, tables and completions.
 *
 * Invariant: a text comes from the tables alone; results are in the caller's buffer, which is cut when it is
 * full.
 */
#ifndef FG_CLI_HELP_TEXT_H
#define FG_CLI_HELP_TEXT_H

#include <stdio.h>

#include "cli/command.h"

enum { FG_HELP_LINE = 512 };

/* "-c, --checkpoint-path PATH" */
const char *fg_help_spelling(const fg_option *option, char text[FG_HELP_LINE]);
/* What the option does, and what this version cannot do. */
const char *fg_help_about(const fg_option *option, char text[FG_HELP_LINE]);
/* The same in a few words: without what follows a semicolon, a colon or in parentheses. */
const char *fg_help_brief(const fg_option *option, char text[FG_HELP_LINE]);
/* Whether help, manual and completion of the command have the option. */
bool fg_help_shows(const fg_option *option, const fg_command *command);

typedef struct fg_help_layout {
    size_t indent; /* of the lines after the first */
    size_t limit;  /* columns of a line */
    bool roff;     /* escape what roff would take for a request or a minus sign */
} fg_help_layout;

/* Prints words and a newline, beginning at `column` of the current line. */
void fg_help_wrap(FILE *out, const char *text, size_t column, const fg_help_layout *layout);

#endif
