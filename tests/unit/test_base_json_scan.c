/* Walking over JSON text: what is found, and that text which is not JSON ends the walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_scan.h"

static fg_json_scan scan_of(const char *text) {
    return (fg_json_scan){.name = "t.json", .text = text, .length = strlen(text)};
}

static void members_are_found_in_order(void **state) {
    (void)state;
    fg_json_scan s = scan_of(" {\"a\" : [1, {\"x\": \"]\"}, [[]]], "
                             "\"b\\u00e9\\n\":{\"k\":-1.5e3},\"c\":\"q\\\"\\ud83d\\ude00\", \"d\": [] }");
    fg_buffer key = {0}, text = {0};
    bool more;
    json_t *value;
    assert_int_equal(fg_json_scan_peek(&s), '{');
    assert_int_equal(fg_json_scan_enter(&s, '{', NULL), FG_OK);
    assert_int_equal(fg_json_scan_next(&s, &key, &more, NULL), FG_OK);
    assert_true(more);
    assert_string_equal(key.data, "a");
    assert_int_equal(fg_json_scan_enter(&s, '[', NULL), FG_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fg_json_scan_next(&s, NULL, &more, NULL), FG_OK);
        assert_true(more);
        assert_int_equal(fg_json_scan_skip(&s, NULL), FG_OK);
    }
    assert_int_equal(fg_json_scan_next(&s, NULL, &more, NULL), FG_OK);
    assert_false(more);
    assert_int_equal(fg_json_scan_next(&s, &key, &more, NULL), FG_OK);
    assert_string_equal(key.data, "b\xc3\xa9\n");
    assert_int_equal(fg_json_scan_value(&s, &value, NULL), FG_OK);
    assert_true(json_real_value(json_object_get(value, "k")) == -1500.0);
    json_decref(value);
    assert_int_equal(fg_json_scan_next(&s, &key, &more, NULL), FG_OK);
    assert_int_equal(fg_json_scan_string(&s, &text, NULL), FG_OK);
    assert_string_equal(text.data, "q\"\xf0\x9f\x98\x80");
    assert_int_equal(fg_json_scan_next(&s, &key, &more, NULL), FG_OK);
    assert_int_equal(fg_json_scan_enter(&s, '[', NULL), FG_OK);
    assert_int_equal(fg_json_scan_next(&s, NULL, &more, NULL), FG_OK);
    assert_false(more);
    assert_int_equal(fg_json_scan_next(&s, &key, &more, NULL), FG_OK);
    assert_false(more);
    assert_int_equal(fg_json_scan_peek(&s), '\0');
    fg_buffer_free(&key);
    fg_buffer_free(&text);
}

/* Walks over everything, object by object. */
static fg_status walk(const char *given, fg_error *err) {
    fg_status status = FG_OK;
    fg_json_scan s = scan_of(given);
    fg_buffer key = {0};
    bool more = true;
    FG_TRY(fg_json_scan_enter(&s, '{', err));
    for (;;) {
        FG_TRY(fg_json_scan_next(&s, &key, &more, err));
        if (!more) break;
        FG_TRY(fg_json_scan_skip(&s, err));
    }
done:
    fg_buffer_free(&key);
    return status;
}

static void broken_text_ends_the_walk(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "it ends where an object is expected"},
        {"[1]", "line 1: not valid JSON: expected an object"},
        {"{\"a\": 1", "it ends where \",\" or \"}\" is expected"},
        {"{\"a\": 1 \"b\": 2}", "expected \",\" or \"}\""},
        {"{\"a\"\n: {\"b\": [1, 2}}", "line 2: not valid JSON: expected the other bracket"},
        {"{\"a\": \"b}", "a string has no end"},
        {"{\"a\": \"b\\\"}", "a string has no end"},
        {"{\"a\": [1, 2", "it ends where a closing bracket is expected"},
        {"{\"a\" 1}", "expected \":\""},
        {"{1: 2}", "expected a string"},
        {"{\"a\": }", "expected a value"},
        {"{\"\\q\": 1}", "expected a string with known escapes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        assert_int_equal(walk(cases[i][0], &err), FG_ERR_INPUT);
        if (!strstr(err.text, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.text);
    }
    fg_buffer deep = {0};
    fg_error err = {0};
    fg_buffer_printf(&deep, NULL, "{\"a\": ");
    for (int i = 0; i <= FG_JSON_SCAN_DEPTH; i++) fg_buffer_printf(&deep, NULL, "[");
    assert_int_equal(walk(deep.data, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "nothing nested so deep"));
    fg_buffer_free(&deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_in_order),
        cmocka_unit_test(broken_text_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
