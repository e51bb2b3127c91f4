/* language/converter: finding and inheriting (load-time checks: tests/data/language/built_in). */
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
#include "language/converter.h"
#include "language/declaration.h"

static char folder[] = "/tmp/fgconv-converter-XXXXXX";
static fg_catalogue catalogue; /* the temporary directory, then the built-in one */

static int make_directories(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    fg_catalogue_add(&catalogue, folder, NULL);
    return (int)fg_catalogue_add(&catalogue, FG_CONVERTERS, NULL);
}

static int remove_directories(void **state) {
    (void)state;
    fg_catalogue_free(&catalogue);
    return (int)fg_directory_remove(folder, NULL);
}

static char *write_file(const char *name, const char *text) {
    char *path = fg_path_join(folder, name, NULL);
    fg_catalogue_forget(&catalogue);
    remove(path);
    assert_int_equal(fg_file_write_all(path, text, strlen(text), NULL), FG_OK);
    return path;
}

/* A complete small converter; each text replaces a part of it. */
static char *small(const char *config, const char *tensors, const char *to, const char *back,
                   const char *more) {
    return fg_strformat(NULL,
                        "{\"format\": \"forgather\", \"model_type\": \"small\", \"hf\": {\"architectures\": "
                        "[\"Small\"]}, \"root\": \"model\",\n"
                        "\"sections\": {\"model\": {\"config\": {\n%s\n}}},\n\"tensors\": {%s},\n"
                        "\"to_forgather\": {\"names\": [%s]},\n\"to_hf\": {\"names\": [%s]}%s}",
                        config ? config : "\"a\": {\"rename\": \"a\"}",
                        tensors ? tensors : "\"w\": {\"shape\": [\"a\"]}", to ? to : "[\"w\", \"v\"]",
                        back ? back : "[\"v\", \"w\"]", more ? more : "");
}

static void a_small_converter_loads(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    char *text = small(NULL, NULL, NULL, NULL, NULL), *path = write_file("small.json", text);
    assert_int_equal(fg_converter_load(&converter, &catalogue, &fg_format_forgather, "small", &err), FG_OK);
    assert_string_equal(fg_converter_file(converter), path);
    assert_string_equal(fg_converter_model_type(converter), "small");
    assert_null(fg_converter_code(converter).path);
    assert_int_equal(fg_converter_load(&converter, &catalogue, &fg_format_fast_llm, "small", &err),
                     FG_ERR_INPUT);
    remove(path);
    fg_free(path);
    fg_free(text);
}

static void loops_are_found(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    char *a = write_file("a.json", "{\"extends\": \"b.json\"}"),
         *b = write_file("b.json", "{\"extends\": \"a.json\"}");
    assert_int_equal(fg_converter_load_file(&converter, &catalogue, a, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "leads back"));
    remove(a);
    remove(b);
    fg_free(a);
    fg_free(b);
}

static void inheriting_replaces_single_entries(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    char *text = small("\"a\": {\"rename\": \"a\"}, \"b\": {\"rename\": \"b\"}, \"c\": {\"rename\": \"c\"}",
                       NULL, NULL, NULL, ", \"drop\": [[\"x\", \"one\"]]");
    char *base = write_file("small.json", text);
    char *path =
        write_file("child.json",
                   "{\"extends\": \"small.json\", \"model_type\": \"child\", \"drop\": [[\"y\", \"two\"]],\n"
                   "\"sections\": {\"model\": {\"config\": {\"b\": {\"rename\": \"bb\"},\n\"c\": null}}}}");
    assert_int_equal(fg_converter_load(&converter, &catalogue, &fg_format_forgather, "child", &err), FG_OK);
    const fg_claims *hf = &fg_converter_declarations(converter)->root->claims[FG_SIDE_HF];
    assert_non_null(fg_claims_find(hf, "a"));
    assert_null(fg_claims_find(hf, "b"));
    assert_null(fg_claims_find(hf, "c"));
    assert_string_equal(fg_claims_find(hf, "bb")->declaration->file, path);
    assert_int_equal(fg_claims_find(hf, "bb")->declaration->line, 2);
    assert_string_equal(fg_claims_find(hf, "a")->declaration->file, base);
    assert_int_equal(json_array_size(json_object_get(fg_converter_document(converter), "drop")), 2);
    remove(base);
    remove(path);
    fg_free(text);
    fg_free(base);
    fg_free(path);
}

static void unknown_types_are_refused_with_a_list(void **state) {
    (void)state;
    static const char *const names[] = {"gpt2", "", "../forgather/llama", "common", "fields", "llama/x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fg_error err = {0};
        const fg_converter *converter;
        assert_int_equal(fg_converter_load(&converter, &catalogue, &fg_format_forgather, names[i], &err),
                         FG_ERR_INPUT);
        assert_non_null(strstr(err.text, "llama, mistral, olmo2, phi3, qwen2, qwen3"));
        assert_non_null(strstr(err.hint, "--model-type"));
    }
}

static void settings_that_a_format_cannot_hold_are_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"gemma2", "\"attn_logit_softcapping\""}, {"gemma3_text", "\"query_pre_attn_scalar\""},
        {"olmo2", "\"q_norm, k_norm\""},          {"granite", "\"residual_multiplier\""},
        {"phi3", "\"partial_rotary_factor\""},    {"glm4", "\"partial_rotary_factor\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        const fg_converter *converter;
        assert_int_equal(fg_converter_load(&converter, &catalogue, &fg_format_fast_llm, cases[i][0], &err),
                         FG_ERR_INPUT);
        assert_non_null(strstr(err.text, "cannot be converted to or from fast_llm, which has no place for"));
        if (!strstr(err.text, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.text);
        assert_null(converter);
    }
}

static void files_are_found_in_order(void **state) {
    (void)state;
    fg_error err = {0};
    char *mine = write_file("llama.json", "{}"), *found;
    assert_int_equal(fg_catalogue_find(&catalogue, "llama.json", &found, &err), FG_OK);
    assert_string_equal(found, mine);
    fg_free(found);
    assert_int_equal(fg_catalogue_find(&catalogue, "models/llama.json", &found, &err), FG_OK);
    assert_string_equal(found, FG_CONVERTERS "/models/llama.json");
    fg_free(found);
    remove(mine);
    assert_int_equal(fg_catalogue_find(&catalogue, "models/nothing.json", &found, &err), FG_ERR_INPUT);
    fg_free(mine);
}

static void built_in_converters_say_what_they_emit(void **state) {
    (void)state;
    static const char *const types[] = {"llama", "mistral", "qwen3"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        fg_error err = {0};
        const fg_converter *converter;
        if (fg_converter_load(&converter, &catalogue, &fg_format_forgather, types[i], &err) != FG_OK)
            fail_msg("%s", err.text);
        fg_emitted_code code = fg_converter_code(converter);
        fg_buffer text = {0};
        assert_int_equal(fg_file_read_all(code.path, 1 << 20, &text, &err), FG_OK);
        char *config_class = fg_strformat(&err, "class %s(", code.config_class),
             *model_class = fg_strformat(&err, "class %s(", code.model_class);
        assert_non_null(strstr(text.data, config_class));
        assert_non_null(strstr(text.data, model_class));
        assert_int_equal(code.path[0], '/');
        assert_non_null(strstr(code.path, code.module));
        fg_free(config_class);
        fg_free(model_class);
        fg_buffer_free(&text);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t n = 1; status != FG_OK && n < 100000; n += 37) {
        fg_error err = {0};
        const fg_converter *converter = NULL;
        fg_catalogue_forget(&catalogue);
        fg_alloc_fail_after(n);
        status = fg_converter_load(&converter, &catalogue, &fg_format_forgather, "qwen3", &err);
        fg_alloc_fail_after(0);
        bool in_jansson =
            status == FG_ERR_INPUT && strstr(err.text, "not valid JSON"); /* its scanner reports no cause */
        if (status != FG_OK && status != FG_ERR_MEMORY && !in_jansson)
            fail_msg("allocation %d: status %d: %s", (int)n, (int)status, err.text);
    }
    assert_int_equal(status, FG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_converter_loads),
        cmocka_unit_test(loops_are_found),
        cmocka_unit_test(inheriting_replaces_single_entries),
        cmocka_unit_test(unknown_types_are_refused_with_a_list),
        cmocka_unit_test(settings_that_a_format_cannot_hold_are_named),
        cmocka_unit_test(files_are_found_in_order),
        cmocka_unit_test(built_in_converters_say_what_they_emit),
        cmocka_unit_test(every_allocation_may_fail),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, make_directories, remove_directories);
}
