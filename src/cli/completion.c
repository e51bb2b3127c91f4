/* fgconv completion: scripts for bash, zsh and fish, made from the tables of commands and options.
 *
 * The word of a command may be left out, and options can be anywhere. So each script first finds the command:
 * the first word that is neither an option nor the value of one, if it names a command, otherwise convert.
 */
#include <string.h>

#include "base/nearest_name.h"
#include "cli/help.h"
#include "cli/help_text.h"

typedef struct shell {
    const char *name;
    void (*write)(const fg_commands *commands, FILE *out);
} shell;

/* How each shell is told what completes a value or an argument; a list of words follows what ends with a
 * quote. */
static const struct {
    const char *bash, *zsh, *fish;
} generators[] = {
    [FG_COMPLETE_NOTHING] = {"", " ", ""},
    [FG_COMPLETE_FILES] = {"-f", "_files", " -F"},
    [FG_COMPLETE_DIRECTORIES] = {"-d", "_files -/", " -a '(__fish_complete_directories)'"},
    [FG_COMPLETE_COMMANDS] = {"-W '", "_fgconv_commands", " -a '"},
    [FG_COMPLETE_SHELLS] = {"-W '", "(bash zsh fish)", " -a '"},
};

/* ---- lists of names ---- */

/* The names, with `between`. */
static void add_commands(FILE *out, const fg_commands *commands, const char *between) {
    for (size_t i = 0; i < commands->count; i++)
        fprintf(out, "%s%s", i ? between : "", commands->items[i]->name);
}

static void add_generator(FILE *out, const fg_commands *commands, const char *how, fg_complete complete) {
    fputs(how, out);
    if (complete == FG_COMPLETE_COMMANDS) add_commands(out, commands, " ");
    if (complete == FG_COMPLETE_SHELLS) fputs("bash zsh fish", out);
    if (complete == FG_COMPLETE_COMMANDS || complete == FG_COMPLETE_SHELLS) fputc('\'', out);
}

static void add_choices(FILE *out, const fg_option *option) {
    char names[FG_HELP_LINE];
    fputs(fg_option_choices(option, " ", names, sizeof names), out);
}

/* "--dtype" and its other spellings, with `between`. */
static void add_spellings(FILE *out, const fg_option *option, const char *between) {
    if (option->letter) fprintf(out, "-%c%s", option->letter, between);
    fprintf(out, "--%s", option->name);
    if (option->alias) fprintf(out, "%s--%s", between, option->alias);
}

/* All spellings of options that take a value, with `between`. */
static void add_value_options(FILE *out, const char *between) {
    bool first = true;
    for (size_t i = 0; i < fg_option_count; i++) {
        if (!fg_option_takes_value(&fg_option_table[i])) continue;
        if (!first) fprintf(out, "%s", between);
        first = false;
        add_spellings(out, &fg_option_table[i], between);
    }
}

/* The text inside single quotes of a shell; a quote itself is escaped outside of them. */
static void add_quoted(FILE *out, const char *words, const char *escaped) {
    for (; *words; words++) {
        if (*words == '\'')
            fprintf(out, "'\\''");
        else
            fprintf(out, "%s%c", strchr(escaped, *words) ? "\\" : "", *words);
    }
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

static void bash_values(FILE *out, const fg_commands *commands, const fg_option *option) {
    fprintf(out, "    ");
    add_spellings(out, option, "|");
    fprintf(out, ") ");
    if (fg_option_choice_at(option, 0).name) {
        fprintf(out, "mapfile -t COMPREPLY < <(compgen -W '");
        add_choices(out, option);
        fprintf(out, "' -- \"$cur\"); ");
    } else if (option->complete) {
        fprintf(out, "mapfile -t COMPREPLY < <(compgen ");
        add_generator(out, commands, generators[option->complete].bash, option->complete);
        fprintf(out, " -- \"$cur\"); ");
    }
    fprintf(out, "return ;;\n");
}

/* The options and arguments of a command. convert is also what a command line without a command means. */
static void bash_command(FILE *out, const fg_commands *commands, const fg_command *command) {
    bool usual = command == commands->items[0];
    fprintf(out, "    %s) options='", usual ? "*" : command->name);
    for (size_t i = 0; i < fg_option_count; i++) {
        if (!fg_help_shows(&fg_option_table[i], command)) continue;
        add_spellings(out, &fg_option_table[i], " ");
        fprintf(out, " ");
    }
    fprintf(out, "' arguments=(");
    add_generator(out, commands, generators[command->complete].bash, command->complete);
    fprintf(out, ") ;;\n");
}

static void write_bash(const fg_commands *commands, FILE *out) {
    fprintf(out, "%s", BASH_BEGIN);
    add_value_options(out, "|");
    fprintf(out, "%s", BASH_COMMAND);
    for (size_t i = 0; i < fg_option_count; i++) {
        if (fg_option_takes_value(&fg_option_table[i])) bash_values(out, commands, &fg_option_table[i]);
    }
    fprintf(out, "%s", BASH_FIRST);
    add_commands(out, commands, " ");
    fprintf(out, "%s", BASH_WORDS);
    for (size_t i = commands->count; i-- > 0;) bash_command(out, commands, commands->items[i]);
    fprintf(out, "%s", BASH_END);
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

/* A specification of _arguments: '(-t --chat-template)-t[what it does]:value:action'. */
static void zsh_option(FILE *out, const fg_option *option, const char *spelling) {
    char brief[FG_HELP_LINE];
    bool value = fg_option_takes_value(option), repeats = fg_option_repeats(option);
    fprintf(out, " \\\n            '%s", repeats ? "*" : "(");
    if (!repeats) add_spellings(out, option, " ");
    fprintf(out, "%s%s%s[", repeats ? "" : ")", spelling, !value ? "" : spelling[1] == '-' ? "=" : "+");
    add_quoted(out, fg_help_brief(option, brief), "[]\\");
    fprintf(out, "]");
    if (value) {
        fprintf(out, ":%s:", option->argument ? "value" : option->name);
        if (fg_option_choice_at(option, 0).name) {
            fprintf(out, "(");
            add_choices(out, option);
            fprintf(out, ")");
        } else {
            fputs(generators[option->complete].zsh, out);
        }
    }
    fprintf(out, "'");
}

static void zsh_spellings(FILE *out, const fg_option *option) {
    char spelling[FG_HELP_LINE];
    if (option->letter) {
        snprintf(spelling, sizeof spelling, "-%c", option->letter);
        zsh_option(out, option, spelling);
    }
    snprintf(spelling, sizeof spelling, "--%s", option->name);
    zsh_option(out, option, spelling);
    if (option->alias) {
        snprintf(spelling, sizeof spelling, "--%s", option->alias);
        zsh_option(out, option, spelling);
    }
}

static void zsh_command(FILE *out, const fg_commands *commands, const fg_command *command) {
    bool usual = command == commands->items[0];
    fprintf(out, "    %s)\n        _arguments -s", usual ? "*" : command->name);
    for (size_t i = 0; i < fg_option_count; i++) {
        if (fg_help_shows(&fg_option_table[i], command)) zsh_spellings(out, &fg_option_table[i]);
    }
    fprintf(out, " \\\n            '1: :_fgconv_first' '*: :%s' ;;\n", generators[command->complete].zsh);
}

static void write_zsh(const fg_commands *commands, FILE *out) {
    fprintf(out, "%s", ZSH_BEGIN);
    for (size_t i = 0; i < commands->count; i++) {
        fprintf(out, "        '%s:", commands->items[i]->name);
        add_quoted(out, commands->items[i]->summary, ":\\");
        fprintf(out, "'\n");
    }
    fprintf(out, "%s", ZSH_COMMAND);
    add_value_options(out, "|");
    fprintf(out, "%s", ZSH_WORDS);
    for (size_t i = commands->count; i-- > 0;) zsh_command(out, commands, commands->items[i]);
    fprintf(out, "%s", ZSH_END);
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

/* A command line that has no command yet may become a conversion. */
static void fish_condition(FILE *out, const fg_commands *commands, const fg_option *option) {
    fprintf(out, "complete -c fgconv -n '__fgconv_is");
    if (fg_help_shows(option, commands->items[0])) fprintf(out, " none");
    for (size_t i = 0; i < commands->count; i++) {
        if (fg_help_shows(option, commands->items[i])) fprintf(out, " %s", commands->items[i]->name);
    }
    fprintf(out, "'");
}

static void fish_option(FILE *out, const fg_commands *commands, const fg_option *option) {
    char brief[FG_HELP_LINE];
    fish_condition(out, commands, option);
    if (option->letter) fprintf(out, " -s %c", option->letter);
    fprintf(out, " -l %s", option->name);
    if (option->alias) fprintf(out, " -l %s", option->alias);
    if (fg_option_takes_value(option)) /* -x: the value is no file */
        fprintf(out, option->complete == FG_COMPLETE_FILES ? " -r" : " -x");
    if (fg_option_takes_value(option) && fg_option_choice_at(option, 0).name) {
        fprintf(out, " -a '");
        add_choices(out, option);
        fprintf(out, "'");
    } else {
        add_generator(out, commands, generators[option->complete].fish, option->complete);
    }
    fprintf(out, " -d '");
    add_quoted(out, fg_help_brief(option, brief), "\\");
    fprintf(out, "'\n");
}

static void fish_command(FILE *out, const fg_commands *commands, const fg_command *command) {
    fprintf(out, "complete -c fgconv -n '__fgconv_is none' -a %s -d '", command->name);
    add_quoted(out, command->summary, "\\");
    fprintf(out, "'\n");
    if (!command->complete) return;
    fprintf(out, "complete -c fgconv -n '__fgconv_is %s'", command->name);
    add_generator(out, commands, generators[command->complete].fish, command->complete);
    fprintf(out, "\n");
}

static void write_fish(const fg_commands *commands, FILE *out) {
    fprintf(out, "%s", FISH_BEGIN);
    add_value_options(out, " ");
    fprintf(out, "%s", FISH_COMMAND);
    add_commands(out, commands, " ");
    fprintf(out, "%s", FISH_END);
    fprintf(out, "complete -c fgconv -n '__fgconv_is none' -a '(__fish_complete_directories)'\n");
    for (size_t i = 0; i < commands->count; i++) fish_command(out, commands, commands->items[i]);
    for (size_t i = 0; i < fg_option_count; i++) {
        if (!fg_option_table[i].hidden) fish_option(out, commands, &fg_option_table[i]);
    }
}

/* ---- the shells ---- */

static const shell shells[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

static fg_status unknown_shell(const char *name, fg_error *err) {
    fg_nearest_name nearest = fg_nearest_name_begin(name);
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) fg_nearest_name_try(&nearest, shells[i].name);
    fg_fail(err, FG_ERR_USAGE, "fgconv completion: found \"%.60s\", expected bash, zsh or fish", name);
    return nearest.best ? fg_hint(err, "did you mean %s?", nearest.best) : FG_ERR_USAGE;
}

fg_status fg_completion_script(const fg_commands *commands, const char *name, FILE *out, fg_error *err) {
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].name, name) != 0) continue;
        shells[i].write(commands, out);
        return FG_OK;
    }
    return unknown_shell(name, err);
}
