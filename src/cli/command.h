/* Commands as parsing, help, man pages and completion see them, and the exit codes that all of them have.
 *
 * The program hands its table over: a command is known here by its row alone, and only "help" by its name,
 * because --help and --version stand for it.
 *
 * Invariant: a table has every command once; the first one is the command of a command line that names none.
 */
#ifndef FG_CLI_COMMAND_H
#define FG_CLI_COMMAND_H

#include "cli/option_table.h"
#include "report/report.h"

struct fg_run; /* what the program gives a command */

typedef struct fg_command {
    const char *name;
    const char *arguments; /* "SRC DST"; "": none */
    size_t least, most;    /* how many of them */
    fg_complete complete;  /* what they are */
    unsigned options;      /* FG_TAKES_...: what it takes besides the general options */
    bool collective;       /* all ranks carry it out together; otherwise rank 0 alone does */
    bool writes;           /* makes files, though it is not collective */
    bool bare;             /* needs no converters */
    const char *summary;   /* a line, without a full stop */
    const char *about;     /* whole sentences */
    const char *example;   /* a command line */
    fg_headline headline;  /* of its report, if it makes one */
    /* What its options mean together; NULL: each stands for itself. FG_ERR_USAGE. */
    fg_status (*check)(fg_options *options, fg_error *err);
    fg_status (*run)(const struct fg_run *run, fg_error *err);
} fg_command;

typedef struct fg_commands {
    const fg_command *const *items;
    size_t count;
} fg_commands;

/* NULL: there is no such command. */
const fg_command *fg_command_find(const fg_commands *commands, const char *name);
/* "convert, config": the commands that take the option, in `buffer`, which is returned; "" if none does. */
const char *fg_command_names(const fg_commands *commands, const fg_option *option, char *buffer, size_t size);
/* Whether the command takes the option. */
bool fg_command_takes(const fg_command *command, const fg_option *option);

typedef struct fg_exit_code {
    int code;
    const char *about;
} fg_exit_code;

extern const fg_exit_code fg_exit_codes[];
extern const size_t fg_exit_code_count;

#endif
