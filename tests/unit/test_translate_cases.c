/* The cases of tests/data/language: KIND/CASE/converter.json is loaded, and translates each NN.hf.json or
 * NN.target.json next to it into NN.expected.json; or it refuses, and says each line of NN.error.txt
 * (error.txt: while it is loaded). The catalogue is empty for the kind "plain", the built-in one for
 * "built_in", and the folder of the kind for "classes". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "translate/translate.h"

static const char ROOT[] = FG_TEST_DATA "/language";

static size_t checked;

static bool exists(const char *path) {
    bool is;
    assert_int_equal(fg_path_is_file(path, &is, NULL), FG_OK);
    return is;
}

static void expect_text(const char *what, fg_status status, const fg_error *err, const char *path) {
    fg_buffer text = {0};
    char *rest = NULL;
    assert_int_equal(fg_file_read_all(path, 1 << 16, &text, NULL), FG_OK);
    if (status != FG_ERR_INPUT) fail_msg("%s: status %d: %s", what, status, err->text);
    for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!strstr(err->text, line)) fail_msg("%s: \"%s\" does not say \"%s\"", what, err->text, line);
    }
    fg_buffer_free(&text);
    checked++;
}

static void expect_json(const char *what, const json_t *found, const char *path) {
    fg_buffer a = {0}, b = {0};
    json_t *wanted;
    assert_int_equal(fg_json_read(path, &wanted, NULL), FG_OK);
    assert_int_equal(fg_json_write(found, FG_JSON_SORTED | FG_JSON_COMPACT, &a, NULL), FG_OK);
    assert_int_equal(fg_json_write(wanted, FG_JSON_SORTED | FG_JSON_COMPACT, &b, NULL), FG_OK);
    if (strcmp(a.data, b.data) != 0) fail_msg("%s: %s, expected %s", what, a.data, b.data);
    json_decref(wanted);
    fg_buffer_free(&a);
    fg_buffer_free(&b);
    checked++;
}

/* `input` is NN.hf.json or NN.target.json. */
static void check_input(const fg_converter *converter, const char *folder, const char *input) {
    const fg_translate_options options = {.version = "1.2", .file = "config.json", .hf_version = 4};
    bool import = fg_ends_with(input, ".hf.json");
    fg_error err = {0};
    fg_translation out;
    json_t *config;
    int length = (int)strcspn(input, ".");
    char *path = fg_path_join(folder, input, NULL);
    char *result = fg_strformat(NULL, "%s/%.*s.expected.json", folder, length, input);
    char *error = fg_strformat(NULL, "%s/%.*s.error.txt", folder, length, input);
    assert_int_equal(fg_json_read(path, &config, NULL), FG_OK);
    fg_status status = fg_translate(converter, import ? FG_IMPORT : FG_EXPORT, config, &options, &out, &err);
    if (exists(error)) {
        expect_text(path, status, &err, error);
        assert_null(out.result);
    } else {
        if (status != FG_OK) fail_msg("%s: %s", path, err.text);
        expect_json(path, out.result, result);
    }
    fg_translation_free(&out);
    json_decref(config);
    fg_free(path);
    fg_free(result);
    fg_free(error);
}

static void check_case(fg_catalogue *catalogue, const char *folder) {
    fg_error err = {0};
    const fg_converter *converter;
    fg_names files = {0};
    char *path = fg_path_join(folder, "converter.json", NULL),
         *error = fg_path_join(folder, "error.txt", NULL);
    fg_status status = fg_converter_load_file(&converter, catalogue, path, &err);
    if (exists(error)) {
        expect_text(path, status, &err, error);
        assert_null(converter);
    } else {
        if (status != FG_OK) fail_msg("%s: %s", path, err.text);
        assert_int_equal(fg_directory_list(folder, &files, NULL), FG_OK);
        for (size_t i = 0; i < files.count; i++) {
            if (fg_ends_with(files.items[i], ".hf.json") || fg_ends_with(files.items[i], ".target.json"))
                check_input(converter, folder, files.items[i]);
        }
    }
    fg_names_free(&files);
    fg_free(path);
    fg_free(error);
}

static void check_kind(const char *kind, const char *directory, size_t least) {
    fg_catalogue catalogue = {0};
    fg_names cases = {0};
    char *folder = fg_path_join(ROOT, kind, NULL);
    checked = 0;
    if (directory) assert_int_equal(fg_catalogue_add(&catalogue, directory, NULL), FG_OK);
    assert_int_equal(fg_directory_list(folder, &cases, NULL), FG_OK);
    for (size_t i = 0; i < cases.count; i++) {
        char *path = fg_path_join(folder, cases.items[i], NULL);
        if (strcmp(cases.items[i], "defaults") != 0) check_case(&catalogue, path);
        fg_free(path);
    }
    if (checked < least) fail_msg("%s: %zu cases, expected %zu or more", kind, checked, least);
    fg_names_free(&cases);
    fg_free(folder);
    fg_catalogue_free(&catalogue);
}

static void plain_cases(void **state) {
    (void)state;
    check_kind("plain", NULL, 52);
}

static void cases_with_classes(void **state) {
    (void)state;
    check_kind("classes", FG_TEST_DATA "/language/classes", 84);
}

static void cases_next_to_the_built_in_converters(void **state) {
    (void)state;
    check_kind("built_in", FG_CONVERTERS, 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_cases),
        cmocka_unit_test(cases_with_classes),
        cmocka_unit_test(cases_next_to_the_built_in_converters),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
