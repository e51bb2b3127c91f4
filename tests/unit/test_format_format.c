/* format/format: the table of formats, and how one is found by a directory or a document. */
#include "store_fixture.h"

#include "format/checkpoint.h"

/* What the rest of the program takes for granted of each struct. */
static void each_format_is_complete(void **state) {
    (void)state;
    for (size_t i = 0; i < fg_format_count; i++) {
        const fg_format *f = fg_formats[i];
        assert_ptr_equal(fg_format_find(f->name), f);
        assert_true(f->title && f->schema && f->config_file && f->family_key);
        assert_true(f->architecture_path && f->vocabulary_path);
        assert_true(f->read && f->read_weights);
        assert_int_equal(f->hub, i == 0);
        assert_true(!f->opens_latest || f->holds_training);
        assert_true(!f->carried_path || f->config_path);
        assert_true(!f->wrap_config == !f->model_path);
        if (!f->write_config) continue;
        assert_non_null(f->shard_name);
        assert_int_equal(f->index != FG_INDEX_NEVER, f->index_file != NULL);
        assert_int_equal(f->index != FG_INDEX_NEVER, f->write_index != NULL);
    }
    assert_null(fg_format_find("none"));
}

static void targets_are_all_but_hf(void **state) {
    (void)state;
    assert_null(fg_format_target_find("hf"));
    assert_ptr_equal(fg_format_target_find("forgather"), &fg_format_forgather);
    assert_ptr_equal(fg_format_target_find("fast_llm"), &fg_format_fast_llm);
    for (size_t i = 0; fg_format_target(i); i++) assert_false(fg_format_target(i)->hub);
}

static void expect_config(const fg_format *asked, const fg_format *format, const char *family) {
    fg_error err = {0};
    fg_checkpoint c;
    if (fg_checkpoint_open_config(&c, at(""), asked, &err) != FG_OK) fail_msg("%s", err.text);
    assert_ptr_equal(c.format, format);
    assert_string_equal(c.model_type ? c.model_type : "none", family);
    assert_true(json_is_object(fg_format_model_config(format, c.config)));
    fg_checkpoint_close(&c);
}

static void a_configuration_is_found_as_a_checkpoint_is(void **state) {
    (void)state;
    put_text("config.json", "{\"model_type\": \"llama\"}");
    expect_config(NULL, &fg_format_hf, "llama");
    put_text("metadata.yaml", "title: a model\n");
    expect_config(NULL, &fg_format_hf, "llama"); /* the file of another program */
    put_text("metadata.yaml", "config:\n  base_model: {}\nformat: fast_llm\n");
    expect_config(NULL, &fg_format_fast_llm, "none");
    expect_config(&fg_format_hf, &fg_format_hf, "llama");
    put_text("config.json", "{\"model_type\": \"forgather-llama\", \"hf_model_type\": \"llama\"}");
    expect_config(&fg_format_forgather, &fg_format_forgather, "llama");
}

static void what_names_no_family_can_be_declared(void **state) {
    (void)state;
    fg_error err = {0};
    fg_checkpoint c;
    put_text("config.json", "{\"hidden_size\": 8}");
    assert_int_equal(fg_checkpoint_open_config(&c, at("config.json"), NULL, &err), FG_OK);
    assert_int_equal(fg_checkpoint_declare(&c, &fg_format_fast_llm, &err), FG_OK);
    assert_int_equal(json_integer_value(fg_json_at(c.config, "base_model/hidden_size")), 8);
    fg_checkpoint_close(&c);
}

static void a_format_without_a_writer_is_refused(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_format readable = {.name = "readable"};
    expect_error(&err, fg_format_check_writable(&readable, &err), FG_ERR_USAGE, "readable can be read only");
    err = (fg_error){0};
    assert_int_equal(fg_format_check_writable(&fg_format_hf, &err), FG_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_format_is_complete),
        TEST(targets_are_all_but_hf),
        TEST(a_configuration_is_found_as_a_checkpoint_is),
        TEST(what_names_no_family_can_be_declared),
        TEST(a_format_without_a_writer_is_refused),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
