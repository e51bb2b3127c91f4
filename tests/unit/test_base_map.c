/* base/map: what is added and replaced is found, and only that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/map.h"

enum { MANY = 300000 }; /* for which large pages are asked */

static void a_key_is_added_once(void **state) {
    (void)state;
    fg_error err = {0};
    fg_map map = {0};
    int64_t held;
    assert_int_equal(fg_map_get(&map, "a"), FG_MAP_NONE);
    assert_int_equal(fg_map_add(&map, "a", 1, &held, &err), FG_OK);
    assert_int_equal(held, FG_MAP_NONE);
    assert_int_equal(fg_map_add(&map, "a", 2, &held, &err), FG_OK);
    assert_int_equal(held, 1);
    assert_int_equal(fg_map_get(&map, "a"), 1);
    assert_int_equal(fg_map_set(&map, "a", 3, &err), FG_OK);
    assert_int_equal(fg_map_get(&map, "a"), 3);
    assert_int_equal(map.count, 1);
    fg_map_free(&map);
}

static void many_keys_are_found(void **state) {
    (void)state;
    static char keys[MANY][12];
    fg_error err = {0};
    fg_map map = {0};
    int64_t held;
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "key%u", i);
        assert_int_equal(fg_map_add(&map, keys[i], i, &held, &err), FG_OK);
        assert_int_equal(held, FG_MAP_NONE);
    }
    for (uint32_t i = 0; i < MANY; i++) assert_int_equal(fg_map_get(&map, keys[i]), i);
    assert_int_equal(fg_map_get(&map, "key"), FG_MAP_NONE);
    assert_int_equal(map.count, MANY);
    fg_map_free(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_added_once),
        cmocka_unit_test(many_keys_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
