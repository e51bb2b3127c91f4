/* The table of commands, and of exit codes: parsing, help, man pages and completion are made from them.
 *
 * Invariant: the table has every command once; the first one is the command of a command line that names
 * none.
 */
#ifndef FG_CLI_COMMAND_TABLE_H
#define FG_CLI_COMMAND_TABLE_H

#include "cli/option_table.h"

typedef struct fg_command_entry {
    const char *name;
    fg_command command;
    const char *arguments; /* "SRC DST" */
    size_t least, most;    /* how many of them */
    fg_complete complete;  /* what they are */
    bool parallel;         /* under mpirun all ranks share its work */
    const char *summary;   /* a line, without a full stop */
    const char *about;     /* whole sentences */
    const char *example;   /* a command line */
} fg_command_entry;

extern const fg_command_entry fg_command_table[];
extern const size_t fg_command_count;

/* NULL: there is no such command. */
const fg_command_entry *fg_command_find(const char *name);
const fg_command_entry *fg_command_entry_of(fg_command command);

typedef struct fg_exit_code {
    int code;
    const char *about;
} fg_exit_code;

extern const fg_exit_code fg_exit_codes[];
extern const size_t fg_exit_code_count;

#endif
