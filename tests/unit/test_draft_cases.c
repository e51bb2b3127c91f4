/* The cases of tests/data/draft/cases: CASE/config.json and CASE/tensors.json (name -> shape) are drafted with
 * the catalogue next to them. The draft is CASE/expected.json, or what is refused has the text of
 * CASE/error.txt. Each draft without a guess loads; none with one does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "draft/draft_text.h"
#include "draft/new_family.h"
#include "language/converter.h"
#include "language/todo.h"
#include "model/spec.h"
#include "tries.h"

static const char CASES[] = FG_TEST_DATA "/draft/cases";
static const char CATALOGUE[] = FG_TEST_DATA "/draft/catalogue";

static json_t *read_in(const char *directory, const char *name) {
    fg_error err = {0};
    json_t *value = NULL;
    char *path = fg_path_join(directory, name, NULL);
    if (fg_json_read(path, &value, &err) != FG_OK) fail_msg("%s", err.text);
    fg_free(path);
    return value;
}

static bool has_file(const char *directory, const char *name) {
    char *path = fg_path_join(directory, name, NULL);
    bool is;
    assert_int_equal(fg_path_is_file(path, &is, NULL), FG_OK);
    fg_free(path);
    return is;
}

static void read_table(const char *directory, fg_tensors *table) {
    fg_error err = {0};
    json_t *shapes = read_in(directory, "tensors.json"), *shape, *size;
    uint32_t place;
    assert_int_equal(fg_tensors_add_place(table, "tensors.json", &place, &err), FG_OK);
    FG_JSON_MEMBERS(shapes, name, shape) {
        fg_tensor tensor = {.name = (char *)(uintptr_t)name, .dtype = FG_F32, .file = place};
        FG_JSON_EACH(shape, d, size) tensor.shape[tensor.rank++] = (uint64_t)json_integer_value(size);
        assert_true(fg_tensor_row_major(&tensor));
        if (fg_tensors_add(table, &tensor, &err) != FG_OK) fail_msg("%s", err.text);
    }
    json_decref(shapes);
}

/* What is printed is what a case's expected.json is to have, once it was looked at. */
static void expect_draft(const char *name, const char *directory, const json_t *draft) {
    fg_buffer found = {0}, wanted = {0};
    char *path = fg_path_join(directory, "expected.json", NULL);
    assert_int_equal(fg_draft_text(draft, &found, NULL), FG_OK);
    bool is = has_file(directory, "expected.json");
    if (is) assert_int_equal(fg_file_read_all(path, 1 << 20, &wanted, NULL), FG_OK);
    if (!is || strcmp(found.data, wanted.data) != 0) fail_msg("%s:\n%s", name, found.data);
    fg_buffer_free(&found);
    fg_buffer_free(&wanted);
    fg_free(path);
}

static void expect_refusal(const char *name, const char *directory, fg_status status, const fg_error *err) {
    fg_buffer wanted = {0};
    char *path = fg_path_join(directory, "error.txt", NULL);
    assert_int_equal(fg_file_read_all(path, 1 << 16, &wanted, NULL), FG_OK);
    wanted.data[strcspn(wanted.data, "\n")] = '\0';
    if (status != FG_ERR_INPUT || !strstr(err->text, wanted.data)) fail_msg("%s: %s", name, err->text);
    fg_buffer_free(&wanted);
    fg_free(path);
}

static void write_draft(const char *folder, const json_t *draft, const char *file) {
    fg_buffer text = {0};
    char *path = fg_path_join(folder, file, NULL), *parent = fg_path_parent(path, NULL);
    assert_int_equal(fg_directory_create(parent, NULL), FG_OK);
    assert_int_equal(fg_draft_text(json_object_get(json_object_get(draft, "files"), file), &text, NULL),
                     FG_OK);
    assert_int_equal(fg_file_write_all(path, text.data, text.length, NULL), FG_OK);
    fg_buffer_free(&text);
    fg_free(path);
    fg_free(parent);
}

static size_t guesses_in(const json_t *draft, const char *file) {
    fg_buffer todo = {0};
    size_t guesses = 0;
    const json_t *document = json_object_get(json_object_get(draft, "files"), file);
    assert_int_equal(fg_todo_list(document, &todo, &guesses, NULL), FG_OK);
    fg_buffer_free(&todo);
    return guesses;
}

/* The drafted files, in a directory of their own before the catalogue's. */
static void expect_loads(const char *name, const json_t *draft) {
    static const char CONVERTER[] = "forgather/tern.json", SPEC[] = "models/tern.json";
    char folder[] = "/tmp/fgconv-draft-XXXXXX";
    fg_catalogue catalogue = {0};
    fg_error err = {0}, spec_err = {0};
    const fg_converter *converter;
    json_t *spec;
    assert_non_null(mkdtemp(folder));
    write_draft(folder, draft, CONVERTER);
    write_draft(folder, draft, SPEC);
    assert_int_equal(fg_catalogue_add(&catalogue, folder, NULL), FG_OK);
    assert_int_equal(fg_catalogue_add(&catalogue, CATALOGUE, NULL), FG_OK);
    fg_status status = fg_converter_load(&converter, &catalogue, &fg_format_forgather, "tern", &err);
    bool guesses = guesses_in(draft, CONVERTER) > 0;
    if (!guesses && status != FG_OK) fail_msg("%s: %s", name, err.text);
    if (guesses && !strstr(err.text, "to decide")) fail_msg("%s: %s", name, err.text);
    assert_int_equal(fg_model_spec_read(&spec, &catalogue, "tern", &spec_err), FG_ERR_INPUT);
    assert_non_null(strstr(spec_err.text, "to decide"));
    fg_catalogue_free(&catalogue);
    assert_int_equal(fg_directory_remove(folder, NULL), FG_OK);
}

static void try_case(const char *name) {
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    fg_tensors table = {0};
    json_t *draft;
    char *directory = fg_path_join(CASES, name, NULL);
    json_t *config = read_in(directory, "config.json");
    read_table(directory, &table);
    assert_int_equal(fg_catalogue_add(&catalogue, CATALOGUE, NULL), FG_OK);
    fg_status status = fg_new_family_draft(config, &table, &catalogue, &draft, &err);
    if (has_file(directory, "error.txt")) {
        expect_refusal(name, directory, status, &err);
    } else {
        if (status != FG_OK) fail_msg("%s: %s", name, err.text);
        expect_draft(name, directory, draft);
        expect_loads(name, draft);
    }
    json_decref(draft);
    json_decref(config);
    fg_tensors_free(&table);
    fg_catalogue_free(&catalogue);
    fg_free(directory);
}

static void drafts_are_as_expected(void **state) {
    (void)state;
    fg_names names = {0};
    assert_int_equal(fg_directory_list(CASES, &names, NULL), FG_OK);
    assert_true(names.count > 10);
    for (size_t i = 0; i < names.count; i++) try_case(names.items[i]);
    fg_names_free(&names);
}

/* Each allocation fails in turn: an error, and nothing leaks (the sanitizer sees that). */
static void a_failed_allocation_is_an_error(void **state) {
    (void)state;
    char *directory = fg_path_join(CASES, "other_keys_and_tensors", NULL);
    json_t *config = read_in(directory, "config.json"), *draft;
    fg_status status = FG_ERR_MEMORY;
    fg_tensors table = {0};
    read_table(directory, &table);
    for (uint64_t n = 1; status != FG_OK; n = next_try(n)) {
        fg_error err = {0};
        fg_catalogue catalogue = {0};
        assert_int_equal(fg_catalogue_add(&catalogue, CATALOGUE, NULL), FG_OK);
        fg_alloc_fail_after(n);
        status = fg_new_family_draft(config, &table, &catalogue, &draft, &err);
        fg_alloc_fail_after(0);
        json_decref(draft);
        fg_catalogue_free(&catalogue);
        if (status != FG_OK && status != FG_ERR_MEMORY) fail_msg("%d: %s", (int)n, err.text);
    }
    json_decref(config);
    fg_tensors_free(&table);
    fg_free(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafts_are_as_expected),
        cmocka_unit_test(a_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
