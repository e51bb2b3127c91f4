/* Reading YAML: what PyYAML's safe_load gives (the expected values were made by it), and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/yaml.h"

static void expect(const char *yaml, const char *json) {
    fg_error err = {0};
    json_t *value, *expected = json_loads(json, JSON_DECODE_ANY, NULL);
    char brief[400];
    assert_non_null(expected);
    if (fg_yaml_parse("t.yaml", yaml, strlen(yaml), &value, NULL, &err) != FG_OK) fail_msg("%s", err.text);
    if (!json_equal(value, expected))
        fail_msg("%s is read as %s", yaml, fg_json_brief(value, brief, sizeof brief));
    json_decref(value);
    json_decref(expected);
}

static void refuse(const char *yaml, const char *message) {
    fg_error err = {0};
    json_t *value, *marks;
    assert_int_equal(fg_yaml_parse("t.yaml", yaml, strlen(yaml), &value, &marks, &err), FG_ERR_INPUT);
    if (!strstr(err.text, message)) fail_msg("%s: %s", yaml, err.text);
    assert_null(value);
    assert_null(marks);
}

static void scalars_mean_what_pyyaml_takes_them_for(void **state) {
    (void)state;
    expect("[~, null, Null, NULL, nUll]", "[null, null, null, null, \"nUll\"]");
    expect("- \n- yes\n- No\n- ON\n- off\n- true\n- y", "[null, true, false, true, false, true, \"y\"]");
    expect("[0, -0, +12, 1_000, 0b101, 0x_fF, 017, 08, -0x10]", "[0, 0, 12, 1000, 5, 255, 15, \"08\", -16]");
    expect("[9223372036854775807, -9223372036854775808]", "[9223372036854775807, -9223372036854775808]");
    expect("1000000000000000000000", "1e21");
    expect("[1.5, -.5, 1., 1e5, 1.0e5, 1.0e+5, 1.0e-05, 6.02e+23, 1_0.5, _1.5, .]",
           "[1.5, \"-.5\", 1.0, \"1e5\", \"1.0e5\", 100000.0, 1e-05, 6.02e23, 10.5, \"_1.5\", \".\"]");
    expect("[1:30, 190:20:30, 1:60, 1:30.5, 1:2x]", "[90, 685230, \"1:60\", 90.5, \"1:2x\"]");
    expect("[.inf, -.inf, .nan]", "[\".inf\", \"-.inf\", \".nan\"]");
    expect("[2001-01-01, a b, '12', \"1.5\", !!str 7, 'it''s', \"\\u00e9\\n\"]",
           "[\"2001-01-01\", \"a b\", \"12\", \"1.5\", \"7\", \"it's\", \"\xc3\xa9\\n\"]");
    expect("[0o17, 0x, 0b, 0b12, ++1, '', -]", "[\"0o17\", \"0x\", \"0b\", \"0b12\", \"++1\", \"\", \"-\"]");
}

static void documents_become_values(void **state) {
    (void)state;
    expect("", "null");
    expect("# nothing\n", "null");
    expect("--- 3\n...\n", "3");
    expect("a: {b: [1, {c: x}], d: }\n", "{\"a\": {\"b\": [1, {\"c\": \"x\"}], \"d\": null}}");
    expect("a: |\n  one\n  two\nb: >-\n  one\n  two\n", "{\"a\": \"one\\ntwo\\n\", \"b\": \"one two\"}");
    expect("a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n", "{\"a\": [1, 2], \"b\": [1, 2], \"c\": 3, \"d\": 3}");
    expect("\xef\xbb\xbf"
           "a: 1\n",
           "{\"a\": 1}");
}

static void what_is_not_plain_data_is_refused(void **state) {
    (void)state;
    refuse("a: [1\nb: 2\n", "t.yaml: line 2, column 2: not valid YAML: ");
    refuse("a: 1\nb:\n  a: 2\n  a: 3\n", "t.yaml: line 4, column 3: this key is given twice");
    refuse("1: x\n", "line 1, column 1: a key that is not a string");
    refuse("[a]: x\n", "a key that is not a string");
    refuse("a: !!python/object:os.system x\n", "line 1, column 4: this tag is not supported");
    refuse("a: !mine x\n", "this tag is not supported");
    refuse("a: &x {b: *x}\n", "an alias inside the value that it names");
    refuse("a: *x\n", "an alias of an unknown anchor");
    refuse("a: &x {b: 1}\nc:\n  <<: *x\n", "merge keys (<<) are not supported");
    refuse("a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins here");
    refuse("a: \"\\0\"\n\xff", "not valid YAML");
}

static void what_aliases_stand_for_is_bounded(void **state) {
    (void)state;
    fg_buffer text = {0};
    fg_buffer_printf(&text, NULL, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        fg_buffer_printf(&text, NULL, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++) fg_buffer_printf(&text, NULL, "*a%d, ", i - 1);
        fg_buffer_printf(&text, NULL, "]\n");
    }
    refuse(text.data, "t.yaml: line 6, column");
    refuse(text.data, "too many values, counting what aliases stand for");
    fg_buffer_clear(&text);
    for (int i = 0; i < FG_YAML_DEPTH + 1; i++) fg_buffer_printf(&text, NULL, "[");
    refuse(text.data, "nested too deep");
    fg_buffer_free(&text);
}

static void marks_say_where_values_begin(void **state) {
    (void)state;
    static const char yaml[] = "a:\n  - x\n  - y: [1,  2]\n";
    json_t *value, *marks,
        *expected = json_loads("{\"\": [1, 1], \"a\": [2, 3], \"a/0\": [2, 5], \"a/1\": [3, 5], "
                               "\"a/1/y\": [3, 8], \"a/1/y/0\": [3, 9], \"a/1/y/1\": [3, 13]}",
                               0, NULL);
    assert_int_equal(fg_yaml_parse("t.yaml", yaml, strlen(yaml), &value, &marks, NULL), FG_OK);
    assert_true(json_equal(marks, expected));
    json_decref(value);
    json_decref(marks);
    json_decref(expected);
}

/* One allocation that fails: no number becomes a string, and no member is lost. */
static void a_failed_allocation_changes_no_value(void **state) {
    static const char yaml[] = "{a: [1, 1.5, 1:30, 0x10, true, ~], b: {c: x, 'd': 2.0e+5}}";
    json_t *value, *expected;
    uint64_t tries = 0;
    (void)state;
    fg_alloc_init();
    assert_int_equal(fg_yaml_parse("t.yaml", yaml, strlen(yaml), &expected, NULL, NULL), FG_OK);
    for (fg_status status = FG_ERR_MEMORY; status != FG_OK; tries++) {
        fg_alloc_fail_once(tries + 1);
        status = fg_yaml_parse("t.yaml", yaml, strlen(yaml), &value, NULL, NULL);
        fg_alloc_fail_once(0);
        assert_true(status == FG_OK || status == FG_ERR_MEMORY);
        assert_true(status != FG_OK || json_equal(value, expected));
        json_decref(value);
    }
    assert_true(tries > 20);
    json_decref(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_mean_what_pyyaml_takes_them_for),
        cmocka_unit_test(documents_become_values),
        cmocka_unit_test(what_is_not_plain_data_is_refused),
        cmocka_unit_test(what_aliases_stand_for_is_bounded),
        cmocka_unit_test(marks_say_where_values_begin),
        cmocka_unit_test(a_failed_allocation_changes_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
