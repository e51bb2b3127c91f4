#include "cli/options.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/nearest_name.h"
#include "cli/command.h"
#include "copy/shards.h"

enum { SHOWN = 60, NAMES = 200 };

static const uint64_t DEFAULT_SHARD = UINT64_C(5000000000);
static const uint64_t DEFAULT_NEW_TOKENS = 64;

typedef struct parser {
    fg_options *options;
    const fg_commands *commands;
    char **rest; /* the arguments that are not read yet */
    char **end;
    const fg_command *command; /* NULL until a positional argument decided it */
    bool seen[FG_OPTION_LIMIT];
    bool ended;   /* after "--" */
    bool stopped; /* --help or --version: what follows does not matter */
    fg_error *err;
} parser;

/* ---- Messages ---- */

static fg_status bad_value(parser *p, const char *spelling, const char *found, const char *expected) {
    return fg_fail(p->err, FG_ERR_USAGE, "option %s: found \"%.*s\", expected %s", spelling, SHOWN, found,
                   expected);
}

/* "one of a, b, c" */
static const char *choice_names(const fg_option *option, char *buffer, size_t size) {
    snprintf(buffer, size, "one of ");
    for (size_t i = 0; i < FG_OPTION_CHOICES && option->choices[i].name; i++) {
        if (i) strncat(buffer, ", ", size - strlen(buffer) - 1);
        strncat(buffer, option->choices[i].name, size - strlen(buffer) - 1);
    }
    return buffer;
}

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

static const char *nearest_command(const parser *p, const char *typed) {
    fg_nearest_name nearest = fg_nearest_name_begin(typed);
    for (size_t i = 0; i < p->commands->count; i++)
        fg_nearest_name_try(&nearest, p->commands->items[i]->name);
    return nearest.best;
}

static const char *nearest_choice(const fg_option *option, const char *typed) {
    fg_nearest_name nearest = fg_nearest_name_begin(typed);
    for (size_t i = 0; i < FG_OPTION_CHOICES && option->choices[i].name; i++) {
        fg_nearest_name_try(&nearest, option->choices[i].name);
        fg_nearest_name_try(&nearest, option->choices[i].alias);
    }
    return nearest.best;
}

static fg_status unknown_option(parser *p, const char *spelling, const char *name) {
    const char *near = nearest_option(name);
    fg_fail(p->err, FG_ERR_USAGE, "unknown option %.*s", SHOWN, spelling);
    if (near) return fg_hint(p->err, "did you mean --%s? \"fgconv help COMMAND\" lists the options", near);
    return fg_hint(p->err, "\"fgconv help COMMAND\" lists the options of a command");
}

static fg_status suggest_command(parser *p, const char *name) {
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
static fg_status unknown_source(parser *p, const char *name) {
    fg_fail(p->err, FG_ERR_USAGE, "%.*s: no such file or directory, and no such command", SHOWN, name);
    if (!is_hub_name(name)) return suggest_command(p, name);
    return fg_hint(p->err,
                   "fgconv reads local directories; to get a model of the Hugging Face Hub: hf download %.*s "
                   "--local-dir DIR",
                   SHOWN, name);
}

/* ---- Values ---- */

/* Decimal digits only: no sign, no space, nothing behind. */
static bool read_number(const char *text, size_t length, uint64_t *number) {
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *number = value;
    return length > 0;
}

static fg_status set_count(parser *p, const char *spelling, const char *text, uint64_t *field) {
    uint64_t number;
    if (!read_number(text, strlen(text), &number) || number == 0)
        return bad_value(p, spelling, text, "a positive integer (below 2^64)");
    *field = number;
    return FG_OK;
}

static fg_status set_number(parser *p, const char *spelling, const char *text, int64_t *field) {
    uint64_t number;
    if (!read_number(text, strlen(text), &number) || number > INT64_MAX)
        return bad_value(p, spelling, text, "a non-negative integer (below 2^63)");
    *field = (int64_t)number;
    return FG_OK;
}

static fg_status set_real(parser *p, const char *spelling, const char *text, double *field) {
    char *end;
    double number = strtod(text, &end);
    bool plain =
        strspn(text, "0123456789.eE+-") == strlen(text); /* strtod also takes spaces, hex, inf and nan */
    if (!plain || end == text || *end || !isfinite(number) || number < 0)
        return bad_value(p, spelling, text, "a non-negative number, such as 1e-5");
    *field = number;
    return FG_OK;
}

static fg_status set_size(parser *p, const char *spelling, const char *text, uint64_t *field) {
    fg_status status = fg_shards_parse_size(text, field, p->err);
    if (status == FG_OK && *field == 0) status = bad_value(p, spelling, text, "a size above 0, such as 5GB");
    return status;
}

static fg_status set_tokens(parser *p, const char *spelling, const char *text) {
    fg_status status = FG_OK;
    fg_error *err = p->err;
    uint32_t *ids = NULL;
    size_t count = 0, capacity = 0;
    for (const char *at = text;; at++) {
        uint64_t id = 0;
        size_t length = strcspn(at, ",");
        if (!read_number(at, length, &id) || id > UINT32_MAX)
            FG_TRY(
                bad_value(p, spelling, text, "token ids separated by commas, without spaces, such as 1,2,3"));
        FG_TRY(fg_grow(&ids, count, &capacity, sizeof *ids, err));
        ids[count++] = (uint32_t)id;
        at += length;
        if (!*at) break;
    }
    fg_free(p->options->token_ids);
    p->options->token_ids = ids;
    p->options->token_count = count;
    ids = NULL;
done:
    fg_free(ids);
    return status;
}

/* Appends to an array that holds exactly `*count` pointers. */
static fg_status append(const char ***items, size_t *count, const char *item, fg_error *err) {
    const char **larger = fg_alloc(*count + 1, sizeof *larger, err);
    if (!larger) return FG_ERR_MEMORY;
    if (*count) memcpy(larger, *items, *count * sizeof *larger);
    larger[(*count)++] = item;
    fg_free(*items);
    *items = larger;
    return FG_OK;
}

static void *field_of(parser *p, const fg_option *option) {
    return (char *)p->options + option->offset;
}

static void store_int(parser *p, const fg_option *option, int value) {
    if (option->offset != SIZE_MAX) memcpy(field_of(p, option), &value, sizeof value);
}

static void store_choice(parser *p, const fg_option *option, const fg_option_choice *choice) {
    const fg_format *format = fg_format_find(choice->name);
    if (option->kind == FG_OPTION_FORMAT) {
        memcpy(field_of(p, option), &format, sizeof format);
    } else {
        store_int(p, option, choice->value);
    }
}

/* Case, '-' and '_' do not matter: people write Fast-LLM and BFloat16. */
static bool is_same_choice(const char *name, const char *typed) {
    if (!name) return false;
    for (;; name++, typed++) {
        while (*name == '-' || *name == '_') name++;
        while (*typed == '-' || *typed == '_') typed++;
        if (tolower((unsigned char)*name) != tolower((unsigned char)*typed)) return false;
        if (!*name) return true;
    }
}

static fg_status set_choice(parser *p, const fg_option *option, const char *spelling, const char *text) {
    char names[NAMES];
    const char *near;
    for (size_t i = 0; i < FG_OPTION_CHOICES && option->choices[i].name; i++) {
        const fg_option_choice *choice = &option->choices[i];
        if (!is_same_choice(choice->name, text) && !is_same_choice(choice->alias, text)) continue;
        if (choice->missing)
            return fg_fail(p->err, FG_ERR_USAGE, "option %s %s: %s", spelling, text, choice->missing);
        store_choice(p, option, choice);
        return FG_OK;
    }
    bad_value(p, spelling, text, choice_names(option, names, sizeof names));
    near = nearest_choice(option, text);
    return near ? fg_hint(p->err, "did you mean %s?", near) : FG_ERR_USAGE;
}

static fg_status set_text(parser *p, const fg_option *option, const char *spelling, const char *text) {
    if (!*text)
        return fg_fail(p->err, FG_ERR_USAGE, "option %s: found an empty value, expected %s", spelling,
                       option->argument);
    if (option->kind == FG_OPTION_PATHS)
        return append(&p->options->converter_paths, &p->options->converter_path_count, text, p->err);
    if (option->kind == FG_OPTION_KEYS)
        return append(&p->options->ignore_keys, &p->options->ignore_key_count, text, p->err);
    memcpy(field_of(p, option), &text, sizeof text);
    return FG_OK;
}

/* From here on the command line is that of "fgconv help". */
static void turn_to_help(parser *p) {
    p->options->command = fg_command_find(p->commands, "help");
    p->stopped = true;
}

/* --help is about the command before it, or about the next word. */
static fg_status set_help(parser *p, const fg_option *option, const char *spelling, const char *form) {
    p->options->help_topic = p->command;
    if (!p->command && p->rest < p->end) p->options->help_topic = fg_command_find(p->commands, *p->rest);
    turn_to_help(p);
    return form ? set_choice(p, option, spelling, form) : FG_OK;
}

/* `value` is NULL for options without one. */
static fg_status set_option(parser *p, const fg_option *option, const char *spelling, const char *value) {
    if (option->missing) return fg_fail(p->err, FG_ERR_USAGE, "option %s: %s", spelling, option->missing);
    p->seen[option - fg_option_table] = true;
    switch (option->kind) {
    case FG_OPTION_FLAG:
        if (option->offset != SIZE_MAX) *(bool *)field_of(p, option) = true;
        return FG_OK;
    case FG_OPTION_VALUE:
        store_int(p, option, option->constant);
        return FG_OK;
    case FG_OPTION_TEXT:
    case FG_OPTION_PATHS:
    case FG_OPTION_KEYS:
        return set_text(p, option, spelling, value);
    case FG_OPTION_COUNT:
        return set_count(p, spelling, value, field_of(p, option));
    case FG_OPTION_NUMBER:
        return set_number(p, spelling, value, field_of(p, option));
    case FG_OPTION_REAL:
        return set_real(p, spelling, value, field_of(p, option));
    case FG_OPTION_SIZE:
        return set_size(p, spelling, value, field_of(p, option));
    case FG_OPTION_TOKENS:
        return set_tokens(p, spelling, value);
    case FG_OPTION_CHOICE:
    case FG_OPTION_FORMAT:
        return set_choice(p, option, spelling, value);
    case FG_OPTION_HELP:
        return set_help(p, option, spelling, value);
    case FG_OPTION_VERSION:
        store_int(p, option, option->constant);
        turn_to_help(p);
        return FG_OK;
    }
    return fg_fail(p->err, FG_ERR_BUG, "option %s has no kind", spelling);
}

/* ---- Arguments ---- */

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
static fg_status take_value(parser *p, const fg_option *option, const char *spelling, const char **value) {
    char names[NAMES];
    const char *expected = option->argument ? option->argument : choice_names(option, names, sizeof names);
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
static fg_status read_long(parser *p, const char *argument) {
    fg_status status = FG_OK;
    const char *name = argument + 2, *value = NULL;
    size_t length = strcspn(name, "=");
    const fg_option *option = find_long(name, length);
    char spelling[SHOWN + 8];
    snprintf(spelling, sizeof spelling, "--%.*s", (int)(length < SHOWN ? length : SHOWN), name);
    if (!option) FG_TRY(unknown_option(p, spelling, spelling + 2));
    if (name[length] == '=') value = name + length + 1;
    if (value && !fg_option_takes_value(option) && option->kind != FG_OPTION_HELP)
        FG_FAIL(p->err, FG_ERR_USAGE, "option %s takes no value, found \"%.*s\"", spelling, SHOWN, value);
    if (option->missing) FG_TRY(set_option(p, option, spelling, value));
    if (!value && fg_option_takes_value(option)) FG_TRY(take_value(p, option, spelling, &value));
    FG_TRY(set_option(p, option, spelling, value));
done:
    return status;
}

/* "-q", "-qv", "-c value" or "-cvalue" */
static fg_status read_short(parser *p, const char *argument) {
    fg_status status = FG_OK;
    for (const char *at = argument + 1; *at && !p->stopped; at++) {
        const fg_option *option = find_letter(*at);
        const char *value = NULL;
        char spelling[3] = {'-', *at, '\0'};
        if (!option) FG_TRY(unknown_option(p, argument, argument + 1));
        if (option->missing) FG_TRY(set_option(p, option, spelling, NULL));
        if (fg_option_takes_value(option)) {
            if (at[1]) {
                value = at + 1;
            } else {
                FG_TRY(take_value(p, option, spelling, &value));
            }
        }
        FG_TRY(set_option(p, option, spelling, value));
        if (value) break;
    }
done:
    return status;
}

/* The first argument may be the name of a command. */
static fg_status read_command(parser *p, const char *argument, bool *named) {
    const fg_command *command = p->ended ? NULL : fg_command_find(p->commands, argument);
    *named = command != NULL;
    p->command = command ? command : p->commands->items[0];
    if (command || !*argument) return FG_OK;
    bool exists;
    fg_status status = fg_path_exists(argument, &exists, p->err);
    return status != FG_OK || exists ? status : unknown_source(p, argument);
}

static fg_status read_argument(parser *p, const char *argument) {
    fg_status status = FG_OK;
    bool named = false;
    if (!p->command) FG_TRY(read_command(p, argument, &named));
    if (named) goto done;
    if (!*argument)
        FG_FAIL(p->err, FG_ERR_USAGE, "fgconv %s: found an empty name, expected %s", p->command->name,
                p->command->arguments);
    FG_TRY(append(&p->options->files, &p->options->file_count, argument, p->err));
done:
    return status;
}

static fg_status read_all(parser *p) {
    fg_status status = FG_OK;
    while (p->rest < p->end && !p->stopped) {
        const char *argument = *p->rest++;
        if (p->ended || argument[0] != '-' || !argument[1]) {
            FG_TRY(read_argument(p, argument));
        } else if (strcmp(argument, "--") == 0) {
            p->ended = true;
        } else {
            FG_TRY(argument[1] == '-' ? read_long(p, argument) : read_short(p, argument));
        }
    }
done:
    return status;
}

/* ---- What belongs together ---- */

static fg_status check_arguments(parser *p) {
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

static fg_status check_belongs(parser *p) {
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

static fg_status check_directions(const fg_options *o, fg_error *err) {
    if (o->reverse && o->from != NULL && o->from != &fg_format_forgather)
        return fg_fail(err, FG_ERR_USAGE, "--reverse converts from forgather, but --from is %s",
                       o->from->name);
    if (o->reverse && o->to != NULL && o->to != &fg_format_hf)
        return fg_fail(err, FG_ERR_USAGE, "--reverse converts to hf, but --to is %s", o->to->name);
    if (o->from != NULL && o->from == o->to)
        return fg_fail(err, FG_ERR_USAGE, "--from and --to are both %s: there is nothing to convert",
                       o->from->name);
    return FG_OK;
}

static bool seen(const parser *p, const char *name) {
    const fg_option *option = find_long(name, strlen(name));
    return option && p->seen[option - fg_option_table];
}

static fg_status check_generation(const parser *p) {
    static const char *const details[] = {"max-new-tokens", "sample", "temperature", "top-p", "seed"};
    const fg_options *o = p->options;
    if (seen(p, "prompt") && seen(p, "token-ids")) {
        fg_fail(p->err, FG_ERR_USAGE, "--prompt and --token-ids both give the tokens to run");
        return fg_hint(p->err, "remove one of the two");
    }
    for (size_t i = 0; !o->generation_test && i < sizeof details / sizeof *details; i++) {
        if (!seen(p, details[i])) continue;
        fg_fail(p->err, FG_ERR_USAGE, "--%s is only used with --generation-test", details[i]);
        return fg_hint(p->err, "remove it, or add -g");
    }
    if (o->top_p > 1)
        return fg_fail(p->err, FG_ERR_USAGE, "option --top-p: found %g, expected 0 to 1", o->top_p);
    return FG_OK;
}

/* Logits that are to be written must be computed. */
static fg_status check_dump(const fg_options *o, fg_error *err) {
    bool computed = o->validate == FG_VALIDATE_LOGITS || o->validate == FG_VALIDATE_AUTO;
    if (!o->dump || computed) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--dump writes the logits of the proof, but --validate %s computes none",
            o->validate == FG_VALIDATE_NONE ? "none" : "bytes");
    return fg_hint(err, "remove one of the two");
}

/* "fgconv help COMMAND" */
static fg_status resolve_topic(parser *p) {
    const char *name = p->options->file_count ? p->options->files[0] : NULL;
    if (p->command->complete != FG_COMPLETE_COMMANDS || !name) return FG_OK;
    p->options->help_topic = fg_command_find(p->commands, name);
    if (p->options->help_topic) return FG_OK;
    fg_fail(p->err, FG_ERR_USAGE, "%.*s: no such command", SHOWN, name);
    return suggest_command(p, name);
}

static fg_status check_together(parser *p) {
    fg_status status = FG_OK;
    fg_options *o = p->options;
    FG_TRY(check_arguments(p));
    FG_TRY(check_belongs(p));
    FG_TRY(check_directions(o, p->err));
    FG_TRY(check_generation(p));
    FG_TRY(check_dump(o, p->err));
    if (o->file_count > 0) o->source = o->files[0];
    if (o->file_count > 1) o->destination = o->files[1];
    if (p->command->check) FG_TRY(p->command->check(o, p->err));
    FG_TRY(resolve_topic(p));
done:
    return status;
}

static fg_status no_arguments(fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "nothing to do: SRC and DST are missing");
    return fg_hint(
        err, "fgconv SRC DST         converts the checkpoint in directory SRC into the new directory DST\n"
             "      fgconv inspect SRC     prints what SRC holds\n"
             "      fgconv help            lists the commands and common options");
}

fg_status fg_options_parse(fg_options *options, const fg_commands *commands, int argc, char **argv,
                           fg_error *err) {
    fg_status status = FG_OK;
    char **first = argv + (argc > 0);
    parser p = {.options = options, .commands = commands, .rest = first, .end = argv + argc, .err = err};
    *options = (fg_options){.max_shard_size = DEFAULT_SHARD,
                            .max_new_tokens = DEFAULT_NEW_TOKENS,
                            .hf_version = 4,
                            .atol = -1,
                            .temperature = -1,
                            .top_p = -1,
                            .seed = -1,
                            .progress = FG_PROGRESS_AUTO};
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

void fg_options_free(fg_options *options) {
    fg_free(options->files);
    fg_free(options->token_ids);
    fg_free(options->converter_paths);
    fg_free(options->ignore_keys);
    *options = (fg_options){0};
}
