#include "cli/command.h"

#include <string.h>

const fg_command *fg_command_find(const fg_commands *commands, const char *name) {
    for (size_t i = 0; i < commands->count; i++) {
        if (strcmp(commands->items[i]->name, name) == 0) return commands->items[i];
    }
    return NULL;
}

bool fg_command_takes(const fg_command *command, const fg_option *option) {
    return !option->set || command->options & option->set;
}

const char *fg_command_names(const fg_commands *commands, const fg_option *option, char *buffer,
                             size_t size) {
    buffer[0] = '\0';
    for (size_t i = 0; i < commands->count; i++) {
        if (!fg_command_takes(commands->items[i], option)) continue;
        if (*buffer) strncat(buffer, ", ", size - strlen(buffer) - 1);
        strncat(buffer, commands->items[i]->name, size - strlen(buffer) - 1);
    }
    return buffer;
}

const fg_exit_code fg_exit_codes[] = {
    {0, "done"},
    {2, "wrong options, SRC is missing, or DST exists"},
    {3, "input refused: malformed, not supported, or not covered by the rules"},
    {4, "the disk or the system failed"},
    {5, "out of memory"},
    {10, "the models differ; nothing was published"},
    {70, "a bug in fgconv"},
    {130, "stopped by SIGINT (143: by SIGTERM, in general 128 + the number of the signal)"},
};
const size_t fg_exit_code_count = sizeof fg_exit_codes / sizeof *fg_exit_codes;
