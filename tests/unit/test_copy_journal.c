/* copy/journal: what is added is read again by any number of ranks, and what is torn or foreign is passed over;
 * copy/partial_lock: who holds a directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "copy/journal.h"
#include "copy/partial_lock.h"
#include "expect_ok.h"

enum { OUTPUTS = 5, RECORD = 48 };
static const uint64_t BIG = (64 << 20) + 12; /* bytes of the last output: three blocks */

static char directory[64];
static fg_plan plan;
static uint64_t *first_block, blocks;
static json_t *identity;

static char *at(const char *name) {
    static char paths[4][160];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* Four small outputs and one of three blocks, in a shard. */
static int set_up(void **state) {
    (void)state;
    fg_error err = {0};
    fg_error *e = &err;
    strcpy(directory, "/tmp/fg_journal_XXXXXX");
    if (!mkdtemp(directory)) return -1;
    for (uint64_t i = 0; i < OUTPUTS; i++) {
        char name[8];
        uint64_t elements = i + 1 < OUTPUTS ? 4 + i : BIG / 4;
        snprintf(name, sizeof name, "o%d", (int)i);
        if (fg_plan_add_output(&plan, name, FG_F32, 1, &elements, e) != FG_OK) return -1;
    }
    plan.shard_count = 1;
    plan.shard_files = fg_alloc(1, sizeof *plan.shard_files, e);
    plan.shard_bytes = fg_alloc(1, sizeof *plan.shard_bytes, e);
    plan.shard_files[0] = fg_strdup("shard", e);
    identity = json_pack("{s:s}", "plan", "p");
    if (fg_digest_blocks(&plan, &first_block, e) != FG_OK) return -1;
    blocks = first_block[OUTPUTS];
    return fg_file_write_all(at("shard"), "", 0, e) == FG_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    fg_plan_free(&plan);
    fg_free(first_block);
    json_decref(identity);
    return fg_directory_remove(directory, NULL) == FG_OK ? 0 : -1;
}

static fg_journal_entry *new_entries(void) {
    return calloc(blocks, sizeof(fg_journal_entry));
}

static void write_empty(void) {
    fg_journal_entry *none = new_entries();
    OK(fg_journal_write(directory, identity, none, blocks, e));
    free(none);
}

/* Rank 0 writes the small outputs together, rank 1 the middle block of the large one. */
static void write_some(void) {
    const fg_work_item small = {.output = 0, .outputs = OUTPUTS - 1, .bytes = 10};
    const fg_work_item middle = {.output = OUTPUTS - 1,
                                 .outputs = 1,
                                 .first = FG_WORK_ITEM_BYTES / 4,
                                 .count = FG_WORK_ITEM_BYTES / 4};
    const uint64_t digests[] = {11, 12, 13, 14, 15, 16, 17};
    for (int rank = 0; rank < 2; rank++) {
        fg_journal *journal = NULL;
        OK(fg_journal_open(&journal, directory, &plan, rank, e));
        const fg_value_counts values = {.overflows = 3, .non_finite = 5}, none = {0};
        OK(fg_journal_add(journal, rank ? &middle : &small, digests, rank ? &none : &values, e));
        OK(fg_journal_flush(journal, e));
        fg_journal_close(&journal);
    }
}

static fg_journal_entry *read_all(void) {
    fg_journal_entry *entries = new_entries();
    OK(fg_journal_read(directory, entries, blocks, e));
    return entries;
}

static uint64_t count_there(const fg_journal_entry *entries) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < blocks; i++) count += entries[i].count > 0;
    return count;
}

static void expect_some(void) {
    fg_journal_entry *entries = read_all();
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(entries[i].digest, 11 + i);
        assert_int_equal(entries[i].first, 0);
        assert_int_equal(entries[i].count, 4);
        assert_int_equal(entries[i].values.overflows, 3);
        assert_int_equal(entries[i].values.non_finite, 5);
    }
    assert_int_equal(entries[5].digest, 16);
    assert_int_equal(count_there(entries), 5);
    free(entries);
}

static void what_ranks_add_is_read(void **state) {
    (void)state;
    assert_int_equal(blocks, 7);
    write_empty();
    free(read_all());
    write_some();
    assert_int_equal(access(at("journal.1"), F_OK), 0);
    expect_some();
    fg_journal_entry *entries = read_all();
    OK(fg_journal_write(directory, identity, entries, blocks, e)); /* all in one file */
    assert_int_not_equal(access(at("journal.1"), F_OK), 0);
    expect_some();
    fg_journal_forget(entries, 2);
    assert_int_equal(count_there(entries), 1);
    free(entries);
}

static void the_identity_is_kept(void **state) {
    (void)state;
    json_t *held = NULL;
    write_empty();
    OK(fg_journal_identity(directory, &held, e));
    assert_true(fg_json_equal(held, identity));
    json_decref(held);
}

static void change_byte(const char *path, long offset) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, offset, offset < 0 ? SEEK_END : SEEK_SET);
    int byte = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(byte ^ 1, f);
    fclose(f);
}

static void expect_there(uint64_t count) {
    fg_journal_entry *entries = read_all();
    assert_int_equal(count_there(entries), count);
    free(entries);
}

static void a_damaged_record_does_not_count(void **state) {
    (void)state;
    for (long byte = 1; byte <= RECORD; byte++) { /* of the last record of rank 0, and so none of its item */
        write_empty();
        write_some();
        change_byte(at("journal"), -byte);
        expect_there(1);
    }
    write_empty();
    write_some();
    change_byte(at("journal"), 25); /* the JSON in front */
    expect_there(0);
}

static void a_torn_end_does_not_count(void **state) {
    (void)state;
    struct stat info;
    for (off_t lost = 1; lost <= RECORD; lost += 13) {
        write_empty();
        write_some();
        assert_int_equal(stat(at("journal"), &info), 0);
        assert_int_equal(truncate(at("journal"), info.st_size - lost), 0);
        expect_there(1);
        write_empty(); /* removes that of rank 1 */
        expect_there(0);
    }
}

static void foreign_blocks_are_passed_over(void **state) {
    (void)state;
    write_empty();
    write_some();
    fg_journal_entry entries[2] = {{0}};
    OK(fg_journal_read(directory, entries, 2, e)); /* a plan of two blocks: the item has four */
    assert_int_equal(entries[0].count + entries[1].count, 0);
}

static void no_journal_is_said(void **state) {
    (void)state;
    static const char *const texts[] = {"", "x", "fgconv journal 1, 9999\n{}", "fgconv journal 1, 3\n[]\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fg_error err = {0};
        json_t *held = NULL;
        unlink(at("journal"));
        OK(fg_file_write_all(at("journal"), texts[i], strlen(texts[i]), e));
        assert_int_equal(fg_journal_identity(directory, &held, &err), FG_ERR_USAGE);
        assert_non_null(strstr(err.text, "damaged"));
        assert_non_null(strstr(err.hint, "rm -r"));
        assert_null(held);
    }
}

static fg_partial_state look(char owner[FG_PARTIAL_OWNER]) {
    fg_partial_state state;
    OK(fg_partial_lock_look(directory, &state, owner, e));
    return state;
}

static void a_lock_tells_who_holds_it(void **state) {
    (void)state;
    fg_file lock, other;
    char owner[FG_PARTIAL_OWNER], process[32];
    assert_int_equal(look(owner), FG_PARTIAL_UNLOCKED);
    OK(fg_partial_lock_take(directory, NULL, &lock, e));
    assert_int_equal(look(owner), FG_PARTIAL_RUNNING);
    snprintf(process, sizeof process, "process %d on host ", (int)getpid());
    assert_non_null(strstr(owner, process));
    OK(fg_partial_lock_join(directory, &other, e));
    fg_error err = {0};
    fg_file third;
    assert_int_equal(fg_partial_lock_take(directory, NULL, &third, &err), FG_ERR_USAGE);
    fg_file_close(&lock);
    assert_int_equal(look(owner), FG_PARTIAL_RUNNING); /* another rank is left */
    fg_file_close(&other);
    assert_int_equal(look(owner), FG_PARTIAL_INTERRUPTED);
    OK(fg_partial_lock_take(directory, NULL, &lock, e));
    fg_file_close(&lock);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_ranks_add_is_read),          CASE(the_identity_is_kept),
        CASE(a_damaged_record_does_not_count), CASE(a_torn_end_does_not_count),
        CASE(foreign_blocks_are_passed_over),  CASE(no_journal_is_said),
        CASE(a_lock_tells_who_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
