/* translate/translate beyond single cases (tests/data/language): what is left out and comes back, options;
 * plug-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "translate/primitive_functions.h"
#include "translate/translate.h"

static char folder[] = "/tmp/fgconv-translate-XXXXXX";
static fg_catalogue none;

/* A converter whose sections are `sections`; "unknown_keys" is warn_if_neutral. */
static const fg_converter *make(const char *sections) {
    fg_error err = {0};
    const fg_converter *converter;
    char *path = fg_path_join(folder, "probe.json", NULL);
    char *text = fg_strformat(
        NULL,
        "{\"format\": \"forgather\", \"model_type\": \"probe\", \"hf\": {\"architectures\": [\"Probe\"]}, "
        "\"root\": \"model\", "
        "\"unknown_keys\": \"warn_if_neutral\", \"sections\": {%s}, \"tensors\": {\"w\": {\"shape\": [1]}}, "
        "\"to_forgather\": {\"names\": [[\"w\", \"v\"]]}, \"to_hf\": {\"names\": [[\"v\", \"w\"]]}}",
        sections);
    fg_catalogue_forget(&none);
    remove(path);
    assert_int_equal(fg_file_write_all(path, text, strlen(text), NULL), FG_OK);
    if (fg_converter_load_file(&converter, &none, path, &err) != FG_OK) fail_msg("%s", err.text);
    fg_free(text);
    fg_free(path);
    return converter;
}

static json_t *parse(const char *text) {
    json_t *value;
    assert_int_equal(fg_json_parse("test", text, strlen(text), &value, NULL), FG_OK);
    return value;
}

static fg_status run(const char *sections, fg_direction direction, const char *source, uint64_t max_length,
                     fg_translation *out, fg_error *err) {
    const fg_converter *converter = make(sections);
    json_t *config = parse(source);
    fg_translate_options options = {
        .version = "1.2", .file = "config.json", .hf_version = 4, .max_length = max_length};
    fg_status status = fg_translate(converter, direction, config, &options, out, err);
    json_decref(config);
    return status;
}

static void expect_written(const json_t *value, const char *want) {
    fg_buffer text = {0};
    assert_int_equal(fg_json_write(value, FG_JSON_SORTED | FG_JSON_COMPACT, &text, NULL), FG_OK);
    assert_string_equal(text.data, want);
    fg_buffer_free(&text);
}

#define HF_ARCHITECTURES "{\"architectures\": [\"Probe\"]"

static void the_grammar_has_functions(void **state) {
    (void)state;
    static const char *const names[] = {"rename",          "default",         "optional", "import_only",
                                        "constant_export", "ignored",         "dispatch", "typed_dict",
                                        "nested",          "constant_import", "custom",   "list_dispatch"};
    bool seen[FG_PRIMITIVES] = {false};
    assert_int_equal(sizeof names / sizeof *names, FG_PRIMITIVES);
    for (size_t i = 0; i < FG_PRIMITIVES; i++) {
        const fg_primitive *primitive = fg_primitive_find(names[i]);
        assert_non_null(primitive);
        assert_false(seen[primitive->id]);
        seen[primitive->id] = true;
        assert_non_null(fg_primitive_function(primitive->id, FG_IMPORT));
        assert_non_null(fg_primitive_function(primitive->id, FG_EXPORT));
    }
    assert_null(fg_primitive_find("blocks"));
}

static void unknown_neutral_keys_are_warned_of(void **state) {
    (void)state;
    fg_error err = {0};
    fg_translation out;
    fg_log_reset();
    assert_int_equal(run("\"model\": {\"config\": {\"t\": {\"rename\": \"h\"}, \"x\": {\"ignored\": \"why\", "
                         "\"hf\": [\"i\"]}}}",
                         FG_IMPORT, "{\"h\": 1, \"novel\": false, \"i\": 4}", 0, &out, &err),
                     FG_OK);
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "\"novel\" = false"));
    expect_written(out.left_out, "[{\"key\": \"i\", \"reason\": \"why\", \"value\": 4}, {\"key\": \"novel\", "
                                 "\"reason\": \"not known, but its value says "
                                 "that it is off\", \"value\": false}]");
    fg_translation_free(&out);
}

static void sections_nest(void **state) {
    (void)state;
    static const char sections[] =
        "\"model\": {\"config\": {\"width\": {\"rename\": \"hidden\"}, \"inner\": {\"nested\": \"part\"}, "
        "\"deep\": {\"nested\": \"other\", \"hf\": \"text\"}}}, "
        "\"part\": {\"config\": {\"size\": {\"rename\": \"n\", \"default\": \"= hidden * 4\"}}}, "
        "\"other\": {\"config\": {\"k\": {\"rename\": \"k\", \"default\": \"= ../hidden + 1\"}, \"top\": "
        "{\"rename\": \"/top\", \"field\": \"../top\"}}, "
        "\"import_if\": [[\"k > 1\", \"k must be more\"]], \"export_if\": [[\"k != 9\", \"not nine\"]]}";
    fg_error err = {0};
    fg_translation out;
    if (run(sections, FG_IMPORT, "{\"hidden\": 2, \"top\": 5}", 0, &out, &err) != FG_OK)
        fail_msg("%s", err.text);
    expect_written(out.result, "{\"deep\": {\"k\": 3}, \"inner\": {\"size\": 8}, \"top\": 5, \"width\": 2}");
    expect_written(out.hf, "{\"hidden\": 2, \"n\": 8, \"text\": {\"k\": 3}, \"top\": 5}");
    json_t *result = json_incref(out.result);
    fg_translation_free(&out);
    fg_buffer text = {0};
    fg_json_write(result, FG_JSON_COMPACT, &text, NULL);
    assert_int_equal(run(sections, FG_EXPORT, text.data, 0, &out, &err), FG_OK);
    expect_written(out.result,
                   HF_ARCHITECTURES ", \"hidden\": 2, \"n\": 8, \"text\": {\"k\": 3}, \"top\": 5}");
    fg_translation_free(&out);
    json_decref(result);
    fg_buffer_free(&text);
    assert_int_equal(
        run(sections, FG_IMPORT, "{\"hidden\": 2, \"top\": 5, \"text\": {\"k\": 1}}", 0, &out, &err),
        FG_ERR_INPUT);
    if (!strstr(err.text, "k must be more; found k = 1 (rule \"0\" of sections/")) fail_msg("%s", err.text);
}

static void what_would_not_come_back_is_refused(void **state) {
    (void)state;
    /* the hf default of k is lost where the target leaves 3 out and takes its absence for 4 */
    static const char sections[] = "\"model\": {\"config\": {\"a\": {\"rename\": \"a\", \"omit\": \"= k\"}, "
                                   "\"k\": {\"import_only\": \"k\"}}}";
    fg_error err = {0};
    fg_translation out;
    assert_int_equal(run(sections, FG_IMPORT, "{\"a\": 2, \"k\": 3}", 0, &out, &err), FG_OK);
    fg_translation_free(&out);
    static const char lossy[] = "\"model\": {\"config\": {\"a\": {\"rename\": \"a\", \"absent\": 4, "
                                "\"maybe\": true}, \"b\": {\"rename\": \"b\", \"omit\": 1, "
                                "\"absent\": 2}}}";
    assert_int_equal(run(lossy, FG_IMPORT, "{\"a\": null, \"b\": 1}", 0, &out, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "key \"a\" = null would come back as 4"));
    assert_non_null(strstr(err.text, "key \"b\" = 1 would come back as 2"));
}

static void the_length_option_replaces_the_value(void **state) {
    (void)state;
    static const char sections[] = "\"model\": {\"config\": {\"t\": {\"rename\": \"h\", \"option\": "
                                   "\"max_length\", \"type\": \"count\"}}}";
    fg_error err = {0};
    fg_translation out;
    assert_int_equal(run(sections, FG_IMPORT, "{\"h\": 64}", 128, &out, &err), FG_OK);
    expect_written(out.result, "{\"t\": 128}");
    fg_translation_free(&out);
    assert_int_equal(run(sections, FG_EXPORT, "{\"t\": 64}", 128, &out, &err), FG_OK);
    expect_written(out.result, HF_ARCHITECTURES ", \"h\": 128}");
    fg_translation_free(&out);
}

/* ---- plug-ins, next to the built-in converters ---- */

static fg_translation plug_in(const char *directory, const char *type, fg_direction direction,
                              const char *source, int hf_version) {
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    const fg_converter *converter;
    fg_translation out;
    fg_translate_options options = {.version = "1.2", .file = "config.json", .hf_version = hf_version};
    json_t *config = parse(source);
    fg_catalogue_add(&catalogue, directory, &err);
    fg_catalogue_add(&catalogue, FG_CONVERTERS, &err);
    if (fg_converter_load(&converter, &catalogue, &fg_format_forgather, type, &err) != FG_OK)
        fail_msg("%s", err.text);
    if (fg_translate(converter, direction, config, &options, &out, &err) != FG_OK) fail_msg("%s", err.text);
    json_decref(config);
    fg_catalogue_free(&catalogue);
    return out;
}

static void a_plug_in_brings_a_family(void **state) {
    (void)state;
    fg_translation out = plug_in(FG_TEST_DATA "/convert/plugin", "acme_llama", FG_IMPORT,
                                 "{\"model_type\": \"acme_llama\", \"architectures\": [\"AcmeForCausalLM\"], "
                                 "\"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4, "
                                 "\"vocab_size\": 10, \"intermediate_size\": 96, \"rms_norm_eps\": 1e-5, "
                                 "\"max_position_embeddings\": 32}",
                                 4);
    assert_string_equal(json_string_value(fg_json_at(out.result, "auto_map/AutoConfig")),
                        "acme_code.AcmeForgatherConfig");
    assert_string_equal(json_string_value(fg_json_at(out.result, "architectures/0")), "AcmeForgatherModel");
    assert_string_equal(json_string_value(fg_json_at(out.result, "hf_model_type")), "acme_llama");
    assert_int_equal(json_integer_value(fg_json_at(out.result, "head_dim")), 16);
    assert_int_equal(json_integer_value(fg_json_at(out.hf, "n_head_kv")), 4);
    fg_buffer text = {0};
    fg_json_write(out.result, FG_JSON_COMPACT, &text, NULL);
    fg_translation_free(&out);
    out = plug_in(FG_TEST_DATA "/convert/plugin", "acme_llama", FG_EXPORT, text.data, 4);
    assert_int_equal(json_integer_value(fg_json_at(out.result, "n_embd")), 64);
    assert_string_equal(json_string_value(fg_json_at(out.result, "model_type")), "acme_llama");
    fg_translation_free(&out);
    fg_buffer_free(&text);
}

static const char forgather_llama[] =
    "{\"hf_model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": "
    "2, \"num_attention_heads\": 4, "
    "\"vocab_size\": 10, \"rms_norm_eps\": 1e-5, \"max_position_embeddings\": 32, \"rope_parameters\": "
    "{\"rope_type\": \"default\", \"rope_theta\": 7.0}}";

static void a_plug_in_takes_the_place_of_a_built_in_converter(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    const fg_converter *converter;
    fg_buffer name = {0};
    bool matched;
    fg_catalogue_add(&catalogue, FG_CONVERTERS "/examples/documented_norm", &err);
    fg_catalogue_add(&catalogue, FG_CONVERTERS, &err);
    if (fg_converter_load(&converter, &catalogue, &fg_format_forgather, "llama", &err) != FG_OK)
        fail_msg("%s", err.text);
    assert_int_equal(fg_name_rules_apply(fg_converter_rules(converter, FG_IMPORT), "model.norm.weight", &name,
                                         &matched, &err),
                     FG_OK);
    assert_string_equal(name.data, "causal_lm.layer_norm.weight");
    assert_int_equal(fg_name_rules_apply(fg_converter_rules(converter, FG_EXPORT),
                                         "causal_lm.layer_stack.layer_norm.weight", &name, &matched, &err),
                     FG_OK);
    assert_string_equal(name.data, "model.norm.weight");
    fg_catalogue_free(&catalogue);
    fg_buffer_free(&name);
}

static void hf_output_has_the_spelling_of_its_version(void **state) {
    (void)state;
    fg_translation out = plug_in(FG_CONVERTERS, "llama", FG_EXPORT, forgather_llama, 4);
    assert_true(json_real_value(json_object_get(out.result, "rope_theta")) == 7.0);
    assert_null(json_object_get(out.result, "rope_parameters"));
    fg_translation_free(&out);
    out = plug_in(FG_CONVERTERS, "llama", FG_EXPORT, forgather_llama, 5);
    expect_written(json_object_get(out.result, "rope_parameters"),
                   "{\"rope_theta\": 7.0, \"rope_type\": \"default\"}");
    assert_null(json_object_get(out.result, "rope_theta"));
    assert_true(json_real_value(json_object_get(out.hf, "rope_theta")) == 7.0);
    fg_translation_free(&out);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    fg_catalogue_free(&none);
    return (int)fg_directory_remove(folder, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grammar_has_functions),
        cmocka_unit_test(unknown_neutral_keys_are_warned_of),
        cmocka_unit_test(sections_nest),
        cmocka_unit_test(what_would_not_come_back_is_refused),
        cmocka_unit_test(the_length_option_replaces_the_value),
        cmocka_unit_test(a_plug_in_brings_a_family),
        cmocka_unit_test(a_plug_in_takes_the_place_of_a_built_in_converter),
        cmocka_unit_test(hf_output_has_the_spelling_of_its_version),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
