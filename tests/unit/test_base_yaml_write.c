/* Writing YAML: the text of a corpus that PyYAML was seen to read back as the same values (tests/data/yaml),
 * and our own reader, which must do so too. Called with the argument "write" it prints the corpus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "tries.h"

static json_t *corpus(void) {
    fg_error err = {0};
    json_t *values;
    if (fg_json_read(FG_TEST_DATA "/yaml/values.json", &values, &err) != FG_OK) fail_msg("%s", err.text);
    return values;
}

static void expect(const char *json, const char *yaml) {
    fg_error err = {0};
    fg_buffer text = {0};
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    assert_int_equal(fg_yaml_write(value, &text, &err), FG_OK);
    assert_string_equal(text.data, yaml);
    fg_buffer_free(&text);
    json_decref(value);
}

static void the_style_is_that_of_block_documents(void **state) {
    (void)state;
    expect("{\"b\": {\"y\": [1, [2, 3], {\"k\": null, \"a\": {}}], \"x\": 1e-06}, \"a\": [\"w\"], \"n\": []}",
           "a:\n- w\nb:\n  x: 1.0e-06\n  'y':\n  - 1\n  - - 2\n    - 3\n  - a: {}\n    k: null\n'n': []\n");
    expect("\"yes\"", "'yes'\n");
    expect("\"it's\"", "'it''s'\n");
    expect("\"a\\u0000b\\n\\u00e9\\\"\"", "\"a\\u0000b\\n\\u00E9\\\"\"\n");
    expect("true", "true\n");
    expect("[9223372036854775807, -9223372036854775808]", "- 9223372036854775807\n- -9223372036854775808\n");
    expect("-0.0", "-0.0\n");
    expect("1e16", "1.0e+16\n");
    expect("123456.5", "123456.5\n");
}

static void the_corpus_is_written_as_pyyaml_reads_it(void **state) {
    (void)state;
    fg_error err = {0};
    fg_buffer text = {0}, seen = {0};
    json_t *values = corpus();
    assert_int_equal(fg_yaml_write(values, &text, &err), FG_OK);
    assert_int_equal(fg_file_read_all(FG_TEST_DATA "/yaml/values.yaml", 1 << 20, &seen, &err), FG_OK);
    assert_int_equal(text.length, seen.length);
    assert_memory_equal(text.data, seen.data, seen.length);
    fg_buffer_free(&text);
    fg_buffer_free(&seen);
    json_decref(values);
}

static void what_was_written_is_read_back(void **state) {
    (void)state;
    json_t *values = corpus(), *value;
    size_t i;
    json_array_foreach(values, i, value) {
        fg_error err = {0};
        fg_buffer text = {0};
        json_t *read;
        assert_int_equal(fg_yaml_write(value, &text, &err), FG_OK);
        if (fg_yaml_parse("written", text.data, text.length, &read, NULL, &err) != FG_OK)
            fail_msg("%s: %s", text.data, err.text);
        if (!json_equal(read, value)) fail_msg("%s is read as another value", text.data);
        json_decref(read);
        fg_buffer_free(&text);
    }
    json_decref(values);
}

static void depth_is_bounded(void **state) {
    (void)state;
    for (int depth = FG_YAML_DEPTH; depth <= FG_YAML_DEPTH + 1; depth++) {
        fg_error err = {0};
        fg_buffer text = {0};
        json_t *value = json_integer(1), *read;
        for (int i = 0; i < depth; i++) value = json_pack("[o]", value);
        fg_status status = fg_yaml_write(value, &text, &err);
        assert_int_equal(status, depth > FG_YAML_DEPTH ? FG_ERR_INPUT : FG_OK);
        if (status == FG_OK) {
            assert_int_equal(fg_yaml_parse("deep", text.data, text.length, &read, NULL, &err), FG_OK);
            assert_true(json_equal(read, value));
            json_decref(read);
        }
        fg_buffer_free(&text);
        json_decref(value);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    json_t *value = json_pack("{s:[s, s, f], s:{s:b}}", "a", "yes", "plain", 1e-9, "b", "c", 1);
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t k = 1; status != FG_OK; k = next_try(k)) {
        fg_error err = {0};
        fg_buffer text = {0};
        fg_alloc_fail_after(k);
        status = fg_yaml_write(value, &text, &err);
        fg_alloc_fail_after(0);
        assert_true(status == FG_OK || status == FG_ERR_MEMORY);
        assert_true(k < 1000);
        fg_buffer_free(&text);
    }
    json_decref(value);
}

static int print_corpus(void) {
    fg_error err = {0};
    fg_buffer text = {0};
    json_t *values = corpus();
    if (fg_yaml_write(values, &text, &err) != FG_OK) return EXIT_FAILURE;
    size_t written = fwrite(text.data, 1, text.length, stdout);
    bool whole = written == text.length;
    fg_buffer_free(&text);
    json_decref(values);
    return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_style_is_that_of_block_documents),
        cmocka_unit_test(the_corpus_is_written_as_pyyaml_reads_it),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(every_allocation_may_fail),
    };
    fg_alloc_init();
    if (argc == 2 && strcmp(argv[1], "write") == 0) return print_corpus();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
