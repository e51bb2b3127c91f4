/* Files next to the destination: what they may take the place of, and what remains of them. */
#include "store_fixture.h"

#include "expect_ok.h"
#include "path_questions.h"
#include "report/output_file.h"

static const char REPORT[] =
    "{\"fgconv\": {\"version\": \"0.1.0\"}, \"command\": \"convert\", \"arguments\": [],"
    " \"started\": \"2026-01-01T00:00:00Z\"}";

static char *content(const char *name) {
    static fg_buffer text;
    fg_error err = {0};
    fg_buffer_free(&text);
    assert_int_equal(fg_file_read_all(at(name), 1 << 20, &text, &err), FG_OK);
    return text.data ? text.data : "";
}

/* Neither kind of file is made there, and what is there stays. */
static void expect_refused(const char *name, bool report, const char *said, const char *hint) {
    fg_error err = {0};
    fg_output_file file;
    fg_status status = report ? fg_output_file_reserve_report(&file, "--report", at(name), &err)
                              : fg_output_file_reserve(&file, "--dump", at(name), &err);
    assert_int_equal(status, FG_ERR_USAGE);
    if (!strstr(err.text, said)) fail_msg("%s", err.text);
    if (!strstr(err.text, report ? "--report" : "--dump")) fail_msg("%s", err.text);
    if (!strstr(err.hint, hint)) fail_msg("%s", err.hint);
    assert_int_equal(fg_output_file_close(&file, true, &err), FG_OK);
}

static void what_is_there_already_is_refused(void **state) {
    (void)state;
    put_text("model.safetensors", "weights");
    put_text("config.json", "{\"command\": \"convert\", \"arguments\": [], \"started\": \"now\"}");
    put_text("empty", "");
    put_text("report.json", REPORT);
    put_directory("folder");
    put_link("nowhere", "link");
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    for (int report = 0; report < 2; report++) {
        expect_refused("model.safetensors", report, "exists already", "another name");
        expect_refused("config.json", report, "exists already", "another name");
        expect_refused("empty", report, "exists already", "another name");
        expect_refused("link", report, "exists already", "another name");
        expect_refused("fifo", report, "this is not a file", "--json");
        expect_refused("folder", report, "this is a directory", "a file in it");
        expect_refused("missing/r", report, "missing does not exist", "mkdir -p");
        expect_refused("empty/r", report, "empty is not a directory", "in a directory");
    }
    expect_refused("report.json", false, "exists already", "another name");
    assert_string_equal(content("model.safetensors"), "weights");
    assert_string_equal(content("report.json"), REPORT);
    assert_false(path_exists(at("nowhere")));
}

/* A new report; `filled` and `keep` as a run ends. */
static void write_report(const char *name, bool filled, bool keep) {
    fg_error err = {0};
    fg_output_file file;
    json_t *report = json_pack("{s:s}", "status", "done");
    assert_int_equal(fg_output_file_reserve_report(&file, "--report", at(name), &err), FG_OK);
    assert_true(path_exists(file.partial));
    assert_true(file.replaces == path_exists(at(name)));
    if (filled) assert_int_equal(fg_output_file_write_report(&file, report, &err), FG_OK);
    assert_int_equal(fg_output_file_close(&file, keep, &err), FG_OK);
    json_decref(report);
}

static void what_is_not_kept_is_removed(void **state) {
    (void)state;
    write_report("r.json", true, false);
    assert_false(path_exists(at("r.json")));
    write_report("r.json", false, true);
    assert_false(path_exists(at("r.json")));
    write_report("r.json", true, true);
    assert_non_null(strstr(content("r.json"), "done"));
    assert_false(path_exists(at("r.json.partial")));
}

/* A file that appears in the place of the report, or of an older one (`before`), while the run goes on. */
static void other_file_stays(const char *before) {
    fg_error err = {0};
    fg_output_file file;
    json_t *report = json_object();
    if (before) put_text("r.json", before);
    assert_int_equal(fg_output_file_reserve_report(&file, "--report", at("r.json"), &err), FG_OK);
    assert_int_equal(fg_output_file_write_report(&file, report, &err), FG_OK);
    put_text("r.json", "another program's");
    assert_int_equal(fg_output_file_close(&file, true, &err), FG_ERR_SYSTEM);
    assert_string_equal(content("r.json"), "another program's");
    assert_false(path_exists(at("r.json.partial")));
    json_decref(report);
}

static void what_came_in_the_meantime_stays(void **state) {
    (void)state;
    other_file_stays(NULL);
}

static void what_took_the_place_of_an_older_report_stays(void **state) {
    (void)state;
    other_file_stays(REPORT);
}

static void an_older_report_is_replaced_at_the_end(void **state) {
    (void)state;
    put_text("r.json", REPORT);
    put_link("r.json", "latest");
    write_report("r.json", false, true);
    assert_string_equal(content("r.json"), REPORT);
    assert_false(path_exists(at("r.json.partial")));
    write_report("latest", true, true);
    assert_non_null(strstr(content("r.json"), "done"));
    assert_false(path_exists(at("r.json.partial")));
    put_text("r.json", REPORT);
    put_text("r.json.partial", "another run's");
    expect_refused("r.json", true, "r.json.partial exists already", "if no other fgconv");
    assert_string_equal(content("r.json.partial"), "another run's");
}

static bool is_inside(const char *path, const char *directory) {
    fg_error err = {0};
    bool inside;
    assert_int_equal(fg_output_file_is_inside(path, directory, &inside, &err), FG_OK);
    return inside;
}

static void paths_are_compared_without_links(void **state) {
    (void)state;
    put_directory("dst");
    put_link("dst", "alias");
    assert_true(is_inside(at("dst"), at("dst")));
    assert_true(is_inside(at("dst/r.json"), at("dst/")));
    assert_true(is_inside(at("alias/new/r.json"), at("dst")));
    assert_false(is_inside(at("dst2/r.json"), at("dst")));
    assert_false(is_inside(at("r.json"), at("dst")));
    assert_true(is_inside(at("later/r.json"), at("later")));
    assert_true(is_inside("r.json", "."));
    assert_false(is_inside("r.json", "later"));
    assert_true(is_inside(at("r.json"), "/"));
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    put_text("old.json", REPORT);
    for (uint64_t n = 1; n < 1000; n++) {
        fg_error err = {0};
        fg_output_file file = {0};
        json_t *report = json_pack("{s:s}", "status", "done");
        fg_alloc_fail_after(n);
        fg_status status = fg_output_file_reserve_report(&file, "--report", at("old.json"), &err);
        if (status == FG_OK) status = fg_output_file_write_report(&file, report, &err);
        fg_output_file_close(&file, true, NULL);
        fg_alloc_fail_after(0);
        json_decref(report);
        assert_false(path_exists(at("old.json.partial")));
        if (status == FG_OK) return;
        assert_int_equal(status, FG_ERR_MEMORY);
        assert_string_equal(content("old.json"), REPORT);
    }
    fail_msg("allocations fail for ever");
}

/* A path of which it is not known where it leads is not taken for one that is not there. */
static void a_path_that_cannot_be_resolved_is_an_error(void **state) {
    (void)state;
    bool inside = true;
    fg_error err = {0};
    fg_file_fail_after(1);
    assert_int_equal(fg_output_file_is_inside(at("x"), at(""), &inside, &err), FG_ERR_SYSTEM);
    fg_file_fail_after(0);
    assert_non_null(strstr(err.text, "x: cannot resolve the path"));
    OK(fg_output_file_is_inside(at("not/there"), at(""), &inside, e));
    assert_true(inside);
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_already_is_refused, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_kept_is_removed, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_came_in_the_meantime_stays, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_took_the_place_of_an_older_report_stays, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_older_report_is_replaced_at_the_end, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_path_that_cannot_be_resolved_is_an_error, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(paths_are_compared_without_links, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
