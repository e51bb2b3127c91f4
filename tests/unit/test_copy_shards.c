/* copy/shards: sizes, which tensor goes where, order in a file, headers and index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "copy/shards.h"

static char *shard_name(size_t index, size_t count, fg_error *err) {
    return count == 1 ? fg_strdup("model.safetensors", err)
                      : fg_strformat(err, "model-%05zu-of-%05zu.safetensors", index + 1, count);
}

static void add(fg_plan *plan, const char *name, fg_dtype dtype, uint64_t elements) {
    fg_error err = {0};
    assert_int_equal(fg_plan_add_output(plan, name, dtype, 1, &elements, &err), FG_OK);
}

static void assign(fg_plan *plan, uint64_t limit) {
    fg_error err = {0};
    assert_int_equal(fg_shards_assign(plan, limit, shard_name, &err), FG_OK);
}

static void one_shard_has_the_plain_name(void **state) {
    (void)state;
    fg_plan plan = {0};
    fg_error err = {0};
    fg_buffer header = {0};
    add(&plan, "z", FG_BF16, 3);
    add(&plan, "bytes", FG_U8, 5);
    add(&plan, "b", FG_F32, 2);
    add(&plan, "a", FG_F32, 1);
    add(&plan, "half", FG_F16, 1);
    assign(&plan, 23);
    assert_int_equal(plan.shard_count, 2);
    assign(&plan, 25); /* all of them */
    assert_int_equal(plan.shard_count, 1);
    assert_string_equal(plan.shard_files[0], "model.safetensors");
    assert_int_equal(fg_shards_header(&plan, 0, &header, &err), FG_OK);
    uint64_t begin = header.length;
    assert_int_equal(begin % 8, 0);
    /* F32 by name, then BF16 before F16, then bytes */
    assert_int_equal(plan.outputs[3].offset, begin);
    assert_int_equal(plan.outputs[2].offset, begin + 4);
    assert_int_equal(plan.outputs[0].offset, begin + 12);
    assert_int_equal(plan.outputs[4].offset, begin + 18);
    assert_int_equal(plan.outputs[1].offset, begin + 20);
    assert_int_equal(plan.shard_bytes[0], begin + 25);
    uint64_t length;
    memcpy(&length, header.data, 8);
    assert_int_equal(length, begin - 8);
    assert_non_null(
        strstr(header.data + 8, "\"half\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[18,20]}"));
    fg_buffer_free(&header);
    fg_plan_free(&plan);
}

static void shards_are_filled_in_plan_order(void **state) {
    (void)state;
    fg_plan plan = {0};
    static const uint32_t expected[] = {1, 1, 0, 1, 2, 2};
    add(&plan, "a", FG_U8, 40);
    add(&plan, "b", FG_U8, 50);
    add(&plan, "huge", FG_U8, 101);
    add(&plan, "c", FG_U8, 10); /* exactly full */
    add(&plan, "d", FG_U8, 1);
    add(&plan, "e", FG_U8, 99);
    assign(&plan, 100);
    assert_int_equal(plan.shard_count, 3);
    assert_string_equal(plan.shard_files[1], "model-00002-of-00003.safetensors");
    for (size_t i = 0; i < 6; i++) assert_int_equal(plan.outputs[i].shard, expected[i]);
    fg_plan_free(&plan);
}

static void empty_tensors_and_empty_plans_have_a_file(void **state) {
    (void)state;
    fg_plan plan = {0};
    assign(&plan, 10);
    assert_int_equal(plan.shard_count, 1);
    add(&plan, "none", FG_F32, 0);
    assign(&plan, 10);
    assert_int_equal(plan.shard_count, 1);
    assert_int_equal(plan.outputs[0].offset, plan.shard_bytes[0]);
    fg_plan_free(&plan);
}

static fg_status assign_and_head(fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_shards_assign(plan, 40, shard_name, err));
    FG_TRY(fg_shards_header(plan, 0, &text, err));
done:
    fg_buffer_free(&text);
    return status;
}

static void every_failed_allocation_is_a_status(void **state) {
    (void)state;
    fg_plan plan = {0};
    uint64_t k = 1;
    fg_status status;
    add(&plan, "b", FG_F32, 10);
    add(&plan, "a", FG_BF16, 10);
    do {
        fg_error err = {0};
        fg_alloc_fail_after(k++);
        status = assign_and_head(&plan, &err);
        fg_alloc_fail_after(0);
        assert_true(status == FG_OK || status == FG_ERR_MEMORY);
        assert_int_equal(err.status, status);
    } while (status != FG_OK);
    assert_true(k > 10);
    fg_plan_free(&plan);
}

/* So many tensors that one header for all would be larger than readers accept. */
static void headers_stay_readable(void **state) {
    (void)state;
    enum { TENSORS = 110, LENGTH = 1000000 };
    fg_plan plan = {0};
    fg_buffer header = {0};
    char *name = malloc(LENGTH + 1);
    assert_non_null(name);
    memset(name, 'x', LENGTH);
    name[LENGTH] = '\0';
    for (int i = 0; i < TENSORS; i++) {
        name[0] = (char)('0' + i / 100);
        name[1] = (char)('0' + i / 10 % 10);
        name[2] = (char)('0' + i % 10);
        add(&plan, name, FG_F32, 1);
    }
    assign(&plan, 5000000000);
    assert_true(plan.shard_count > 1);
    assert_int_equal(plan.outputs[0].shard, 0);
    assert_int_equal(plan.outputs[TENSORS - 1].shard, plan.shard_count - 1);
    assert_int_equal(fg_shards_header(&plan, 0, &header, NULL), FG_OK);
    fg_buffer_free(&header);
    fg_plan_free(&plan);
    free(name);
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shard_has_the_plain_name),
        cmocka_unit_test(shards_are_filled_in_plan_order),
        cmocka_unit_test(headers_stay_readable),
        cmocka_unit_test(empty_tensors_and_empty_plans_have_a_file),
        cmocka_unit_test(every_failed_allocation_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
