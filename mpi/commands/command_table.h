/* The table of commands, in the order of help. A command is a line here and its file, NAME_command.c.
 */
#ifndef FG_MPI_COMMANDS_COMMAND_TABLE_H
#define FG_MPI_COMMANDS_COMMAND_TABLE_H

#include "cli/command.h"

/* clang-format off */
#define FG_COMMAND_TABLE(ROW) \
    ROW(convert) \
    ROW(config) \
    ROW(validate) \
    ROW(verify) \
    ROW(report) \
    ROW(inspect) \
    ROW(diff) \
    ROW(list) \
    ROW(lint) \
    ROW(new_family) \
    ROW(tokenize) \
    ROW(update) \
    ROW(finalize) \
    ROW(update_vocab) \
    ROW(completion) \
    ROW(help)
/* clang-format on */

#define FG_COMMAND_DECLARE(name) extern const fg_command fg_##name##_command;
FG_COMMAND_TABLE(FG_COMMAND_DECLARE)
#undef FG_COMMAND_DECLARE

extern const fg_commands fg_command_table;

#endif
