/* What lint finds in the files of models/. */
#include "base/alloc.h"
#include "lint/lint_errors.h"
#include "lint/lint_specs.h"
#include "store_fixture.h"

/* The report over one file, or (NULL) the built-in directory and, before it, the fixture's. */
static void lint(const char *file, bool wrong, fg_buffer *report) {
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    size_t problems = 0;
    json_t *rows = json_array();
    if (!file) assert_int_equal(fg_catalogue_add(&catalogue, at(""), &err), FG_OK);
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), FG_OK);
    assert_int_equal(file ? fg_model_spec_lint(&catalogue, file, rows, &problems, &err)
                          : fg_model_specs_lint(&catalogue, rows, &problems, &err),
                     FG_OK);
    assert_int_equal(fg_lint_errors_text(rows, report, &err), FG_OK);
    json_decref(rows);
    fg_catalogue_free(&catalogue);
    if ((problems != 0) != wrong) fail_msg("%zu problems: %s", problems, report->data);
}

static void the_built_in_files_are_clean(void **state) {
    (void)state;
    fg_buffer report = {0};
    lint(NULL, false, &report);
    assert_non_null(strstr(report.data, "models/fast_llm.json: "));
    assert_non_null(strstr(report.data, "models/qwen3.json: how qwen3 computes"));
    fg_buffer_free(&report);
}

static void all_directories_are_searched(void **state) {
    (void)state;
    fg_buffer report = {0};
    put_directory("models");
    put_text("models/dream.json", "{\"formats\": {}}");
    lint(NULL, true, &report);
    assert_non_null(strstr(report.data, "models/dream.json: does not say how hf's models compute"));
    fg_buffer_free(&report);
}

static void what_is_a_spec(void **state) {
    (void)state;
    static const struct {
        const char *file;
        bool is;
    } rows[] = {
        {"models/x.json", true}, {"models/x.txt", false}, {"x.json", false}, {"models/none.json", false}};
    put_directory("models");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        bool is;
        if (!strstr(rows[i].file, "none")) put_text(rows[i].file, "{}");
        assert_int_equal(fg_model_spec_is_file(at(rows[i].file), &is, &err), FG_OK);
        if (is != rows[i].is) fail_msg("row %zu: found %d, expected %d", i, is, rows[i].is);
    }
}

static void faults_are_found(void **state) {
    (void)state;
    static const struct {
        const char *file, *text, *expected;
    } rows[] = {
        {"models/nobody.json", "{\"formats\": {}}", "does not say how hf's models compute"},
        {"models/llama.json", "{\"formats\": {\"hf\": {}}}",
         "has nothing for forgather, which has a converter for llama"},
        {"models/dream.json", "{\"formats\": {\"hf\": {}, \"forgather\": {}}}",
         "says something for forgather, which has no converter for dream"},
        {"models/dream.json", "{\"formats\": {}}", "does not say how hf's models compute"},
        {"models/dream.json", "{\"extends\": \"nothing.json\"}", "nothing.json"},
        {"models/fast_llm.json", "{\"formats\": {}}", "has nothing for fast_llm"},
        {"models/fast_llm.json",
         "{\"formats\": {\"fast_llm\": {\"config\": {\"hidden\": {\"key\": \"base_model/hidden\"}}}}}",
         "no class has the field base_model/hidden"},
        {"models/fast_llm.json",
         "{\"formats\": {\"fast_llm\": {\"config\": {\"hidden\": {\"key\": \"base_model/hidden_size\", "
         "\"absent\": "
         "1025}}}}}",
         "\"base_model/hidden_size\": absent means 1025 here, and 1024 in its class"},
        {"models/fast_llm.json",
         "{\"formats\": {\"fast_llm\": {\"blocks\": {\"one\": \"base_model/decoder/block\", \"only\": "
         "{\"mlp/shared\": [0]}}}}}",
         "no class has the field base_model/decoder/block/mlp/shared"},
        {"models/fast_llm.json",
         "{\"formats\": {\"fast_llm\": {\"blocks\": {\"one\": \"base_model/decoder/block\", \"rotary\": "
         "{\"objects\": "
         "[\"mixer/rotary\"], \"numbers\": {\"theta\": {\"key\": \"theta\", \"absent\": 1.0}, \"factor\": "
         "{\"key\": "
         "\"faktor\"}}}}}}}",
         "\"base_model/decoder/block/mixer/rotary/theta\": absent means 1.0 here, and 10000.0 in its class; "
         "no class "
         "has the field base_model/decoder/block/mixer/rotary/faktor"},
    };
    put_directory("models");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_buffer report = {0};
        put_text(rows[i].file, rows[i].text);
        lint(at(rows[i].file), true, &report);
        if (strncmp(report.data, "bad ", 4) != 0 || !strstr(report.data, rows[i].expected))
            fail_msg("row %zu: found %s, expected %s", i, report.data, rows[i].expected);
        fg_buffer_free(&report);
        unlink(at(rows[i].file));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_built_in_files_are_clean, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(all_directories_are_searched, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_is_a_spec, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(faults_are_found, fixture_set_up, fixture_tear_down),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
