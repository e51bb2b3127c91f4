#include "commands/command_table.h"

#define POINTER(name) &fg_##name##_command,
static const fg_command *const rows[] = {FG_COMMAND_TABLE(POINTER)};

const fg_commands fg_command_table = {.items = rows, .count = sizeof rows / sizeof *rows};
