/* tokenizer/bpe_lists: what is read in place, what is left to base/json.h, and what of the text remains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tokenizer/bpe_lists.h"

static bool read_lists(const char *given, fg_bpe_lists *lists, fg_buffer *rest) {
    fg_error err = {0};
    fg_buffer text = {.data = (char *)(uintptr_t)given, .length = strlen(given)};
    bool usual;
    *lists = (fg_bpe_lists){0};
    if (fg_bpe_lists_read(lists, "t.json", &text, rest, &usual, &err) != FG_OK) fail_msg("%s", err.text);
    return usual;
}

static void lists_are_read_and_cut_out(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\": [1, {\"vocab\": 2}],\n \"model\": {\"merges\": [\"#version: 0.2\", \"x y\","
        "\n [\"\\u0120\", \" \"]], \"vocab\"\n: {\"x\": 0,\n \"\\n\\\"\": 16777215,\n "
        "\"\xc4\xa0\" :7},\n \"type\": \"BPE\"}}";
    static const char *const halves[][2] = {{"", ""}, {"x", "y"}, {"\xc4\xa0", " "}};
    fg_bpe_lists lists;
    fg_buffer rest = {0}, left = {0}, right = {0};
    assert_true(read_lists(text, &lists, &rest));
    assert_string_equal(rest.data,
                        "{\"a\": [1, {\"vocab\": 2}],\n \"model\": {\"merges\": [\n], \"vocab\"\n: "
                        "{\n\n},\n \"type\": \"BPE\"}}");
    assert_int_equal(lists.vocabulary.count, 3);
    assert_int_equal(fg_vocabulary_find(&lists.vocabulary, "\n\"", 2), 16777215);
    assert_int_equal(fg_vocabulary_find(&lists.vocabulary, "\xc4\xa0", 2), 7);
    assert_int_equal(lists.merge_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fg_bpe_lists_next(&lists, &left, &right, NULL), FG_OK);
        assert_string_equal(left.data, halves[i][0]);
        assert_string_equal(right.data ? right.data : "", halves[i][1]);
    }
    fg_bpe_lists_free(&lists);
    fg_buffer_free(&rest);
    fg_buffer_free(&left);
    fg_buffer_free(&right);
}

#define MODEL(vocab, merges) "{\"model\": {\"vocab\": " vocab ", \"merges\": " merges "}}"

static void what_is_unusual_is_left(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        "[]",
        "{}",
        "{\"model\": 1}",
        "{\"model\": {\"vocab\": {}}}",
        "\xef\xbb\xbf" MODEL("{}", "[]"),
        "{\"model\": {\"vocab\": {}, \"merges\": [], \"vocab\": {}}}",
        "{\"model\": {\"vocab\": {}, \"merges\": []}, \"model\": {}}",
        MODEL("[[\"a\", 0]]", "[]"),
        MODEL("null", "[]"),
        MODEL("{\"a\": 0, \"a\": 1}", "[]"),
        MODEL("{\"a\": 0, \"\\u0061\": 1}", "[]"),
        MODEL("{\"a\": 0,}", "[]"),
        MODEL("{\"\": 0}", "[]"),
        MODEL("{\"a\": 01}", "[]"),
        MODEL("{\"a\": -1}", "[]"),
        MODEL("{\"a\": 1.0}", "[]"),
        MODEL("{\"a\": 1e1}", "[]"),
        MODEL("{\"a\": 16777216}", "[]"),
        MODEL("{\"a\": \"0\"}", "[]"),
        MODEL("{\"a\t\": 0}", "[]"),
        MODEL("{\"a\\q\": 0}", "[]"),
        MODEL("{\"a\\u0000\": 0}", "[]"),
        MODEL("{\"a\\ud800\": 0}", "[]"),
        MODEL("{\"\xff\": 0}", "[]"),
        MODEL("{}", "{}"),
        MODEL("{}", "[\"a\"]"),
        MODEL("{}", "[\"a b c\"]"),
        MODEL("{}", "[\" b\"]"),
        MODEL("{}", "[\"a \"]"),
        MODEL("{}", "[[\"a\"]]"),
        MODEL("{}", "[[\"a\", \"b\", \"c\"]]"),
        MODEL("{}", "[[\"a\", \"\"]]"),
        MODEL("{}", "[[\"a\", 1]]"),
        MODEL("{}", "[\"a b\",]"),
        MODEL("{}", "[\"a b\" \"c d\"]"),
        MODEL("{}", "[\"a b\""),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_bpe_lists lists;
        fg_buffer rest = {0};
        if (read_lists(rows[i], &lists, &rest)) fail_msg("row %zu is read: %s", i, rows[i]);
        assert_int_equal(lists.vocabulary.count, 0);
        fg_buffer_free(&rest);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_and_cut_out),
        cmocka_unit_test(what_is_unusual_is_left),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
