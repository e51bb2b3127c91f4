/* The cases of tests/data/language/tensors: each folder has a converter.json, and a plan.json or an
 * error.txt, of which each line is said while the converter is loaded, its tensor map made, or the plan.
 * Completed configurations ("target", "hf") are in config.json, that of the kind where a case has none.
 * case.json gives the "source" (name to dtype and shape), the "direction", and the "rows" that the
 * vocabulary gets ("count", and "values" by row). The catalogue is that of the kind "classes", then the
 * built-in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "mapping/converter_map.h"
#include "mapping/tensor_plan.h"

static const char KIND[] = FG_TEST_DATA "/language/tensors";

static json_t *read_json(const char *folder, const char *name) {
    fg_error err = {0};
    json_t *document = NULL;
    bool there;
    char *path = fg_path_join(folder, name, NULL);
    assert_int_equal(fg_path_is_file(path, &there, NULL), FG_OK);
    if (there && fg_json_read(path, &document, &err) != FG_OK) fail_msg("%s: %s", path, err.text);
    fg_free(path);
    return document;
}

static uint32_t read_shape(const json_t *given, uint64_t *shape) {
    size_t i;
    json_t *size;
    json_array_foreach((json_t *)(uintptr_t)given, i, size) shape[i] = (uint64_t)json_integer_value(size);
    return (uint32_t)json_array_size(given);
}

static fg_tensors source_of(const json_t *given) {
    fg_tensors table = {0};
    const char *name;
    json_t *entry;
    uint32_t file;
    assert_int_equal(fg_tensors_add_place(&table, "source", &file, NULL), FG_OK);
    json_object_foreach((json_t *)(uintptr_t)given, name, entry) {
        fg_tensor tensor = {.name = (char *)(uintptr_t)name,
                            .dtype = fg_dtype_from_name(json_string_value(json_array_get(entry, 0)))};
        tensor.rank = read_shape(json_array_get(entry, 1), tensor.shape);
        assert_true(fg_tensor_row_major(&tensor));
        assert_int_equal(fg_tensors_add(&table, &tensor, NULL), FG_OK);
    }
    return table;
}

static fg_row_edits edits_of(const json_t *given) {
    fg_row_edits edits = {.rows = (uint64_t)json_integer_value(json_object_get(given, "count"))};
    const char *row;
    json_t *text;
    json_object_foreach(json_object_get(given, "values"), row, text) {
        fg_row_value value;
        assert_true(fg_row_value_parse(json_string_value(text), &value));
        assert_int_equal(fg_row_edits_set(&edits, strtoull(row, NULL, 10), value, NULL), FG_OK);
    }
    return edits;
}

static json_t *numbers(const uint64_t *values, uint32_t count) {
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) json_array_append_new(array, json_integer((json_int_t)values[i]));
    return array;
}

/* An output: dtype, shape, and of each piece what it is, its extent, where it is from and where it goes. */
static json_t *output_json(const fg_plan *plan, const fg_output *output) {
    static const char *const kinds[] = {"copy", "zero", "mean"};
    json_t *pieces = json_array();
    for (size_t i = 0; i < output->piece_count; i++) {
        const fg_piece *p = &plan->pieces[output->first_piece + i];
        const char *source = p->kind == FG_PIECE_ZERO ? "" : plan->source.items[p->source].name;
        json_array_append_new(pieces, json_pack("[s, s, o, I, o, I, o]", kinds[p->kind], source,
                                                numbers(p->extent, p->dims), (json_int_t)p->from,
                                                numbers(p->from_stride, p->dims), (json_int_t)p->to,
                                                numbers(p->to_stride, p->dims)));
    }
    return json_pack("[s, o, o]", fg_dtype_name(output->dtype), numbers(output->shape, output->rank), pieces);
}

static json_t *plan_json(const fg_plan *plan) {
    json_t *outputs = json_object(), *dropped = json_object();
    for (size_t i = 0; i < plan->output_count; i++)
        json_object_set_new(outputs, plan->outputs[i].name, output_json(plan, &plan->outputs[i]));
    for (size_t i = 0; i < plan->dropped_count; i++)
        json_object_set_new(dropped, plan->source.items[plan->dropped[i].source].name,
                            json_string(plan->dropped[i].reason));
    return json_pack("{s:o, s:o}", "outputs", outputs, "dropped", dropped);
}

static void expect_text(const char *folder, fg_status status, const fg_error *err) {
    fg_buffer text = {0};
    char *rest = NULL, *path = fg_path_join(folder, "error.txt", NULL);
    if (fg_file_read_all(path, 1 << 16, &text, NULL) != FG_OK) fail_msg("%s: %s", folder, err->text);
    assert_int_equal(status, FG_ERR_INPUT);
    for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!strstr(err->text, line)) fail_msg("%s: \"%s\" does not say \"%s\"", folder, err->text, line);
    }
    fg_buffer_free(&text);
    fg_free(path);
}

static void expect_plan(const char *folder, const fg_plan *plan) {
    fg_buffer text = {0};
    json_t *found = plan_json(plan), *wanted = read_json(folder, "plan.json");
    assert_int_equal(fg_json_write(found, FG_JSON_COMPACT, &text, NULL), FG_OK);
    if (!wanted || !json_equal(found, wanted)) fail_msg("%s: the plan is %s", folder, text.data);
    fg_buffer_free(&text);
    json_decref(found);
    json_decref(wanted);
}

static fg_status plan_case(fg_catalogue *catalogue, const char *folder, fg_plan *plan, fg_error *err) {
    fg_status status;
    const fg_converter *converter;
    fg_tensor_map map = {0};
    json_t *config = read_json(folder, "config.json"), *given = read_json(folder, "case.json");
    char *path = fg_path_join(folder, "converter.json", NULL);
    if (!config) config = read_json(KIND, "config.json");
    const fg_completed completed = {json_object_get(config, "hf"), json_object_get(config, "target")};
    fg_row_edits edits = edits_of(json_object_get(given, "rows"));
    const char *direction = json_string_value(json_object_get(given, "direction"));
    status = fg_converter_load_file(&converter, catalogue, path, err);
    if (status == FG_OK) status = fg_converter_map_new(&map, converter, completed, NULL, err);
    if (status == FG_OK) {
        fg_tensors source = source_of(json_object_get(given, "source"));
        const fg_tensor_plan_options options = {.rows = &edits};
        bool export = direction && strcmp(direction, "export") == 0;
        status = fg_tensor_plan(&map, export ? FG_EXPORT : FG_IMPORT, &source, &options, plan, err);
    }
    fg_tensor_map_free(&map);
    fg_row_edits_free(&edits);
    json_decref(config);
    json_decref(given);
    fg_free(path);
    return status;
}

static void cases_give_what_they_say(void **state) {
    (void)state;
    enum { LEAST = 29 };
    fg_catalogue catalogue = {0};
    fg_names cases = {0};
    size_t checked = 0;
    assert_int_equal(fg_catalogue_add(&catalogue, FG_TEST_DATA "/language/classes", NULL), FG_OK);
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, NULL), FG_OK);
    assert_int_equal(fg_directory_list(KIND, &cases, NULL), FG_OK);
    for (size_t i = 0; i < cases.count; i++) {
        if (strchr(cases.items[i], '.')) continue;
        fg_error err = {0};
        fg_plan plan = {0};
        char *folder = fg_path_join(KIND, cases.items[i], NULL);
        fg_status status = plan_case(&catalogue, folder, &plan, &err);
        if (status == FG_OK)
            expect_plan(folder, &plan);
        else
            expect_text(folder, status, &err);
        fg_plan_free(&plan);
        fg_free(folder);
        checked++;
    }
    if (checked < LEAST) fail_msg("%zu cases, expected %d or more", checked, LEAST);
    fg_names_free(&cases);
    fg_catalogue_free(&catalogue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_give_what_they_say),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
