/* What is made from the tables of commands and options: pages of help, manual pages, completion scripts.
 *
 * Invariant: texts are printed with stdio; fg_print_flush tells whether they arrived.
 */
#ifndef FG_CLI_HELP_H
#define FG_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* ---- help.c: pages of text, of at most 100 columns, of the program and of a command ---- */

void fg_help_print_program(const fg_commands *commands, FILE *out);
void fg_help_print_command(const fg_commands *commands, const fg_command *command, FILE *out);

/* ---- help_json.c ---- */

/* The commands, or the one of them that `topic` is, with their options and the exit codes. New reference. */
fg_status fg_help_document(const fg_commands *commands, const fg_command *topic, json_t **document,
                           fg_error *err);

/* ---- manual.c ---- */

/* A table of all options in markdown, hidden ones too. */
void fg_manual_markdown(const fg_commands *commands, FILE *out);
/* The part of fgconv.1 that is generated, and fgconv-COMMAND.1, in mdoc. */
void fg_manual_program(const fg_commands *commands, FILE *out);
void fg_manual_command(const fg_commands *commands, const fg_command *command, FILE *out);

/* ---- completion.c ---- */

/* A script that completes the command line in a shell: bash, zsh or fish. FG_ERR_USAGE for any other. */
fg_status fg_completion_script(const fg_commands *commands, const char *shell, FILE *out, fg_error *err);

#endif
