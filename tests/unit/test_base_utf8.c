/* base/utf8_text: what is a character and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8_text.h"

static void characters_are_read_and_written(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        int32_t code;
    } characters[] = {{"~", 0x7e},
                      {"\xc2\x80", 0x80},
                      {"\xdf\xbf", 0x7ff},
                      {"\xe0\xa0\x80", 0x800},
                      {"\xed\x9f\xbf", 0xd7ff},
                      {"\xee\x80\x80", 0xe000},
                      {"\xef\xbf\xbf", 0xffff},
                      {"\xf0\x90\x80\x80", 0x10000},
                      {"\xf4\x8f\xbf\xbf", 0x10ffff}};
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        const char *bytes = characters[i].bytes, *at = bytes, *end = bytes + strlen(bytes);
        char buffer[FG_UTF8_MOST];
        assert_int_equal(fg_utf8_next(&at, end), characters[i].code);
        assert_ptr_equal(at, end);
        assert_true(fg_utf8_valid(bytes, strlen(bytes)));
        assert_int_equal(fg_utf8_size(*bytes), end - bytes);
        assert_int_equal(fg_utf8_put((uint32_t)characters[i].code, buffer), end - bytes);
        assert_memory_equal(buffer, bytes, strlen(bytes));
    }
}

/* Longer forms, surrogates, what is too large, ends inside a character. */
static void other_bytes_are_invalid(void **state) {
    (void)state;
    static const char *const wrong[] = {"\x80",
                                        "\xc1\xbf",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xc3",
                                        "\xe2\x82",
                                        "\xf0\x9f\x98",
                                        "a\xc3(",
                                        "ok\xe2\x82"};
    assert_true(fg_utf8_valid("", 0));
    assert_true(fg_utf8_valid("a\0b", 3));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (fg_utf8_valid(wrong[i], strlen(wrong[i]))) fail_msg("%zu is valid", i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_read_and_written),
        cmocka_unit_test(other_bytes_are_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
