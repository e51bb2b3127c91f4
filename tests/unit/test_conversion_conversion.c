/* What is decided before the first write: here, where the weights of the source are. */
#include "store_fixture.h"

#include "base/log.h"
#include "conversion/conversion.h"

#define CONFIG                                                                                               \
    "\"hidden_size\": 4, \"intermediate_size\": 4, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, "   \
    "\"vocab_size\": 4, \"rms_norm_eps\": 1e-6, \"max_position_embeddings\": 8, \"rope_theta\": 10000.0, "   \
    "\"tie_word_embeddings\": false}"

/* Writes the tensors of CONFIG's model under Forgather's names. */
static void put_model(const char *file) {
    static const char *const matrices[] = {
        "causal_lm.input_encoder.embedding",
        "causal_lm.layer_stack.layers.0.attention.query_linear",
        "causal_lm.layer_stack.layers.0.attention.key_linear",
        "causal_lm.layer_stack.layers.0.attention.value_linear",
        "causal_lm.layer_stack.layers.0.attention.output_linear",
        "causal_lm.layer_stack.layers.0.feedforward.gate_proj",
        "causal_lm.layer_stack.layers.0.feedforward.up_proj",
        "causal_lm.layer_stack.layers.0.feedforward.down_proj",
        "lm_head",
    };
    static const char *const norms[] = {
        "causal_lm.layer_stack.layers.0.norm1",
        "causal_lm.layer_stack.layers.0.norm2",
        "causal_lm.layer_stack.layer_norm",
    };
    fg_buffer header = {0};
    size_t offset = 0;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++, offset += 32)
        fg_buffer_printf(
            &header, NULL,
            "%s\"%s.weight\": {\"dtype\": \"BF16\", \"shape\": [4, 4], \"data_offsets\": [%zu, %zu]}",
            i ? ", " : "{", matrices[i], offset, offset + 32);
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++, offset += 8)
        fg_buffer_printf(
            &header, NULL,
            ", \"%s.weight\": {\"dtype\": \"BF16\", \"shape\": [4], \"data_offsets\": [%zu, %zu]}", norms[i],
            offset, offset + 8);
    assert_int_equal(fg_buffer_add(&header, "}", 1, NULL), FG_OK);
    put_safetensors(file, header.data, offset);
    fg_buffer_free(&header);
}

static void expect_weights_from(fg_recipe *recipe, const char *directory) {
    fg_conversion conversion = {0};
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    recipe->source = at("");
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, NULL), FG_OK);
    if (fg_conversion_prepare(&conversion, recipe, &catalogue, "test", &err) != FG_OK)
        fail_msg("%s", err.text);
    assert_string_equal(conversion.decided.source.checkpoint.weights_directory, directory);
    assert_ptr_equal(conversion.decided.source.checkpoint.format, &fg_format_forgather);
    fg_conversion_free(&conversion);
    fg_catalogue_free(&catalogue);
    fg_log_end();
}

/* A directory that does not say that it is Forgather's has its training checkpoints all the same. */
static void what_the_source_is_declared_to_be_decides_where_its_weights_are(void **state) {
    (void)state;
    fg_recipe declared = {.reverse = true, .model_type = "llama"}, found_out = {0};
    put_text("config.json", "{\"hf_model_type\": \"llama\", " CONFIG);
    put_model("model.safetensors");
    expect_weights_from(&found_out, at(""));
    put_directory("checkpoints");
    put_directory("checkpoints/checkpoint-3");
    put_model("checkpoints/checkpoint-3/model.safetensors");
    expect_weights_from(&found_out, at("checkpoints/checkpoint-3"));
    put_text("config.json", "{" CONFIG);
    expect_weights_from(&declared, at("checkpoints/checkpoint-3"));
    unlink(at("model.safetensors"));
    expect_weights_from(&declared, at("checkpoints/checkpoint-3"));
}

static void verbose_runs_say_what_was_decided(void **state) {
    (void)state;
    fg_recipe recipe = {0};
    fg_buffer said = {0};
    put_text("config.json", "{\"hf_model_type\": \"llama\", \"use_cache\": false, " CONFIG);
    put_text("notes.txt", "x");
    put_model("model.safetensors");
    int before = dup(STDERR_FILENO);
    assert_non_null(freopen(at("said"), "w", stderr));
    fg_log_level_set(FG_LOG_VERBOSE);
    expect_weights_from(&recipe, at(""));
    fg_log_level_set(FG_LOG_NORMAL);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    assert_int_equal(fg_file_read_all(at("said"), 10000, &said, NULL), FG_OK);
    assert_non_null(strstr(said.data, ": forgather, weights in "));
    assert_non_null(strstr(said.data, "forgather/llama.json\n"));
    assert_non_null(strstr(said.data, "config.json: use_cache is left out: "));
    assert_non_null(strstr(said.data, "notes.txt is not copied\n"));
    fg_buffer_free(&said);
}

/* A tokenizer that is missing matters only to a conversion that happens. */
static void what_the_plan_refuses_is_not_warned_about(void **state) {
    (void)state;
    fg_recipe recipe = {0};
    fg_conversion conversion = {0};
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    fg_buffer said = {0};
    put_text("config.json", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", " CONFIG);
    put_safetensors(
        "model.safetensors",
        "{\"lm_head.weight\": {\"dtype\": \"BF16\", \"shape\": [4, 4], \"data_offsets\": [0, 32]}}", 32);
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, NULL), FG_OK);
    int before = dup(STDERR_FILENO);
    assert_non_null(freopen(at("said"), "w", stderr));
    recipe.source = at("");
    fg_status status = fg_conversion_prepare(&conversion, &recipe, &catalogue, "test", &err);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    expect_error(&err, status, FG_ERR_INPUT, "model.embed_tokens.weight");
    assert_int_equal(fg_file_read_all(at("said"), 10000, &said, NULL), FG_OK);
    assert_int_equal(said.length, 0);
    fg_buffer_free(&said);
    fg_conversion_free(&conversion);
    fg_catalogue_free(&catalogue);
    fg_log_end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_source_is_declared_to_be_decides_where_its_weights_are,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(verbose_runs_say_what_was_decided, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_the_plan_refuses_is_not_warned_about, fixture_set_up,
                                        fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
