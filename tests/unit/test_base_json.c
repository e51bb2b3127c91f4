/* base/json: strict reading, paths, Python-like writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/json_scan.h"

static json_t *parse(const char *text) {
    fg_error err = {0};
    json_t *value;
    assert_int_equal(fg_json_parse("t.json", text, strlen(text), &value, &err), FG_OK);
    return value;
}

static void expect_written(const char *text, unsigned flags, const char *expected) {
    fg_error err = {0};
    fg_buffer out = {0};
    json_t *value = parse(text);
    assert_int_equal(fg_json_write(value, flags, &out, &err), FG_OK);
    assert_string_equal(out.data, expected);
    fg_buffer_free(&out);
    json_decref(value);
}

static void reals_are_written_as_python_does(void **state) {
    (void)state;
    expect_written(
        "[1e-5, 1e-06, 500000.0, 0.02, 1.0, 0.0, 1e16, 1.5e300, 0.1, 123456.789, -2.5, 0.0001, 1e-310]",
        FG_JSON_COMPACT,
        "[1e-05, 1e-06, 500000.0, 0.02, 1.0, 0.0, 10000000000000000, 1.5e+300, 0.1, 123456.789, -2.5, "
        "0.0001, 1e-310]");
}

static void large_integers_keep_their_digits(void **state) {
    (void)state;
    expect_written("{\"a\": 1000000000000000019884624838656, \"b\": 9007199254740993, \"c\": "
                   "\"1000000000000000019884624838656\"}",
                   FG_JSON_COMPACT,
                   "{\"a\": 1000000000000000019884624838656, \"b\": 9007199254740993, \"c\": "
                   "\"1000000000000000019884624838656\"}");
}

static void strings_are_escaped_or_not(void **state) {
    (void)state;
    expect_written("[\"a\\n\\u0001\\\"\\u00e9\\ud83d\\ude00\"]", FG_JSON_COMPACT,
                   "[\"a\\n\\u0001\\\"\\u00e9\\ud83d\\ude00\"]");
    expect_written("[\"\\u00e9\"]", FG_JSON_COMPACT | FG_JSON_UTF8, "[\"\xc3\xa9\"]");
}

static void layout_matches_python_indent_2(void **state) {
    (void)state;
    expect_written("{\"b\": [1, {}], \"a\": []}", FG_JSON_SORTED,
                   "{\n  \"a\": [],\n  \"b\": [\n    1,\n    {}\n  ]\n}");
}

static void duplicates_and_garbage_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"{\"a\": 1, \"a\": 2}", "{\"a\": NaN}", "[1,]", "{} x", "",
                                      "{\"a\": 1e999}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fg_error err = {0};
        json_t *value;
        assert_int_equal(fg_json_parse("t.json", bad[i], strlen(bad[i]), &value, &err), FG_ERR_INPUT);
        assert_non_null(strstr(err.text, bad[i][0] ? "t.json: line 1" : "t.json: the file is empty"));
        assert_null(value);
    }
}

static void a_nul_is_refused_wherever_it_stands(void **state) {
    (void)state;
    for (size_t at = 0; at <= sizeof "{\"a\": null}" - 1; at++) {
        fg_error err = {0};
        json_t *value;
        char text[] = "{\"a\": null} ";
        memmove(text + at + 1, text + at, sizeof text - 2 - at);
        text[at] = '\0';
        assert_int_equal(fg_json_parse("t.json", text, sizeof text - 1, &value, &err), FG_ERR_INPUT);
        assert_null(value);
    }
}

static void paths_reach_in(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *value = parse("{\"a\": {\"b\": [10, 20]}}");
    assert_int_equal(json_integer_value(fg_json_at(value, "a/b/1")), 20);
    assert_null(fg_json_at(value, "a/c/1"));
    assert_int_equal(fg_json_set_at(value, "x/y", json_true(), &err), FG_OK);
    assert_true(json_is_true(fg_json_at(value, "x/y")));
    assert_int_equal(fg_json_set_at(value, "a/b/z", json_true(), &err), FG_ERR_INPUT);
    assert_int_equal(fg_json_set_at(value, "a/b/y/z", json_true(), &err), FG_ERR_INPUT);
    json_decref(value);
}

static void numbers_are_equal_by_value(void **state) {
    (void)state;
    json_t *a = parse("{\"x\": 1, \"y\": [1.5, null]}"), *b = parse("{\"y\": [1.5, null], \"x\": 1.0}"),
           *c = parse("{\"x\": 2}");
    assert_true(fg_json_equal(a, b));
    assert_false(fg_json_equal(a, c));
    assert_false(fg_json_equal(a, NULL));
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void lines_are_found(void **state) {
    (void)state;
    const char *text = "{\n \"a\": [\n  [\"x\",\n   \"y\"],\n  {\"k\\\"\": 1}\n ],\n \"b\": 2\n}";
    assert_int_equal(fg_json_line(text, strlen(text), "a"), 2);
    assert_int_equal(fg_json_line(text, strlen(text), "a/0/1"), 4);
    assert_int_equal(fg_json_line(text, strlen(text), "b"), 7);
    assert_int_equal(fg_json_line(text, strlen(text), "c"), 0);
}

static void wrong_types_name_the_key(void **state) {
    (void)state;
    fg_error err = {0};
    uint64_t number = 7;
    json_t *value = parse("{\"n\": \"x\"}");
    assert_int_equal(fg_json_get_u64(value, "absent", "f.json", &number, &err), FG_OK);
    assert_int_equal(number, 7);
    assert_int_equal(fg_json_get_u64(value, "n", "f.json", &number, &err), FG_ERR_INPUT);
    assert_string_equal(err.text, "f.json: key \"n\": found \"x\", expected an integer of 0 or more");
    json_decref(value);
}

/* Whichever allocation fails, it is not the file's fault. */
static void exhausted_memory_is_no_broken_json(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\": {\"b\": [1, 2.5, \"x\\u00e9\"]}, \"c\": [true, null, {}], \"longer than one word\": "
        "\"some text that does not fit into the first buffer of the reader\"}";
    unsigned failures = 0;
    for (uint64_t n = 1;; n++, failures++) {
        fg_error err = {0};
        json_t *value;
        fg_alloc_fail_after(n);
        fg_status status = fg_json_parse("t.json", text, sizeof text - 1, &value, &err);
        fg_alloc_fail_after(0);
        json_decref(value);
        if (status == FG_OK) break;
        assert_int_equal(status, FG_ERR_MEMORY);
    }
    assert_true(failures > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reals_are_written_as_python_does),
        cmocka_unit_test(large_integers_keep_their_digits),
        cmocka_unit_test(strings_are_escaped_or_not),
        cmocka_unit_test(layout_matches_python_indent_2),
        cmocka_unit_test(duplicates_and_garbage_are_refused),
        cmocka_unit_test(a_nul_is_refused_wherever_it_stands),
        cmocka_unit_test(paths_reach_in),
        cmocka_unit_test(numbers_are_equal_by_value),
        cmocka_unit_test(lines_are_found),
        cmocka_unit_test(wrong_types_name_the_key),
        cmocka_unit_test(exhausted_memory_is_no_broken_json),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
