#include "cli/command_line.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest_name.h"
#include "base/shell_word.h"
#include "cli/option_value.h"

enum { SHOWN = 60, NAMES = 200 };

typedef struct command_line {
    fg_options *options;
    const fg_commands *commands;
    char **rest; /* the arguments that are not read yet */
    char **end;
    const fg_command *command; /* NULL until a positional argument decided it */
    bool seen[FG_OPTION_LIMIT];
    bool ended;   /* after "--" */
    bool stopped; /* --help or --version: what follows does not matter */
    fg_error *err;
} command_line;

/* ---- messages ---- */

/* The option, command or choice that was probably meant; NULL: none is near. */
static const char *nearest_option(const char *typed) {
    fg_nearest_name nearest = fg_nearest_name_begin(typed);
    for (size_t i = 0; i < fg_option_count; i++) {
        if (fg_option_table[i].hidden) continue;
        fg_nearest_name_try(&nearest, fg_option_table[i].name);
        fg_nearest_name_try(&nearest, fg_option_table[i].alias);
    }
    return nearest.best;
}

static const char *nearest_command(const command_line *p, const char *typed) {
    fg_nearest_name nearest = fg_nearest_name_begin(typed);
    for (size_t i = 0; i < p->commands->count; i++)
        fg_nearest_name_try(&nearest, p->commands->items[i]->name);
    return nearest.best;
}

static fg_status unknown_option(command_line *p, const char *spelling, const char *name) {
    const char *near = nearest_option(name);
    fg_fail(p->err, FG_ERR_USAGE, "unknown option %.*s", SHOWN, spelling);
    if (near) return fg_hint(p->err, "did you mean --%s? \"fgconv help COMMAND\" lists the options", near);
    return fg_hint(p->err, "\"fgconv help COMMAND\" lists the options of a command");
}

static fg_status suggest_command(command_line *p, const char *name) {
    const char *near = nearest_command(p, name);
    if (near) return fg_hint(p->err, "did you mean \"fgconv %s\"? \"fgconv help\" lists the commands", near);
    return fg_hint(p->err, "\"fgconv help\" lists the commands");
}

/* "OWNER/NAME", as the Hugging Face Hub names models. */
static bool is_hub_name(const char *name) {
    const char *slash = strchr(name, '/');
    return slash && slash > name && slash[1] && !strchr(slash + 1, '/') && *name != '.' && *name != '~';
}

/* A first argument that is neither a command nor a path. */
static fg_status unknown_source(command_line *p, const char *name) {
    fg_fail(p->err, FG_ERR_USAGE, "%.*s: no such file or directory, and no such command", SHOWN, name);
    if (!is_hub_name(name)) return suggest_command(p, name);
    char word[FG_SHELL_WORD];
    return fg_hint(p->err,
                   "fgconv reads local directories; to get a model of the Hugging Face Hub: hf download %s "
                   "--local-dir DIR",
                   fg_shell_word(name, word));
}

/* From here on the command line is that of "fgconv help". */
static void turn_to_help(command_line *p) {
    p->options->command = fg_command_find(p->commands, "help");
    p->stopped = true;
}

/* Of what follows --help and --version, only how much is printed matters, and as what. */
static void read_form(command_line *p) {
    for (; p->rest < p->end && strcmp(*p->rest, "--") != 0; p->rest++) {
        bool more = strcmp(*p->rest, "-v") == 0 || strcmp(*p->rest, "--verbose") == 0;
        if (more) p->options->verbosity = 1;
        if (strcmp(*p->rest, "--json") == 0) p->options->json = true;
    }
}

/* --help is about the command before it, or about the next word. */
static void set_help(command_line *p) {
    p->options->help_topic = p->command;
    if (!p->command && p->rest < p->end) p->options->help_topic = fg_command_find(p->commands, *p->rest);
    turn_to_help(p);
    read_form(p);
}

static void set_version(command_line *p) {
    turn_to_help(p);
    read_form(p);
}

/* `value` is NULL for options without one. */
static fg_status set_option(command_line *p, const fg_option *option, const char *spelling,
                            const char *value) {
    p->seen[option - fg_option_table] = true;
    if (option->kind == FG_OPTION_HELP) set_help(p);
    if (option->kind == FG_OPTION_VERSION) set_version(p);
    return fg_option_set(p->options, option, spelling, value, p->err);
}

/* ---- arguments ---- */

static const fg_option *find_long(const char *name, size_t length) {
    for (size_t i = 0; i < fg_option_count; i++) {
        const fg_option *option = &fg_option_table[i];
        const char *const names[] = {option->name, option->alias};
        for (size_t k = 0; k < 2 && names[k]; k++) {
            if (strlen(names[k]) == length && memcmp(names[k], name, length) == 0) return option;
        }
    }
    return NULL;
}

static const fg_option *find_letter(char letter) {
    for (size_t i = 0; i < fg_option_count; i++) {
        if (fg_option_table[i].letter == letter) return &fg_option_table[i];
    }
    return NULL;
}

/* The next argument as the value of an option. One that is itself an option was not meant as a value. */
static fg_status take_value(command_line *p, const fg_option *option, const char *spelling,
                            const char **value) {
    char names[NAMES];
    const char *expected = fg_option_expected(option, names, sizeof names);
    const char *next = p->rest < p->end ? *p->rest : NULL;
    bool is_option = next && fg_starts_with(next, "--") && find_long(next + 2, strcspn(next + 2, "="));
    if (!next || is_option) {
        fg_fail(p->err, FG_ERR_USAGE, "option %s needs a value: %s", spelling, expected);
        return is_option
                   ? fg_hint(p->err, "a value that looks like an option is written %s=%s", spelling, next)
                   : FG_ERR_USAGE;
    }
    *value = next;
    p->rest++;
    return FG_OK;
}

/* "--name", "--name=value" or "--name value" */
static fg_status read_long(command_line *p, const char *argument) {
    fg_error *err = p->err;
    const char *name = argument + 2, *value = NULL;
    size_t length = strcspn(name, "=");
    const fg_option *option = find_long(name, length);
    char spelling[SHOWN + 8];
    snprintf(spelling, sizeof spelling, "--%.*s", (int)(length < SHOWN ? length : SHOWN), name);
    if (!option) FG_CALL(unknown_option(p, spelling, spelling + 2));
    if (name[length] == '=') value = name + length + 1;
    if (value && !fg_option_takes_value(option) && option->kind != FG_OPTION_HELP)
        return fg_fail(err, FG_ERR_USAGE, "option %s takes no value, found \"%.*s\"", spelling, SHOWN, value);
    if (!value && fg_option_takes_value(option)) FG_CALL(take_value(p, option, spelling, &value));
    return set_option(p, option, spelling, value);
}

/* "-q", "-qv", "-c value" or "-cvalue" */
static fg_status read_short(command_line *p, const char *argument) {
    fg_error *err = p->err;
    for (const char *at = argument + 1; *at && !p->stopped; at++) {
        const fg_option *option = find_letter(*at);
        const char *value = NULL;
        char spelling[3] = {'-', *at, '\0'};
        if (!option) FG_CALL(unknown_option(p, argument, argument + 1));
        if (fg_option_takes_value(option)) {
            if (at[1]) {
                value = at + 1;
            } else {
                FG_CALL(take_value(p, option, spelling, &value));
            }
        }
        FG_CALL(set_option(p, option, spelling, value));
        if (value) break;
    }
    return FG_OK;
}

/* The first argument may be the name of a command. */
static fg_status read_command(command_line *p, const char *argument, bool *named) {
    const fg_command *command = p->ended ? NULL : fg_command_find(p->commands, argument);
    *named = command != NULL;
    p->command = command ? command : p->commands->items[0];
    if (command || !*argument) return FG_OK;
    bool exists;
    fg_status status = fg_path_exists(argument, &exists, p->err);
    return status != FG_OK || exists ? status : unknown_source(p, argument);
}

static fg_status read_argument(command_line *p, const char *argument) {
    fg_error *err = p->err;
    bool named = false;
    if (!p->command) FG_CALL(read_command(p, argument, &named));
    if (named) return FG_OK;
    if (!*argument)
        return fg_fail(err, FG_ERR_USAGE, "fgconv %s: found an empty name, expected %s", p->command->name,
                       p->command->arguments);
    return fg_options_append(&p->options->files, &p->options->file_count, argument, err);
}

static fg_status read_all(command_line *p) {
    fg_error *err = p->err;
    while (p->rest < p->end && !p->stopped) {
        const char *argument = *p->rest++;
        if (p->ended || argument[0] != '-' || !argument[1]) {
            FG_CALL(read_argument(p, argument));
        } else if (strcmp(argument, "--") == 0) {
            p->ended = true;
        } else {
            FG_CALL(argument[1] == '-' ? read_long(p, argument) : read_short(p, argument));
        }
    }
    return FG_OK;
}

/* ---- what belongs together ---- */

static fg_status check_arguments(command_line *p) {
    const fg_command *command = p->command;
    size_t count = p->options->file_count;
    if (count >= command->least && count <= command->most) return FG_OK;
    if (command->most == 0)
        fg_fail(p->err, FG_ERR_USAGE, "fgconv %s takes no file or directory, found \"%.*s\"", command->name,
                SHOWN, p->options->files[0]);
    else if (count > command->most)
        fg_fail(p->err, FG_ERR_USAGE, "fgconv %s takes %s, found also \"%.*s\"", command->name,
                command->arguments, SHOWN, p->options->files[command->most]);
    else
        fg_fail(p->err, FG_ERR_USAGE, "fgconv %s needs %s, found %s%s", command->name, command->arguments,
                count ? "only " : "nothing", count ? p->options->files[0] : "");
    return fg_hint(p->err, "\"fgconv help %s\" shows its usage", command->name);
}

static fg_status check_belongs(command_line *p) {
    char names[NAMES];
    for (size_t i = 0; i < fg_option_count; i++) {
        const fg_option *option = &fg_option_table[i];
        if (!p->seen[i] || fg_command_takes(p->command, option)) continue;
        fg_fail(p->err, FG_ERR_USAGE, "fgconv %s does not take the option --%s", p->command->name,
                option->name);
        return fg_hint(p->err, "remove it; it is an option of: %s",
                       fg_command_names(p->commands, option, names, sizeof names));
    }
    return FG_OK;
}

/* The first option about generating that was given; NULL: none. */
static const char *generation_detail(const command_line *p) {
    for (size_t i = 0; i < fg_option_count; i++) {
        if (p->seen[i] && fg_option_table[i].group == FG_GROUP_GENERATION) return fg_option_table[i].name;
    }
    return NULL;
}

/* "fgconv help COMMAND" */
static fg_status resolve_topic(command_line *p) {
    const char *name = p->options->file_count ? p->options->files[0] : NULL;
    if (p->command->complete != FG_COMPLETE_COMMANDS || !name) return FG_OK;
    p->options->help_topic = fg_command_find(p->commands, name);
    if (p->options->help_topic) return FG_OK;
    fg_fail(p->err, FG_ERR_USAGE, "there is no command \"%.*s\"", SHOWN, name);
    fg_about_found(p->err, "\"%.*s\"", SHOWN, name);
    return suggest_command(p, name);
}

static fg_status check_together(command_line *p) {
    fg_error *err = p->err;
    fg_options *o = p->options;
    FG_CALL(check_arguments(p));
    FG_CALL(check_belongs(p));
    FG_CALL(fg_options_check(o, generation_detail(p), err));
    if (o->file_count > 0) o->source = o->files[0];
    if (o->file_count > 1) o->destination = o->files[1];
    if (p->command->check) FG_CALL(p->command->check(o, err));
    return resolve_topic(p);
}

static fg_status no_arguments(fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "nothing to do: SRC and DST are missing");
    return fg_hint(
        err, "fgconv SRC DST         converts the checkpoint in directory SRC into the new directory DST\n"
             "      fgconv inspect SRC     prints what SRC holds\n"
             "      fgconv help            lists the commands and common options");
}

fg_status fg_command_line_parse(fg_options *options, const fg_commands *commands, int argc, char **argv,
                                fg_error *err) {
    fg_status status = FG_OK;
    char **first = argv + (argc > 0);
    command_line p = {
        .options = options, .commands = commands, .rest = first, .end = argv + argc, .err = err};
    *options = fg_options_default();
    if (argc <= 1) FG_TRY(no_arguments(err));
    FG_TRY(read_all(&p));
    if (p.stopped) goto done;
    if (!p.command) p.command = commands->items[0];
    options->command = p.command;
    FG_TRY(check_together(&p));
done:
    if (status != FG_OK) fg_options_free(options);
    return status;
}
