/* format/experiment, and format/checkpoint where an experiment folder of Fast-LLM is given. */
#include "store_fixture.h"

#include "base/log.h"
#include "format/checkpoint.h"
#include "format/experiment.h"

#define HEAD "config:\n  base_model:\n    hidden_size: 8\n  type: gpt\nformat: fast_llm\n"
#define INDEX HEAD "metadata:\n  state_index:\n    a/weights: model_0.safetensors\n"
#define TENSOR "{\"a/weights\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}"

static void put_below(const char *directory, const char *name, const char *text) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    put_text(path, text);
}

/* checkpoint/STEP with a model in it. */
static void put_step(const char *directory, bool finished) {
    char path[PATH_SIZE];
    put_directory(directory);
    put_below(directory, "metadata.yaml", INDEX);
    snprintf(path, sizeof path, "%s/model_0.safetensors", directory);
    put_safetensors(path, TENSOR, 3);
    if (finished) put_below(directory, "ok", "");
}

static void put_experiment(void) {
    put_text("config.yaml", "training: {}\n");
    put_directory("checkpoint");
}

static fg_status open_checkpoint(const char *directory, const fg_checkpoint_options *options,
                                 fg_checkpoint *c, fg_error *err) {
    *err = (fg_error){0};
    fg_log_end();
    return fg_checkpoint_open(c, at(directory), options, err);
}

static void expect_refused(const char *directory, const fg_checkpoint_options *options, fg_status expected,
                           const char *part, const char *hint) {
    fg_checkpoint c;
    fg_error err;
    fg_status status = open_checkpoint(directory, options, &c, &err);
    expect_error(&err, status, expected, part);
    if (!strstr(err.hint, hint)) fail_msg("hint \"%s\" does not contain \"%s\"", err.hint, hint);
    assert_null(c.directory);
    assert_null(c.experiment);
}

static void expect_step(const char *directory, const fg_checkpoint_options *options, const char *end) {
    fg_checkpoint c;
    fg_error err;
    if (open_checkpoint(directory, options, &c, &err) != FG_OK) fail_msg("%s", err.text);
    if (!fg_ends_with(c.directory, end)) fail_msg("%s does not end in %s", c.directory, end);
    assert_string_equal(c.weights_directory, c.directory);
    assert_int_equal(c.tensors.count, 1);
    fg_checkpoint_close(&c);
}

static void the_latest_step_is_taken(void **state) {
    (void)state;
    put_experiment();
    put_step("checkpoint/90", true);
    put_step("checkpoint/100", true);
    put_directory("checkpoint/temp");
    put_directory("checkpoint/0200"); /* no number as the trainer writes it */
    put_text("checkpoint/300", "");   /* no directory */
    expect_step("", NULL, "/checkpoint/100");
}

static void a_step_can_be_asked_for(void **state) {
    (void)state;
    put_experiment();
    put_step("checkpoint/90", true);
    put_step("checkpoint/100", true);
    expect_step("", &(fg_checkpoint_options){.checkpoint_path = "90"}, "/checkpoint/90");
    expect_step("", &(fg_checkpoint_options){.checkpoint_path = at("checkpoint/90")}, "/checkpoint/90");
    expect_refused("", &(fg_checkpoint_options){.checkpoint_path = "95"}, FG_ERR_USAGE, "-c 95", "90, 100");
    expect_refused("", &(fg_checkpoint_options){.checkpoint_path = ""}, FG_ERR_USAGE, "no such step", "90");
    expect_refused("", &(fg_checkpoint_options){.checkpoint_path = "99999999999999999999"}, FG_ERR_USAGE,
                   "no such step", "90");
}

static void a_step_without_ok_is_refused(void **state) {
    (void)state;
    const fg_checkpoint_options allowed = {.allow_unfinished = true};
    put_experiment();
    put_step("checkpoint/100", false);
    expect_refused("", NULL, FG_ERR_INPUT, "no file \"ok\"", "--allow-unfinished");
    put_step("checkpoint/90", true);
    put_step("checkpoint/80", true);
    expect_refused("", NULL, FG_ERR_INPUT, "no file \"ok\"", "step 90 is complete");
    expect_refused("checkpoint/100", NULL, FG_ERR_INPUT, "checkpoint/100", "step 90 is complete");
    expect_refused("checkpoint/100/", NULL, FG_ERR_INPUT, "checkpoint/100", "step 90 is complete");
    expect_step("", &allowed, "/checkpoint/100");
    expect_step("checkpoint/100", &allowed, "/checkpoint/100");
    expect_step("checkpoint/90", NULL, "/checkpoint/90");
}

/* A copy of a checkpoint may have been made without the empty file. */
static void elsewhere_ok_may_be_missing(void **state) {
    (void)state;
    put_directory("checkpoint");
    put_step("checkpoint/100", false); /* no config.yaml */
    expect_step("checkpoint/100", NULL, "/checkpoint/100");
    put_text("config.yaml", "");
    expect_refused("checkpoint/100", NULL, FG_ERR_INPUT, "no file \"ok\"", "--allow-unfinished");
    assert_int_equal(rename(at("checkpoint/100"), at("checkpoint/best")), 0);
    expect_step("checkpoint/best", NULL, "/checkpoint/best");
    put_link("checkpoint", "steps");
    assert_int_equal(rename(at("checkpoint/best"), at("checkpoint/7")), 0);
    expect_refused("steps/7", NULL, FG_ERR_INPUT, "no file \"ok\"", "--allow-unfinished");
}

static void an_experiment_without_checkpoints_is_refused(void **state) {
    (void)state;
    put_experiment();
    expect_refused("", NULL, FG_ERR_INPUT, "without a training checkpoint", "inspect");
    expect_refused("", &(fg_checkpoint_options){.checkpoint_path = "5"}, FG_ERR_USAGE, "-c 5",
                   "there is none");
}

static void other_directories_are_no_experiments(void **state) {
    (void)state;
    bool is;
    assert_int_equal(fg_experiment_is(at(""), &is, NULL), FG_OK);
    assert_false(is);
    put_text("config.yaml", "");
    assert_int_equal(fg_experiment_is(at(""), &is, NULL), FG_OK);
    assert_false(is);
    put_directory("export");
    assert_int_equal(fg_experiment_is(at(""), &is, NULL), FG_OK);
    assert_true(is);
    put_text("config.json", "{}"); /* a model, whatever lies next to it */
    assert_int_equal(fg_experiment_is(at(""), &is, NULL), FG_OK);
    assert_false(is);
}

static void what_is_in_it_is_described(void **state) {
    (void)state;
    json_t *contents = NULL;
    put_experiment();
    put_step("checkpoint/100", false);
    put_step("checkpoint/90", true);
    put_directory("export");
    put_directory("export/llama");
    put_step("export/llama/90", true);
    put_text("export/notes", "");
    assert_int_equal(fg_experiment_describe(at(""), &contents, NULL), FG_OK);
    const json_t *checkpoints = json_object_get(contents, "checkpoints"),
                 *exports = json_object_get(contents, "exports");
    assert_int_equal(json_array_size(checkpoints), 2);
    assert_int_equal(json_integer_value(fg_json_at(json_array_get(checkpoints, 0), "step")), 90);
    assert_true(json_is_true(fg_json_at(json_array_get(checkpoints, 0), "finished")));
    assert_true(json_is_false(fg_json_at(json_array_get(checkpoints, 1), "finished")));
    assert_int_equal(json_array_size(exports), 1);
    assert_string_equal(json_string_value(fg_json_at(json_array_get(exports, 0), "format")), "llama");
    json_decref(contents);
}

static void expect_family(const char *config, const char *expected) {
    char *family = NULL;
    put_text("config.yaml", config);
    assert_int_equal(fg_experiment_family(at("checkpoint/90"), &family, NULL), FG_OK);
    if (!expected) assert_null(family);
    if (expected) assert_string_equal(family, expected);
    fg_free(family);
}

static void the_run_names_the_family(void **state) {
    (void)state;
    put_directory("checkpoint");
    put_step("checkpoint/90", true);
    expect_family("training:\n  export:\n    format: llama\npretrained:\n  format: qwen2\n", "llama");
    expect_family("pretrained:\n  format: qwen2\n", "qwen2");
    expect_family("training:\n  export:\n    format: fast_llm\npretrained:\n  format: mistral\n", "mistral");
    expect_family("pretrained:\n  format: 7\n", NULL);
    expect_family("- [", NULL);
    expect_family("", NULL);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    fg_status status = FG_ERR_MEMORY;
    put_experiment();
    put_step("checkpoint/90", true);
    put_step("checkpoint/100", false);
    for (uint64_t k = 1; status == FG_ERR_MEMORY; k++) {
        fg_error err = {0};
        fg_checkpoint c;
        json_t *contents = NULL;
        fg_alloc_fail_after(k);
        status = fg_experiment_describe(at(""), &contents, &err);
        json_decref(contents);
        if (status == FG_OK) status = fg_checkpoint_open(&c, at(""), NULL, &err);
        fg_alloc_fail_after(0);
        assert_true(k < 2000);
        if (status == FG_ERR_INPUT) expect_error(&err, status, FG_ERR_INPUT, "no file \"ok\"");
    }
    assert_int_equal(status, FG_ERR_INPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_latest_step_is_taken),
        TEST(a_step_can_be_asked_for),
        TEST(a_step_without_ok_is_refused),
        TEST(elsewhere_ok_may_be_missing),
        TEST(an_experiment_without_checkpoints_is_refused),
        TEST(other_directories_are_no_experiments),
        TEST(what_is_in_it_is_described),
        TEST(the_run_names_the_family),
        TEST(every_allocation_may_fail),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
