/* Plans put together step by step, over one sparse file. */
#ifndef FG_TEST_PLAN_FIXTURE_H
#define FG_TEST_PLAN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "plan/plan.h"
#include "plan/plan_check.h"

static char data_file[] = "/tmp/fgconv-test-plan-XXXXXX";

static inline int set_up(void **state) {
    (void)state;
    int fd = mkstemp(data_file);
    if (fd < 0 || ftruncate(fd, (off_t)1 << 40)) return 1; /* sparse */
    return close(fd);
}

static inline int tear_down(void **state) {
    (void)state;
    return unlink(data_file);
}

/* ---- building plans ---- */

static inline uint32_t add_source(fg_plan *plan, const char *name, fg_dtype dtype, uint32_t rank,
                                  const uint64_t *shape) {
    fg_error err = {0};
    fg_tensor tensor = {.dtype = dtype, .rank = rank};
    char copy[64];
    uint32_t file;
    snprintf(copy, sizeof copy, "%s", name);
    tensor.name = copy;
    for (uint32_t d = 0; d < rank; d++) tensor.shape[d] = shape[d];
    assert_true(fg_tensor_row_major(&tensor));
    if (!plan->source.file_count)
        assert_int_equal(fg_tensors_add_file(&plan->source, data_file, &file, &err), FG_OK);
    if (fg_tensors_add(&plan->source, &tensor, &err) != FG_OK) fail_msg("%s", err.text);
    return (uint32_t)plan->source.count - 1;
}

static inline void add_output(fg_plan *plan, const char *name, uint32_t rank, const uint64_t *shape) {
    fg_error err = {0};
    assert_int_equal(fg_plan_add_output(plan, name, FG_F32, rank, shape, &err), FG_OK);
}

static inline void add_piece(fg_plan *plan, const fg_piece *piece) {
    fg_error err = {0};
    assert_int_equal(fg_plan_add_piece(plan, piece, &err), FG_OK);
}

static inline fg_status check(const fg_plan *plan, const char *expected) {
    fg_error err = {0};
    fg_status status = fg_plan_check(plan, &err);
    if (!expected && status != FG_OK) fail_msg("%s", err.text);
    if (expected && status == FG_OK) fail_msg("passed, expected \"%s\"", expected);
    if (expected && !strstr(err.text, expected)) fail_msg("said \"%s\", expected \"%s\"", err.text, expected);
    return status;
}

/* One output of `elements` and one source of 4096 elements; for cases that write their pieces down. */
static inline void one_output(fg_plan *plan, uint64_t elements) {
    const uint64_t big = 4096;
    *plan = (fg_plan){0};
    add_source(plan, "s", FG_F32, 1, &big);
    add_output(plan, "o", 1, &elements);
}

#endif
