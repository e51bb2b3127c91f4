/* copy/publish: what is refused, that DST appears whole or not at all, and that nothing appears after
 * abandoning. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "copy/publish.h"
#include "copy/shards.h"
#include "path_questions.h"
#include "store_fixture.h"

static char *shard_name(size_t index, size_t count, fg_error *err) {
    return count == 1 ? fg_strdup("model.safetensors", err)
                      : fg_strformat(err, "model-%05zu-of-%05zu.safetensors", index + 1, count);
}

static void expect_refused(const char *destination, const char *text, const char *hint) {
    fg_stage stage;
    fg_error err = {0};
    assert_int_equal(fg_stage_check(&stage, destination, true, &err), FG_ERR_USAGE);
    if (!strstr(err.text, text)) fail_msg("\"%s\" has no \"%s\"", err.text, text);
    if (!strstr(err.hint, hint)) fail_msg("\"%s\" has no \"%s\"", err.hint, hint);
    fg_stage_free(&stage);
}

static void begin(fg_stage *stage, const char *destination) {
    fg_error err = {0};
    assert_int_equal(fg_stage_check(stage, destination, true, &err), FG_OK);
    assert_int_equal(fg_stage_begin(stage, &err), FG_OK);
}

static void bad_destinations_are_refused(void **state) {
    (void)state;
    fg_error err = {0};
    expect_refused(".", "cannot be a destination", "does not exist yet");
    expect_refused("..", "cannot be a destination", "does not exist yet");
    expect_refused("", "cannot be a destination", "does not exist yet");
    expect_refused("/", "cannot be a destination", "does not exist yet");
    expect_refused(at("sub/.."), "cannot be a destination", "does not exist yet");
    expect_refused(at(""), "exists already (a directory)", "remove this one");
    assert_int_equal(fg_file_write_all(at("file"), "x", 1, &err), FG_OK);
    expect_refused(at("file"), "exists already (a file or link)", "remove this one");
    assert_int_equal(symlink("nowhere", at("link")), 0);
    expect_refused(at("link"), "exists already", "remove this one");
    expect_refused(at("link/"), "exists already", "remove this one");
    expect_refused(at("missing/dst"), "missing does not exist", "mkdir -p");
    expect_refused(at("file/dst"), "file is not a directory", "in a directory");
    assert_int_equal(mkdir(at("dst.partial"), 0777), 0);
    expect_refused(at("dst"), "dst.partial exists already", "rm -r ");
    expect_refused(at("dst/"), "dst.partial exists already", "if no other fgconv is running");
    assert_true(path_is_directory(at("dst.partial")));
}

static void a_destination_inside_the_source_is_refused(void **state) {
    (void)state;
    fg_stage stage;
    fg_error err = {0};
    assert_int_equal(mkdir(at("src"), 0777), 0);
    assert_int_equal(mkdir(at("src/deep"), 0777), 0);
    assert_int_equal(mkdir(at("src2"), 0777), 0);
    assert_int_equal(symlink("src", at("alias")), 0);
    static const struct {
        const char *destination, *source;
        bool inside;
    } cases[] = {{"src/dst", "src", true},      {"src/deep/dst", "src", true}, {"src/dst", "alias", true},
                 {"alias/dst", "src/", true},   {"src2/dst", "src", false},    {"dst", "src", false},
                 {"src/dst", "src/deep", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err = (fg_error){0};
        assert_int_equal(fg_stage_check(&stage, at(cases[i].destination), true, &err), FG_OK);
        fg_status status = fg_stage_check_apart(&stage, at(cases[i].source), &err);
        assert_int_equal(status, cases[i].inside ? FG_ERR_USAGE : FG_OK);
        if (cases[i].inside) assert_non_null(strstr(err.text, "inside the source"));
        fg_stage_free(&stage);
    }
}

static void too_little_room_says_found_and_needed(void **state) {
    (void)state;
    fg_stage stage;
    fg_error err = {0};
    assert_int_equal(fg_stage_check(&stage, at("dst"), true, &err), FG_OK);
    assert_int_equal(fg_stage_check_room(&stage, 1000, &err), FG_OK);
    assert_int_equal(fg_stage_check_room(&stage, 5000000000000000, &err), FG_ERR_SYSTEM);
    assert_non_null(strstr(err.text, " free, 5.0 PB are needed"));
    assert_non_null(strstr(err.hint, "free space there"));
    fg_stage_free(&stage);
}

static void a_whole_directory_appears_at_once(void **state) {
    (void)state;
    fg_stage stage;
    fg_plan plan = {0};
    fg_error err = {0};
    fg_buffer text = {0};
    uint64_t elements = 1000;
    assert_int_equal(fg_plan_add_output(&plan, "w", FG_F32, 1, &elements, &err), FG_OK);
    assert_int_equal(fg_shards_assign(&plan, 1 << 20, shard_name, &err), FG_OK);
    assert_int_equal(fg_file_write_all(at("tokenizer"), "tokens", 6, &err), FG_OK);
    assert_int_equal(symlink("tokenizer", at("hub")), 0);
    begin(&stage, at("dst//"));
    assert_int_equal(fg_stage_create_shard(&stage, &plan, 0, &err), FG_OK);
    assert_int_equal(fg_stage_sync_shard(&stage, &plan, 0, &err), FG_OK);
    assert_int_equal(fg_stage_write(&stage, "config.json", "{}", 2, &err), FG_OK);
    assert_int_equal(fg_stage_copy_file(&stage, at("hub"), "tokenizer.json", &err), FG_OK);
    assert_int_equal(fg_stage_copy_file(&stage, at("hub"), "templates/a.jinja", &err), FG_OK);
    assert_int_equal(fg_stage_copy_file(&stage, at("hub"), "templates/b.jinja", &err), FG_OK);
    assert_int_equal(fg_stage_write(&stage, "config.json", "{}", 2, &err), FG_ERR_SYSTEM); /* once only */
    assert_false(path_exists(at("dst")));
    static const char *const leading_away[] = {"../a", "/a", "./a", "a//b", "a/../../b", "a/"};
    for (size_t i = 0; i < sizeof leading_away / sizeof *leading_away; i++) {
        err = (fg_error){0};
        assert_int_equal(fg_stage_copy_file(&stage, at("hub"), leading_away[i], &err), FG_ERR_BUG);
    }
    err = (fg_error){0};
    assert_false(fg_stage_published(&stage));
    assert_int_equal(fg_stage_publish(&stage, &err), FG_OK);
    assert_true(fg_stage_published(&stage));
    assert_false(path_exists(at("dst.partial")));
    fg_stage_abandon(&stage);
    fg_stage_free(&stage);
    assert_int_equal(fg_file_read_all(at("dst/tokenizer.json"), 100, &text, &err), FG_OK);
    assert_string_equal(text.data, "tokens");
    fg_buffer_clear(&text);
    assert_int_equal(fg_file_read_all(at("dst/templates/b.jinja"), 100, &text, &err), FG_OK);
    assert_string_equal(text.data, "tokens");
    assert_int_equal(fg_file_read_all(at("dst/model.safetensors"), 1 << 20, &text, &err), FG_OK);
    assert_int_equal(text.length, plan.shard_bytes[0]);
    assert_memory_equal(text.data + 8, "{\"__metadata__\"", 15);
    fg_buffer_free(&text);
    fg_plan_free(&plan);
}

static void an_unpublished_stage_leaves_nothing(void **state) {
    (void)state;
    fg_stage stage;
    fg_error err = {0};
    begin(&stage, at("dst"));
    assert_int_equal(fg_stage_write(&stage, "a", "x", 1, &err), FG_OK);
    fg_stage_free(&stage);
    assert_false(path_exists(at("dst.partial")));
    assert_int_equal(mkdir(at("dst.partial"), 0777), 0); /* not ours: not touched */
    assert_int_equal(fg_stage_check(&stage, at("dst"), true, &err), FG_ERR_USAGE);
    fg_stage_free(&stage);
    assert_true(path_exists(at("dst.partial")));
}

static void a_destination_that_appeared_meanwhile_is_not_replaced(void **state) {
    (void)state;
    fg_stage stage;
    fg_error err = {0};
    begin(&stage, at("dst"));
    assert_int_equal(mkdir(at("dst"), 0777), 0); /* empty: a plain rename would replace it */
    assert_int_equal(fg_stage_publish(&stage, &err), FG_ERR_USAGE);
    assert_non_null(strstr(err.text, "exists already"));
    fg_stage_free(&stage);
    assert_true(path_is_directory(at("dst")));
    assert_false(path_exists(at("dst.partial")));
}

static void links_hold_wherever_the_destination_is_moved(void **state) {
    (void)state;
    fg_stage stage;
    fg_error err = {0};
    fg_buffer text = {0};
    char target[64] = "";
    begin(&stage, at("dst"));
    assert_int_equal(fg_stage_write(&stage, "deep/deeper/file", "deep", 4, &err), FG_OK);
    assert_int_equal(fg_stage_link(&stage, "deep/deeper/file", "link", &err), FG_OK);
    static const struct {
        const char *target, *name;
    } refused[] = {{"/etc/passwd", "a"}, {"../x", "a"}, {"x/../../y", "a"}, {"x", "../a"}, {"x", "sub/a"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        err = (fg_error){0};
        assert_int_equal(fg_stage_link(&stage, refused[i].target, refused[i].name, &err), FG_ERR_BUG);
    }
    err = (fg_error){0};
    assert_int_equal(fg_stage_publish(&stage, &err), FG_OK);
    fg_stage_free(&stage);
    assert_int_equal(rename(at("dst"), at("moved")), 0);
    assert_int_equal(fg_file_read_all(at("moved/link"), 100, &text, &err), FG_OK);
    assert_string_equal(text.data, "deep");
    assert_int_equal(readlink(at("moved/link"), target, sizeof target - 1), 16);
    assert_string_equal(target, "deep/deeper/file");
    fg_buffer_free(&text);
}

/* ---- replacing ---- */

static void put_old(void) {
    assert_int_equal(mkdir(at("dst"), 0777), 0);
    assert_int_equal(fg_file_write_all(at("dst/name"), "old", 3, NULL), FG_OK);
    assert_int_equal(mkdir(at("dst/sub"), 0777), 0);
    assert_int_equal(fg_file_write_all(at("dst/sub/more"), "old", 3, NULL), FG_OK);
}

static void expect_text(const char *name, const char *expected) {
    fg_buffer text = {0};
    fg_error err = {0};
    if (fg_file_read_all(at(name), 100, &text, &err) != FG_OK) fail_msg("%s", err.text);
    assert_string_equal(text.data, expected);
    fg_buffer_free(&text);
}

static fg_status replace_one(const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    fg_stage stage;
    FG_TRY(fg_stage_check_replace(&stage, directory, true, err));
    FG_TRY(fg_stage_begin(&stage, err));
    FG_TRY(fg_stage_write(&stage, "name", "new", 3, err));
    FG_TRY(fg_stage_publish(&stage, err));
done:
    fg_stage_free(&stage);
    return status;
}

static void a_directory_is_replaced_where_it_lies(void **state) {
    (void)state;
    fg_error err = {0};
    put_old();
    assert_int_equal(symlink("dst", at("link")), 0);
    if (replace_one(at("link/"), &err) != FG_OK) fail_msg("%s", err.text);
    expect_text("dst/name", "new");
    expect_text("link/name", "new");
    assert_false(path_exists(at("dst/sub")));
    assert_false(path_exists(at("dst.old")) || path_exists(at("dst.partial")));
}

static void every_failure_leaves_the_old_or_the_new_one(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        uint64_t k = 1;
        for (int passed = 0; passed < 3;) { /* what fails after the new one is there may be a warning */
            fg_error err = {0};
            put_old();
            kind ? fg_alloc_fail_after(k++) : fg_file_fail_after(k++);
            fg_status status = replace_one(at("dst"), &err);
            kind ? fg_alloc_fail_after(0) : fg_file_fail_after(0);
            bool fresh = !path_exists(at("dst/sub"));
            expect_text("dst/name", fresh ? "new" : "old");
            assert_true(fresh || status != FG_OK);
            if (!fresh) assert_false(path_exists(at("dst.partial")) || path_exists(at("dst.old")));
            assert_int_equal(fg_directory_remove(at("dst"), NULL), FG_OK);
            assert_int_equal(fg_directory_remove(at("dst.partial"), NULL), FG_OK);
            assert_int_equal(fg_directory_remove(at("dst.old"), NULL), FG_OK);
            passed = status == FG_OK ? passed + 1 : 0;
        }
        assert_true(k > 4);
    }
    fg_log_end();
}

static void expect_not_replaced(const char *text, const char *hint) {
    fg_error err = {0};
    assert_int_equal(replace_one(at("dst"), &err), FG_ERR_USAGE);
    if (!strstr(err.text, text)) fail_msg("\"%s\" has no \"%s\"", err.text, text);
    if (!strstr(err.hint, hint)) fail_msg("\"%s\" has no \"%s\"", err.hint, hint);
}

static void what_a_run_that_was_cut_off_left_is_explained(void **state) {
    (void)state;
    put_old();
    assert_int_equal(mkdir(at("dst.partial"), 0777), 0);
    expect_not_replaced("dst.partial exists already", "rm -r ");
    assert_int_equal(rename(at("dst.partial"), at("dst.old")), 0);
    expect_not_replaced("dst.old exists already: it is the directory that an earlier run replaced",
                        "is complete; remove the old");
    expect_text("dst/name", "old");
    assert_int_equal(rename(at("dst"), at("dst.partial")), 0);
    expect_not_replaced("was interrupted while it replaced", "the new one is complete: mv ");
    assert_int_equal(fg_directory_remove(at("dst.partial"), NULL), FG_OK);
    expect_not_replaced("was interrupted while it replaced", "the old one is complete: mv ");
}

typedef struct maker {
    fg_stage *stage;
    atomic_uint made;
    fg_error err;
} maker;

static void *make_files(void *context) {
    maker *m = context;
    char name[32];
    fg_status status = FG_OK;
    while (status == FG_OK && m->made < 1000000) {
        snprintf(name, sizeof name, "f%u", m->made);
        status = fg_stage_write(m->stage, name, "x", 1, &m->err);
        if (status == FG_OK) m->made++;
    }
    return NULL;
}

static void nothing_appears_after_abandoning(void **state) {
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        fg_stage stage;
        pthread_t thread;
        maker m = {.stage = &stage};
        fg_error err = {0};
        assert_int_equal(fg_stage_check(&stage, at("dst"), false, &err), FG_OK);
        assert_int_equal(fg_stage_begin(&stage, &err), FG_OK);
        assert_int_equal(pthread_create(&thread, NULL, make_files, &m), 0);
        while (m.made < 10 * round) sched_yield();
        fg_stage_abandon(&stage);
        assert_false(path_exists(at("dst.partial")));
        pthread_join(thread, NULL);
        assert_false(path_exists(at("dst.partial")));
        assert_int_equal(m.err.status, FG_ERR_SYSTEM);
        assert_non_null(strstr(m.err.text, "stopped"));
        assert_int_equal(fg_stage_publish(&stage, &err), FG_ERR_SYSTEM);
        assert_int_equal(fg_stage_begin(&stage, &err), FG_ERR_SYSTEM);
        fg_stage_keep(&stage, true);
        assert_false(stage.keeps); /* else the last message would promise that --resume continues */
        assert_false(path_exists(at("dst")));
        fg_stage_abandon(&stage);
        fg_stage_free(&stage);
    }
}

static fg_status publish_one(const fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    fg_stage stage;
    FG_TRY(fg_stage_check(&stage, at("dst"), true, err));
    FG_TRY(fg_stage_begin(&stage, err));
    FG_TRY(fg_stage_create_shard(&stage, plan, 0, err));
    FG_TRY(fg_stage_sync_shard(&stage, plan, 0, err));
    FG_TRY(fg_stage_write(&stage, "config.json", "{}", 2, err));
    FG_TRY(fg_stage_copy_file(&stage, at("side"), "side", err));
    FG_TRY(fg_stage_publish(&stage, err));
done:
    fg_stage_free(&stage);
    return status;
}

static void every_failure_leaves_a_whole_destination_or_none(void **state) {
    (void)state;
    fg_plan plan = {0};
    fg_error err = {0};
    uint64_t elements = 10;
    assert_int_equal(fg_file_write_all(at("side"), "side", 4, &err), FG_OK);
    assert_int_equal(fg_plan_add_output(&plan, "w", FG_F32, 1, &elements, &err), FG_OK);
    assert_int_equal(fg_shards_assign(&plan, 1 << 20, shard_name, &err), FG_OK);
    for (int kind = 0; kind < 2; kind++) {
        fg_status status;
        uint64_t k = 1;
        do {
            err = (fg_error){0};
            kind ? fg_alloc_fail_after(k++) : fg_file_fail_after(k++);
            status = publish_one(&plan, &err);
            kind ? fg_alloc_fail_after(0) : fg_file_fail_after(0);
            assert_int_equal(err.status, status);
            assert_true(status == FG_OK || status == (kind ? FG_ERR_MEMORY : FG_ERR_SYSTEM));
            assert_false(path_exists(at("dst.partial")));
            if (path_exists(at("dst"))) assert_true(path_is_file(at("dst/side")));
            assert_int_equal(fg_directory_remove(at("dst"), NULL), FG_OK);
        } while (status != FG_OK);
        assert_true(k > 10);
    }
    fg_plan_free(&plan);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(bad_destinations_are_refused),
        CASE(a_destination_inside_the_source_is_refused),
        CASE(too_little_room_says_found_and_needed),
        CASE(a_whole_directory_appears_at_once),
        CASE(an_unpublished_stage_leaves_nothing),
        CASE(a_destination_that_appeared_meanwhile_is_not_replaced),
        CASE(links_hold_wherever_the_destination_is_moved),
        CASE(a_directory_is_replaced_where_it_lies),
        CASE(every_failure_leaves_the_old_or_the_new_one),
        CASE(what_a_run_that_was_cut_off_left_is_explained),
        CASE(nothing_appears_after_abandoning),
        CASE(every_failure_leaves_a_whole_destination_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
