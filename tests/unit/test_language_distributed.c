/* format/distributed: checkpoints that real runs of Fast-LLM wrote, put together and compared with the model that
 * Fast-LLM itself made of them; all golden ones where they are next to the repository. */
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
#include "format/assembly.h"
#include "format/checkpoint.h"
#include "language/classes.h"

#define OWN FG_TEST_DATA "/distributed"
#define GOLDEN FG_TEST_DATA "/../../../shared/golden/fast-llm-distributed"

enum { PATH = 600 };

static fg_catalogue catalogue;
static const char *case_name; /* for messages */

static void require_ok(fg_status status, const fg_error *err) {
    if (status != FG_OK) fail_msg("%s: %s (%s)", case_name, err->text, err->where);
}

static json_t *complete(const fg_checkpoint *c) {
    fg_error err = {0};
    const fg_classes *classes;
    json_t *completed = NULL;
    const json_t *vision = fg_json_at(c->config, "base_model/vision_encoder");
    require_ok(fg_classes_load(&classes, &catalogue, fg_format_find("fast_llm"), &err), &err);
    fg_class_problems none = {0};
    require_ok(fg_class_complete(classes, vision ? "MultiModalBaseModelConfig" : "GPTBaseModelConfig",
                                 json_object_get(c->config, "base_model"), &none, &completed, &err),
               &err);
    return completed;
}

/* ---- bytes ---- */

static void copy_piece(const fg_piece *piece, size_t size, const char *vector, char *out, uint32_t d,
                       uint64_t from, uint64_t to) {
    if (d == piece->dims) {
        memcpy(out + to * size, vector + from * size, size);
        return;
    }
    for (uint64_t i = 0; i < piece->extent[d]; i++)
        copy_piece(piece, size, vector, out, d + 1, from + i * piece->from_stride[d],
                   to + i * piece->to_stride[d]);
}

static char *read_tensor(const fg_tensors *table, const fg_tensor *tensor) {
    fg_error err = {0};
    fg_reader *reader;
    char *bytes = malloc(fg_tensor_bytes(tensor) + 1);
    require_ok(fg_reader_new(&reader, table, &err), &err);
    require_ok(fg_reader_read(reader, tensor, 0, tensor->elements, bytes, &err), &err);
    fg_reader_free(&reader);
    return bytes;
}

/* The bytes of an output, of `vectors`, one a source. */
static char *make_output(const fg_output *output, const fg_piece *pieces, char *const *vectors) {
    const size_t size = fg_dtype_size(output->dtype);
    char *bytes = calloc(output->elements, size);
    for (size_t i = 0; i < output->piece_count; i++) {
        const fg_piece *piece = &pieces[output->first_piece + i];
        copy_piece(piece, size, vectors[piece->source], bytes, 0, piece->from, piece->to);
    }
    return bytes;
}

static void expect_same_copies(const fg_assembly *a, char *const *vectors) {
    assert_int_equal(a->originals.output_count, a->copies.output_count);
    for (size_t i = 0; i < a->copies.output_count; i++) {
        const fg_output *x = &a->originals.outputs[i], *y = &a->copies.outputs[i];
        assert_string_equal(x->name, y->name);
        char *original = make_output(x, a->originals.pieces, vectors),
             *copy = make_output(y, a->copies.pieces, vectors);
        if (memcmp(original, copy, fg_output_bytes(x)) != 0) fail_msg("%s: %s differs", case_name, x->name);
        free(original);
        free(copy);
    }
}

static void expect_model(const fg_assembly *a, const fg_checkpoint *model, char *const *vectors) {
    if (a->plan.output_count != model->tensors.count)
        fail_msg("%s: %zu tensors, expected %zu", case_name, a->plan.output_count, model->tensors.count);
    for (size_t i = 0; i < a->plan.output_count; i++) {
        const fg_output *output = &a->plan.outputs[i];
        const fg_tensor *expected = fg_tensors_find(&model->tensors, output->name);
        if (!expected) fail_msg("%s: no tensor %s", case_name, output->name);
        bool same = expected->rank == output->rank && expected->dtype == output->dtype;
        for (uint32_t d = 0; same && d < output->rank; d++) same = expected->shape[d] == output->shape[d];
        if (!same) fail_msg("%s: %s has another shape or dtype", case_name, output->name);
        char *found = make_output(output, a->plan.pieces, vectors),
             *bytes = read_tensor(&model->tensors, expected);
        if (memcmp(found, bytes, fg_output_bytes(output)) != 0)
            fail_msg("%s: %s has other values", case_name, output->name);
        free(found);
        free(bytes);
    }
}

/* Opens a checkpoint and puts it together, which must give the model in `model_path`. */
static void expect_assembled(const char *path, const char *model_path, fg_parameter_order order,
                             const char *taken) {
    fg_error err = {0};
    fg_checkpoint c, model;
    fg_assembly a = {0};
    const fg_assembly_options options = {.parameter_order = order};
    require_ok(fg_checkpoint_open(&c, path, NULL, &err), &err);
    require_ok(fg_checkpoint_open(&model, model_path, NULL, &err), &err);
    assert_ptr_equal(c.format, &fg_format_distributed);
    json_t *completed = complete(&c);
    require_ok(c.format->assemble(&c, completed, &options, &a, &err), &err);
    if (taken) assert_string_equal(json_string_value(fg_json_at(a.facts, "parameter_order/order")), taken);
    char **vectors = calloc(c.tensors.count, sizeof *vectors);
    for (size_t i = 0; i < c.tensors.count; i++) vectors[i] = read_tensor(&c.tensors, &c.tensors.items[i]);
    expect_model(&a, &model, vectors);
    expect_same_copies(&a, vectors);
    for (size_t i = 0; i < c.tensors.count; i++) free(vectors[i]);
    free(vectors);
    json_decref(completed);
    fg_assembly_free(&a);
    fg_checkpoint_close(&c);
    fg_checkpoint_close(&model);
}

/* ---- tests ---- */

static void own_checkpoints_become_the_model(void **state) {
    (void)state;
    static const struct {
        const char *name, *model, *order;
    } rows[] = {
        {"tied-tp2-pp2", "llama-tied-bias", "newer"},
        {"older-tied-tp2-pp2", "llama-tied-bias", "older"},
        {"mtp-tp2-pp3", "mtp", "newer"},
        {"llama-training", "llama", "newer"},
        {"mqa-tp4", "llama-mqa", "newer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[PATH], model[PATH];
        case_name = rows[i].name;
        snprintf(path, sizeof path, OWN "/checkpoints/%s", rows[i].name);
        snprintf(model, sizeof model, OWN "/models/%s", rows[i].model);
        expect_assembled(path, model, FG_ORDER_BY_VALUES, rows[i].order);
    }
}

static void golden_checkpoints_become_the_model(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *index;
    const json_t *row;
    bool there;
    require_ok(fg_path_is_directory(GOLDEN, &there, &err), &err);
    if (!there) {
        print_message("no golden checkpoints next to the repository\n");
        skip();
    }
    require_ok(fg_json_read(GOLDEN "/index.json", &index, &err), &err);
    const json_t *cases = json_object_get(index, "cases");
    FG_JSON_EACH(cases, i, row) {
        char path[PATH], model[PATH];
        json_t *spec;
        case_name =
            json_is_string(row) ? json_string_value(row) : json_string_value(json_object_get(row, "case"));
        snprintf(path, sizeof path, GOLDEN "/%s/case.json", case_name);
        require_ok(fg_json_read(path, &spec, &err), &err);
        const bool older = json_object_get(spec, "order");
        const bool matters = json_is_true(json_object_get(spec, "order_matters"));
        snprintf(path, sizeof path, GOLDEN "/%s/distributed", case_name);
        snprintf(model, sizeof model, GOLDEN "/bases/%s/fast_llm",
                 json_string_value(json_object_get(spec, "base")));
        expect_assembled(path, model, FG_ORDER_BY_VALUES, older && matters ? "older" : "newer");
        expect_assembled(path, model, older ? FG_ORDER_OLDER : FG_ORDER_NEWER, NULL);
        json_decref(spec);
    }
    json_decref(index);
}

static int load_converters(void **state) {
    (void)state;
    fg_error err = {0};
    return fg_catalogue_add(&catalogue, FG_CONVERTERS, &err) != FG_OK;
}

static int free_converters(void **state) {
    (void)state;
    fg_catalogue_free(&catalogue);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_checkpoints_become_the_model),
        cmocka_unit_test(golden_checkpoints_become_the_model),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, load_converters, free_converters);
}
