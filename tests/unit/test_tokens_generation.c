/* generation_config.json of a model that is released, and the tokens that stop it. */
#include "store_fixture.h"

#include "base/json.h"
#include "tokens/generation_config.h"
#include "tokens/stop_tokens.h"

static const char TOKENIZER[] =
    "{\"added_tokens\": [{\"id\": 6, \"content\": \"<s>\"}, {\"id\": 7, \"content\": \"<|im_end|>\"}, "
    "{\"id\": 8, \"content\": \"<stop>\"}], \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, "
    "\"ab\": 2, \"c\": 3, \"d\": 4, \"e\": 5}, \"merges\": [\"a b\"]}}";

static json_t *parse(const char *text) {
    json_t *value = NULL;
    fg_error err = {0};
    if (fg_json_parse("a test", text, strlen(text), &value, &err) != FG_OK) fail_msg("%s", err.text);
    return value;
}

static void expect_json(json_t *found, const char *expected) {
    fg_buffer text = {0};
    assert_non_null(found);
    assert_int_equal(fg_json_write(found, FG_JSON_COMPACT | FG_JSON_SORTED, &text, NULL), FG_OK);
    assert_string_equal(text.data, expected);
    fg_buffer_free(&text);
    json_decref(found);
}

/* ---- presets ---- */

static void expect_preset(const char *preset, const char *expected) {
    fg_error err = {0};
    json_t *config = NULL;
    put_text("preset.json", preset);
    if (fg_generation_config_begin(at("preset.json"), NULL, &config, &err) != FG_OK) fail_msg("%s", err.text);
    expect_json(config, expected);
}

static void refuse_preset(const char *preset, const char *message) {
    fg_error err = {0};
    json_t *config = NULL;
    put_text("preset.json", preset);
    fg_status status = fg_generation_config_begin(at("preset.json"), NULL, &config, &err);
    if (status != FG_ERR_INPUT || !strstr(err.text, message)) fail_msg("%d: %s", (int)status, err.text);
    assert_null(config);
}

static void presets_become_settings_of_transformers(void **state) {
    (void)state;
    expect_preset("{\"max_tokens\": 64, \"temperature\": 0.5, \"top_k\": 20}",
                  "{\"do_sample\": true, \"max_new_tokens\": 64, \"temperature\": 0.5, \"top_k\": 20}");
    expect_preset("{\"num_beams\": 4, \"max_tokens\": 7, \"max_new_tokens\": 7}",
                  "{\"do_sample\": false, \"max_new_tokens\": 7, \"num_beams\": 4}");
    expect_preset("{\"top_p\": 1, \"do_sample\": false, \"min_p\": null}",
                  "{\"do_sample\": false, \"top_p\": 1}");
    expect_preset("{\"repetition_penalty\": 1.1, \"num_beams\": 1}",
                  "{\"num_beams\": 1, \"repetition_penalty\": 1.1}");
    expect_preset("{\"temperature\": 0, \"top_k\": 5}", "{\"do_sample\": false, \"top_k\": 5}");
    expect_preset("{}", "{}");
}

static void what_a_preset_may_not_say_is_refused(void **state) {
    (void)state;
    refuse_preset("{\"temprature\": 1}", "the key \"temprature\" is not a generation setting; known are "
                                         "max_tokens, max_new_tokens, ");
    refuse_preset("{\"temperature\": \"hot\"}", "temperature: found \"hot\", expected a number");
    refuse_preset("{\"max_tokens\": 1.5}", "max_tokens: found 1.5, expected a whole number of 0 or more");
    refuse_preset("{\"top_k\": -1}", "top_k: found -1, expected a whole number");
    refuse_preset("{\"do_sample\": 1}", "do_sample: found 1, expected true or false");
    refuse_preset("{\"max_tokens\": 1, \"max_new_tokens\": 2}", "max_tokens and max_new_tokens differ");
    refuse_preset("{\"temperature\": 0.0, \"do_sample\": true}",
                  "it samples (do_sample) at a temperature of 0");
    refuse_preset("[1]", "found [1], expected an object of settings");
    refuse_preset("{", "preset.json");
}

static void presets_are_found_at_home(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *config = NULL;
    put_directory(".forgather");
    put_directory(".forgather/generation_config");
    put_text(".forgather/generation_config/precise.json", "{\"max_tokens\": 3}");
    setenv("HOME", at(""), 1);
    assert_int_equal(fg_generation_config_begin("precise", NULL, &config, &err), FG_OK);
    expect_json(config, "{\"max_new_tokens\": 3}");
    assert_int_equal(fg_generation_config_begin("vague", NULL, &config, &err), FG_ERR_USAGE);
    assert_non_null(strstr(err.text, "--generation-config vague: there is no file "));
    assert_non_null(strstr(err.text, "/.forgather/generation_config/vague.json"));
    err = (fg_error){0};
    assert_int_equal(fg_generation_config_begin("./precise.json", NULL, &config, &err), FG_ERR_USAGE);
    assert_string_equal(err.text, "--generation-config ./precise.json: there is no file ./precise.json");
}

static void the_source_s_is_carried(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *source = parse("{\"top_k\": 4, \"strange\": 1, \"eos_token_id\": [2, 3]}"), *config = NULL;
    fg_token_ids ids = {.present = true, .id = {1, 2, FG_NO_TOKEN, FG_NO_TOKEN}};
    json_t *eos = parse("[2, 9]");
    assert_int_equal(fg_generation_config_begin("none", source, &config, &err), FG_OK);
    assert_null(config);
    assert_int_equal(fg_generation_config_begin(NULL, source, &config, &err), FG_OK);
    assert_int_equal(fg_generation_config_lay_ids(config, &ids, NULL, &err), FG_OK);
    expect_json(config, "{\"bos_token_id\": 1, \"eos_token_id\": [2, 3], \"strange\": 1, \"top_k\": 4}");
    assert_int_equal(fg_generation_config_begin("carry", NULL, &config, &err), FG_OK);
    ids.id[FG_ROLE_PAD] = 5;
    assert_int_equal(fg_generation_config_lay_ids(config, &ids, eos, &err), FG_OK);
    expect_json(config, "{\"bos_token_id\": 1, \"eos_token_id\": [2, 9], \"pad_token_id\": 5}");
    assert_int_equal(json_object_size(source), 3);
    json_decref(source);
    json_decref(eos);
}

/* ---- stop tokens ---- */

static fg_tokenizer_files files;
static fg_token_request request;
static fg_stop_tokens stop;

static int set_up(void **state) {
    fg_error err = {0};
    fixture_set_up(state);
    put_text("tokenizer.json", TOKENIZER);
    put_text("tokenizer_config.json", "{\"eos_token\": \"<|im_end|>\", \"bos_token\": \"<s>\"}");
    if (fg_tokenizer_files_read(&files, at(""), &err) != FG_OK) fail_msg("%s", err.text);
    return 0;
}

static int tear_down(void **state) {
    fg_tokenizer_files_free(&files);
    fg_token_request_free(&request);
    fg_stop_tokens_free(&stop);
    return fixture_tear_down(state);
}

static void add_requested(const char *yaml) {
    fg_error err = {0};
    fg_token_request_free(&request);
    fg_stop_tokens_free(&stop);
    put_text("t.yaml", yaml);
    if (fg_token_request_read(&request, at("t.yaml"), &err) != FG_OK ||
        fg_stop_tokens_add_requested(&stop, &request, &files, &err) != FG_OK)
        fail_msg("%s", err.text);
}

static void expect_ids(const char *expected) {
    json_t *ids = NULL;
    assert_int_equal(fg_stop_tokens_ids(&stop, &ids, NULL), FG_OK);
    expect_json(ids, expected);
}

static void ids_keep_their_order_and_first_reason(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *one = json_integer(4), *several = parse("[8, 4, 6]"), *wrong = parse("[1, \"x\"]"), *list = NULL;
    assert_int_equal(fg_stop_tokens_add(&stop, one, "config.json", &err), FG_OK);
    expect_ids("4");
    assert_int_equal(fg_stop_tokens_add(&stop, several, "generation_config.json", &err), FG_OK);
    assert_int_equal(fg_stop_tokens_add(&stop, NULL, "nothing", &err), FG_OK);
    expect_ids("[4, 8, 6]");
    assert_int_equal(fg_stop_tokens_describe(&stop, &files, &list, &err), FG_OK);
    expect_json(list, "[{\"id\": 4, \"reason\": \"config.json\", \"text\": null}, "
                      "{\"id\": 8, \"reason\": \"generation_config.json\", \"text\": \"<stop>\"}, "
                      "{\"id\": 6, \"reason\": \"generation_config.json\", \"text\": \"<s>\"}]");
    assert_int_equal(fg_stop_tokens_add(&stop, wrong, "config.json", &err), FG_ERR_INPUT);
    assert_string_equal(err.text,
                        "config.json: eos_token_id: found \"x\", expected an integer or a list of integers");
    json_decref(one);
    json_decref(several);
    json_decref(wrong);
}

static void added_ends_of_turns_and_the_eos_token_stop(void **state) {
    (void)state;
    add_requested("special_tokens: [\"<s>\", \"<|im_end|>\"]");
    expect_ids("7");
    add_requested("regular_tokens: [\"<|im_end|>\"]");
    expect_ids("7");
    add_requested("eos_token: \"<|im_end|>\"");
    expect_ids("7");
    assert_string_equal(stop.items[0].reason, "eos_token of the tokens that were added");
    add_requested(
        "eos_token: {token: \"<stop>\", if_missing: true}"); /* there was one, so it was not taken */
    assert_int_equal(stop.count, 0);
    add_requested("pad_token: \"<s>\"\nspecial_tokens: [\"<stop>\"]");
    assert_int_equal(stop.count, 0);
}

static void stop_tokens_are_listed_by_text(void **state) {
    (void)state;
    fg_error err = {0};
    assert_int_equal(fg_stop_tokens_add_listed(&stop, "<stop>, ab,,<stop>", &files, &err), FG_OK);
    expect_ids("[8, 2]");
    assert_int_equal(fg_stop_tokens_add_listed(&stop, "<s>,<nope>", &files, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "has no token \"<nope>\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(presets_become_settings_of_transformers, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_a_preset_may_not_say_is_refused, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(presets_are_found_at_home, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(the_source_s_is_carried, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(ids_keep_their_order_and_first_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(added_ends_of_turns_and_the_eos_token_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_tokens_are_listed_by_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
