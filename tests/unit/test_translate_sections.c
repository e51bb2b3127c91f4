/* translate/ for targets with classes, beyond single cases (tests/data/language/classes): what was left
 * out comes back. Converters and classes are small ones of the test's own. */

#include "base/log.h"
#include "sections_fixture.h"
#include "translate/translate.h"

/* Not one for each key that the section would read. */
static void a_missing_object_is_one_refusal(void **state) {
    (void)state;
    static const char config[] =
        SIZE ", " COLOUR ", " BLOCKS ", \"mixer\": {\"nested\": \"a\", \"hf\": \"mix\"}, " PARTS;
    static const char chosen[] =
        SIZE ", " COLOUR ", " BLOCKS ", " PARTS
             ", \"mixer\": {\"dispatch\": {\"A\": \"a\", \"B\": \"b\"}, \"hf\": \"mix\"}";
    static const char *const rows[][2] = {
        {"{\"size\": 2, \"mix\": null}", "f.json: key \"mix\" = null: expected an object (rule \"mixer\", "},
        {"{\"size\": 2, \"mix\": 7}", "f.json: key \"mix\" = 7: expected an object"},
        {"{\"size\": 2, \"mix\": [1]}", "f.json: key \"mix\" = [1]: expected an object"},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        const fg_converter *converter;
        fg_translation out = {0};
        fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
        json_t *source = parse(rows[i / 2][0]);
        if (load(&converter, i % 2 ? chosen : config, SECTIONS, "", &err) != FG_OK) fail_msg("%s", err.text);
        assert_int_equal(fg_translate(converter, FG_IMPORT, source, &options, &out, &err), FG_ERR_INPUT);
        if (strncmp(err.text, rows[i / 2][1], strlen(rows[i / 2][1])) != 0 || strchr(err.text, '\n'))
            fail_msg("row %zu: %s", i, err.text);
        json_decref(source);
    }
}

#define AROUND MIXER ", " BLOCKS ", " PARTS ", "

/* What an import leaves out comes back on export, unless the model says something else by then. */
static void what_was_left_out_comes_back(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    fg_translation there = {0}, back = {0};
    json_t *source = parse("{\"size\": 1, \"c\": \"rot\", \"about\": {\"x\": 1}}");
    fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
    assert_int_equal(
        load(&converter, AROUND SIZE ", \"colour\": {\"rename\": \"c\", \"through\": \"t\"}", SECTIONS,
             "\"tables\": {\"t\": [[\"red\", \"rouge\"], [\"red\", \"rot\"], [\"green\", \"vert\"]]},", &err),
        FG_OK);
    if (fg_translate(converter, FG_IMPORT, source, &options, &there, &err) != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(json_array_size(there.left_out), 2);
    options.carried = there.left_out;
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_true(fg_json_equal(back.result, source));
    fg_translation_free(&back);
    json_object_set_new(there.result, "colour", json_string("green"));
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_string_equal(json_string_value(json_object_get(back.result, "c")), "vert");
    fg_translation_free(&back);
    fg_translation_free(&there);
    json_decref(source);
}

/* A key that says what its absence says comes back, while its section does, and says the same. */
static void an_explicit_default_comes_back(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    fg_translation there = {0}, back = {0};
    json_t *source = parse("{\"size\": 4, \"mix\": {\"type\": \"a\", \"heads\": 8}}");
    fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
    static const char optional[] =
        "\"a\": {\"class\": \"MixA\", \"config\": {\"heads\": {\"optional\": 8, \"rename\": \"heads\"}, "
        "\"weight\": {\"ignored\": \"r\"}}}, "
        "\"b\": {\"class\": \"MixB\", \"config\": {\"states\": {\"rename\": \"states\"}}}";
    static const char config[] =
        SIZE ", " COLOUR ", " BLOCKS ", " PARTS
             ", \"mixer\": {\"dispatch\": {\"a\": \"a\", \"b\": \"b\"}, \"hf\": \"mix\"}";
    static const struct {
        const char *mixer, *mix; /* what Fast-LLM's becomes; what hf's is then */
    } rows[] = {
        {"{\"type\": \"a\", \"heads\": 8}", "{\"type\": \"a\", \"heads\": 8}"},
        {"{\"type\": \"a\"}", "{\"type\": \"a\", \"heads\": 8}"},
        {"{\"type\": \"a\", \"heads\": 5}", "{\"type\": \"a\", \"heads\": 5}"},
        {"{\"type\": \"b\", \"states\": 3}", "{\"type\": \"b\", \"states\": 3}"},
    };
    if (load(&converter, config, optional, "", &err) != FG_OK ||
        fg_translate(converter, FG_IMPORT, source, &options, &there, &err) != FG_OK)
        fail_msg("%s", err.text);
    options.carried = there.left_out;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_object_set_new(there.result, "mixer", parse(rows[i].mixer));
        if (fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err) != FG_OK)
            fail_msg("%s", err.text);
        json_t *wanted = parse(rows[i].mix);
        assert_true(fg_json_equal(json_object_get(back.result, "mix"), wanted));
        json_decref(wanted);
        fg_translation_free(&back);
    }
    fg_translation_free(&there);
    json_decref(source);
}

/* A null that stands for a default is a null again. */
static void a_null_comes_back(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    fg_translation there = {0}, back = {0};
    json_t *source = parse("{\"size\": null}");
    fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
    assert_int_equal(load(&converter, AROUND COLOUR ", \"size\": {\"rename\": \"size\", \"default\": 7}",
                          SECTIONS, "", &err),
                     FG_OK);
    assert_int_equal(fg_translate(converter, FG_IMPORT, source, &options, &there, &err), FG_OK);
    options.carried = there.left_out;
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_true(fg_json_equal(back.result, source));
    fg_translation_free(&back);
    json_object_set_new(there.result, "size", json_integer(8));
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_int_equal(json_integer_value(json_object_get(back.result, "size")), 8);
    fg_translation_free(&back);
    fg_translation_free(&there);
    json_decref(source);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_object_is_one_refusal),
        cmocka_unit_test(what_was_left_out_comes_back),
        cmocka_unit_test(an_explicit_default_comes_back),
        cmocka_unit_test(a_null_comes_back),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
