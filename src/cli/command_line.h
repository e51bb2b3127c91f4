/* The command line: the tables of options and of commands say what it may hold.
 *
 * Invariant: every option of the contract is known; one that this version cannot do is refused with
 * FG_ERR_USAGE, never ignored.
 */
#ifndef FG_CLI_COMMAND_LINE_H
#define FG_CLI_COMMAND_LINE_H

#include "cli/command.h"

/* Parses. FG_ERR_USAGE names the option, what was found and what is expected, and the nearest name of a
 * misspelt option, command or choice. `--opt value`, `--opt=value`, `-o value`, `-ovalue`; options come
 * before or after the arguments, `--` ends them. A first argument that names no command is SRC of a
 * conversion, and must exist. Options that a command does not take are errors. Of an option given twice
 * the last counts (--converter-path adds up). --help and --version, which stand for the command help, win
 * over everything that comes after them, but for the command that --help is about, --verbose and
 * --json. Frees what it holds when it fails. */
fg_status fg_command_line_parse(fg_options *options, const fg_commands *commands, int argc, char **argv,
                                fg_error *err);

#endif
