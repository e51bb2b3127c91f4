/* copy/work_split: which node writes which shards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "copy/copier.h"
#include "expect_ok.h"

enum { SHARDS = 4, BLOCKS = 4, OWNERS = 2, NUMBERS = FG_WORK_ITEM_BYTES / 4 };

/* Four shards of one output each, of four blocks. */
typedef struct scene {
    fg_output outputs[SHARDS];
    uint64_t shard_bytes[SHARDS];
    fg_plan plan;
    uint64_t *first_block;
} scene;

static int set_up(void **state) {
    static scene s;
    s = (scene){.plan = {.shard_count = SHARDS, .output_count = SHARDS}};
    for (uint32_t i = 0; i < SHARDS; i++) {
        s.outputs[i] = (fg_output){.dtype = FG_F32, .elements = (uint64_t)BLOCKS * NUMBERS, .shard = i};
        s.shard_bytes[i] = (uint64_t)BLOCKS * FG_WORK_ITEM_BYTES;
    }
    s.plan.outputs = s.outputs;
    s.plan.shard_bytes = s.shard_bytes;
    OK(fg_digest_blocks(&s.plan, &s.first_block, e));
    *state = &s;
    return 0;
}

static int tear_down(void **state) {
    fg_free(((scene *)*state)->first_block);
    return 0;
}

/* Blocks that each owner writes. */
static void blocks_of(const scene *s, const bool *blocks, unsigned written[OWNERS]) {
    fg_work_choice choice = {.first_block = s->first_block, .blocks = blocks};
    uint32_t *owner_of = NULL;
    OK(fg_work_owners(&s->plan, &choice, OWNERS, &owner_of, e));
    choice.owner_of = owner_of;
    for (choice.owner = 0; choice.owner < OWNERS; choice.owner++) {
        fg_work work;
        OK(fg_work_split(&s->plan, &choice, FG_WORK_ITEM_BYTES, &work, e));
        written[choice.owner] = (unsigned)work.count;
        fg_work_free(&work);
    }
    fg_free(owner_of);
}

static void shards_are_shared_by_their_size(void **state) {
    unsigned written[OWNERS];
    blocks_of(*state, NULL, written);
    assert_int_equal(written[0], 8);
    assert_int_equal(written[1], 8);
}

/* After a run that was interrupted: of the second shard nothing is there, of the others most. */
static void shards_are_shared_by_what_is_left_of_them(void **state) {
    const bool left[SHARDS * BLOCKS] = {false, false, false, true, true,  true,  true, true,
                                        false, false, false, true, false, false, true, true};
    unsigned written[OWNERS];
    blocks_of(*state, left, written);
    assert_int_equal(written[0], 4);
    assert_int_equal(written[1], 4);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(shards_are_shared_by_their_size),
        TEST(shards_are_shared_by_what_is_left_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
