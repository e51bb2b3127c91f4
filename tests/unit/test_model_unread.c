/* model/unread: which numbers of which tensors no range holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "model/unread.h"

typedef struct store {
    size_t count;
    struct {
        const char *name;
        uint64_t elements;
    } tensors[8];
} store;

typedef struct range {
    uint32_t tensor;
    uint64_t first, count;
} range;

static const char *name_of(void *context, uint32_t index) {
    const store *s = context;
    return index < s->count ? s->tensors[index].name : NULL;
}

static bool find(void *context, const char *name, fg_weight *weight) {
    const store *s = context;
    for (uint32_t i = 0; i < s->count; i++) {
        if (strcmp(s->tensors[i].name, name) != 0) continue;
        *weight = (fg_weight){.index = i, .rank = 1, .shape = {s->tensors[i].elements}};
        weight->elements = s->tensors[i].elements;
        return true;
    }
    return false;
}

/* `expected` is in the message; NULL: everything is read. */
static void check(store *s, const range *read, size_t count, const char *unread, const char *expected) {
    fg_error err = {0};
    fg_read_ranges ranges = {0};
    const fg_weight_source weights = {.context = s, .find = find, .name_of = name_of};
    json_t *listed = unread ? json_loads(unread, 0, NULL) : NULL;
    for (size_t i = 0; i < count; i++) {
        const fg_weight weight = {.index = read[i].tensor};
        assert_int_equal(fg_read_ranges_add(&ranges, &weight, read[i].first, read[i].count, &err), FG_OK);
    }
    fg_status status = fg_read_ranges_check(&ranges, &weights, listed, &err);
    if (status != (expected ? FG_ERR_INPUT : FG_OK) || (expected && !strstr(err.text, expected)))
        fail_msg("status %d, found \"%s\", expected \"%s\"", (int)status, err.text, expected ? expected : "");
    fg_read_ranges_free(&ranges);
    json_decref(listed);
}

#define CHECK(store, unread, expected, ...)                                                                  \
    do {                                                                                                     \
        const range read_[] = {__VA_ARGS__};                                                                 \
        check(store, read_, sizeof read_ / sizeof *read_, unread, expected);                                 \
    } while (0)

static void whole_tensors(void **state) {
    (void)state;
    store two = {2, {{"a", 6}, {"b", 4}}};
    CHECK(&two, NULL, NULL, {0, 0, 6}, {1, 0, 4});
    CHECK(&two, NULL, NULL, {1, 0, 4}, {0, 0, 6}); /* in any order */
    CHECK(&two, NULL, "does not read 1 of the tensors: \"b\"", {0, 0, 6});
    CHECK(&two, NULL, "does not read 1 of the tensors: \"a\"", {1, 0, 4});
}

static void no_range_at_all(void **state) {
    (void)state;
    store none = {0}, empty = {1, {{"nothing", 0}}}, two = {2, {{"a", 6}, {"b", 4}}};
    check(&none, NULL, 0, NULL, NULL);
    check(&empty, NULL, 0, NULL, NULL); /* a tensor without numbers */
    check(&two, NULL, 0, NULL, "does not read 2 of the tensors: \"a\", \"b\"");
    check(&two, NULL, 0, "[\"a\", \"b\"]", NULL);
}

static void parts_of_a_fused_tensor(void **state) {
    (void)state;
    store fused = {2, {{"gate_up", 10}, {"down", 3}}};
    CHECK(&fused, NULL, NULL, {0, 5, 5}, {0, 0, 5}, {1, 0, 3});
    CHECK(&fused, NULL, "\"gate_up\" (only 5 of its 10 numbers)", {0, 0, 5}, {1, 0, 3});
    CHECK(&fused, NULL, "\"gate_up\" (only 5 of its 10 numbers)", {0, 5, 5}, {1, 0, 3});
    CHECK(&fused, NULL, "\"gate_up\" (only 5 of its 10 numbers)", {0, 0, 5}, {0, 0, 5},
          {1, 0, 3}); /* twice */
    CHECK(&fused, NULL, "\"gate_up\" (only 9 of its 10 numbers)", {0, 0, 5}, {0, 6, 4},
          {1, 0, 3}); /* a gap */
}

static void overlapping_ranges(void **state) {
    (void)state;
    store one = {1, {{"a", 10}}};
    CHECK(&one, NULL, NULL, {0, 0, 6}, {0, 4, 6});
    CHECK(&one, NULL, NULL, {0, 2, 3}, {0, 0, 10}, {0, 9, 1});
    CHECK(&one, NULL, "(only 8 of its 10 numbers)", {0, 0, 8}, {0, 1, 2}, {0, 4, 1}); /* ranges within one */
    CHECK(&one, NULL, "(only 9 of its 10 numbers)", {0, 0, 6}, {0, 1, 2}, {0, 3, 6});
    CHECK(&one, NULL, "(only 9 of its 10 numbers)", {0, 1, 5}, {0, 3, 7});
}

/* What is listed need not be read, but it is read wholly or not at all. */
static void listed_endings(void **state) {
    (void)state;
    store two = {2, {{"layers.0.bias", 4}, {"layers.0.weight", 4}}};
    CHECK(&two, "[\".bias\"]", NULL, {1, 0, 4});
    CHECK(&two, "[\".bias\"]", NULL, {0, 0, 4}, {1, 0, 4});
    CHECK(&two, "[\".bias\"]", "\"layers.0.bias\" (only 2 of its 4 numbers)", {0, 0, 2}, {1, 0, 4});
    CHECK(&two, "[\"layers\", 7]", "does not read 1 of the tensors: \"layers.0.bias\"",
          {1, 0, 4}); /* no ending */
}

static void few_are_listed(void **state) {
    (void)state;
    store five = {5, {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}}};
    CHECK(&five, NULL, "does not read 4 of the tensors: \"a\", \"c\", \"d\", ...", {1, 0, 1});
    CHECK(&five, NULL, "does not read 3 of the tensors: \"a\", \"c\", \"d\"", {1, 0, 1}, {4, 0, 1});
}

static void a_source_that_does_not_say_what_it_has(void **state) {
    (void)state;
    fg_error err = {0};
    fg_read_ranges ranges = {0};
    store two = {2, {{"a", 6}, {"b", 4}}};
    const fg_weight_source weights = {.context = &two, .find = find};
    assert_int_equal(fg_read_ranges_check(&ranges, &weights, NULL, &err), FG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_tensors),
        cmocka_unit_test(no_range_at_all),
        cmocka_unit_test(parts_of_a_fused_tensor),
        cmocka_unit_test(overlapping_ranges),
        cmocka_unit_test(listed_endings),
        cmocka_unit_test(few_are_listed),
        cmocka_unit_test(a_source_that_does_not_say_what_it_has),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
