/* cli/byte_size: what is a size, and why others are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/byte_size.h"

static void sizes_are_parsed(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"5GB", 5000000000},
                {"5GiB", 5ULL << 30},
                {"512MB", 512000000},
                {"1000000B", 1000000},
                {"2 GB", 2000000000},
                {"3kb", 3000},
                {"7B", 7},
                {"1TiB", 1ULL << 40},
                {"10gib", 10ULL << 30}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        fg_error err = {0};
        uint64_t bytes = 0;
        assert_int_equal(fg_byte_size_parse(good[i].text, &bytes, &err), FG_OK);
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = {"",
                                      "GB",
                                      "-5GB",
                                      "5XB",
                                      "0",
                                      "0GB",
                                      "5",
                                      "5000000000",
                                      "5G",
                                      "5GBs",
                                      "1.5GB",
                                      " 5GB",
                                      "99999999999999999999",
                                      "99999999999TB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fg_error err = {0};
        uint64_t bytes;
        assert_int_equal(fg_byte_size_parse(bad[i], &bytes, &err), FG_ERR_USAGE);
        assert_non_null(strstr(err.text, "--max-shard-size"));
        assert_true(strlen(err.hint) > 0);
    }
    fg_error err = {0};
    uint64_t bytes;
    assert_int_equal(fg_byte_size_parse("5", &bytes, &err), FG_ERR_USAGE);
    assert_string_equal(err.text, "--max-shard-size: \"5\" has no unit");
    assert_non_null(strstr(err.hint, "5GB or 5GiB"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_parsed),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
