/* translate/translate where data (tests/data/language) cannot say it: the table of functions, and which of
 * several directories a converter is from. */
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
#include "translate/primitive_functions.h"
#include "translate/translate.h"

static json_t *parse(const char *text) {
    json_t *value;
    assert_int_equal(fg_json_parse("test", text, strlen(text), &value, NULL), FG_OK);
    return value;
}

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

/* ---- plug-ins, next to the built-in converters ---- */

static fg_translation plug_in(const char *directory, const char *type, fg_direction direction,
                              const char *source) {
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    const fg_converter *converter;
    fg_translation out;
    fg_translate_options options = {.version = "1.2", .file = "config.json", .hf_version = 4};
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
                                 "\"max_position_embeddings\": 32}");
    assert_string_equal(json_string_value(fg_json_at(out.result, "auto_map/AutoConfig")),
                        "acme_code.AcmeForgatherConfig");
    assert_string_equal(json_string_value(fg_json_at(out.result, "architectures/0")), "AcmeForgatherModel");
    assert_string_equal(json_string_value(fg_json_at(out.result, "hf_model_type")), "acme_llama");
    assert_int_equal(json_integer_value(fg_json_at(out.result, "head_dim")), 16);
    assert_int_equal(json_integer_value(fg_json_at(out.hf, "n_head_kv")), 4);
    fg_buffer text = {0};
    fg_json_write(out.result, FG_JSON_COMPACT, &text, NULL);
    fg_translation_free(&out);
    out = plug_in(FG_TEST_DATA "/convert/plugin", "acme_llama", FG_EXPORT, text.data);
    assert_int_equal(json_integer_value(fg_json_at(out.result, "n_embd")), 64);
    assert_string_equal(json_string_value(fg_json_at(out.result, "model_type")), "acme_llama");
    fg_translation_free(&out);
    fg_buffer_free(&text);
}

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grammar_has_functions),
        cmocka_unit_test(a_plug_in_brings_a_family),
        cmocka_unit_test(a_plug_in_takes_the_place_of_a_built_in_converter),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
