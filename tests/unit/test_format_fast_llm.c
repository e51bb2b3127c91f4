/* format/fast_llm through format/checkpoint: directories of Fast-LLM, good and hostile. */
#include "store_fixture.h"

#include "base/log.h"
#include "format/checkpoint.h"
#include "tries.h"

#define U8(name, begin, end)                                                                                 \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #end "],\"data_offsets\":[" #begin "," #end "]}"
#define HEAD "config:\n  base_model:\n    hidden_size: 8\n  type: gpt\nformat: fast_llm\n"
#define INDEX(entries) HEAD "metadata:\n  state_index:\n" entries

static void expect_open(fg_checkpoint *c) {
    fg_error err = {0};
    fg_log_end();
    if (fg_checkpoint_open(c, at(""), NULL, &err) != FG_OK) fail_msg("%s", err.text);
    assert_ptr_equal(c->format, &fg_format_fast_llm);
}

static void expect_refused(const char *metadata, const char *part) {
    fg_error err = {0};
    fg_checkpoint c;
    put_text("metadata.yaml", metadata);
    fg_status status = fg_checkpoint_open(&c, at(""), NULL, &err);
    expect_error(&err, status, FG_ERR_INPUT, part);
    assert_null(c.config);
    assert_null(c.metadata);
}

/* Two files with a tensor each. */
static void put_checkpoint(void) {
    put_text("metadata.yaml",
             INDEX("    a.b/weights: model_0.safetensors\n    c/weights: model_1.safetensors\n"));
    put_safetensors("model_0.safetensors", "{" U8("a.b/weights", 0, 3) "}", 3);
    put_safetensors("model_1.safetensors", "{" U8("c/weights", 0, 2) "}", 2);
    put_text("ok", "");
}

static void a_directory_is_opened(void **state) {
    (void)state;
    fg_checkpoint c;
    put_checkpoint();
    put_text("tokenizer.json", "{}");
    put_text("notes.txt", "");
    expect_open(&c);
    assert_int_equal(fg_log_warning_count(), 0);
    assert_int_equal(c.tensors.count, 2);
    assert_int_equal(fg_tensors_find(&c.tensors, "a.b")->elements, 3);
    assert_int_equal(c.tensors.file_count, 2);
    assert_true(
        fg_ends_with(c.tensors.files[fg_tensors_find(&c.tensors, "c")->file], "/model_1.safetensors"));
    assert_int_equal(json_integer_value(fg_json_at(c.config, "base_model/hidden_size")), 8);
    assert_string_equal(json_string_value(json_object_get(c.metadata, "format")), "fast_llm");
    assert_null(c.model_type);
    assert_int_equal(c.side_files.count, 1);
    assert_int_equal(c.other_files.count, 1);
    fg_checkpoint_close(&c);
}

static void an_origin_that_was_noted_is_the_family(void **state) {
    (void)state;
    fg_checkpoint c;
    put_checkpoint();
    put_text("metadata.yaml",
             INDEX("    a.b/weights: model_0.safetensors\n  fgconv:\n    model_type: qwen2\n"));
    expect_open(&c);
    assert_string_equal(c.model_type, "qwen2");
    assert_int_equal(c.tensors.count, 1); /* what no file of the index holds is not there */
    fg_checkpoint_close(&c);
}

static void a_missing_ok_is_warned_of(void **state) {
    (void)state;
    fg_checkpoint c;
    put_checkpoint();
    unlink(at("ok"));
    const fg_checkpoint_options unfinished = {.unfinished = true};
    assert_int_equal(fg_checkpoint_open(&c, at(""), &unfinished, NULL), FG_OK);
    assert_int_equal(fg_log_warning_count(), 0);
    fg_checkpoint_close(&c);
    expect_open(&c);
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "no file \"ok\""));
    fg_checkpoint_close(&c);
}

/* The names in the index do not matter, the files do. */
static void an_index_that_does_not_fit_is_warned_of(void **state) {
    (void)state;
    fg_checkpoint c;
    put_checkpoint();
    put_text("metadata.yaml",
             INDEX("    x: model_0.safetensors\n    y: model_1.safetensors\n    z: model_1.safetensors\n"));
    expect_open(&c);
    assert_int_equal(c.tensors.count, 2);
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "lists 3 tensors, the files hold 2"));
    fg_checkpoint_close(&c);
}

static void the_state_of_an_optimizer_is_left_out(void **state) {
    (void)state;
    fg_checkpoint c;
    put_checkpoint();
    put_text("metadata.yaml",
             INDEX("    c/weights: model_1.safetensors\n    c/exp_avgs: model_1.safetensors\n"));
    put_safetensors(
        "model_1.safetensors",
        "{" U8("c/weights", 0, 2) ",\"c/exp_avgs\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
        3);
    expect_open(&c);
    assert_int_equal(c.tensors.count, 1);
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "1 tensors that are not weights"));
    fg_checkpoint_close(&c);
}

static void wrong_metadata_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *metadata, *part;
    } cases[] = {
        {"", "found null, expected an object"},
        {"- 1", "found an array, expected an object"},
        {"a: [", "not valid YAML"},
        {"format: fast_llm\n", "config/base_model: found nothing"},
        {"format: fast_llm\nconfig: {base_model: 3}\n", "config/base_model: found an integer"},
        {"format: llama\nconfig: {base_model: {}}\n", "format: found \"llama\", expected \"fast_llm\""},
        {"format: [1]\nconfig: {base_model: {}}\n", "format: found [1]"},
        {"config: {base_model: {}}\n", "format: found (absent)"},
        {HEAD, "key \"metadata/state_index\": found nothing, expected an object"},
        {HEAD "metadata: {state_index: {}}\n", "metadata/state_index is empty"},
        {HEAD HEAD, "this key is given twice"},
        {INDEX("    a/weights: ../model_0.safetensors\n"),
         "expected the name of a file in the same directory"},
        {INDEX("    a/weights: /etc/passwd\n"), "expected the name of a file in the same directory"},
        {INDEX("    a/weights: ..\n"), "expected the name of a file in the same directory"},
        {INDEX("    a/weights: 7\n"), "found 7, expected the name of a file in the same directory"},
        {INDEX("    a/weights: gone.safetensors\n"), "which is missing"},
        {INDEX("    a/weights: &x [*x]\n"), "an alias inside the value that it names"},
        {INDEX("    a/weights: bare.safetensors\n"), "expected a name of the form NAME/weights"},
        {INDEX("    a/weights: nameless.safetensors\n"), "expected a name of the form NAME/weights"},
        {INDEX("    a.b/weights: model_0.safetensors\n    x: again.safetensors\n"), "\"a.b\" exists already"},
        {INDEX("    a/weights: broken.safetensors\n"), "broken.safetensors"},
    };
    put_checkpoint();
    put_safetensors("bare.safetensors", "{" U8("bare", 0, 3) "}", 3);
    put_safetensors("nameless.safetensors", "{" U8("/weights", 0, 3) "}", 3);
    put_safetensors("again.safetensors", "{" U8("a.b/weights", 0, 3) "}", 3);
    put_safetensors("broken.safetensors", "{" U8("z/weights", 0, 3) "}", 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].metadata, cases[i].part);
    unlink(at("metadata.yaml"));
    fg_error err = {0};
    fg_checkpoint c;
    fg_status status =
        fg_checkpoint_open(&c, at(""), &(fg_checkpoint_options){.format = &fg_format_fast_llm}, &err);
    expect_error(&err, status, FG_ERR_INPUT, "metadata.yaml");
}

static void bombs_are_defused(void **state) {
    (void)state;
    char text[4000] = "a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0]\n";
    for (int i = 1; i < 12; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1);
    expect_refused(text, "too many values");
    strcpy(text, "a: ");
    for (int i = 0; i < 200; i++) strcat(text, "[");
    expect_refused(text, "nested too deep");
}

/* A hub's repository may have a metadata.yaml that is not Fast-LLM's. */
static void a_config_json_beside_foreign_metadata_makes_it_hf(void **state) {
    (void)state;
    static const char *const foreign[] = {"title: a model\n", "a: [", "- 1\n"};
    fg_checkpoint c;
    put_safetensors("model.safetensors", "{" U8("one", 0, 3) "}", 3);
    put_text("config.json", "{\"model_type\": \"llama\"}");
    for (size_t i = 0; i < 3; i++) {
        fg_error err = {0};
        put_text("metadata.yaml", foreign[i]);
        if (fg_checkpoint_open(&c, at(""), NULL, &err) != FG_OK) fail_msg("%s", err.text);
        assert_ptr_equal(c.format, &fg_format_hf);
        fg_checkpoint_close(&c);
    }
    put_checkpoint();
    expect_open(&c);
    fg_checkpoint_close(&c);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    fg_status status = FG_ERR_MEMORY;
    put_checkpoint();
    put_text("config.json", "{}");
    for (uint64_t k = 1; status != FG_OK; k = next_try(k)) {
        fg_error err = {0};
        fg_checkpoint c;
        fg_alloc_fail_after(k);
        status = fg_checkpoint_open(&c, at(""), NULL, &err);
        fg_alloc_fail_after(0);
        if (status != FG_OK && status != FG_ERR_MEMORY) fail_msg("allocation %d: %s", (int)k, err.text);
        assert_true(k < 2000);
        if (status == FG_OK) fg_checkpoint_close(&c);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_directory_is_opened),
        TEST(an_origin_that_was_noted_is_the_family),
        TEST(a_missing_ok_is_warned_of),
        TEST(an_index_that_does_not_fit_is_warned_of),
        TEST(the_state_of_an_optimizer_is_left_out),
        TEST(wrong_metadata_is_refused),
        TEST(bombs_are_defused),
        TEST(a_config_json_beside_foreign_metadata_makes_it_hf),
        TEST(every_allocation_may_fail),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
