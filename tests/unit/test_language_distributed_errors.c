/* format/distributed: what is refused, each with a message of its own: a real checkpoint with one change. */
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
#include "base/log.h"
#include "format/assembly.h"
#include "format/checkpoint.h"
#include "language/classes.h"

#define CHECKPOINTS FG_TEST_DATA "/distributed/checkpoints/"

enum { PATH = 600 };

static char folder[] = "/tmp/fgconv-distributed-XXXXXX";
static fg_catalogue catalogue;

static void put(const char *name, const char *bytes, size_t size) {
    fg_error err = {0};
    char *path = fg_path_join(folder, name, &err);
    fg_file_remove(path);
    assert_int_equal(fg_file_write_all(path, bytes, size, &err), FG_OK);
    fg_free(path);
}

static fg_buffer get(const char *directory, const char *name) {
    fg_error err = {0};
    fg_buffer bytes = {0};
    char *path = fg_path_join(directory, name, &err);
    assert_int_equal(fg_file_read_all(path, 1 << 20, &bytes, &err), FG_OK);
    fg_free(path);
    return bytes;
}

static void copy(const char *directory, const char *from, const char *to) {
    fg_buffer bytes = get(directory, from);
    put(to, bytes.data, bytes.length);
    fg_buffer_free(&bytes);
}

/* The folder becomes a copy of a checkpoint. */
static void put_checkpoint(const char *name) {
    fg_error err = {0};
    fg_names names = {0};
    char directory[PATH];
    snprintf(directory, sizeof directory, CHECKPOINTS "%s", name);
    assert_int_equal(fg_directory_remove(folder, &err), FG_OK);
    assert_int_equal(fg_directory_create(folder, &err), FG_OK);
    assert_int_equal(fg_directory_list(directory, &names, &err), FG_OK);
    for (size_t i = 0; i < names.count; i++) copy(directory, names.items[i], names.items[i]);
    fg_names_free(&names);
}

/* Replaces bytes of a file once; longer or shorter texts only in metadata.yaml, which has no lengths. */
static void replace(const char *file, const char *old, const char *new) {
    fg_buffer bytes = get(folder, file);
    const size_t length = strlen(old), more = strlen(new);
    size_t at = 0;
    while (at + length <= bytes.length && memcmp(bytes.data + at, old, length) != 0) at++;
    if (at + length > bytes.length) fail_msg("%s: no \"%s\"", file, old);
    char *changed = malloc(bytes.length - length + more);
    memcpy(changed, bytes.data, at);
    memcpy(changed + at, new, more);
    memcpy(changed + at + more, bytes.data + at + length, bytes.length - at - length);
    put(file, changed, bytes.length - length + more);
    free(changed);
    fg_buffer_free(&bytes);
}

static fg_status open_and_assemble(fg_parameter_order order, fg_error *err) {
    fg_checkpoint c;
    const fg_classes *classes;
    fg_class_problems none = {0};
    fg_assembly a = {0};
    const fg_assembly_options options = {.parameter_order = order};
    json_t *completed = NULL;
    fg_status status = fg_checkpoint_open(&c, folder, NULL, err);
    if (status != FG_OK) return status;
    assert_ptr_equal(c.format, &fg_format_distributed);
    assert_int_equal(fg_classes_load(&classes, &catalogue, &fg_format_fast_llm, err), FG_OK);
    assert_int_equal(fg_class_complete(classes, "GPTBaseModelConfig", json_object_get(c.config, "base_model"),
                                       &none, &completed, err),
                     FG_OK);
    status = c.format->assemble(&c, completed, &options, &a, err);
    fg_assembly_free(&a);
    json_decref(completed);
    fg_checkpoint_close(&c);
    return status;
}

static void expect_refused(const char *what, const char *message) {
    fg_error err = {0};
    fg_status status = open_and_assemble(FG_ORDER_BY_VALUES, &err);
    if (status != FG_ERR_INPUT || !strstr(err.text, message))
        fail_msg("%s: status %d, \"%s\", expected \"%s\"", what, status, err.text, message);
}

/* ---- tests ---- */

static void edited_metadata_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *old, *new, *message;
    } rows[] = {
        {"    world_size: 4\n", "    world_size: 8\n",
         "no file rank_4.safetensors: found the files of 4 ranks, expected 8"},
        {"    world_size: 4\n", "    world_size: 1000000000000\n", "expected 1000000000000"},
        {"    world_size: 4\n", "    world_size: 0\n", "world_size: found 0, expected a positive integer"},
        {"    world_size: 4\n", "    world_size: two\n",
         "world_size: found \"two\", expected a positive integer"},
        {"    world_size: 4\n", "    world_size: 6\n", "expected a multiple of tensor times pipeline ranks"},
        {"    world_size: 4\n", "", "world_size: found (absent)"},
        {"tensor_parallel: 2\n", "tensor_parallel: -2\n", "tensor_parallel: found -2"},
        {"tensor_parallel: 2\n", "tensor_parallel: 9223372036854775807\n", "expected a multiple"},
        {"pipeline_parallel: 2\n", "pipeline_parallel: 1\n", "pipeline_parallel: found 2, expected 1"},
        {"pipeline_parallel: 2\n", "pipeline_parallel: 2\n    sequence_data_parallel: 5\n",
         "sequence_data_parallel"},
        {"pipeline_parallel: 2\n", "pipeline_parallel: 2\n    pipeline_first: 3\n", "expected true or false"},
        {"pipeline_parallel: 2\n", "pipeline_parallel: 2\n    pipeline_first: true\n",
         "pipeline_first: found false, expected true"},
        {"pipeline_parallel: 2\n", "pipeline_parallel: 2\n    compute_dtype: nothing\n",
         "a floating point type"},
        {"pipeline_parallel: 2\n", "pipeline_parallel: 2\n    optimization_dtype: bfloat16\n",
         "optimization_dtype: found \"bfloat16\", expected \"float32\""},
        {"  type: gpt\n", "  multi_stage: {layers_per_stage: 0.0}\n  type: gpt\n", "a number greater than 0"},
        {"  type: gpt\n", "  multi_stage: {layers_per_stage: .nan}\n  type: gpt\n",
         "a number greater than 0"},
        {"  type: gpt\n", "  multi_stage: {layers_per_stage: 2.0}\n  type: gpt\n",
         "layers_per_stage: found 1.0, expected 2.0"},
        {"  type: gpt\n", "  multi_stage: {stages_per_pipeline_stage: 2}\n  type: gpt\n",
         "expected 1, the only"},
        {"type: none\n", "type: lora\n", "peft/type: found \"lora\""},
        {"head_groups: 2\n", "head_groups: 4\n", "mixer/head_groups: found 2, expected 4"},
        {"    tied_embedding_weight: true\n", "    lr_scale: 0.0\n    tied_embedding_weight: true\n",
         "base_model/lr_scale: found (absent), expected 0.0"},
        {"- weights\n", "- exp_avgs\n", "expected a list that begins with \"weights\""},
        {"  distributed:\n", "  others:\n", "config/distributed: found (absent)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_checkpoint("tied-tp2-pp2");
        replace("metadata.yaml", rows[i].old, rows[i].new);
        expect_refused(rows[i].new, rows[i].message);
    }
}

static void files_that_are_not_the_ranks_are_refused(void **state) {
    (void)state;
    fg_error err = {0};
    put_checkpoint("tied-tp2-pp2");
    char *path = fg_path_join(folder, "rank_1.safetensors", &err);
    fg_file_remove(path);
    fg_free(path);
    expect_refused("missing", "no file rank_1.safetensors: found the files of 3 ranks, expected 4");
    put_checkpoint("tied-tp2-pp2");
    copy(folder, "rank_0.safetensors", "rank_4.safetensors");
    expect_refused("one more", "found the file rank_4.safetensors, expected those of 4 ranks alone");
    put_checkpoint("tied-tp2-pp2");
    copy(folder, "rank_0.safetensors", "rank_1.safetensors");
    expect_refused(
        "another's",
        "rank_1.safetensors: the configuration in its header: distributed/rank: found 0, expected 1");
    put_checkpoint("tied-tp2-pp2");
    replace("rank_1.safetensors", "weights_shard", "another_shard");
    expect_refused("no weights", "no tensor \"weights_shard\", found 1 others");
    put_checkpoint("llama-training");
    replace("rank_2.safetensors", "completed_steps: 100", "completed_steps: 200");
    expect_refused("another step", "completed_steps in its header: found 200, expected 100");
}

/* Without metadata in headers nothing but lengths and dtypes tells. */
static void vectors_that_do_not_fit_are_refused(void **state) {
    (void)state;
    put_checkpoint("tied-tp2-pp2");
    for (int rank = 0; rank < 4; rank++) {
        char name[40];
        snprintf(name, sizeof name, "rank_%d.safetensors", rank);
        replace(name, "\"config\"", "\"conflx\"");
    }
    fg_error err = {0};
    fg_log_end();
    assert_int_equal(open_and_assemble(FG_ORDER_BY_VALUES, &err), FG_OK);
    assert_non_null(strstr(fg_log_warning(0), "4 of 4 rank files have no configuration in their headers"));
    replace("metadata.yaml", "vocab_size: 64", "vocab_size: 68");
    expect_refused("another length", "the weights are 1600 elements of float32, expected 1632");
}

static void an_order_that_values_do_not_tell_is_asked_for(void **state) {
    (void)state;
    fg_error err = {0};
    put_checkpoint("older-tied-tp2-pp2");
    assert_int_equal(open_and_assemble(FG_ORDER_NEWER, &err), FG_OK);
    /* all weights are 0: no norm is positive in either order */
    for (int rank = 0; rank < 4; rank++) {
        char name[40];
        snprintf(name, sizeof name, "rank_%d.safetensors", rank);
        fg_buffer bytes = get(folder, name);
        uint64_t header = 0;
        memcpy(&header, bytes.data, 4);
        memset(bytes.data + 8 + header, 0, bytes.length - 8 - header);
        put(name, bytes.data, bytes.length);
        fg_buffer_free(&bytes);
    }
    fg_status status = open_and_assemble(FG_ORDER_BY_VALUES, &err);
    assert_int_equal(status, FG_ERR_INPUT);
    assert_non_null(
        strstr(err.text, "neither order looks right: 0 % of decoder.0.norm_1.weight are positive"));
    assert_non_null(strstr(err.hint, "--parameter-order"));
    fg_error none = {0};
    assert_int_equal(open_and_assemble(FG_ORDER_OLDER, &none), FG_OK);
}

static int begin(void **state) {
    (void)state;
    fg_error err = {0};
    return !mkdtemp(folder) || fg_catalogue_add(&catalogue, FG_CONVERTERS, &err) != FG_OK;
}

static int end(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue_free(&catalogue);
    return fg_directory_remove(folder, &err) != FG_OK;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edited_metadata_is_refused),
        cmocka_unit_test(files_that_are_not_the_ranks_are_refused),
        cmocka_unit_test(vectors_that_do_not_fit_are_refused),
        cmocka_unit_test(an_order_that_values_do_not_tell_is_asked_for),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, begin, end);
}
