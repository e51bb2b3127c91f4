/* help and the tables: pages, the table of the documents, manual pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/help_text.h"
#include "commands/command_table.h"
#include "commands/run.h"

enum { HELP_COLUMNS = 100, MAN_COLUMNS = 80, PAGE = 60 };

/* The help that a command line asks for; freed by the caller. */
static char *help(fg_help_form form, const char *topic) {
    fg_options options = {.help_form = form,
                          .help_topic = topic ? fg_command_find(&fg_command_table, topic) : NULL};
    fg_error err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(
        fg_help_command.run(&(fg_run){.options = &options, .version = "1.2.3", .out = out}, &err), FG_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect_lines_within(const char *text, size_t columns) {
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > columns || (length && line[length - 1] == ' '))
            print_error("%.*s|\n", (int)length, line);
        assert_true(length <= columns);
        assert_true(!length || line[length - 1] != ' ');
        line += length + (line[length] == '\n');
    }
}

static void names_and_letters_are_unique(void **state) {
    (void)state;
    for (size_t i = 0; i < fg_option_count; i++) {
        const fg_option *a = &fg_option_table[i];
        assert_true(a->about && *a->about && a->about[strlen(a->about) - 1] != '.');
        assert_true(!fg_option_takes_value(a) || a->argument || fg_option_choice_at(a, 0).name);
        for (size_t k = 0; k < i; k++) {
            const fg_option *b = &fg_option_table[k];
            assert_string_not_equal(a->name, b->name);
            assert_true(!a->letter || a->letter != b->letter);
            assert_true(!a->alias || strcmp(a->alias, b->name) != 0);
        }
    }
}

/* The options of the command-line contract. */
static void the_contract_is_covered(void **state) {
    (void)state;
    static const char *const names[] = {"from",
                                        "to",
                                        "reverse",
                                        "model-type",
                                        "dtype",
                                        "max-length",
                                        "checkpoint-path",
                                        "add-tokens",
                                        "skip-default-tokens",
                                        "decode",
                                        "special",
                                        "jsonl",
                                        "chat-template-path",
                                        "device",
                                        "generation-test",
                                        "max-new-tokens",
                                        "sample",
                                        "temperature",
                                        "top-p",
                                        "seed",
                                        "prompt",
                                        "token-ids",
                                        "debug-params",
                                        "dry-run",
                                        "mask",
                                        "hf-base",
                                        "parameter-order",
                                        "converter-path",
                                        "max-shard-size",
                                        "hf-version",
                                        "resume",
                                        "trust-journal",
                                        "no-fsync",
                                        "no-code",
                                        "validate",
                                        "image",
                                        "atol",
                                        "profile",
                                        "dump",
                                        "report",
                                        "html",
                                        "json",
                                        "progress",
                                        "ranks",
                                        "stats",
                                        "version",
                                        "help",
                                        "quiet",
                                        "verbose",
                                        "log-level",

                                        "stop-tokens",
                                        "no-auto-stop-tokens",
                                        "generation-config",
                                        "keep-optimizer",
                                        "root-copy",
                                        "safetensors",
                                        "in-place",
                                        "arch",
                                        "from-version",
                                        "to-version",
                                        "no-strict",
                                        "ignore-key",
                                        "allow-unfinished"};
    size_t count = sizeof names / sizeof *names;
    assert_int_equal(fg_option_count, count);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < fg_option_count && strcmp(fg_option_table[k].name, names[i]) != 0) k++;
        if (k == fg_option_count) print_error("--%s\n", names[i]);
        assert_true(k < fg_option_count);
    }
}

static size_t lines_of(const char *text) {
    size_t lines = 0;
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

static void the_program_has_one_page(void **state) {
    (void)state;
    char *text = help(FG_HELP_TEXT, NULL), name[64];
    expect_lines_within(text, HELP_COLUMNS);
    assert_true(lines_of(text) <= PAGE);
    size_t sentence = (size_t)(strchr(text, ':') - text);
    static const char *const formats[] = {"Hugging Face", "Forgather", "Fast-LLM"};
    for (size_t i = 0; i < 3; i++) assert_true((size_t)(strstr(text, formats[i]) - text) < sentence);
    for (size_t i = 0; i < fg_command_table.count; i++) {
        snprintf(name, sizeof name, "\n  %s ", fg_command_table.items[i]->name);
        assert_non_null(strstr(text, name));
        assert_ptr_equal(fg_command_find(&fg_command_table, fg_command_table.items[i]->name),
                         fg_command_table.items[i]);
    }
    assert_null(strstr(text, "--no-fsync"));
    free(text);
}

/* A page has the options that its command takes, and those alone. */
static void expect_options(const char *page, const fg_command *command) {
    for (size_t i = 0; i < fg_option_count; i++) {
        const fg_option *option = &fg_option_table[i];
        char left[FG_HELP_LINE], row[FG_HELP_LINE + 4];
        snprintf(row, sizeof row, "\n  %s", fg_help_spelling(option, left));
        bool wanted = !option->hidden && fg_command_takes(command, option);
        const char *found = strstr(page, row);
        while (found && !strchr(" \n", found[strlen(row)])) found = strstr(found + 1, row);
        if ((found != NULL) != wanted) print_error("%s: --%s\n", command->name, option->name);
        assert_int_equal(found != NULL, wanted);
    }
}

static void each_command_has_a_page(void **state) {
    (void)state;
    for (size_t i = 0; i < fg_command_table.count; i++) {
        const fg_command *command = fg_command_table.items[i];
        char *text = help(FG_HELP_TEXT, command->name), beginning[128];
        expect_lines_within(text, HELP_COLUMNS);
        snprintf(beginning, sizeof beginning, "fgconv %s: %s\n\nUsage: ", command->name, command->summary);
        assert_int_equal(strncmp(text, beginning, strlen(beginning)), 0);
        expect_options(text, command);
        assert_non_null(strstr(text, command->example));
        assert_non_null(strstr(text, "\nExit codes:\n  0    done\n"));
        free(text);
    }
}

/* No set of options is without a command, and each command can be run. */
static void the_tables_fit(void **state) {
    (void)state;
    char names[FG_HELP_LINE];
    for (size_t i = 0; i < fg_option_count; i++) {
        fg_command_names(&fg_command_table, &fg_option_table[i], names, sizeof names);
        if (!*names) print_error("--%s\n", fg_option_table[i].name);
        assert_true(*names);
    }
    for (size_t i = 0; i < fg_command_table.count; i++) assert_non_null(fg_command_table.items[i]->run);
    char *text = help(FG_HELP_VERSION, NULL);
    assert_string_equal(text, "fgconv 1.2.3\n");
    free(text);
}

static void options_that_do_nothing_are_hidden(void **state) {
    (void)state;
    static const char *const hidden[] = {"safetensors", "log-level"};
    size_t count = 0;
    for (size_t i = 0; i < fg_option_count; i++) count += fg_option_table[i].hidden;
    assert_int_equal(count, sizeof hidden / sizeof *hidden);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (strcmp(fg_option_table[k].name, hidden[i]) != 0) k++;
        assert_true(fg_option_table[k].hidden);
    }
}

static void markdown_has_a_row_for_each_option(void **state) {
    (void)state;
    char *text = help(FG_HELP_MARKDOWN, NULL);
    size_t rows = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        size_t bars = 0, length = strcspn(line, "\n");
        for (size_t i = 0; i < length; i++) bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        assert_int_equal(bars, 4);
        rows++;
    }
    assert_int_equal(rows, fg_option_count + 2);
    assert_non_null(strstr(text, "| `-q, --quiet` | print only warnings and errors | all |\n"));
    assert_non_null(strstr(
        text, "| `-t, --chat-template-path, --chat-template FILE` | file with the chat template to write "
              "(default: that of SRC) | convert, finalize, update-vocab |\n"));
    free(text);
}

static void the_man_page_holds_the_commands(void **state) {
    (void)state;
    char *text = help(FG_HELP_MAN, NULL), name[64];
    expect_lines_within(text, MAN_COLUMNS);
    for (size_t i = 0; i < fg_command_table.count; i++) {
        snprintf(name, sizeof name, "\n.It Xr fgconv-%s 1\n", fg_command_table.items[i]->name);
        assert_non_null(strstr(text, name));
    }
    free(text);
}

static void each_command_has_a_man_page(void **state) {
    (void)state;
    for (size_t i = 0; i < fg_command_table.count; i++) {
        char *text = help(FG_HELP_MAN, fg_command_table.items[i]->name), name[64];
        expect_lines_within(text, MAN_COLUMNS);
        snprintf(name, sizeof name, "\n.Sh NAME\n.Nm fgconv-%s\n", fg_command_table.items[i]->name);
        assert_non_null(strstr(text, name));
        free(text);
    }
    char *text = help(FG_HELP_MAN, "convert");
    assert_non_null(strstr(text, ".Dt FGCONV-CONVERT 1\n"));
    assert_non_null(strstr(text, ".It Fl c , Fl -checkpoint-path , Fl -checkpoint Ar PATH\n"));
    assert_non_null(strstr(text, ".It Fl -hf-version Brq Cm 4 | Cm 5\n"));
    assert_non_null(strstr(text, "\n.It 10\nThe models differ; nothing was published.\n"));
    assert_non_null(strstr(text, ".It Fl -resume\n"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_letters_are_unique),
        cmocka_unit_test(the_contract_is_covered),
        cmocka_unit_test(the_program_has_one_page),
        cmocka_unit_test(each_command_has_a_page),
        cmocka_unit_test(the_tables_fit),
        cmocka_unit_test(options_that_do_nothing_are_hidden),
        cmocka_unit_test(markdown_has_a_row_for_each_option),
        cmocka_unit_test(the_man_page_holds_the_commands),
        cmocka_unit_test(each_command_has_a_man_page),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
