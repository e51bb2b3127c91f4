/* cli/help and the option table: three texts from one table, and the man page that holds one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/option_table.h"

enum { HELP_COLUMNS = 100, MAN_COLUMNS = 80 };

/* What `print` writes; freed by the caller. */
static char *written(void (*print)(FILE *out)) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out);
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
        assert_true(!fg_option_takes_value(a) || a->argument || a->choices[0].name);
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
                                        "converter-path",
                                        "max-shard-size",
                                        "hf-version",
                                        "resume",
                                        "no-fsync",
                                        "no-code",
                                        "validate",
                                        "atol",
                                        "dump",
                                        "report",
                                        "json",
                                        "progress",
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
                                        "ignore-key"};
    size_t count = sizeof names / sizeof *names;
    assert_int_equal(fg_option_count, count);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < fg_option_count && strcmp(fg_option_table[k].name, names[i]) != 0) k++;
        if (k == fg_option_count) print_error("--%s\n", names[i]);
        assert_true(k < fg_option_count);
    }
}

static void help_fits_a_page_and_names_everything(void **state) {
    (void)state;
    char *text = written(fg_options_help), name[64];
    expect_lines_within(text, HELP_COLUMNS);
    for (size_t i = 0; i < fg_option_count; i++) {
        snprintf(name, sizeof name, "--%s", fg_option_table[i].name);
        assert_non_null(strstr(text, name));
    }
    for (size_t i = 1; i < fg_command_count; i++) {
        if (fg_command_table[i].missing) continue;
        snprintf(name, sizeof name, "\n  fgconv %s ", fg_command_table[i].name);
        assert_non_null(strstr(text, name));
    }
    for (int group = 0; group < FG_GROUP_COUNT; group++) {
        snprintf(name, sizeof name, "\n%s:\n", fg_option_group_title((fg_option_group)group));
        assert_non_null(strstr(text, name));
    }
    assert_non_null(strstr(text, "\n  -c, --checkpoint-path, --checkpoint PATH\n"
                                 "                              training checkpoint inside"));
    assert_non_null(strstr(
        text, "\n  --device {cpu,cuda}         where the models of the proof run "
              "(default: cpu); cuda: not in this\n"
              "                              version [convert, validate, update, finalize, update-vocab]\n"));
    free(text);
}

static void markdown_has_a_row_for_each_option(void **state) {
    (void)state;
    char *text = written(fg_options_markdown);
    size_t rows = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        size_t bars = 0, length = strcspn(line, "\n");
        for (size_t i = 0; i < length; i++) bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        assert_int_equal(bars, 4);
        rows++;
    }
    assert_int_equal(rows, fg_option_count + 2);
    assert_non_null(strstr(text, "| `-q, --quiet` | say nothing but warnings and errors | all |\n"));
    assert_non_null(strstr(
        text,
        "| `-t, --chat-template-path, --chat-template FILE` | file with the chat template of the destination "
        "(default: that of SRC) | convert, finalize, update-vocab |\n"));
    free(text);
}

static void the_man_page_holds_the_options(void **state) {
    (void)state;
    fg_error err = {0};
    fg_buffer page = {0};
    char *text = written(fg_options_man);
    expect_lines_within(text, MAN_COLUMNS);
    assert_non_null(strstr(text, ".It Fl c , Fl -checkpoint-path , Fl -checkpoint Ar PATH\n"));
    assert_non_null(strstr(text, ".It Fl -hf-version Brq Cm 4 | Cm 5\n"));
    assert_int_equal(fg_file_read_all(FG_CONVERTERS "/../src/cli/fgconv.1", 1 << 20, &page, &err), FG_OK);
    const char *options = strstr(page.data, "\n.Sh OPTIONS\n");
    assert_non_null(options);
    options += strlen("\n.Sh OPTIONS\n");
    assert_int_equal(strncmp(options, text, strlen(text)), 0);
    assert_int_equal(strncmp(options + strlen(text), ".Sh ", 4), 0);
    fg_buffer_free(&page);
    free(text);
}

static void the_form_that_was_asked_for_is_printed(void **state) {
    (void)state;
    static const struct {
        fg_help_form form;
        const char *beginning;
    } cases[] = {{FG_HELP_TEXT, "fgconv converts "},
                 {FG_HELP_MARKDOWN, "| option |"},
                 {FG_HELP_MAN, ".Ss What is converted\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_options options = {.command = FG_COMMAND_HELP, .help_form = cases[i].form};
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        fg_options_print_help(&options, out);
        fclose(out);
        assert_int_equal(strncmp(text, cases[i].beginning, strlen(cases[i].beginning)), 0);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_letters_are_unique),
        cmocka_unit_test(the_contract_is_covered),
        cmocka_unit_test(help_fits_a_page_and_names_everything),
        cmocka_unit_test(markdown_has_a_row_for_each_option),
        cmocka_unit_test(the_man_page_holds_the_options),
        cmocka_unit_test(the_form_that_was_asked_for_is_printed),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
