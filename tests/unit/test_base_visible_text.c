/* base/visible_text, base/shell_word, base/warnings and base/error: what reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error_message.h"
#include "base/log.h"
#include "base/shell_word.h"
#include "base/visible_text.h"

static void controls_become_escapes(void **state) {
    (void)state;
    static const struct {
        const char *text, *line, *lines;
    } cases[] = {{"a\\b \xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80", NULL, NULL},
                 {"", NULL, NULL},
                 {"a\nb\tc", "a\\nb\\tc", NULL},
                 {"\x1b[31m\r\x07\x7f", "\\x1b[31m\\x0d\\x07\\x7f", "\\x1b[31m\\x0d\\x07\\x7f"},
                 {"\xc2\x80\xc2\x9b[\xc2\xa0", "\\x80\\x9b[\xc2\xa0", "\\x80\\x9b[\xc2\xa0"},
                 {"\xe2\x80\xae\xe2\x81\xa6\xd8\x9c", "\\u202e\\u2066\\u061c", "\\u202e\\u2066\\u061c"},
                 {"\xe2\x80\xa8", "\\u2028", "\\u2028"},
                 {"a\xff\xe2\x82", "a\\xff\\xe2\\x82", "a\\xff\\xe2\\x82"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int layout = FG_VISIBLE_LINE; layout <= FG_VISIBLE_LINES; layout++) {
            const char *other = layout == FG_VISIBLE_LINE ? cases[i].line : cases[i].lines;
            const char *expected = other ? other : cases[i].text;
            char text[80];
            fg_buffer out = {0};
            fg_error err = {0};
            snprintf(text, sizeof text, "%s", cases[i].text);
            assert_int_equal(fg_visible_add(text, strlen(text), (fg_visible_layout)layout, &out, &err),
                             FG_OK);
            assert_string_equal(out.length ? out.data : "", expected);
            fg_buffer_free(&out);
            assert_int_equal(fg_visible(text), cases[i].line == NULL);
            fg_visible_in_place(text, sizeof text, (fg_visible_layout)layout);
            assert_string_equal(text, expected);
        }
    }
}

/* What does not fit is left out, and never half of an escape or a character. */
static void long_text_is_cut_at_characters(void **state) {
    (void)state;
    char text[12] = "\x1b\x1b\x1b\x1b\xc3\xa9";
    fg_visible_in_place(text, sizeof text, FG_VISIBLE_LINE);
    assert_string_equal(text, "\\x1b\\x1b");
    char other[8] = "abcde\xc3\xa9";
    fg_visible_in_place(other, 7, FG_VISIBLE_LINE);
    assert_string_equal(other, "abcde");
}

static void words_are_quoted_for_the_shell(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {{"/a/b-c_1.0,x:y+z=w@v%", "/a/b-c_1.0,x:y+z=w@v%"},
                 {"", "''"},
                 {"a b", "'a b'"},
                 {"it's $(x) `y` \"z\" \\", "'it'\\''s $(x) `y` \"z\" \\'"},
                 {"~root", "'~root'"},
                 {"-rf", "./'-rf'"},
                 {"m\xc3\xa9", "'m\xc3\xa9'"},
                 {"a\nb'c\\", "$'a\\nb\\'c\\\\'"},
                 {"-\x1b\xff", "./$'-\\x1b\\xff'"},
                 {"\xe2\x80\xae", "$'\\xe2\\x80\\xae'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char word[FG_SHELL_WORD];
        assert_string_equal(fg_shell_word(cases[i].text, word), cases[i].word);
    }
}

/* Half a path would be another path. */
static void long_words_are_left_out(void **state) {
    (void)state;
    char text[FG_SHELL_WORD + 1] = "", word[FG_SHELL_WORD];
    memset(text, 'a', FG_SHELL_WORD - 1);
    assert_string_equal(fg_shell_word(text, word), text);
    text[FG_SHELL_WORD - 1] = 'a';
    assert_string_equal(fg_shell_word(text, word), "PATH");
    memset(text, ' ', FG_SHELL_WORD - 2);
    text[FG_SHELL_WORD - 2] = '\0';
    assert_string_equal(fg_shell_word(text, word), "PATH");
}

static void errors_are_visible(void **state) {
    (void)state;
    fg_error err = {0};
    char message[FG_ERROR_MESSAGE];
    fg_fail(&err, FG_ERR_INPUT, "%s: wrong", "a\nfgconv: done\x1b[2J");
    fg_where(&err, "reading %s", "b\r");
    fg_hint(&err, "first\nsecond %s", "c\x07");
    fg_error_message(&err, message);
    assert_string_equal(
        message, "a\\nfgconv: done\\x1b[2J: wrong\n  while reading b\\x0d\n  hint: first\nsecond c\\x07");
}

/* A text that says that it has lines keeps them, and so does one that is passed on. */
static void lines_of_errors_stay(void **state) {
    (void)state;
    fg_error err = {0}, passed = {0};
    char message[FG_ERROR_MESSAGE];
    assert_int_equal(fg_fail_lines(&err, FG_ERR_INPUT, "a\n  %s", "b\x1b"), FG_ERR_INPUT);
    assert_int_equal(fg_fail_again(&passed, &err), FG_ERR_INPUT);
    fg_error_message(&passed, message);
    assert_string_equal(message, "a\n  b\\x1b");
}

/* 300 of one kind: ten and a line that counts; another kind is not touched by that. */
static void warnings_of_a_kind_are_counted(void **state) {
    (void)state;
    fg_warnings list = {0};
    fg_error err = {0};
    for (int i = 0; i < 300; i++) assert_int_equal(fg_warnings_add(&list, &err, "token %d\n", i), FG_OK);
    assert_int_equal(fg_warnings_add(&list, &err, "%s", "another"), FG_OK);
    assert_int_equal(fg_warnings_add(&list, &err, "%s", "another"), FG_OK);
    assert_int_equal(list.count, FG_WARNINGS_OF_A_KIND + 1);
    fg_warn_all(&list);
    for (int i = 0; i < 20; i++) fg_warn("row %d", i);
    fg_warn("row %d", 3);
    assert_int_equal(fg_log_warning_count(), 2 * FG_WARNINGS_OF_A_KIND + 1 + 2);
    assert_string_equal(fg_log_warning(0), "token 0\\n");
    assert_string_equal(fg_log_warning(10), "another");
    assert_string_equal(fg_log_warning(21), "290 more like \"token 0\\n\"");
    assert_string_equal(fg_log_warning(22), "10 more like \"row 0\"");
    assert_string_equal(fg_log_warning(23), "");
    fg_log_end();
    assert_int_equal(fg_log_warning_count(), 0);
    fg_warnings_free(&list);
    assert_int_equal(fg_alloc_live(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_become_escapes),
        cmocka_unit_test(long_text_is_cut_at_characters),
        cmocka_unit_test(words_are_quoted_for_the_shell),
        cmocka_unit_test(long_words_are_left_out),
        cmocka_unit_test(errors_are_visible),
        cmocka_unit_test(lines_of_errors_stay),
        cmocka_unit_test(warnings_of_a_kind_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
