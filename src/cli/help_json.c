/* Commands and options as a document, for programs: fgconv help --json. */
#include "base/alloc.h"
#include "cli/help.h"
#include "cli/help_text.h"

static json_t *text_or_null(const char *text) {
    return text ? json_string(text) : json_null();
}

static fg_status put_choices(json_t *row, const fg_option *option, fg_error *err) {
    json_t *choices;
    FG_CALL_NEW(choices, fg_json_put_array(row, "choices", err));
    for (size_t i = 0; fg_option_choice_at(option, i).name; i++)
        FG_CALL(fg_json_push(choices, json_string(fg_option_choice_at(option, i).name), err));
    return FG_OK;
}

/* An argument is what stands for the value of an option that takes one. */
static fg_status put_option(json_t *list, const fg_option *option, fg_error *err) {
    char about[FG_HELP_LINE], letter[] = {option->letter, '\0'};
    json_t *row;
    FG_CALL_NEW(row, fg_json_push_object(list, err));
    FG_CALL(fg_json_put_text(row, "name", option->name, err));
    FG_CALL(fg_json_put(row, "letter", text_or_null(*letter ? letter : NULL), err));
    FG_CALL(fg_json_put(row, "alias", text_or_null(option->alias), err));
    FG_CALL(fg_json_put_text(row, "group", fg_option_group_title(option->group), err));
    FG_CALL(fg_json_put(row, "takes_value", json_boolean(fg_option_takes_value(option)), err));
    FG_CALL(fg_json_put(row, "argument", text_or_null(option->argument), err));
    FG_CALL(put_choices(row, option, err));
    FG_CALL(fg_json_put(row, "repeats", json_boolean(fg_option_repeats(option)), err));
    return fg_json_put_text(row, "about", fg_help_about(option, about), err);
}

static fg_status put_command(json_t *list, const fg_command *command, fg_error *err) {
    json_t *row, *names;
    FG_CALL_NEW(row, fg_json_push_object(list, err));
    FG_CALL(fg_json_put_text(row, "name", command->name, err));
    FG_CALL(fg_json_put_text(row, "arguments", command->arguments, err));
    FG_CALL(fg_json_put_text(row, "summary", command->summary, err));
    FG_CALL(fg_json_put_text(row, "about", command->about, err));
    FG_CALL(fg_json_put_text(row, "example", command->example, err));
    FG_CALL_NEW(names, fg_json_put_array(row, "options", err));
    for (size_t i = 0; i < fg_option_count; i++)
        if (fg_help_shows(&fg_option_table[i], command))
            FG_CALL(fg_json_push(names, json_string(fg_option_table[i].name), err));
    return FG_OK;
}

static bool is_shown(const fg_option *option, const fg_commands *commands, const fg_command *topic) {
    if (topic) return fg_help_shows(option, topic);
    for (size_t i = 0; i < commands->count; i++)
        if (fg_help_shows(option, commands->items[i])) return true;
    return false;
}

static fg_status fill(json_t *document, const fg_commands *commands, const fg_command *topic, fg_error *err) {
    json_t *list;
    FG_CALL_NEW(list, fg_json_put_array(document, "commands", err));
    for (size_t i = 0; i < commands->count; i++)
        if (!topic || topic == commands->items[i]) FG_CALL(put_command(list, commands->items[i], err));
    FG_CALL_NEW(list, fg_json_put_array(document, "options", err));
    for (size_t i = 0; i < fg_option_count; i++)
        if (is_shown(&fg_option_table[i], commands, topic))
            FG_CALL(put_option(list, &fg_option_table[i], err));
    FG_CALL_NEW(list, fg_json_put_array(document, "exit_codes", err));
    for (size_t i = 0; i < fg_exit_code_count; i++)
        FG_CALL(fg_json_push(
            list, json_pack("{s:i, s:s}", "code", fg_exit_codes[i].code, "about", fg_exit_codes[i].about),
            err));
    return FG_OK;
}

fg_status fg_help_document(const fg_commands *commands, const fg_command *topic, json_t **document,
                           fg_error *err) {
    *document = json_object();
    fg_status status = *document ? fill(*document, commands, topic, err)
                                 : fg_fail(err, FG_ERR_MEMORY, "out of memory while writing the help");
    if (status == FG_OK) return FG_OK;
    json_decref(*document);
    *document = NULL;
    return status;
}
