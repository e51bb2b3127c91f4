/* The cases of tests/data/language. KIND/CASE/converter.json is loaded, or refused with each line of error.txt.
 * It translates each NN.hf.json and NN.target.json next to it. What is there of these is compared:
 *
 *   NN.expected.json   the result               NN.error.txt      a line of each refusal, or of the hint
 *   NN.includes.json   {PATH: value} of it      NN.unsaid.txt     lines that the refusal does not say
 *   NN.left_out.json   what it leaves out       NN.warnings.txt   a line of each warning; else there is none
 *   NN.completed.json  hf with its defaults
 *
 * The value "(absent)" of a path says that nothing is there. NN.options.json has "max_length" and "hf_version", NN.carried.json what an import left out, to be put back.
 * The catalogue is empty for the kind "plain", the built-in one for "built_in", and the folder of the kind
 * for "classes". A case of "families" is a family of Forgather instead of a converter. */
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

/* Each line of a file is `wanted` in a text, or none is. */
static void expect_lines(const char *what, const char *said, const char *path, bool wanted) {
    fg_buffer text = {0};
    char *rest = NULL;
    assert_int_equal(fg_file_read_all(path, 1 << 16, &text, NULL), FG_OK);
    for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!strstr(said, line) == wanted)
            fail_msg("%s: \"%s\" %s \"%s\"", what, said, wanted ? "does not say" : "says", line);
    }
    fg_buffer_free(&text);
}

static void expect_refusal(const char *what, fg_status status, const fg_error *err, const char *path) {
    char *said = fg_strformat(NULL, "%s\n%s", err->text, err->hint);
    if (status != FG_ERR_INPUT) fail_msg("%s: status %d: %s", what, status, err->text);
    expect_lines(what, said, path, true);
    fg_free(said);
    checked++;
}

static json_t *read_json(const char *path) {
    fg_error err = {0};
    json_t *value = NULL;
    if (exists(path) && fg_json_read(path, &value, &err) != FG_OK) fail_msg("%s", err.text);
    return value;
}

static void expect_equal(const char *what, const json_t *found, const json_t *wanted) {
    fg_buffer a = {0}, b = {0};
    if (found) assert_int_equal(fg_json_write(found, FG_JSON_SORTED | FG_JSON_COMPACT, &a, NULL), FG_OK);
    assert_int_equal(fg_json_write(wanted, FG_JSON_SORTED | FG_JSON_COMPACT, &b, NULL), FG_OK);
    if (!found || strcmp(a.data, b.data) != 0)
        fail_msg("%s: %s, expected %s", what, found ? a.data : "nothing", b.data);
    fg_buffer_free(&a);
    fg_buffer_free(&b);
    checked++;
}

/* ---- one input ---- */

/* `path` is that of NN.hf.json or NN.target.json; NN.NAME next to it, newly allocated. */
static char *beside(const char *path, const char *name) {
    const char *file = fg_path_name(path);
    return fg_strformat(NULL, "%.*s.%s", (int)(file - path + (ptrdiff_t)strcspn(file, ".")), path, name);
}

static json_t *read_beside(const char *path, const char *name) {
    char *other = beside(path, name);
    json_t *value = read_json(other);
    fg_free(other);
    return value;
}

static void expect_json(const char *path, const char *name, const json_t *found) {
    json_t *wanted = read_beside(path, name);
    if (wanted) expect_equal(path, found, wanted);
    json_decref(wanted);
}

static void expect_members(const char *path, const json_t *found) {
    json_t *wanted = read_beside(path, "includes.json"), *value;
    const char *key;
    json_object_foreach(wanted, key, value) {
        char *what = fg_strformat(NULL, "%s: %s", path, key);
        const json_t *member = fg_json_at(found, key);
        if (!json_is_string(value) || strcmp(json_string_value(value), "(absent)") != 0)
            expect_equal(what, member, value);
        else if (member)
            fail_msg("%s is there", what);
        fg_free(what);
    }
    json_decref(wanted);
}

/* A line of the file for each warning, which has it. */
static void expect_warnings(const char *path, const fg_warnings *found) {
    char *file = beside(path, "warnings.txt"), *rest = NULL;
    fg_buffer text = {0};
    size_t count = 0;
    if (exists(file)) assert_int_equal(fg_file_read_all(file, 1 << 16, &text, NULL), FG_OK);
    for (char *line = text.data ? strtok_r(text.data, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest), count++) {
        if (count >= found->count || !strstr(found->items[count].line, line))
            fail_msg("%s: warns of \"%s\", expected \"%s\"", path,
                     count < found->count ? found->items[count].line : "nothing more", line);
    }
    if (count < found->count) fail_msg("%s: warns of \"%s\"", path, found->items[count].line);
    fg_buffer_free(&text);
    fg_free(file);
}

static void check_refusal(const char *path, fg_status status, const fg_translation *out, const fg_error *err,
                          const char *error) {
    char *unsaid = beside(path, "unsaid.txt");
    expect_refusal(path, status, err, error);
    if (exists(unsaid)) expect_lines(path, err->text, unsaid, false);
    assert_null(out->result);
    fg_free(unsaid);
}

static void check_result(const char *path, fg_status status, const fg_translation *out, const fg_error *err) {
    size_t before = checked;
    if (status != FG_OK) fail_msg("%s: %s", path, err->text);
    expect_json(path, "expected.json", out->result);
    expect_members(path, out->result);
    expect_json(path, "left_out.json", out->left_out);
    expect_json(path, "completed.json", out->hf);
    expect_warnings(path, &out->warnings);
    if (checked == before) fail_msg("%s: nothing says what it becomes", path);
}

static void check_input(const fg_converter *converter, const char *path) {
    json_t *config = read_json(path), *given = read_beside(path, "options.json"),
           *carried = read_beside(path, "carried.json");
    const json_t *version = json_object_get(given, "hf_version");
    const fg_translate_options options = {
        .version = "1.2",
        .file = "config.json",
        .hf_version = version ? (int)json_integer_value(version) : 4,
        .max_length = (uint64_t)json_integer_value(json_object_get(given, "max_length")),
        .carried = carried};
    fg_direction direction = fg_ends_with(path, ".hf.json") ? FG_IMPORT : FG_EXPORT;
    fg_error err = {0};
    fg_translation out;
    char *error = beside(path, "error.txt");
    fg_status status = fg_translate(converter, direction, config, &options, &out, &err);
    if (exists(error))
        check_refusal(path, status, &out, &err, error);
    else
        check_result(path, status, &out, &err);
    fg_translation_free(&out);
    json_decref(config);
    json_decref(given);
    json_decref(carried);
    fg_free(error);
}

static void check_inputs(const fg_converter *converter, const char *folder) {
    fg_names files = {0};
    assert_int_equal(fg_directory_list(folder, &files, NULL), FG_OK);
    for (size_t i = 0; i < files.count; i++) {
        char *path = fg_path_join(folder, files.items[i], NULL);
        if (fg_ends_with(path, ".hf.json") || fg_ends_with(path, ".target.json"))
            check_input(converter, path);
        fg_free(path);
    }
    fg_names_free(&files);
}

/* ---- cases ---- */

static void check_case(fg_catalogue *catalogue, const char *folder) {
    fg_error err = {0};
    const fg_converter *converter;
    char *path = fg_path_join(folder, "converter.json", NULL),
         *error = fg_path_join(folder, "error.txt", NULL);
    fg_status status = fg_converter_load_file(&converter, catalogue, path, &err);
    if (exists(error)) {
        expect_refusal(path, status, &err, error);
        assert_null(converter);
    } else {
        if (status != FG_OK) fail_msg("%s: %s", path, err.text);
        check_inputs(converter, folder);
    }
    fg_free(path);
    fg_free(error);
}

static void check_family(fg_catalogue *catalogue, const char *folder) {
    fg_error err = {0};
    const fg_converter *converter;
    if (fg_converter_load(&converter, catalogue, &fg_format_forgather, fg_path_name(folder), &err) != FG_OK)
        fail_msg("%s: %s", folder, err.text);
    check_inputs(converter, folder);
}

static void check_kind(const char *kind, const char *directory,
                       void (*check)(fg_catalogue *catalogue, const char *folder), size_t least) {
    fg_catalogue catalogue = {0};
    fg_names cases = {0};
    char *folder = fg_path_join(ROOT, kind, NULL);
    checked = 0;
    if (directory) assert_int_equal(fg_catalogue_add(&catalogue, directory, NULL), FG_OK);
    assert_int_equal(fg_directory_list(folder, &cases, NULL), FG_OK);
    for (size_t i = 0; i < cases.count; i++) {
        char *path = fg_path_join(folder, cases.items[i], NULL);
        if (strcmp(cases.items[i], "defaults") != 0) check(&catalogue, path);
        fg_free(path);
    }
    if (checked < least) fail_msg("%s: %zu cases, expected %zu or more", kind, checked, least);
    fg_names_free(&cases);
    fg_free(folder);
    fg_catalogue_free(&catalogue);
}

static void plain_cases(void **state) {
    (void)state;
    check_kind("plain", NULL, check_case, 52);
}

static void cases_with_classes(void **state) {
    (void)state;
    check_kind("classes", FG_TEST_DATA "/language/classes", check_case, 84);
}

static void cases_next_to_the_built_in_converters(void **state) {
    (void)state;
    check_kind("built_in", FG_CONVERTERS, check_case, 42);
}

static void built_in_families(void **state) {
    (void)state;
    check_kind("families", FG_CONVERTERS, check_family, 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_cases),
        cmocka_unit_test(cases_with_classes),
        cmocka_unit_test(cases_next_to_the_built_in_converters),
        cmocka_unit_test(built_in_families),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
