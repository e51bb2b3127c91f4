/* fgconv completion: scripts for bash, zsh and fish, made from the tables of commands and options.
 *
 * The word of a command may be left out, and options can be anywhere. So each script first finds the command:
 * the first word that is neither an option nor the value of one, if it names a command, otherwise convert.
 */
#include <string.h>

#include "base/log.h"
#include "base/nearest_name.h"
#include "cli/commands.h"
#include "cli/help_text.h"

typedef struct shell {
    const char *name;
    fg_status (*write)(fg_buffer *text, fg_error *err);
} shell;

/* ---- lists of names ---- */

/* The names, with `between`. */
static fg_status add_commands(fg_buffer *text, const char *between, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < fg_command_count; i++)
        FG_TRY(fg_buffer_printf(text, err, "%s%s", i ? between : "", fg_command_table[i].name));
done:
    return status;
}

static fg_status add_choices(fg_buffer *text, const fg_option *option, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < FG_OPTION_CHOICES && option->choices[i].name; i++)
        FG_TRY(fg_buffer_printf(text, err, "%s%s", i ? " " : "", option->choices[i].name));
done:
    return status;
}

/* "--dtype" and its other spellings, with `between`. */
static fg_status add_spellings(fg_buffer *text, const fg_option *option, const char *between, fg_error *err) {
    fg_status status = FG_OK;
    if (option->letter) FG_TRY(fg_buffer_printf(text, err, "-%c%s", option->letter, between));
    FG_TRY(fg_buffer_printf(text, err, "--%s", option->name));
    if (option->alias) FG_TRY(fg_buffer_printf(text, err, "%s--%s", between, option->alias));
done:
    return status;
}

/* All spellings of options that take a value, with `between`. */
static fg_status add_value_options(fg_buffer *text, const char *between, fg_error *err) {
    fg_status status = FG_OK;
    bool first = true;
    for (size_t i = 0; i < fg_option_count; i++) {
        if (!fg_option_takes_value(&fg_option_table[i])) continue;
        if (!first) FG_TRY(fg_buffer_printf(text, err, "%s", between));
        first = false;
        FG_TRY(add_spellings(text, &fg_option_table[i], between, err));
    }
done:
    return status;
}

/* The text inside single quotes of a shell; a quote itself is escaped outside of them. */
static fg_status add_quoted(fg_buffer *text, const char *words, const char *escaped, fg_error *err) {
    fg_status status = FG_OK;
    for (; *words; words++) {
        if (*words == '\'')
            FG_TRY(fg_buffer_printf(text, err, "'\\''"));
        else
            FG_TRY(fg_buffer_printf(text, err, "%s%c", strchr(escaped, *words) ? "\\" : "", *words));
    }
done:
    return status;
}

/* ---- bash ---- */

/* bash cuts "--option=value" into three words. */
static const char BASH_BEGIN[] =
    "# bash completion for fgconv: source <(fgconv completion bash)\n"
    "_fgconv()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} command='' i\n"
    "    COMPREPLY=()\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $option == = ]]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        ";
static const char BASH_COMMAND[] = ") [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++)); ((i++)) ;;\n"
                                   "        -*) ;;\n"
                                   "        *) command=${COMP_WORDS[i]}; break ;;\n"
                                   "        esac\n"
                                   "    done\n"
                                   "    case $option in\n";
static const char BASH_FIRST[] = "    esac\n"
                                 "    if [[ -z $command && $cur != -* ]]; then\n"
                                 "        mapfile -t COMPREPLY < <(compgen -W '";
static const char BASH_WORDS[] = "' -- \"$cur\"; compgen -d -- \"$cur\")\n"
                                 "        return\n"
                                 "    fi\n"
                                 "    local options arguments=()\n"
                                 "    case $command in\n";
static const char BASH_END[] = "    esac\n"
                               "    if [[ $cur == -* ]]; then\n"
                               "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
                               "    else\n"
                               "        mapfile -t COMPREPLY < <(compgen \"${arguments[@]}\" -- \"$cur\")\n"
                               "    fi\n"
                               "}\n"
                               "complete -o filenames -F _fgconv fgconv\n";

/* What compgen is given for a value or an argument; "" for nothing. */
static fg_status bash_generator(fg_buffer *text, fg_complete complete, fg_error *err) {
    fg_status status = FG_OK;
    switch (complete) {
    case FG_COMPLETE_NOTHING:
        return FG_OK;
    case FG_COMPLETE_FILES:
        return fg_buffer_printf(text, err, "-f");
    case FG_COMPLETE_DIRECTORIES:
        return fg_buffer_printf(text, err, "-d");
    case FG_COMPLETE_SHELLS:
        return fg_buffer_printf(text, err, "-W 'bash zsh fish'");
    case FG_COMPLETE_COMMANDS:
        FG_TRY(fg_buffer_printf(text, err, "-W '"));
        FG_TRY(add_commands(text, " ", err));
        FG_TRY(fg_buffer_printf(text, err, "'"));
        break;
    }
done:
    return status;
}

static fg_status bash_values(fg_buffer *text, const fg_option *option, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_buffer_printf(text, err, "    "));
    FG_TRY(add_spellings(text, option, "|", err));
    FG_TRY(fg_buffer_printf(text, err, ") "));
    if (option->choices[0].name) {
        FG_TRY(fg_buffer_printf(text, err, "mapfile -t COMPREPLY < <(compgen -W '"));
        FG_TRY(add_choices(text, option, err));
        FG_TRY(fg_buffer_printf(text, err, "' -- \"$cur\"); "));
    } else if (option->complete) {
        FG_TRY(fg_buffer_printf(text, err, "mapfile -t COMPREPLY < <(compgen "));
        FG_TRY(bash_generator(text, option->complete, err));
        FG_TRY(fg_buffer_printf(text, err, " -- \"$cur\"); "));
    }
    FG_TRY(fg_buffer_printf(text, err, "return ;;\n"));
done:
    return status;
}

/* The options and arguments of a command. convert is also what a command line without a command means. */
static fg_status bash_command(fg_buffer *text, const fg_command_entry *command, fg_error *err) {
    fg_status status = FG_OK;
    bool usual = command == &fg_command_table[0];
    FG_TRY(fg_buffer_printf(text, err, "    %s) options='", usual ? "*" : command->name));
    for (size_t i = 0; i < fg_option_count; i++) {
        if (!fg_help_shows(&fg_option_table[i], command)) continue;
        FG_TRY(add_spellings(text, &fg_option_table[i], " ", err));
        FG_TRY(fg_buffer_printf(text, err, " "));
    }
    FG_TRY(fg_buffer_printf(text, err, "' arguments=("));
    FG_TRY(bash_generator(text, command->complete, err));
    FG_TRY(fg_buffer_printf(text, err, ") ;;\n"));
done:
    return status;
}

static fg_status write_bash(fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_buffer_printf(text, err, "%s", BASH_BEGIN));
    FG_TRY(add_value_options(text, "|", err));
    FG_TRY(fg_buffer_printf(text, err, "%s", BASH_COMMAND));
    for (size_t i = 0; i < fg_option_count; i++) {
        if (fg_option_takes_value(&fg_option_table[i])) FG_TRY(bash_values(text, &fg_option_table[i], err));
    }
    FG_TRY(fg_buffer_printf(text, err, "%s", BASH_FIRST));
    FG_TRY(add_commands(text, " ", err));
    FG_TRY(fg_buffer_printf(text, err, "%s", BASH_WORDS));
    for (size_t i = fg_command_count; i-- > 0;) FG_TRY(bash_command(text, &fg_command_table[i], err));
    FG_TRY(fg_buffer_printf(text, err, "%s", BASH_END));
done:
    return status;
}

/* ---- zsh ---- */

static const char ZSH_BEGIN[] =
    "#compdef fgconv\n"
    "# zsh completion for fgconv: fgconv completion zsh > DIRECTORY_OF_FPATH/_fgconv\n"
    "_fgconv_commands() {\n"
    "    local -a commands=(\n";
static const char ZSH_COMMAND[] = "    )\n"
                                  "    _describe command commands\n"
                                  "}\n"
                                  "_fgconv_first() {\n"
                                  "    _fgconv_commands\n"
                                  "    _files -/\n"
                                  "}\n"
                                  "_fgconv() {\n"
                                  "    local command=''\n"
                                  "    local -i i\n"
                                  "    for ((i = 2; i < CURRENT; i++)); do\n"
                                  "        case $words[i] in\n"
                                  "        ";
static const char ZSH_WORDS[] = ") ((i++)) ;;\n"
                                "        -*) ;;\n"
                                "        *) command=$words[i]; break ;;\n"
                                "        esac\n"
                                "    done\n"
                                "    case $command in\n";
static const char ZSH_END[] =
    "    esac\n"
    "}\n"
    "if [[ $funcstack[1] == _fgconv ]]; then _fgconv \"$@\"; else compdef _fgconv fgconv; fi\n";

static const char *zsh_action(fg_complete complete) {
    switch (complete) {
    case FG_COMPLETE_FILES:
        return "_files";
    case FG_COMPLETE_DIRECTORIES:
        return "_files -/";
    case FG_COMPLETE_COMMANDS:
        return "_fgconv_commands";
    case FG_COMPLETE_SHELLS:
        return "(bash zsh fish)";
    case FG_COMPLETE_NOTHING:
        break;
    }
    return " ";
}

/* A specification of _arguments: '(-t --chat-template)-t[what it does]:value:action'. */
static fg_status zsh_option(fg_buffer *text, const fg_option *option, const char *spelling, fg_error *err) {
    fg_status status = FG_OK;
    char brief[FG_HELP_LINE];
    bool value = fg_option_takes_value(option), repeats = option->kind == FG_OPTION_PATHS;
    FG_TRY(fg_buffer_printf(text, err, " \\\n            '%s", repeats ? "*" : "("));
    if (!repeats) FG_TRY(add_spellings(text, option, " ", err));
    FG_TRY(fg_buffer_printf(text, err, "%s%s%s[", repeats ? "" : ")", spelling,
                            !value               ? ""
                            : spelling[1] == '-' ? "="
                                                 : "+"));
    FG_TRY(add_quoted(text, fg_help_brief(option, brief), "[]\\", err));
    FG_TRY(fg_buffer_printf(text, err, "]"));
    if (value) {
        FG_TRY(fg_buffer_printf(text, err, ":%s:", option->argument ? "value" : option->name));
        if (option->choices[0].name) {
            FG_TRY(fg_buffer_printf(text, err, "("));
            FG_TRY(add_choices(text, option, err));
            FG_TRY(fg_buffer_printf(text, err, ")"));
        } else {
            FG_TRY(fg_buffer_printf(text, err, "%s", zsh_action(option->complete)));
        }
    }
    FG_TRY(fg_buffer_printf(text, err, "'"));
done:
    return status;
}

static fg_status zsh_spellings(fg_buffer *text, const fg_option *option, fg_error *err) {
    fg_status status = FG_OK;
    char spelling[FG_HELP_LINE];
    if (option->letter) {
        snprintf(spelling, sizeof spelling, "-%c", option->letter);
        FG_TRY(zsh_option(text, option, spelling, err));
    }
    snprintf(spelling, sizeof spelling, "--%s", option->name);
    FG_TRY(zsh_option(text, option, spelling, err));
    if (option->alias) {
        snprintf(spelling, sizeof spelling, "--%s", option->alias);
        FG_TRY(zsh_option(text, option, spelling, err));
    }
done:
    return status;
}

static fg_status zsh_command(fg_buffer *text, const fg_command_entry *command, fg_error *err) {
    fg_status status = FG_OK;
    bool usual = command == &fg_command_table[0];
    FG_TRY(fg_buffer_printf(text, err, "    %s)\n        _arguments -s", usual ? "*" : command->name));
    for (size_t i = 0; i < fg_option_count; i++) {
        if (fg_help_shows(&fg_option_table[i], command))
            FG_TRY(zsh_spellings(text, &fg_option_table[i], err));
    }
    FG_TRY(fg_buffer_printf(text, err, " \\\n            '1: :_fgconv_first' '*: :%s' ;;\n",
                            zsh_action(command->complete)));
done:
    return status;
}

static fg_status write_zsh(fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_buffer_printf(text, err, "%s", ZSH_BEGIN));
    for (size_t i = 0; i < fg_command_count; i++) {
        FG_TRY(fg_buffer_printf(text, err, "        '%s:", fg_command_table[i].name));
        FG_TRY(add_quoted(text, fg_command_table[i].summary, ":\\", err));
        FG_TRY(fg_buffer_printf(text, err, "'\n"));
    }
    FG_TRY(fg_buffer_printf(text, err, "%s", ZSH_COMMAND));
    FG_TRY(add_value_options(text, "|", err));
    FG_TRY(fg_buffer_printf(text, err, "%s", ZSH_WORDS));
    for (size_t i = fg_command_count; i-- > 0;) FG_TRY(zsh_command(text, &fg_command_table[i], err));
    FG_TRY(fg_buffer_printf(text, err, "%s", ZSH_END));
done:
    return status;
}

/* ---- fish ---- */

static const char FISH_BEGIN[] =
    "# fish completion for fgconv: fgconv completion fish > ~/.config/fish/completions/fgconv.fish\n"
    "function __fgconv_command\n"
    "    set -l words (commandline -opc)\n"
    "    set -l skip 1\n"
    "    for word in $words\n"
    "        if test $skip = 1\n"
    "            set skip 0\n"
    "            continue\n"
    "        end\n"
    "        switch $word\n"
    "            case ";
static const char FISH_COMMAND[] = "\n"
                                   "                set skip 1\n"
                                   "            case '-*'\n"
                                   "            case ";
static const char FISH_END[] = "\n"
                               "                echo $word\n"
                               "                return\n"
                               "            case '*'\n"
                               "                echo convert\n"
                               "                return\n"
                               "        end\n"
                               "    end\n"
                               "    echo none\n"
                               "end\n"
                               "function __fgconv_is\n"
                               "    contains -- (__fgconv_command) $argv\n"
                               "end\n"
                               "complete -c fgconv -f\n";

static fg_status fish_complete(fg_buffer *text, fg_complete complete, fg_error *err) {
    fg_status status = FG_OK;
    switch (complete) {
    case FG_COMPLETE_NOTHING:
        return FG_OK;
    case FG_COMPLETE_FILES:
        return fg_buffer_printf(text, err, " -F");
    case FG_COMPLETE_DIRECTORIES:
        return fg_buffer_printf(text, err, " -a '(__fish_complete_directories)'");
    case FG_COMPLETE_SHELLS:
        return fg_buffer_printf(text, err, " -a 'bash zsh fish'");
    case FG_COMPLETE_COMMANDS:
        FG_TRY(fg_buffer_printf(text, err, " -a '"));
        FG_TRY(add_commands(text, " ", err));
        FG_TRY(fg_buffer_printf(text, err, "'"));
        break;
    }
done:
    return status;
}

/* A command line that has no command yet may become a conversion. */
static fg_status fish_condition(fg_buffer *text, const fg_option *option, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_buffer_printf(text, err, "complete -c fgconv -n '__fgconv_is"));
    if (fg_option_belongs(option, FG_COMMAND_CONVERT)) FG_TRY(fg_buffer_printf(text, err, " none"));
    for (size_t i = 0; i < fg_command_count; i++) {
        if (fg_help_shows(option, &fg_command_table[i]))
            FG_TRY(fg_buffer_printf(text, err, " %s", fg_command_table[i].name));
    }
    FG_TRY(fg_buffer_printf(text, err, "'"));
done:
    return status;
}

static fg_status fish_option(fg_buffer *text, const fg_option *option, fg_error *err) {
    fg_status status = FG_OK;
    char brief[FG_HELP_LINE];
    FG_TRY(fish_condition(text, option, err));
    if (option->letter) FG_TRY(fg_buffer_printf(text, err, " -s %c", option->letter));
    FG_TRY(fg_buffer_printf(text, err, " -l %s", option->name));
    if (option->alias) FG_TRY(fg_buffer_printf(text, err, " -l %s", option->alias));
    if (fg_option_takes_value(option)) /* -x: the value is no file */
        FG_TRY(fg_buffer_printf(text, err, option->complete == FG_COMPLETE_FILES ? " -r" : " -x"));
    if (fg_option_takes_value(option) && option->choices[0].name) {
        FG_TRY(fg_buffer_printf(text, err, " -a '"));
        FG_TRY(add_choices(text, option, err));
        FG_TRY(fg_buffer_printf(text, err, "'"));
    } else {
        FG_TRY(fish_complete(text, option->complete, err));
    }
    FG_TRY(fg_buffer_printf(text, err, " -d '"));
    FG_TRY(add_quoted(text, fg_help_brief(option, brief), "\\", err));
    FG_TRY(fg_buffer_printf(text, err, "'\n"));
done:
    return status;
}

static fg_status fish_command(fg_buffer *text, const fg_command_entry *command, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_buffer_printf(text, err, "complete -c fgconv -n '__fgconv_is none' -a %s -d '", command->name));
    FG_TRY(add_quoted(text, command->summary, "\\", err));
    FG_TRY(fg_buffer_printf(text, err, "'\n"));
    if (!command->complete) goto done;
    FG_TRY(fg_buffer_printf(text, err, "complete -c fgconv -n '__fgconv_is %s'", command->name));
    FG_TRY(fish_complete(text, command->complete, err));
    FG_TRY(fg_buffer_printf(text, err, "\n"));
done:
    return status;
}

static fg_status write_fish(fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_buffer_printf(text, err, "%s", FISH_BEGIN));
    FG_TRY(add_value_options(text, " ", err));
    FG_TRY(fg_buffer_printf(text, err, "%s", FISH_COMMAND));
    FG_TRY(add_commands(text, " ", err));
    FG_TRY(fg_buffer_printf(text, err, "%s", FISH_END));
    FG_TRY(fg_buffer_printf(text, err,
                            "complete -c fgconv -n '__fgconv_is none' -a '(__fish_complete_directories)'\n"));
    for (size_t i = 0; i < fg_command_count; i++) FG_TRY(fish_command(text, &fg_command_table[i], err));
    for (size_t i = 0; i < fg_option_count; i++) {
        if (!fg_option_table[i].hidden) FG_TRY(fish_option(text, &fg_option_table[i], err));
    }
done:
    return status;
}

/* ---- the command ---- */

static const shell shells[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

static fg_status unknown_shell(const char *name, fg_error *err) {
    fg_nearest_name nearest = fg_nearest_name_begin(name);
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) fg_nearest_name_try(&nearest, shells[i].name);
    fg_fail(err, FG_ERR_USAGE, "fgconv completion: found \"%.60s\", expected bash, zsh or fish", name);
    return nearest.best ? fg_hint(err, "did you mean %s?", nearest.best) : FG_ERR_USAGE;
}

fg_status fg_command_completion(const fg_options *options, FILE *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    const shell *found = NULL;
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].name, options->source) == 0) found = &shells[i];
    }
    if (!found) FG_TRY(unknown_shell(options->source, err));
    FG_TRY(found->write(&text, err));
    FG_TRY(fg_cli_print(out, &text, err));
done:
    fg_buffer_free(&text);
    return status;
}
