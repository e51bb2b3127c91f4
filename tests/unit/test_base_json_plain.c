/* base/json_scan: what it takes in place, and that it takes nothing that is not JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_scan.h"

static fg_json_scan scan_of(const char *text) {
    return (fg_json_scan){.name = "t.json", .text = text, .length = strlen(text)};
}

static void strings_are_found_in_place(void **state) {
    (void)state;
    const char *text = " \t\r\n\"a.weight\"\n: \"~ \" ,";
    fg_json_scan scan = scan_of(text);
    fg_json_span found;
    assert_true(fg_json_plain_key(&scan, &found));
    assert_int_equal(found.length, strlen("a.weight"));
    assert_memory_equal(text + found.begin, "a.weight\"", found.length + 1);
    assert_true(fg_json_plain_string(&scan, &found));
    assert_int_equal(found.length, 2);
    assert_false(fg_json_plain_accept(&scan, ':'));
    assert_true(fg_json_plain_accept(&scan, ','));
    assert_false(fg_json_plain_string(&scan, &found));
    assert_int_equal(scan.at, strlen(text));
}

/* Whether an object of strings is all that the text holds. */
static bool takes(const char *given, size_t *count) {
    fg_json_scan scan = scan_of(given);
    return fg_json_plain_strings(&scan, count) && scan.at == scan.length;
}

static void objects_of_strings_are_counted(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1}",
        "{\"a\":{}}",
        "{\"a\":\"b}",
        "{\"a\" \"b\"}",
        "{\"a\":\"b\",}",
        "{\"a\":\"b\"",
        "{\"a\":\"b\"]",
        "{\"a\":\"\\n\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"b\n\"}",
        "{\"\xc3\xa9\":\"b\"}",
        "{\"a\":\"\x7f\"}",
        "{\"a\":\"b\" \"c\":\"d\"}",
    };
    size_t count;
    assert_true(takes("{}", &count));
    assert_int_equal(count, 0);
    assert_true(takes("{\"a\" : \"b\" ,\n\t\"\":\"\"}", &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (takes(wrong[i], &count)) fail_msg("taken: %s", wrong[i]);
}

static bool takes_numbers(const char *given, uint64_t *numbers, uint32_t *count) {
    fg_json_scan scan = scan_of(given);
    return fg_json_plain_numbers(&scan, numbers, 3, count);
}

static void numbers_are_read(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",     "1",    "[",     "[1",    "[,1]",    "[1,]",      "[1 2]",
        "[-1]", "[01]", "[1.0]", "[1e3]", "[\"1\"]", "[1,2,3,4]", "[1234567890123456789]"};
    uint64_t numbers[3];
    uint32_t count;
    assert_true(takes_numbers("[ ]", numbers, &count));
    assert_int_equal(count, 0);
    assert_true(takes_numbers("[0, 20 ,\n999999999999999999]", numbers, &count));
    assert_int_equal(count, 3);
    assert_int_equal(numbers[0], 0);
    assert_int_equal(numbers[1], 20);
    assert_int_equal(numbers[2], 999999999999999999);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (takes_numbers(wrong[i], numbers, &count)) fail_msg("taken: %s", wrong[i]);
}

static void integers_end_where_their_word_does(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "-1", "01", "1.5", "1e3", "12a", "1234567890123456789", "x"};
    int64_t value;
    fg_json_scan scan = scan_of(" 120,");
    assert_true(fg_json_plain_integer(&scan, &value));
    assert_int_equal(value, 120);
    assert_int_equal(scan.at, strlen(" 120"));
    scan = scan_of("0");
    assert_true(fg_json_plain_integer(&scan, &value));
    assert_int_equal(value, 0);
    scan = scan_of("123456789012345678]");
    assert_true(fg_json_plain_integer(&scan, &value));
    assert_int_equal(value, 123456789012345678);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        scan = scan_of(wrong[i]);
        assert_false(fg_json_plain_integer(&scan, &value));
        assert_int_equal(scan.at, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_found_in_place),
        cmocka_unit_test(integers_end_where_their_word_does),
        cmocka_unit_test(objects_of_strings_are_counted),
        cmocka_unit_test(numbers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
