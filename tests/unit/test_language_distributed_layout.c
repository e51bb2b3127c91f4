/* format/distributed_layout: the layouts of real runs of Fast-LLM (tests/data/distributed/layouts: the
 * configuration, and the layout objects that Fast-LLM made of it). FGCONV_LAYOUTS names another directory of
 * such files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "format/distributed_settings.h"
#include "language/classes.h"

static const char *case_path; /* for messages */
static int differences;

static void differ(const char *where, const char *what, const json_t *found, const json_t *expected) {
    char a[1200], b[1200];
    if (differences++ < 20)
        print_error("%s: %s: %s: found %s, expected %s\n", case_path, where, what,
                    fg_json_brief(found, a, sizeof a), fg_json_brief(expected, b, sizeof b));
}

/* Takes over `found`. */
static void expect(const char *where, const char *what, json_t *found, const json_t *expected) {
    if (!fg_json_equal(found, expected)) differ(where, what, found, expected);
    json_decref(found);
}

static json_t *number(uint64_t n) {
    return json_integer((json_int_t)n);
}

static void expect_count(const char *where, const char *what, uint64_t found, uint64_t expected) {
    json_t *value = number(expected);
    expect(where, what, number(found), value);
    json_decref(value);
}

/* ---- the notation of the data ---- */

/* Factors that are not divided and stand side by side count as one. */
static void add_factor(json_t *list, uint64_t size, bool divided) {
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    if (!divided && json_is_integer(last)) {
        json_integer_set(last, json_integer_value(last) * (json_int_t)size);
    } else {
        json_array_append_new(list, divided ? json_pack("[I, s]", (json_int_t)size, "tp") : number(size));
    }
}

static void add_factors(json_t *list, const fg_divided_product *product) {
    for (uint32_t i = 0; i < product->count; i++)
        add_factor(list, product->factors[i].size, product->factors[i].divided);
}

static json_t *dim_json(const fg_divided_dim *dim) {
    json_t *product = json_array(), *sum = json_array();
    add_factors(product, &dim->outer);
    for (uint32_t i = 0; i < dim->part_count; i++) {
        json_t *part = json_array();
        add_factors(part, &dim->parts[i]);
        json_array_append_new(sum, part);
    }
    if (dim->part_count == 1) {
        add_factors(product, &dim->parts[0]);
    } else {
        json_array_append_new(product, json_pack("{s:O}", "sum", sum));
    }
    json_decref(sum);
    return product;
}

/* What Fast-LLM's objects say, without their names, as a list of factors. */
static json_t *expected_product(const json_t *dim);

static void append_expected(json_t *list, const json_t *dim) {
    const json_t *parts = json_object_get(dim, "product"), *sum = json_object_get(dim, "sum"), *part;
    FG_JSON_EACH(parts, i, part) append_expected(list, part);
    if (json_is_array(dim)) /* [name, size] or [name, size, "tp"] */
        add_factor(list, (uint64_t)json_integer_value(json_array_get(dim, 1)), json_array_size(dim) > 2);
    if (!sum) return;
    json_t *all = json_array();
    FG_JSON_EACH(sum, i, part) json_array_append_new(all, expected_product(part));
    json_array_append_new(list, json_pack("{s:o}", "sum", all));
}

static json_t *expected_product(const json_t *dim) {
    json_t *list = json_array();
    append_expected(list, dim);
    return list;
}

/* ---- comparing ---- */

static void compare_parameter(const fg_distributed_layout *l, fg_parameter_order order, size_t index,
                              const json_t *expected) {
    const fg_parameter *p = &l->parameters.items[index];
    const uint64_t tensor = l->settings.grid.tensor;
    json_t *shape = json_array();
    const json_t *dims = json_object_get(expected, "dims");
    expect(p->name, "name", json_string(p->name), json_object_get(expected, "name"));
    expect(p->name, "begin", number(l->begin[order][index]), json_object_get(expected, "begin"));
    if (order == FG_ORDER_NEWER)
        expect(p->name, "decay", json_boolean(p->decay), json_object_get(expected, "decay"));
    expect_count(p->name, "dimensions", p->rank, json_array_size(dims));
    for (uint32_t d = 0; d < p->rank; d++) {
        json_t *dim = expected_product(json_array_get(dims, d));
        expect(p->name, "dimension", dim_json(&p->dims[d]), dim);
        json_decref(dim);
        json_array_append_new(shape, number(fg_divided_dim_size(&p->dims[d], tensor)));
    }
    expect(p->name, "shape", shape, json_object_get(expected, "shape"));
}

/* The parameters of a buffer, by their places in it. */
static size_t sorted_members(const fg_distributed_layout *l, fg_parameter_order order,
                             const fg_layer_stage *stage, bool frozen, size_t *members) {
    size_t count = 0;
    for (size_t i = stage->first; i < stage->first + stage->count; i++) {
        const fg_parameter *p = &l->parameters.items[i];
        if (p->tied || p->frozen != frozen) continue;
        size_t at = count++;
        for (; at && l->begin[order][members[at - 1]] > l->begin[order][i]; at--)
            members[at] = members[at - 1];
        members[at] = i;
    }
    return count;
}

static void compare_stage(const fg_distributed_layout *l, fg_parameter_order order, size_t s,
                          const json_t *expected) {
    const fg_layer_stage *stage = &l->stages[s];
    const json_t *buffers = json_object_get(expected, "fsdps"), *parameters;
    size_t *members = calloc(stage->count, sizeof *members), buffer = 0;
    char where[40];
    snprintf(where, sizeof where, "stage %zu", s);
    for (int b = 0; b < FG_STAGE_BUFFERS; b++) {
        if (!stage->shard_size[b]) continue;
        const json_t *e = json_array_get(buffers, buffer++);
        expect(where, "frozen", json_boolean(b == FG_STAGE_FROZEN), json_object_get(e, "frozen"));
        expect(where, "parameter_count", number(stage->elements[b]), json_object_get(e, "parameter_count"));
        expect(where, "shard_size", number(stage->shard_size[b]), json_object_get(e, "shard_size"));
        parameters = json_object_get(e, "parameters");
        size_t count = sorted_members(l, order, stage, b == FG_STAGE_FROZEN, members);
        expect_count(where, "parameters", count, json_array_size(parameters));
        for (size_t i = 0; i < count; i++)
            compare_parameter(l, order, members[i], json_array_get(parameters, i));
    }
    expect_count(where, "buffers", buffer, json_array_size(buffers));
    free(members);
}

static void compare_rank(const fg_distributed_layout *l, uint64_t rank, const json_t *expected) {
    const fg_rank_grid *grid = &l->settings.grid;
    uint64_t t, d, p;
    char where[40];
    snprintf(where, sizeof where, "rank %d", (int)rank);
    fg_rank_split(grid, rank, &t, &d, &p);
    assert_int_equal(fg_rank_number(grid, t, d, p), rank);
    expect(where, "tensor rank", number(t), json_object_get(expected, "tensor_rank"));
    expect(where, "data rank", number(d), json_object_get(expected, "data_rank"));
    expect(where, "pipeline rank", number(p), json_object_get(expected, "pipeline_rank"));
    expect(where, "length", number(l->pipeline[p].length), json_object_get(expected, "weights_shard"));
    const char *dtype = json_string_value(json_object_get(expected, "dtype"));
    if (dtype) assert_int_equal(l->pipeline[p].dtype, fg_dtype_from_name(dtype));
    const json_t *stages = json_object_get(expected, "stages"), *stage;
    FG_JSON_EACH(stages, i, stage) {
        const size_t s = (size_t)json_integer_value(stage);
        const bool own = s % grid->pipeline == p;
        if (!own) expect(where, "copied stage", number(l->tied_stage), stage);
        if (!own) expect(where, "has a copy", json_boolean(l->pipeline[p].has_copy), json_true());
        const json_t *offsets = json_array_get(json_object_get(expected, "offsets"), i);
        if (json_array_size(offsets))
            expect(where, "offset", number(own ? l->stages[s].offset : l->pipeline[p].copy_offset),
                   json_array_get(offsets, 0));
    }
}

static json_t *complete(fg_catalogue *catalogue, const json_t *config) {
    fg_error err = {0};
    const fg_classes *classes;
    json_t *completed = NULL;
    const char *type = json_string_value(json_object_get(config, "type"));
    const char *class_name =
        type && strcmp(type, "multimodal") == 0 ? "MultiModalBaseModelConfig" : "GPTBaseModelConfig";
    assert_int_equal(fg_classes_load(&classes, catalogue, fg_format_find("fast_llm"), &err), FG_OK);
    fg_class_problems none = {0};
    fg_status status = fg_class_complete(classes, class_name, json_object_get(config, "base_model"), &none,
                                         &completed, &err);
    if (status != FG_OK) print_error("%s: %s\n", case_path, err.text);
    assert_int_equal(status, FG_OK);
    return completed;
}

static void compare_case(fg_catalogue *catalogue, const json_t *c) {
    fg_error err = {0};
    const json_t *config = json_object_get(c, "config"), *layout = json_object_get(c, "layout"), *item;
    const char *named = json_string_value(json_object_get(c, "order"));
    const fg_parameter_order order = strcmp(named, "older") == 0 ? FG_ORDER_OLDER : FG_ORDER_NEWER;
    fg_layout_settings settings;
    fg_distributed_layout l = {0};
    json_t *completed = complete(catalogue, config);
    fg_status status = fg_layout_settings_read(config, case_path, &settings, &err);
    if (status == FG_OK) status = fg_distributed_layout_make(completed, &settings, case_path, &l, &err);
    if (status != FG_OK) {
        print_error("%s: %s\n", case_path, err.text);
        differences++;
    } else {
        expect("layout", "data ranks", number(settings.grid.data), json_object_get(layout, "data_parallel"));
        const json_t *ranks = json_object_get(layout, "ranks"), *stages = json_object_get(layout, "stages");
        FG_JSON_EACH(ranks, r, item) compare_rank(&l, (uint64_t)r, item);
        expect_count("layout", "stages", l.stage_count, json_array_size(stages));
        FG_JSON_EACH(stages, s, item) compare_stage(&l, order, s, item);
    }
    fg_distributed_layout_free(&l);
    json_decref(completed);
}

static size_t compare_folder(const char *folder) {
    fg_error err = {0};
    fg_names names = {0};
    fg_catalogue catalogue = {0};
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), FG_OK);
    assert_int_equal(fg_directory_list(folder, &names, &err), FG_OK);
    for (size_t i = 0; i < names.count; i++) {
        json_t *c;
        char *path = fg_path_join(folder, names.items[i], &err);
        case_path = names.items[i];
        assert_int_equal(fg_json_read(path, &c, &err), FG_OK);
        compare_case(&catalogue, c);
        json_decref(c);
        fg_free(path);
    }
    size_t count = names.count;
    fg_names_free(&names);
    fg_catalogue_free(&catalogue);
    return count;
}

static void layouts_of_fast_llm(void **state) {
    (void)state;
    const char *more = getenv("FGCONV_LAYOUTS");
    size_t count = compare_folder(FG_TEST_DATA "/distributed/layouts");
    assert_true(count >= 49);
    if (more) print_message("%s: %zu layouts\n", more, compare_folder(more));
    assert_int_equal(differences, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(layouts_of_fast_llm)};
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
