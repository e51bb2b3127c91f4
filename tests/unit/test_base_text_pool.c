/* base/text_pool: texts stay where they are, whatever comes after them, until the last owner goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text_pool.h"

enum { MANY = 100000, LONG = 3 << 20, NAME = 24 };

static const char *number(int i, char text[NAME]) {
    snprintf(text, NAME, "name %d", i);
    return text;
}

static void texts_stay_until_the_last_owner_goes(void **state) {
    (void)state;
    fg_error err = {0};
    fg_text_pool *pool = NULL;
    static const char *texts[MANY];
    char text[NAME];
    uint64_t before = fg_alloc_live(), calls = fg_alloc_count();
    for (int i = 0; i < MANY; i++) {
        number(i, text);
        texts[i] = fg_text_pool_add(&pool, text, strlen(text), &err);
    }
    assert_true(fg_alloc_count() - calls < 100);
    fg_text_pool *other = fg_text_pool_share(pool);
    fg_text_pool_free(&pool);
    assert_null(pool);
    for (int i = 0; i < MANY; i++) assert_string_equal(texts[i], number(i, text));
    fg_text_pool_free(&other);
    assert_int_equal(fg_alloc_live(), before);
}

static void a_text_of_any_length_fits(void **state) {
    (void)state;
    fg_error err = {0};
    fg_text_pool *pool = NULL;
    static char large[LONG];
    memset(large, 'x', sizeof large);
    const char *empty = fg_text_pool_add(&pool, "", 0, &err);
    const char *longest = fg_text_pool_add(&pool, large, sizeof large, &err);
    const char *cut = fg_text_pool_add(&pool, "abcdef", 3, &err);
    assert_string_equal(empty, "");
    assert_int_equal(strlen(longest), sizeof large);
    assert_string_equal(cut, "abc");
    fg_text_pool_free(&pool);
    fg_text_pool_free(&pool); /* none */
    assert_null(fg_text_pool_share(NULL));
}

static void no_memory_is_an_error(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 2; n++) {
        fg_error err = {0};
        fg_text_pool *pool = NULL;
        fg_alloc_fail_once(n);
        assert_null(fg_text_pool_add(&pool, "a", 1, &err));
        fg_alloc_fail_after(0);
        assert_int_equal(err.status, FG_ERR_MEMORY);
        fg_text_pool_free(&pool);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_stay_until_the_last_owner_goes),
        cmocka_unit_test(a_text_of_any_length_fits),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
