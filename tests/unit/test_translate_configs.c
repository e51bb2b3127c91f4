/* translate/translate with the converters of this repository: real config.json files, and what the real
 * Forgather wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "path_questions.h"
#include "translate/translate.h"

#define SHARED FG_TEST_DATA "/../../../shared"

static fg_catalogue catalogue;

static int add_directory(void **state) {
    (void)state;
    return fg_catalogue_add(&catalogue, FG_CONVERTERS, NULL) == FG_OK ? 0 : -1;
}

static int drop_directories(void **state) {
    (void)state;
    fg_catalogue_free(&catalogue);
    return 0;
}

static fg_status translate(const char *type, fg_direction direction, const json_t *config,
                           fg_translation *out, fg_error *err) {
    const fg_converter *converter;
    fg_translate_options options = {.version = "1.2", .file = "config.json", .hf_version = 4};
    fg_status status = fg_converter_load(&converter, &catalogue, &fg_format_forgather, type, err);
    if (status != FG_OK) return status;
    status = fg_translate(converter, direction, config, &options, out, err);
    return status;
}

/* ---- real configurations ---- */

static void expect_fields(const char *name, const json_t *config, const json_t *result) {
    static const char *const fields[] = {
        "hidden_size",  "intermediate_size", "num_hidden_layers",      "num_attention_heads",
        "rms_norm_eps", "vocab_size",        "max_position_embeddings"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const json_t *want = json_object_get(config, fields[i]);
        if (want && !fg_json_equal(want, json_object_get(result, fields[i])))
            fail_msg("%s: %s differs", name, fields[i]);
    }
}

/* One row {name, family, kind, config, expect.forgather}; 1 if it was judged. */
static int run_row(const json_t *row) {
    const char *name = json_string_value(json_object_get(row, "name")),
               *family = json_string_value(json_object_get(row, "family"));
    const char *want = json_string_value(fg_json_at(row, "expect/forgather"));
    const json_t *config = json_object_get(row, "config");
    if (strcmp(json_string_value(json_object_get(row, "kind")), "config") != 0 || strcmp(want, "unsure") == 0)
        return 0;
    fg_error err = {0};
    fg_translation out = {0};
    fg_status status = translate(family, FG_IMPORT, config, &out, &err);
    if (strcmp(want, "accept") == 0) {
        if (status != FG_OK) fail_msg("%s (%s) was refused: %s", name, family, err.text);
        expect_fields(name, config, out.result);
    } else {
        if (status != FG_ERR_INPUT || !err.text[0])
            fail_msg("%s (%s): status %d, expected a refusal", name, family, (int)status);
        assert_null(out.result);
    }
    fg_translation_free(&out);
    return 1;
}

static int run_rows(const char *path) {
    fg_buffer text = {0};
    int judged = 0;
    assert_int_equal(fg_file_read_all(path, FG_JSON_LIMIT, &text, NULL), FG_OK);
    for (char *line = text.data, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        json_t *row;
        assert_int_equal(fg_json_parse(path, line, (size_t)(end - line), &row, NULL), FG_OK);
        judged += run_row(row);
        json_decref(row);
    }
    fg_buffer_free(&text);
    return judged;
}

static void telling_configs_meet_their_verdict(void **state) {
    (void)state;
    assert_int_equal(run_rows(FG_TEST_DATA "/convert/configs.jsonl"), 26);
}

static void all_real_configs_meet_their_verdict(void **state) {
    (void)state;
    if (!path_is_file(SHARED "/configs/real-configs.jsonl")) {
        print_message("skipped: ../shared/configs is not there\n");
        skip();
    }
    assert_true(run_rows(SHARED "/configs/real-configs.jsonl") > 120);
}

/* ---- golden conversions ---- */

/* Keys in which the output differs from the real tool's on purpose: what the code is called, what the tokens
 * and tensors decide. */
static bool is_ours(const char *key) {
    static const char *const keys[] = {
        "architectures", "auto_map",     "code_generator", "dtype",        "max_position_embeddings",
        "vocab_size",    "bos_token_id", "eos_token_id",   "pad_token_id", "layer_types",
        "head_dim"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(keys[i], key) == 0) return true;
    }
    return false;
}

static bool is_added(const char *key) {
    static const char *const keys[] = {"forgather_arch", "forgather_arch_version", "qk_norm",
                                       "initializer_range"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(keys[i], key) == 0) return true;
    }
    return false;
}

static void expect_golden(const char *path, const json_t *ours, const json_t *real) {
    const char *key;
    json_t *value;
    char a[100], b[100];
    json_object_foreach((json_t *)(uintptr_t)real, key, value) {
        const json_t *found = json_object_get(ours, key);
        bool same = found ? fg_json_equal(found, value) : json_is_null(value);
        if (!is_ours(key) && !same)
            fail_msg("%s: %s: %s, the real tool %s", path, key, fg_json_brief(found, a, 100),
                     fg_json_brief(value, b, 100));
    }
    json_object_foreach((json_t *)(uintptr_t)ours, key, value) {
        if (!json_object_get(real, key) && !is_ours(key) && !is_added(key) && !json_is_null(value))
            fail_msg("%s: we also write %s = %s", path, key, fg_json_brief(value, a, 100));
    }
}

static json_t *read_config(const char *directory) {
    json_t *config;
    char *path = fg_path_join(directory, "config.json", NULL);
    assert_int_equal(fg_json_read(path, &config, NULL), FG_OK);
    fg_free(path);
    return config;
}

static void golden_step(const char *from, const char *to, const char *type, fg_direction direction) {
    fg_error err = {0};
    fg_translation out;
    json_t *source = read_config(from), *real = read_config(to);
    if (translate(type, direction, source, &out, &err) != FG_OK) fail_msg("%s: %s", from, err.text);
    expect_golden(to, out.result, real);
    fg_translation_free(&out);
    json_decref(source);
    json_decref(real);
}

static void golden_case(const char *directory) {
    char *hf = fg_path_join(directory, "hf", NULL), *forgather = fg_path_join(directory, "forgather", NULL);
    fg_names names;
    json_t *config = read_config(hf);
    const char *type = json_string_value(json_object_get(config, "model_type"));
    golden_step(hf, forgather, type, FG_IMPORT);
    assert_int_equal(fg_directory_list(directory, &names, NULL), FG_OK);
    for (size_t i = 0; i < names.count; i++) {
        char *back = fg_path_join(directory, names.items[i], NULL);
        /* hf_back_rev was made with the real tool's default type; hf_back_len with an option */
        bool plain = fg_starts_with(names.items[i], "hf_back") && !fg_ends_with(back, "_len");
        if (plain && path_is_directory(back)) golden_step(forgather, back, type, FG_EXPORT);
        fg_free(back);
    }
    fg_names_free(&names);
    json_decref(config);
    fg_free(hf);
    fg_free(forgather);
}

static void real_conversions_are_met(void **state) {
    (void)state;
    fg_names names;
    int cases = 0;
    if (!path_is_directory(SHARED "/golden/forgather")) {
        print_message("skipped: ../shared/golden is not there\n");
        skip();
    }
    assert_int_equal(fg_directory_list(SHARED "/golden/forgather", &names, NULL), FG_OK);
    for (size_t i = 0; i < names.count; i++) {
        char *directory = fg_path_join(SHARED "/golden/forgather", names.items[i], NULL),
             *file = fg_path_join(directory, "case.json", NULL);
        if (path_is_file(file)) golden_case(directory);
        cases += path_is_file(file);
        fg_free(directory);
        fg_free(file);
    }
    fg_names_free(&names);
    assert_true(cases >= 8);
}

/* ---- what a forgather configuration means ---- */

static json_t *parse(const char *text) {
    json_t *value;
    assert_int_equal(fg_json_parse("test", text, strlen(text), &value, NULL), FG_OK);
    return value;
}

static const char tiny[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 128, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 4, \"vocab_size\": 100}";

static json_t *tiny_with(const char *more) {
    json_t *config = parse(tiny), *added = parse(more);
    json_object_update(config, added);
    json_decref(added);
    return config;
}

static void expect_refused(const char *type, fg_direction direction, const char *more, const char *said) {
    fg_error err = {0};
    fg_translation out;
    json_t *config = tiny_with(more);
    assert_int_equal(translate(type, direction, config, &out, &err), FG_ERR_INPUT);
    if (!strstr(err.text, said)) fail_msg("\"%s\" does not say \"%s\"", err.text, said);
    assert_true(err.hint[0] || !strstr(err.text, "claims"));
    json_decref(config);
}

static json_t *expect_result(const char *type, fg_direction direction, const char *more) {
    fg_error err = {0};
    fg_translation out;
    json_t *config = tiny_with(more);
    if (translate(type, direction, config, &out, &err) != FG_OK) fail_msg("%s: %s", more, err.text);
    json_t *result = json_incref(out.result);
    fg_translation_free(&out);
    json_decref(config);
    return result;
}

static void expect_at(const json_t *object, const char *path, const char *want) {
    char brief[200];
    assert_string_equal(fg_json_brief(fg_json_at(object, path), brief, sizeof brief), want);
}

static void absent_keys_mean_what_the_family_says(void **state) {
    (void)state;
    json_t *llama = expect_result("llama", FG_IMPORT, "{}");
    expect_at(llama, "num_key_value_heads", "4");
    expect_at(llama, "head_dim", "16");
    expect_at(llama, "rms_norm_eps", "1e-06");
    expect_at(llama, "rope_theta", "10000.0");
    expect_at(llama, "tie_word_embeddings", "false");
    expect_at(llama, "max_position_embeddings", "2048");
    json_decref(llama);
    json_t *mistral = expect_result("mistral", FG_IMPORT, "{\"num_attention_heads\": 8, \"head_dim\": null}");
    expect_at(mistral, "num_key_value_heads", "8");
    expect_at(mistral, "head_dim", "8");
    expect_at(mistral, "sliding_window", "4096");
    json_decref(mistral);
    json_t *qwen3 = expect_result("qwen3", FG_IMPORT, "{\"num_attention_heads\": 32}");
    expect_at(qwen3, "num_key_value_heads", "32");
    expect_at(qwen3, "head_dim", "128");
    expect_at(qwen3, "qk_norm", "true");
    json_decref(qwen3);
    json_t *window =
        expect_result("mistral", FG_IMPORT, "{\"num_attention_heads\": 8, \"sliding_window\": null}");
    expect_at(window, "sliding_window", "null");
    json_decref(window);
}

static void keys_are_refused_with_what_they_mean(void **state) {
    (void)state;
    expect_refused("llama", FG_IMPORT, "{\"draft_vocab_size\": 32000}", "key \"draft_vocab_size\" = 32000");
    expect_refused("llama", FG_IMPORT, "{\"novel_key\": 3}", "key \"novel_key\" = 3: no rule of");
    expect_refused("llama", FG_IMPORT, "{\"novel\": {\"deep\": {\"er\": 3}}}", "key \"novel/deep/er\" = 3");
    expect_refused("llama", FG_IMPORT, "{\"rope_scaling/factor\": 3}", "no rule");
    expect_refused("llama", FG_IMPORT, "{\"hidden_act\": \"gelu\"}",
                   "\"hidden_act\" = \"gelu\": only \"silu\" is supported");
    expect_refused("llama", FG_IMPORT, "{\"attention_bias\": true}", "\"attention_bias\" = true");
    expect_refused("llama", FG_IMPORT, "{\"sliding_window\": 8}", "\"sliding_window\" = 8");
    expect_refused("llama", FG_IMPORT, "{\"hidden_size\": \"64\"}", "expected an integer of 1 or more");
    expect_refused("llama", FG_IMPORT, "{\"rms_norm_eps\": 0}", "expected a number above 0");
    expect_refused("llama", FG_IMPORT, "{\"rope_theta\": null}", "\"rope_theta\" = null");
    expect_refused("llama", FG_IMPORT, "{\"num_key_value_heads\": 3}", "must be a multiple");
    expect_refused("llama", FG_IMPORT, "{\"layer_types\": [\"full_attention\"]}", "layer_types");
    expect_refused("llama", FG_IMPORT, "{\"architectures\": [\"LlamaForCausalLMEagle3\"]}",
                   "LlamaForCausalLMEagle3");
    expect_refused("qwen3", FG_IMPORT, "{\"use_sliding_window\": true}", "use_sliding_window");
    expect_refused("mistral", FG_IMPORT, "{\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2.0}}",
                   "plain");
    expect_refused(
        "mistral", FG_IMPORT,
        "{\"num_attention_heads\": 8, \"layer_types\": [\"sliding_attention\", \"full_attention\"]}",
        "layer_types");
    expect_refused(
        "mistral", FG_IMPORT,
        "{\"num_attention_heads\": 8, \"sliding_window\": 16, \"layer_types\": [\"full_attention\", "
        "\"full_attention\"]}",
        "attend differently");
    json_decref(expect_result("mistral", FG_IMPORT,
                              "{\"num_attention_heads\": 8, \"sliding_window\": null, \"layer_types\": "
                              "[\"full_attention\", \"full_attention\"]}"));
    expect_refused("llama", FG_EXPORT, "{\"qk_norm\": true, \"rope_theta\": 1.0}", "\"qk_norm\" = true");
    expect_refused("llama", FG_EXPORT, "{\"novel_key\": 3}", "no rule of");
    expect_refused("llama", FG_EXPORT, "{\"hf_model_type\": \"qwen3\"}",
                   "\"hf_model_type\" = \"qwen3\": only \"llama\" is supported");
}

static void several_refusals_stand_in_one_message(void **state) {
    (void)state;
    fg_error err = {0};
    fg_translation out;
    json_t *config =
        tiny_with("{\"mlp_bias\": true, \"novel\": 1, \"rope_scaling\": {\"type\": \"llama3\", \"factor\": "
                  "8.0, \"low_freq_factor\": 1.0, "
                  "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64, \"beta\": 2}}");
    assert_int_equal(translate("llama", FG_IMPORT, config, &out, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "mlp_bias"));
    assert_non_null(strstr(err.text, "\"novel\" = 1"));
    assert_non_null(
        strstr(err.text, "\"rope_scaling/beta\" = 2: a rule covers the object, but not this member"));
    assert_non_null(strstr(err.text, "llama.json:"));
    json_decref(config);
}

static void a_length_that_nothing_reads_is_warned_of(void **state) {
    (void)state;
    fg_log_reset();
    json_decref(expect_result("llama", FG_IMPORT, "{\"max_sequence_length\": 2048}"));
    assert_int_equal(fg_log_warning_count(), 0);
    json_decref(expect_result("llama", FG_IMPORT, "{\"max_sequence_length\": 1024}"));
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "max_sequence_length"));
}

static void a_training_run_may_have_changed_its_dropouts(void **state) {
    (void)state;
    json_t *hf =
        expect_result("llama", FG_EXPORT,
                      "{\"hf_model_type\": \"llama\", \"model_type\": \"forgather-dynamic-causal-llama\", "
                      "\"rope_theta\": 5000, \"rms_norm_eps\": 1e-5, "
                      "\"max_position_embeddings\": 32, \"layer_dropout\": 0.1, \"checkpoint_stride\": 4, "
                      "\"flex_attn_kernel_options\": {\"X\": 1}}");
    expect_at(hf, "tie_word_embeddings", "true");
    expect_at(hf, "head_dim", "16");
    expect_at(hf, "num_key_value_heads", "4");
    expect_at(hf, "architectures", "[\"LlamaForCausalLM\"]");
    assert_null(json_object_get(hf, "layer_dropout"));
    json_decref(hf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(telling_configs_meet_their_verdict),
        cmocka_unit_test(all_real_configs_meet_their_verdict),
        cmocka_unit_test(real_conversions_are_met),
        cmocka_unit_test(absent_keys_mean_what_the_family_says),
        cmocka_unit_test(keys_are_refused_with_what_they_mean),
        cmocka_unit_test(several_refusals_stand_in_one_message),
        cmocka_unit_test(a_length_that_nothing_reads_is_warned_of),
        cmocka_unit_test(a_training_run_may_have_changed_its_dropouts),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, add_directory, drop_directories);
}
