/* base/json_build: copies are whole or fail, strings take any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"

static const char DOCUMENT[] = "{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, "
                               "\"low_freq_factor\": 1.0, \"nested\": [1, [2, {\"a\": null}]]}, "
                               "\"hidden_size\": 128256, \"tie\": true, \"a\": 1, \"b\": 2, \"c\": 3, \"d\": "
                               "4, \"e\": 5, \"f\": 6, \"g\": 7, \"h\": 8}";

typedef json_t *(*copier)(const json_t *value, fg_error *err);

/* Fails each allocation of a copy in turn, alone or with all that follow; returns how many copies failed. */
static unsigned sweep(copier copy, void (*fail_at)(uint64_t n)) {
    fg_error none = {0};
    json_t *value;
    assert_int_equal(fg_json_parse("t.json", DOCUMENT, sizeof DOCUMENT - 1, &value, &none), FG_OK);
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        fg_error err = {0};
        fail_at(n);
        json_t *copied = copy(value, &err);
        fg_alloc_fail_after(0);
        bool whole = copied != NULL;
        if (whole) assert_true(json_equal(value, copied));
        assert_int_equal(err.status, whole ? FG_OK : FG_ERR_MEMORY);
        json_decref(copied);
        if (whole) break;
        failures++;
    }
    json_decref(value);
    return failures;
}

static void a_copy_has_all_members_or_fails(void **state) {
    (void)state;
    assert_true(sweep(fg_json_copy, fg_alloc_fail_once) > 10);
    assert_true(sweep(fg_json_copy, fg_alloc_fail_after) > 10);
    assert_true(sweep(fg_json_deep_copy, fg_alloc_fail_once) > 30);
    assert_true(sweep(fg_json_deep_copy, fg_alloc_fail_after) > 30);
}

static json_t *read_again(const json_t *value, fg_error *err) {
    json_t *read = NULL;
    (void)value;
    fg_json_load(DOCUMENT, sizeof DOCUMENT - 1, 0, &read, NULL, err);
    return read;
}

static void what_is_read_is_whole_or_fails(void **state) {
    (void)state;
    assert_true(sweep(read_again, fg_alloc_fail_once) > 30);
}

static void invalid_json_is_no_error_of_load(void **state) {
    (void)state;
    fg_error err = {0};
    json_error_t what;
    json_t *value;
    assert_int_equal(fg_json_load("[1,", 3, 0, &value, &what, &err), FG_OK);
    assert_null(value);
    assert_int_equal(what.line, 1);
}

static void strings_take_any_bytes(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {{"", ""},
                 {"plain", "plain"},
                 {"a\xc3\xa9", "a\xc3\xa9"},
                 {"a\xff/b", "a\xef\xbf\xbd/b"},
                 {"\xc3", "\xef\xbf\xbd"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = fg_json_string(cases[i].text);
        assert_non_null(value);
        assert_string_equal(json_string_value(value), cases[i].expected);
        json_decref(value);
    }
}

static void a_status_without_its_error_does_not_exist(void **state) {
    (void)state;
    fg_error record = {0}, *err = &record;
    fg_status status = FG_OK;
    json_t *made = NULL;
    fg_alloc_fail_once(1);
    FG_TRY_NEW(made, json_object()); /* jansson records nothing */
done:
    fg_alloc_fail_after(0);
    assert_null(made);
    assert_int_equal(status, FG_ERR_MEMORY);
    assert_int_equal(record.status, FG_ERR_MEMORY);
}

static void one_failure_ends_in_an_error_whoever_saw_it(void **state) {
    (void)state;
    fg_error err = {0};
    fg_alloc_fail_once(1);
    assert_null(json_object());
    assert_int_equal(fg_alloc_check(&err), FG_ERR_MEMORY);
    assert_int_equal(err.status, FG_ERR_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_all_members_or_fails),
        cmocka_unit_test(what_is_read_is_whole_or_fails),
        cmocka_unit_test(invalid_json_is_no_error_of_load),
        cmocka_unit_test(strings_take_any_bytes),
        cmocka_unit_test(a_status_without_its_error_does_not_exist),
        cmocka_unit_test(one_failure_ends_in_an_error_whoever_saw_it),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
