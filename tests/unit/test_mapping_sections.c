/* Tensor maps of converters with sections: "weights". */
#include "mapping/section_map.h"
#include "mapping/tensor_plan.h"

#include "sections_fixture.h"

static fg_status expand(const char *weights, fg_tensor_map *out, fg_error *err) {
    const fg_converter *converter = NULL;
    char *more = fg_strdup("\"a\": {\"class\": \"MixA\", \"config\": {\"heads\": {\"rename\": \"heads\"}, "
                           "\"weight\": {\"ignored\": \"r\"}}, "
                           "\"weights\": {\"w\": {\"hf\": \"w\", \"shape\": [\"heads\", \"$width\"]}}}",
                           NULL);
    char *text =
        fg_strformat(NULL,
                     "{\"format\": \"fast_llm\", \"model_type\": \"probe\", \"root\": \"model\", "
                     "\"sections\": {\"model\": "
                     "{\"class\": \"Model\", \"config\": {%s, %s, %s, %s, \"blocks\": {\"list_dispatch\": "
                     "\"a\", \"count\": \"n\"}}, "
                     "\"let\": {\"width\": \"size\"}, \"weights\": {%s}}, %s}}",
                     SIZE, COLOUR, MIXER, PARTS, weights, more);
    char *path = fg_path_join(folder, "probe.json", NULL);
    json_t *target = parse(
        "{\"size\": 4, \"blocks\": {\"type\": \"pattern\", \"num_blocks\": 3, \"pattern\": [\"x\", \"y\"], "
        "\"blocks\": {\"x\": {\"type\": \"a\", \"heads\": 2}, \"y\": {\"type\": \"a\", \"heads\": 5}}}}");
    put("probe.json", text);
    fg_status status = fg_converter_load_file(&converter, &catalogue, path, err);
    if (status == FG_OK) status = fg_section_map_new(out, converter, target, err);
    json_decref(target);
    fg_free(path);
    fg_free(text);
    fg_free(more);
    return status;
}

static void rules_name_parts_and_places(void **state) {
    (void)state;
    fg_error err = {0};
    fg_tensor_map w;
    fg_status status = expand("\"blocks.{i}.\": {\"of\": \"blocks\", \"hf\": \"layers.{i}.\"}, "
                              "\"joined\": {\"hf\": [\"e{i}.a\", \"e{i}.b\"], \"each\": 3, \"shape\": [2, "
                              "\"size\"], \"permute\": [1, 0]}, "
                              "\"more.{i}\": {\"hf\": \"m.{i+1}\", \"repeat\": 2, \"shape\": [7]}, "
                              "\"flat\": {\"hf\": \"f\", \"shape\": [2, 3, 4], \"fast_llm_shape\": [2, 12]}, "
                              "\"absent\": {\"hf\": \"z\", \"shape\": [1], \"if\": \"size > 4\"}",
                              &w, &err);
    if (status != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(w.count, 7);
    static const struct {
        const char *target, *hf;
        uint64_t rows, columns, index;
    } rows[] = {{"blocks.0.w", "layers.0.w", 2, 4, 0},
                {"blocks.1.w", "layers.1.w", 5, 4, 0},
                {"blocks.2.w", "layers.2.w", 2, 4, 0},
                {"joined", "e0.a", 24, 2, 0},
                {"joined", "e0.b", 24, 2, 1},
                {"joined", "e2.b", 24, 2, 5},
                {"more.1", "m.2", 7, 0, 0},
                {"flat", "f", 2, 12, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t part = fg_map_get(&w.by_hf, rows[i].hf);
        assert_int_not_equal(part, FG_MAP_NONE);
        const fg_tensor_link *link = fg_tensor_map_link_of(&w, (size_t)part);
        const fg_tensor_form *form = &w.forms[link->form];
        assert_string_equal(link->target, rows[i].target);
        assert_int_equal(form->shape[0], rows[i].rows);
        if (rows[i].columns) assert_int_equal(form->shape[1], rows[i].columns);
        assert_int_equal((uint32_t)part - link->first_part, rows[i].index);
    }
    assert_int_equal(fg_map_get(&w.by_hf, "z"), FG_MAP_NONE);
    fg_tensor_map_free(&w);
}

/* A pair an expert, all gates and ups of an expert in one tensor, all in one, and another name of one. */
static void other_layouts_hold_several_parts(void **state) {
    (void)state;
    fg_error err = {0};
    fg_tensor_map w;
    fg_status status =
        expand("\"x\": {\"hf\": [\"e{i}.a\", \"e{i}.b\"], \"each\": 3, \"shape\": [2, \"size\"], \"other\": "
               "[{\"hf\": \"p{i}\", \"each\": 3, \"shape\": [4, \"size\"]}, {\"hf\": \"all\", \"shape\": [3, "
               "4, 4]}]}, "
               "\"y\": {\"hf\": \"y\", \"shape\": [7], \"other\": [\"why\"]}",
               &w, &err);
    if (status != FG_OK) fail_msg("%s", err.text);
    static const struct {
        const char *hf, *first;
        size_t parts;
        uint64_t rows;
    } rows[] = {{"p0", "e0.a", 2, 4}, {"p2", "e2.a", 2, 4}, {"all", "e0.a", 6, 3}, {"why", "y", 1, 7}};
    assert_int_equal(w.packed_count, 5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t found = fg_map_get(&w.by_packed, rows[i].hf);
        assert_int_not_equal(found, FG_MAP_NONE);
        const fg_packed_tensor *packed = &w.packed[found];
        assert_string_equal(w.parts[packed->first_part], rows[i].first);
        assert_int_equal(packed->part_count, rows[i].parts);
        assert_int_equal(packed->shape[0], rows[i].rows);
    }
    fg_tensor_map_free(&w);
}

static void add(fg_tensors *table, const char *name, uint64_t rows) {
    uint32_t file;
    fg_tensor tensor = {.name = (char *)(uintptr_t)name, .dtype = FG_F32, .rank = 1, .shape = {rows}};
    assert_true(fg_tensor_row_major(&tensor));
    if (!table->file_count) assert_int_equal(fg_tensors_add_place(table, "source", &file, NULL), FG_OK);
    assert_int_equal(fg_tensors_add(table, &tensor, NULL), FG_OK);
}

static void expect_names(const json_t *names, const char *text) {
    char brief[100];
    assert_string_equal(fg_json_brief(names, brief, sizeof brief), text);
}

/* With --no-strict a tensor is not made if a part of it is missing, and its other parts are left behind. */
static void gaps_are_noted(void **state) {
    (void)state;
    static const char rules[] = "\"pair\": {\"hf\": [\"p.a\", \"p.b\"], \"shape\": [2]}, "
                                "\"one\": {\"hf\": \"o\", \"shape\": [3]}";
    const fg_tensor_gaps gaps = {.missing = json_array(), .unexpected = json_array()};
    for (int strict = 0; strict < 2; strict++) {
        const fg_tensor_plan_options options = {.gaps = strict ? NULL : &gaps};
        fg_error err = {0};
        fg_tensor_map map;
        fg_tensors source = {0};
        fg_plan plan;
        if (expand(rules, &map, &err) != FG_OK) fail_msg("%s", err.text);
        add(&source, "p.b", 2);
        add(&source, "o", 3);
        add(&source, "x", 1);
        fg_status status = fg_tensor_plan(&map, FG_IMPORT, &source, &options, &plan, &err);
        if (strict) {
            assert_int_equal(status, FG_ERR_INPUT);
            assert_string_equal(err.text, "1 of 3 tensors are missing: \"p.a\"; no rule of the converter "
                                          "covers 1 source tensor: \"x\"");
        } else {
            if (status != FG_OK) fail_msg("%s", err.text);
            assert_int_equal(plan.output_count, 1);
            assert_string_equal(plan.outputs[0].name, "one");
            assert_int_equal(plan.dropped_count, 2);
            assert_non_null(strstr(plan.dropped[1].reason, "other parts of its tensor are missing"));
        }
        fg_plan_free(&plan);
        fg_tensor_map_free(&map);
    }
    expect_names(gaps.missing, "[\"p.a\"]");
    expect_names(gaps.unexpected, "[\"x\", \"p.b\"]");
    json_decref(gaps.missing);
    json_decref(gaps.unexpected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_name_parts_and_places),
        cmocka_unit_test(other_layouts_hold_several_parts),
        cmocka_unit_test(gaps_are_noted),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
