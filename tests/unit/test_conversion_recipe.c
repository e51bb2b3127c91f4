/* A recipe as JSON: a round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conversion/recipe.h"

static const char *ignored[] = {"a.b", "c"};

static fg_recipe whole(const json_t *tokens) {
    static const char *keys[2];
    memcpy(keys, ignored, sizeof keys);
    return (fg_recipe){.kind = FG_RECIPE_UPDATE_VOCAB,
                       .source = "A",
                       .destination = "B",
                       .from = &fg_format_hf,
                       .to = &fg_format_fast_llm,
                       .reverse = true,
                       .model_type = "llama",
                       .checkpoint_path = "C",
                       .hf_base = "D",
                       .parameter_order = "older",
                       .allow_unfinished = true,
                       .dtype = FG_BF16,
                       .max_length = 7,
                       .max_shard_size = 8,
                       .hf_version = 5,
                       .ignore_keys = keys,
                       .ignore_key_count = 2,
                       .add_tokens = "E",
                       .chat_template = "F",
                       .tokens = tokens,
                       .no_code = true,
                       .arch = "G",
                       .from_version = "1",
                       .to_version = "2",
                       .no_strict = true,
                       .stop_tokens = "H",
                       .generation_config = "I",
                       .no_auto_stop_tokens = true,
                       .keep_optimizer = true,
                       .root_copy = true,
                       .in_place = true};
}

static void what_is_recalled_is_what_was_put(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *tokens = json_pack("{s:s}", "bos_token", "<s>"), *held = json_object(), *again = json_object();
    fg_recipe recipe = whole(tokens), recalled = {.hf_version = 4};
    assert_int_equal(fg_recipe_put(&recipe, true, held, &err), FG_OK);
    assert_int_equal(fg_recipe_recall(&recalled, held, "held", &err), FG_OK);
    assert_true(recalled.skip_default_tokens); /* the tokens are known */
    recalled.skip_default_tokens = false;
    assert_int_equal(fg_recipe_put(&recalled, true, again, &err), FG_OK);
    assert_true(json_equal(held, again));
    const char *key;
    json_t *value;
    json_object_foreach(held, key, value) {
        bool plain = strcmp(key, "skip_default_tokens") == 0;
        if (!plain && (json_is_null(value) || json_is_false(value))) fail_msg("%s is lost", key);
    }
    fg_recipe_free(&recalled);
    json_decref(again);
    json_decref(held);
    json_decref(tokens);
}

/* A member that is not in the table of recipe.c is found here, and so is one that whole() does not set. Only
 * why the weights were chosen is not asked for again. */
static void no_member_is_forgotten(void **state) {
    (void)state;
    enum { WORDS = sizeof(fg_recipe) / sizeof(uint64_t) };
    _Static_assert(sizeof(fg_recipe) % sizeof(uint64_t) == 0, "a recipe is whole words");
    fg_error err = {0};
    json_t *tokens = json_pack("{s:s}", "bos_token", "<s>"), *held = json_object();
    fg_recipe recipe = whole(tokens), recalled = {.weights_choice = "given"};
    uint64_t given[WORDS], got[WORDS];
    recipe.weights_choice = "given";
    assert_int_equal(fg_recipe_put(&recipe, true, held, &err), FG_OK);
    assert_int_equal(fg_recipe_recall(&recalled, held, "held", &err), FG_OK);
    memcpy(given, &recipe, sizeof given);
    memcpy(got, &recalled, sizeof got);
    for (size_t i = 0; i < WORDS; i++) {
        if (!given[i]) fail_msg("whole() does not set the member at offset %zu", i * sizeof *given);
        if (!got[i]) fail_msg("the member at offset %zu is not recalled", i * sizeof *given);
    }
    fg_recipe_free(&recalled);
    json_decref(held);
    json_decref(tokens);
}

static void the_command_line_takes_precedence(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *held = json_object();
    fg_recipe recipe = whole(NULL);
    fg_recipe given = {.model_type = "qwen3", .dtype = FG_F16, .max_length = 9, .max_shard_size = 3};
    assert_int_equal(fg_recipe_put(&recipe, false, held, &err), FG_OK);
    assert_null(json_object_get(held, "source")); /* a report has it elsewhere */
    assert_int_equal(fg_recipe_recall(&given, held, "held", &err), FG_OK);
    assert_string_equal(given.model_type, "qwen3");
    assert_int_equal(given.dtype, FG_F16);
    assert_int_equal(given.max_length, 9);
    assert_int_equal(given.max_shard_size, 8); /* a default counts as not given */
    assert_int_equal(given.hf_version, 5);
    assert_string_equal(given.arch, "G");
    assert_int_equal(given.ignore_key_count, 2);
    assert_string_equal(given.ignore_keys[1], "c");
    fg_recipe_free(&given);
    json_decref(held);
}

static void wrong_kinds_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"{\"model_type\": 1}", "model_type"},
        {"{\"max_length\": \"x\"}", "max_length"},
        {"{\"ignore_keys\": [1]}", "ignore_keys/0"},
        {"{\"ignore_keys\": \"a\"}", "options/ignore_keys: found \"a\", expected an array"},
        {"{\"hf_version\": 7}", "options/hf_version: found 7, expected 4 or 5"},
        {"{\"hf_version\": 4294967300}", "options/hf_version: found 4294967300"},
        {"{\"dtype\": \"float99\"}", "options/dtype: found \"float99\", expected bfloat16, float32 or"},
        {"{\"dtype\": \"int8\"}", "options/dtype: found \"int8\""},
        {"{\"to\": \"gguf\"}", "options/to: found \"gguf\", expected the name of a format"},
        {"{\"no_code\": 1}", "options/no_code: found 1, expected true or false"},
        {"{\"tokens\": []}", "options/tokens: found [], expected an object"},
        {"{\"max_shard_size\": 0}", "options/max_shard_size: found 0, expected a positive integer"},
        {"[]", "options: expected an object"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        fg_recipe recipe = {0};
        json_t *held = json_loads(rows[i].text, 0, NULL);
        assert_int_equal(fg_recipe_recall(&recipe, held, "held", &err), FG_ERR_INPUT);
        assert_non_null(strstr(err.text, rows[i].expected));
        fg_recipe_free(&recipe);
        json_decref(held);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_recalled_is_what_was_put),
        cmocka_unit_test(no_member_is_forgotten),
        cmocka_unit_test(the_command_line_takes_precedence),
        cmocka_unit_test(wrong_kinds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
