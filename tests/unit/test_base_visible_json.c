/* base/visible_json: documents whose strings and keys are parts of a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/visible_json.h"
#include "expect_ok.h"

static void strings_and_keys_are_parts_of_a_line(void **state) {
    (void)state;
    static const char text[] = "{\"a\\nb\": [\"x\\ty\", 1, 0.5, true, null, {\"\\u001b\": \"\\u202e\"}], "
                               "\"plain\": \"\\u00e9 \\\\\", \"\": \"\"}";
    static const char expected[] =
        "{\"a\\\\nb\": [\"x\\\\ty\", 1, 0.5, true, null, {\"\\\\x1b\": \"\\\\u202e\"}], "
        "\"plain\": \"\xc3\xa9 \\\\\", \"\": \"\"}";
    json_t *value, *visible;
    fg_buffer written = {0};
    OK(fg_json_parse("text", text, strlen(text), &value, e));
    OK(fg_visible_json(value, &visible, e));
    OK(fg_json_write(visible, FG_JSON_COMPACT | FG_JSON_UTF8, &written, e));
    assert_string_equal(written.data, expected);
    fg_buffer_free(&written);
    json_decref(visible);
    json_decref(value);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    json_t *value = json_pack("{s:[s, {s:s}]}", "a\n", "b", "c", "d\t"), *visible = NULL;
    for (uint64_t n = 1; !visible; n++) {
        fg_error err = {0};
        fg_alloc_fail_once(n);
        fg_status status = fg_visible_json(value, &visible, &err);
        fg_alloc_fail_once(0);
        assert_int_equal(status, visible ? FG_OK : FG_ERR_MEMORY);
        assert_true(n < 200);
    }
    json_decref(visible);
    json_decref(value);
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_keys_are_parts_of_a_line),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
