/* translate/rotary_settings: both spellings of rotary settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "translate/rotary_settings.h"

static json_t *parse(const char *text) {
    json_t *value;
    assert_int_equal(fg_json_parse("test", text, strlen(text), &value, NULL), FG_OK);
    return value;
}

static void expect_text(const json_t *value, const char *want) {
    fg_buffer text = {0};
    assert_int_equal(fg_json_write(value, FG_JSON_SORTED | FG_JSON_COMPACT, &text, NULL), FG_OK);
    assert_string_equal(text.data, want);
    fg_buffer_free(&text);
}

#define LLAMA3                                                                                               \
    "\"factor\": 8.0, \"high_freq_factor\": 4.0, \"low_freq_factor\": 1.0, "                                 \
    "\"original_max_position_embeddings\": 64"

static void both_spellings_are_read(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{}", "{}"},
        {"{\"rope_theta\": 5, \"rope_scaling\": null}", "{\"rope_scaling\": null, \"rope_theta\": 5}"},
        {"{\"rope_scaling\": {}}", "{\"rope_scaling\": null}"},
        {"{\"rope_parameters\": null}", "{}"},
        {"{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 5.0}}",
         "{\"rope_scaling\": null, \"rope_theta\": 5.0}"},
        {"{\"rope_parameters\": {\"rope_theta\": 5.0}, \"rope_theta\": null}",
         "{\"rope_scaling\": null, \"rope_theta\": 5.0}"},
        {"{\"rope_parameters\": {\"rope_theta\": 5.0}, \"rope_theta\": 5}",
         "{\"rope_scaling\": null, \"rope_theta\": 5}"},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}",
         "{\"rope_scaling\": {\"factor\": 2, \"rope_type\": \"linear\", \"type\": \"linear\"}}"},
        {"{\"rope_scaling\": {\"rope_type\": \"default\"}}",
         "{\"rope_scaling\": {\"rope_type\": \"default\"}}"},
        {"{\"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 5.0, " LLAMA3 "}}",
         "{\"rope_scaling\": {" LLAMA3 ", \"rope_type\": \"llama3\"}, \"rope_theta\": 5.0}"},
        {"{\"rope_scaling\": {\"type\": \"llama3\", " LLAMA3
         "}, \"rope_parameters\": {\"rope_type\": \"llama3\", " LLAMA3 "}}",
         "{\"rope_scaling\": {" LLAMA3 ", \"rope_type\": \"llama3\", \"type\": \"llama3\"}}"},
        {"{\"rope_scaling\": {\"rope_type\": \"default\"}, \"rope_parameters\": {\"rope_type\": \"default\", "
         "\"rope_theta\": 7}}",
         "{\"rope_scaling\": {\"rope_type\": \"default\"}, \"rope_theta\": 7}"},
        {"{\"rope_parameters\": {\"rope_type\": \"default\", \"partial_rotary_factor\": 0.5}}",
         "{\"partial_rotary_factor\": 0.5, \"rope_scaling\": null}"},
        {"{\"rope_parameters\": {\"rope_type\": \"default\", \"factor\": 2}}",
         "{\"rope_scaling\": {\"factor\": 2, \"rope_type\": \"default\"}}"},
        {"{\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 5}}}",
         "{\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 5}}}"},
        {"{\"rope_parameters\": {\"rope_type\": \"linear\", \"rope_theta\": 5, \"note\": {}}}",
         "{\"rope_scaling\": {\"note\": {}, \"rope_type\": \"linear\"}, \"rope_theta\": 5}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        json_t *config = parse(rows[i][0]);
        if (fg_rotary_settings_to_older(config, "config.json", &err) != FG_OK)
            fail_msg("%s: %s", rows[i][0], err.text);
        expect_text(config, rows[i][1]);
        json_decref(config);
    }
}

static void what_parameters_leave_out_is_settled(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{\"rope_parameters\": {\"rope_theta\": 5}}",
         "{\"rope_parameters\": {\"rope_theta\": 5, \"rope_type\": \"default\"}}"},
        {"{\"rope_parameters\": {\"type\": \"yarn\"}}",
         "{\"rope_parameters\": {\"rope_type\": \"yarn\", \"type\": \"yarn\"}}"},
        {"{\"rope_parameters\": {\"full_attention\": {}}}",
         "{\"rope_parameters\": {\"full_attention\": {}}}"},
        {"{\"rope_parameters\": null}", "{\"rope_parameters\": null}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        json_t *config = parse(rows[i][0]);
        if (fg_rotary_settings_resolve(config, "config.json", &err) != FG_OK)
            fail_msg("%s: %s", rows[i][0], err.text);
        expect_text(config, rows[i][1]);
        json_decref(config);
    }
}

static void contradictions_are_refused(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{\"rope_parameters\": {\"rope_theta\": 5.0}, \"rope_theta\": 6.0}", "rope_theta is given twice"},
        {"{\"rope_scaling\": {\"rope_type\": \"linear\", \"type\": \"yarn\"}}", "rope_type and type"},
        {"{\"rope_scaling\": {\"factor\": 2}}", "expected a string under \"rope_type\""},
        {"{\"rope_scaling\": {\"type\": 3}}", "expected a string under \"rope_type\""},
        {"{\"rope_scaling\": 3}", "expected null or an object"},
        {"{\"rope_parameters\": [3]}", "expected null or an object"},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"rope_parameters\": {\"rope_type\": "
         "\"default\"}}",
         "is given twice"},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"rope_parameters\": {\"rope_type\": "
         "\"linear\", \"factor\": 3}}",
         "is given twice"},
        {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0}}", "low_freq_factor\" = (absent)"},
        {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": \"8\"}}", "factor\" = \"8\""},
        {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, "
         "\"high_freq_factor\": 4, "
         "\"original_max_position_embeddings\": 64}}",
         "must be below"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        json_t *config = parse(rows[i][0]);
        assert_int_equal(fg_rotary_settings_to_older(config, "config.json", &err), FG_ERR_INPUT);
        if (!strstr(err.text, rows[i][1]) || !strstr(err.text, "config.json"))
            fail_msg("\"%s\" does not say \"%s\"", err.text, rows[i][1]);
        json_decref(config);
    }
}

static void the_newer_spelling_is_written(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{\"a\": 1}", "{\"a\": 1}"},
        {"{\"rope_theta\": 5.0, \"rope_scaling\": null}",
         "{\"rope_parameters\": {\"rope_theta\": 5.0, \"rope_type\": \"default\"}}"},
        {"{\"rope_theta\": 5.0}", "{\"rope_parameters\": {\"rope_theta\": 5.0, \"rope_type\": \"default\"}}"},
        {"{\"rope_theta\": 5.0, \"rope_scaling\": {" LLAMA3
         ", \"rope_type\": \"llama3\", \"type\": \"llama3\"}}",
         "{\"rope_parameters\": {" LLAMA3 ", \"rope_theta\": 5.0, \"rope_type\": \"llama3\"}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        json_t *config = parse(rows[i][0]);
        assert_int_equal(fg_rotary_settings_to_newer(config, &err), FG_OK);
        expect_text(config, rows[i][1]);
        json_decref(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_are_read),
        cmocka_unit_test(what_parameters_leave_out_is_settled),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(the_newer_spelling_is_written),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
