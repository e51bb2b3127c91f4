/* lint/lint: the converters of this repository are clean, and what is wrong is found. */
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
#include "lint/lint.h"
#include "lint/lint_errors.h"

/* Lints one file, or (NULL) all, and gives the report as text. */
static size_t lint(fg_catalogue *catalogue, const char *path, fg_buffer *report) {
    fg_error err = {0};
    size_t problems;
    json_t *rows = json_array();
    assert_int_equal(fg_converter_lint(catalogue, path, rows, &problems, &err), FG_OK);
    assert_int_equal(fg_lint_errors_text(rows, report, &err), FG_OK);
    json_decref(rows);
    return problems;
}

static void built_in_converters_are_clean(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    fg_buffer report = {0};
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), FG_OK);
    if (lint(&catalogue, NULL, &report)) fail_msg("%s", report.data);
    assert_non_null(strstr(report.data, "forgather/llama.json: llama, 30 tensor names round-trip"));
    assert_non_null(strstr(report.data, "forgather/qwen3.json: qwen3, 36 tensor names round-trip"));
    assert_non_null(strstr(report.data, "forgather/common.json: to be extended"));
    fg_buffer_free(&report);
    fg_catalogue_free(&catalogue);
}

static void the_example_is_clean(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    fg_buffer report = {0};
    fg_catalogue_add(&catalogue, FG_CONVERTERS "/examples/documented_norm", &err);
    fg_catalogue_add(&catalogue, FG_CONVERTERS, &err);
    if (lint(&catalogue, FG_CONVERTERS "/examples/documented_norm/llama.json", &report))
        fail_msg("%s", report.data);
    fg_buffer_free(&report);
    fg_catalogue_free(&catalogue);
}

static void faults_are_found(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"to_hf\": {\"lists\": {\"spare\": "
         "[[\"a\", \"b\"]]}}}",
         "no rule uses the list spare"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"model_type\": \"unheard\"}",
         "there is no models/unheard.json"},
        {"{\"format\": \"fast_llm\", \"extends\": \"fast_llm/qwen3.json\", \"model_type\": \"unheard\"}",
         "there is no models/unheard.json"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"sections\": {\"model\": {\"config\": "
         "{\"rope_theta\": {\"import_only\": \"rope_theta\"}, "
         "\"back\": {\"constant_export\": 5.0, \"hf\": \"use_cache\"}, \"use_cache\": null}}}}",
         "\"use_cache\" = true: only 5.0 is supported"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"sections\": {\"model\": {\"config\": "
         "{\"vocab_size\": {\"import_only\": \"vocab_size\"}, "
         "\"bos_token_id\": {\"import_only\": \"eos_token_id\"}, \"eos_token_id\": {\"import_only\": "
         "\"bos_token_id\"}}}, \"x\": {}}}",
         "ok"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"tensors\": {\"lm_head.weight\": null}}",
         "match no declared tensor"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"sections\": {\"model\": {\"config\": "
         "{\"rope_scaling\": {\"rename\": \"rope_scaling\", \"absent\": null, \"keys\": [\"**\"]}}}}}",
         "\"rope_scaling\" claims every key of an object"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"sections\": {\"model\": {\"config\": "
         "{\"flex_attn_kernel_options\": {\"ignored\": \"r\", \"keys\": [\"a\"], \"import_as\": {\"a\": 1, "
         "\"b\": 2}}}}}}",
         "writes a member that its \"keys\" do not name: b"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"to_forgather\": {\"lists\": null, "
         "\"names\": "
         "[[\"(.+)\", \"\\\\1\"]]}, \"to_hf\": {\"lists\": null, \"names\": "
         "[[\"causal_lm\\\\.layer_norm\", \"model.norm\"], [\"(?!.*\\\\.[12]\\\\.input)(.+)\", \"\\\\1\"]]}}",
         "does not round-trip: model.layers.1.input_layernorm.weight; "
         "does not round-trip: model.layers.2.input_layernorm.weight"},
        {"{\"format\": \"forgather\", \"extends\": \"llama.json\", \"base_model_prefix\": \"transformer.\"}",
         "base_model_prefix: no tensor has a name that begins with it: transformer."},
        {"{\"format\": \"fast_llm\", \"extends\": \"fast_llm/llava.json\", \"base_model_prefix\": "
         "\"model.\"}",
         "base_model_prefix: no tensor has a name that begins with it: model."},
    };
    char folder[] = "/tmp/fgconv-lint-XXXXXX";
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    assert_non_null(mkdtemp(folder));
    fg_catalogue_add(&catalogue, FG_CONVERTERS, &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_buffer report = {0};
        fg_catalogue_forget(&catalogue);
        char *path = fg_path_join(folder, "probe.json", &err);
        assert_int_equal(fg_file_write_all(path, rows[i][0], strlen(rows[i][0]), &err), FG_OK);
        size_t problems = lint(&catalogue, path, &report);
        if (!strstr(report.data, rows[i][1]))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, report.data, rows[i][1]);
        assert_int_equal(problems, strcmp(rows[i][1], "ok") != 0);
        fg_buffer_free(&report);
        remove(path);
        fg_free(path);
    }
    assert_int_equal(fg_converter_lint(&catalogue, "/nowhere.json", NULL, &(size_t){0}, &err), FG_ERR_USAGE);
    char *broken = fg_path_join(folder, "broken.json", &err);
    fg_buffer report = {0};
    assert_int_equal(fg_file_write_all(broken, "{", 1, NULL), FG_OK);
    fg_catalogue_add(&catalogue, folder, NULL);
    assert_int_equal(lint(&catalogue, NULL, &report), 1);
    assert_non_null(strstr(report.data, "broken.json: line 1"));
    fg_buffer_free(&report);
    fg_free(broken);
    fg_catalogue_free(&catalogue);
    fg_directory_remove(folder, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_converters_are_clean),
        cmocka_unit_test(the_example_is_clean),
        cmocka_unit_test(faults_are_found),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
