/* The cases of tests/data/language/tensors. A folder has a converter.json, or is about the family of Forgather
 * that its cases name. A case is a case.json, or NN.case.json; a folder without any has one empty case:
 *
 *   "family"           of Forgather, instead of converter.json
 *   "direction"        "import" (default) or "export"
 *   "model"            a MODEL.model.json next to the folders: its "hf" and "target" are the configurations, its
 *                      "import" or "export" the source; "{i}" in a name is each of its layers, the last one first
 *   "hf", "target"     what the configurations have besides
 *   "source"           {NAME: [DTYPE, SHAPE]} besides; null removes a tensor
 *   "layers"           of the source
 *   "rows"             that the vocabulary gets: "count", and "values" by row
 *   "cast"             a dtype
 *
 * Configurations are in config.json; a folder without has that of the kind. What is there of these, with the
 * same NN, is compared:
 *
 *   error.txt          what is said, a line each, while the converter is loaded, its map made, or the plan
 *   plan.json          the whole plan, outputs in their order
 *   includes.json      {OUTPUT: SOURCE}, the only source of an output; null: there is no such output
 *   dropped.json       {SOURCE: text in the reason}
 *   map.json           links {TARGET: [SHAPE, PARTS, TIED TO]} and packed tensors {HF: [SHAPE, PARTS]}
 *   gaps.json          names that are "missing" and "unexpected", which then are not refused
 *
 * The catalogue is that of the kind "classes", then the built-in one. */
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

/* A file of the case NN.case.json; NULL: it has none. */
static json_t *read_of_case(const char *folder, const char *number, const char *name) {
    char *file = fg_strformat(NULL, "%s%s", number, name);
    json_t *document = read_json(folder, file);
    fg_free(file);
    return document;
}

/* ---- what a case gives ---- */

static uint32_t read_shape(const json_t *given, uint64_t *shape) {
    size_t i;
    json_t *size;
    json_array_foreach((json_t *)(uintptr_t)given, i, size) shape[i] = (uint64_t)json_integer_value(size);
    return (uint32_t)json_array_size(given);
}

static void add_tensor(fg_tensors *table, const char *name, const json_t *entry) {
    fg_tensor tensor = {.name = (char *)(uintptr_t)name,
                        .dtype = fg_dtype_from_name(json_string_value(json_array_get(entry, 0)))};
    tensor.rank = read_shape(json_array_get(entry, 1), tensor.shape);
    assert_true(fg_tensor_row_major(&tensor));
    assert_int_equal(fg_tensors_add(table, &tensor, NULL), FG_OK);
}

/* Tensors but those that `changes` has: of the layers, or outside of them. */
static void add_tensors(fg_tensors *table, const json_t *tensors, int layer, const json_t *changes) {
    const char *template;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)tensors, template, entry) {
        const char *at = strstr(template, "{i}");
        if ((at != NULL) != (layer >= 0) || json_is_null(entry)) continue;
        char *name = at ? fg_strformat(NULL, "%.*s%d%s", (int)(at - template), template, layer, at + 3)
                        : fg_strdup(template, NULL);
        if (!json_object_get(changes, name)) add_tensor(table, name, entry);
        fg_free(name);
    }
}

static fg_tensors source_of(const json_t *given, const json_t *model, const char *direction) {
    fg_tensors table = {0};
    uint32_t file;
    const json_t *tensors = json_object_get(model, direction), *own = json_object_get(given, "source");
    const json_t *layers = json_object_get(json_object_get(given, "layers") ? given : model, "layers");
    assert_int_equal(fg_tensors_add_place(&table, "source", &file, NULL), FG_OK);
    for (json_int_t layer = json_integer_value(layers); layer-- > 0;)
        add_tensors(&table, tensors, (int)layer, own);
    add_tensors(&table, tensors, -1, own);
    add_tensors(&table, own, -1, NULL);
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
    const char *dtype = fg_plan_main_dtype(plan);
    return json_pack("{s:o, s:o, s:o}", "dtype", dtype ? json_string(dtype) : json_null(), "outputs", outputs,
                     "dropped", dropped);
}

/* A link: its shape, its parts, and what it is tied to. */
static json_t *link_json(const fg_tensor_map *map, const fg_tensor_link *link) {
    const fg_tensor_form *form = &map->forms[link->form];
    json_t *parts = json_array();
    for (uint32_t i = 0; i < fg_tensor_map_part_count(map, link); i++)
        json_array_append_new(parts, json_string(map->parts[link->first_part + i]));
    return json_pack("[o, o, o]", numbers(form->shape, form->rank), parts,
                     form->tied_to ? json_string(form->tied_to) : json_null());
}

static json_t *map_json(const fg_tensor_map *map) {
    json_t *links = json_object(), *packed = json_object();
    for (size_t i = 0; i < map->count; i++)
        json_object_set_new(links, map->links[i].target, link_json(map, &map->links[i]));
    for (size_t i = 0; i < map->packed_count; i++) {
        const fg_packed_tensor *tensor = &map->packed[i];
        json_t *parts = json_array();
        for (uint32_t k = 0; k < tensor->part_count; k++)
            json_array_append_new(parts, json_string(map->parts[tensor->first_part + k]));
        json_object_set_new(packed, tensor->hf,
                            json_pack("[o, o]", numbers(tensor->shape, tensor->rank), parts));
    }
    return json_pack("{s:o, s:o}", "links", links, "packed", packed);
}

/* ---- comparing ---- */

typedef struct tensor_case {
    const char *folder, *number; /* number: "" or "NN." */
    size_t checked;
} tensor_case;

static json_t *read_wanted(const tensor_case *c, const char *name) {
    return read_of_case(c->folder, c->number, name);
}

/* The same text, order included. Takes `found`. */
static void expect_json(tensor_case *c, const char *name, json_t *found) {
    fg_buffer a = {0}, b = {0};
    json_t *wanted = read_wanted(c, name);
    if (wanted) {
        assert_int_equal(fg_json_write(found, FG_JSON_COMPACT, &a, NULL), FG_OK);
        assert_int_equal(fg_json_write(wanted, FG_JSON_COMPACT, &b, NULL), FG_OK);
        if (strcmp(a.data, b.data) != 0) {
            fprintf(stderr, "%s\n", a.data); /* too long for cmocka */
            fail_msg("%s/%s%s: differs from what is found", c->folder, c->number, name);
        }
        c->checked++;
    }
    fg_buffer_free(&a);
    fg_buffer_free(&b);
    json_decref(found);
    json_decref(wanted);
}

static const char *source_name(const fg_plan *plan, const char *output) {
    size_t i = 0;
    while (i < plan->output_count && strcmp(plan->outputs[i].name, output) != 0) i++;
    if (i == plan->output_count) return NULL;
    if (plan->outputs[i].piece_count != 1) return "several pieces";
    return plan->source.items[plan->pieces[plan->outputs[i].first_piece].source].name;
}

static void expect_members(tensor_case *c, const fg_plan *plan) {
    json_t *wanted = read_wanted(c, "includes.json"), *source;
    const char *output;
    json_object_foreach(wanted, output, source) {
        const char *found = source_name(plan, output), *name = json_string_value(source);
        if (found && name ? strcmp(found, name) != 0 : found != name)
            fail_msg("%s/%s: %s: found %s", c->folder, c->number, output, found ? found : "none");
        c->checked++;
    }
    json_decref(wanted);
}

static void expect_dropped(tensor_case *c, const fg_plan *plan) {
    json_t *wanted = read_wanted(c, "dropped.json");
    for (size_t i = 0; wanted && i < plan->dropped_count; i++) {
        const fg_dropped *dropped = &plan->dropped[i];
        const char *name = plan->source.items[dropped->source].name,
                   *reason = json_string_value(json_object_get(wanted, name));
        if (!reason || !strstr(dropped->reason, reason))
            fail_msg("%s/%s: %s is dropped: %s", c->folder, c->number, name, dropped->reason);
        c->checked++;
    }
    if (wanted) assert_int_equal(plan->dropped_count, json_object_size(wanted));
    json_decref(wanted);
}

static void expect_text(const tensor_case *c, fg_status status, const fg_error *err) {
    fg_buffer text = {0};
    char *rest = NULL, *said = fg_strformat(NULL, "%s\n%s", err->text, err->hint);
    char *path = fg_strformat(NULL, "%s/%serror.txt", c->folder, c->number);
    if (fg_file_read_all(path, 1 << 16, &text, NULL) != FG_OK) fail_msg("%s: %s", path, err->text);
    assert_int_equal(status, FG_ERR_INPUT);
    for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!strstr(said, line)) fail_msg("%s: \"%s\" does not say \"%s\"", path, said, line);
    }
    fg_buffer_free(&text);
    fg_free(said);
    fg_free(path);
}

/* ---- one case ---- */

/* A configuration of the folder and the model, with what the case has besides. */
static json_t *config_of(const json_t *base, const json_t *model, const json_t *given, const char *side) {
    json_t *config = NULL;
    const json_t *const layers[] = {base, model, given};
    for (size_t i = 0; i < 3; i++) {
        json_t *members = json_object_get(layers[i], side);
        if (members && !config) config = json_object();
        if (members) assert_int_equal(json_object_update(config, members), 0);
    }
    return config;
}

static fg_status load(const tensor_case *c, fg_catalogue *catalogue, const json_t *given,
                      const fg_converter **converter, fg_error *err) {
    const char *family = json_string_value(json_object_get(given, "family"));
    if (family) return fg_converter_load(converter, catalogue, &fg_format_forgather, family, err);
    char *path = fg_path_join(c->folder, "converter.json", NULL);
    fg_status status = fg_converter_load_file(converter, catalogue, path, err);
    fg_free(path);
    return status;
}

static fg_status make_plan(tensor_case *c, const json_t *given, const json_t *model, fg_tensor_map *map,
                           fg_plan *plan, fg_error *err) {
    const char *direction = json_string_value(json_object_get(given, "direction")),
               *cast = json_string_value(json_object_get(given, "cast"));
    bool export = direction && strcmp(direction, "export") == 0;
    json_t *wanted = read_wanted(c, "gaps.json");
    const fg_tensor_gaps gaps = {.missing = json_array(), .unexpected = json_array()};
    fg_tensors source = source_of(given, model, export ? "export" : "import");
    fg_row_edits edits = edits_of(json_object_get(given, "rows"));
    const fg_tensor_plan_options options = {.cast = cast ? fg_dtype_from_name(cast) : FG_DTYPE_NONE,
                                            .rows = &edits,
                                            .gaps = wanted ? &gaps : NULL};
    fg_status status = fg_tensor_plan(map, export ? FG_EXPORT : FG_IMPORT, &source, &options, plan, err);
    expect_json(c, "gaps.json",
                json_pack("{s:o, s:o}", "missing", gaps.missing, "unexpected", gaps.unexpected));
    assert_int_equal(source.count, 0);
    fg_row_edits_free(&edits);
    json_decref(wanted);
    return status;
}

static fg_status plan_case(tensor_case *c, fg_catalogue *catalogue, fg_plan *plan, fg_error *err) {
    const fg_converter *converter;
    fg_tensor_map map = {0};
    json_t *given = read_wanted(c, "case.json"), *config = read_json(c->folder, "config.json"), *model = NULL;
    const char *name = json_string_value(json_object_get(given, "model"));
    if (name) model = read_of_case(KIND, name, ".model.json");
    if (!config && !model) config = read_json(KIND, "config.json");
    json_t *hf = config_of(config, model, given, "hf"), *target = config_of(config, model, given, "target");
    fg_status status = load(c, catalogue, given, &converter, err);
    if (status == FG_OK)
        status = fg_converter_map_new(&map, converter, (fg_completed){hf, target}, NULL, err);
    if (status == FG_OK) {
        expect_json(c, "map.json", map_json(&map));
        status = make_plan(c, given, model, &map, plan, err);
    }
    fg_tensor_map_free(&map);
    json_decref(hf);
    json_decref(target);
    json_decref(config);
    json_decref(model);
    json_decref(given);
    return status;
}

static void check_case(fg_catalogue *catalogue, const char *folder, const char *number) {
    fg_error err = {0};
    fg_plan plan = {0};
    tensor_case c = {.folder = folder, .number = number};
    fg_status status = plan_case(&c, catalogue, &plan, &err);
    if (status == FG_OK) {
        expect_json(&c, "plan.json", plan_json(&plan));
        expect_members(&c, &plan);
        expect_dropped(&c, &plan);
        if (!c.checked) fail_msg("%s/%s: nothing says what it becomes", folder, number);
    } else {
        assert_int_equal(plan.output_count, 0);
        expect_text(&c, status, &err);
    }
    fg_plan_free(&plan);
}

/* Every case of a folder; how many there are. */
static size_t check_folder(fg_catalogue *catalogue, const char *folder) {
    fg_names files = {0};
    size_t cases = 0;
    assert_int_equal(fg_directory_list(folder, &files, NULL), FG_OK);
    for (size_t i = 0; i < files.count; i++) {
        if (!fg_ends_with(files.items[i], "case.json")) continue;
        char *number = fg_strndup(files.items[i], strlen(files.items[i]) - strlen("case.json"), NULL);
        check_case(catalogue, folder, number);
        fg_free(number);
        cases++;
    }
    if (!cases) check_case(catalogue, folder, "");
    fg_names_free(&files);
    return cases ? cases : 1;
}

static void cases_give_what_they_say(void **state) {
    (void)state;
    enum { LEAST = 92 };
    fg_catalogue catalogue = {0};
    fg_names cases = {0};
    size_t checked = 0;
    assert_int_equal(fg_catalogue_add(&catalogue, FG_TEST_DATA "/language/classes", NULL), FG_OK);
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, NULL), FG_OK);
    assert_int_equal(fg_directory_list(KIND, &cases, NULL), FG_OK);
    for (size_t i = 0; i < cases.count; i++) {
        if (strchr(cases.items[i], '.')) continue;
        char *folder = fg_path_join(KIND, cases.items[i], NULL);
        checked += check_folder(&catalogue, folder);
        fg_free(folder);
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
