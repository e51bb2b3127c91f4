/* base/error_fields: what a message says, as fields. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error_json.h"

#define HOSTILE "a\": found 1, expected 2"

static void expect(const fg_error *err, const char *file, const char *key, const char *found,
                   const char *expected) {
    print_message("%s\n", err->text);
    assert_string_equal(err->file, file);
    assert_string_equal(err->key, key);
    assert_string_equal(err->found, found);
    assert_string_equal(err->expected, expected);
}

/* One message: the format and its arguments in brackets, then file, key, found and expected. */
#define SAYS(format_and_arguments, file, key, found, expected)                                               \
    do {                                                                                                     \
        fg_error err = {0};                                                                                  \
        (void)fg_fail_here format_and_arguments;                                                             \
        expect(&err, file, key, found, expected);                                                            \
    } while (0)
#define fg_fail_here(...) fg_fail(&err, FG_ERR_INPUT, __VA_ARGS__)

static void files_lead(void **state) {
    (void)state;
    SAYS(("%s: no such file", "nowhere"), "nowhere", "", "", "");
    SAYS(("%s: cannot read %zu bytes at byte %llu", "a b/c", (size_t)1, 2ULL), "a b/c", "", "", "");
    SAYS(("%s/metadata.yaml: shards: found %s, expected a list", "d", "1"), "d/metadata.yaml", "shards", "1",
         "a list");
    SAYS(("%s:%u: %s", "c.json", 3U, "not so"), "c.json", "", "", "");
    SAYS(("models/%s: more than %d files extend each other", "x", 3), "models/x", "", "", "");
    SAYS(("%s: column %u", "c.json: sections/decoder", 3U), "c.json", "sections/decoder", "", "");
    SAYS(("%s: found \"%s\"", "line 3", "x"), "", "", "\"x\"", "");
    SAYS(("the models differ: %s", "x/y: z"), "", "", "", "");
    SAYS(("%s %s: this is not a file", "--dump", "ab.h5"), "ab.h5", "--dump", "", "");
    SAYS(("--hf-base %s: its tokenizer is another", "a b/c"), "a b/c", "--hf-base", "", "");
    SAYS(("%s exists already: another run is writing to it", "d.partial"), "d.partial", "", "", "");
    SAYS(("%s/config.json has no %s: %s is required", "d", "k", "--arch"), "d/config.json", "", "", "");
    SAYS(("generation_config.json: %s: found %s, expected 1", "top_p", "2"), "generation_config.json",
         "top_p", "2", "1");
    SAYS(("%s and %s differ", "a", "b"), "", "", "", "");
}

static void keys_are_named(void **state) {
    (void)state;
    SAYS(("%s: key \"%s\": found %s, expected %s", "c.json", "a/b", "3", "4"), "c.json", "a/b", "3", "4");
    SAYS(("%s: config/%s: found %s, expected %s", "m.yaml", "x", "3", "4"), "m.yaml", "config/x", "3", "4");
    SAYS(("%s: \"%s\": found %s, expected an object", "m.yaml", "x", "3"), "m.yaml", "x", "3", "an object");
    SAYS(("%s: tensor \"%s\" has dtype %s, expected a float", "m", "w", "I8"), "m", "w", "I8", "a float");
    SAYS(("tensor %s: found shape [%s], expected [%s] from the config", "w", "1", "2"), "", "w", "[1]",
         "[2]");
    SAYS(("tensor %.*s is missing", 2, "www"), "", "ww", "", "");
    SAYS(("%s: model: \"%s\": the id of \"%s\": found %s, expected 1", "t", "vocab", "x", "2"), "t", "x", "2",
         "1");
    SAYS(("%s: sections/%s/weights: more than %d dimensions", "c", "mlp", 5), "c", "sections/mlp/weights", "",
         "");
    SAYS(("%s: line %zu: not valid JSON: expected %s", "c", (size_t)3, "a comma"), "c", "", "", "a comma");
    SAYS(("\"%s\" and \"%s\" are tied, but differ", "a", "b"), "", "a", "", "");
    SAYS(("%s: zip entry \"%s\" is encrypted", "m.bin", "data"), "m.bin", "data", "", "");
    SAYS(("option %s: found \"%.*s\", expected %s", "--atol", 2, "-1", "a number"), "", "--atol", "\"-1\"",
         "a number");
    SAYS(("--prompt and --token-ids both give the tokens to run"), "", "--prompt", "", "");
    SAYS(("fgconv %s does not take the option --%s", "list", "atol"), "", "--atol", "", "");
    SAYS(("unknown option %.*s", 9, "--nonsense"), "", "--nonsens", "", "");
}

static void values_are_compared(void **state) {
    (void)state;
    SAYS(("%s: key \"%s\" = %s: expected null or an object", "c", "k", "3"), "c", "k", "3",
         "null or an object");
    SAYS(("%s: key \"%s\" = %s: low", "c", "k", "3"), "c", "k", "3", "");
    SAYS(("%s: pickle protocol %u, expected %d", "m.bin", 3U, 2), "m.bin", "", "pickle protocol 3", "2");
    SAYS(("%s: found %s, expected {\"String\": ...} (%s)", "c", "1", "why"), "c", "", "1",
         "{\"String\": ...}");
    SAYS(("option %s takes no value, found \"%s\"", "--json", "1"), "", "--json", "\"1\"", "no value");
    SAYS(("option %s needs a value: %s", "--prompt", "TEXT"), "", "--prompt", "", "TEXT");
    SAYS(("fgconv %s needs %s, found %s", "diff", "A B", "nothing"), "", "", "nothing", "A B");
    SAYS(("%s: %zu dimensions, at most %d are supported", "c", (size_t)9, 8), "c", "", "9 dimensions",
         "at most 8");
    SAYS(("%s: %s: the type \"%s\" is not supported; known are: %s", "t.json", "model", "X", "BPE"), "t.json",
         "model", "\"X\"", "BPE");
    SAYS(("key \"%s\" = %s: only %s is supported", "k", "1", "2"), "", "k", "1", "2");
    SAYS(("%s: %s; found %s (rule \"%s\")", "c", "too small", "a = 1", "r"), "c", "", "a = 1", "");
    SAYS(("--to %s: the source is in that format", "hf"), "", "--to", "hf", "");
    SAYS(("%s: %" PRIu64 " of %.1f %% found", "c", (uint64_t)1, 2.0), "c", "", "", "");
}

/* What arguments say is no word of the message. */
static void arguments_say_nothing(void **state) {
    (void)state;
    SAYS(("%s: tensor \"%s\" is missing", HOSTILE, HOSTILE), "a\"", HOSTILE, "", "");
    SAYS(("%s: key \"%s\": found %s, expected %s", "c", HOSTILE, HOSTILE, "4"), "c", HOSTILE, HOSTILE, "4");
}

static void long_texts_are_cut(void **state) {
    (void)state;
    fg_error err = {0};
    char path[2 * FG_ERROR_TEXT + 1];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    (void)fg_fail(&err, FG_ERR_INPUT, "%s: key \"%s\": found %s, expected %s", path, "a", "b", "c");
    assert_int_equal(strlen(err.file), FG_ERROR_FILE - 1);
    assert_string_equal(err.key, "");
    assert_string_equal(err.expected, "");
}

static void the_first_failure_keeps_its_fields(void **state) {
    (void)state;
    fg_error err = {0}, inner = {0};
    (void)fg_fail(&inner, FG_ERR_INPUT, "%s: found %s, expected %s", "inner", "1", "2");
    (void)fg_fail(&err, FG_ERR_INPUT, "%s: in its header: %s", "outer.bin", inner.text);
    assert_int_equal(fg_fail_quoting(&err, &inner), FG_ERR_INPUT);
    expect(&err, "outer.bin", "", "1", "2");
    (void)fg_fail(&err, FG_ERR_INPUT, "%s: key \"%s\": found %s, expected %s", "later", "k", "3", "4");
    (void)fg_about_file(&err, "later");
    expect(&err, "outer.bin", "", "1", "2");
    fg_error again = {0};
    assert_int_equal(fg_fail_again(&again, &err), FG_ERR_INPUT);
    expect(&again, "outer.bin", "", "1", "2");
    assert_int_equal(fg_fail_again(&again, &inner), FG_ERR_INPUT);
    expect(&again, "outer.bin", "", "1", "2");
}

/* What a message says in words of its own, its function adds. */
static void parts_are_added(void **state) {
    (void)state;
    fg_error err = {0};
    (void)fg_fail(&err, FG_ERR_INPUT, "%s: the file ends too early", "m.bin");
    (void)fg_about_key(&err, "k");
    (void)fg_about_found(&err, "%d bytes", 3);
    (void)fg_about_expected(&err, "%d bytes", 4);
    expect(&err, "m.bin", "k", "3 bytes", "4 bytes");
    (void)fg_about_key(&err, "later");
    (void)fg_about_found(&err, "%d", 5);
    (void)fg_about_expected(&err, "%d", 6);
    expect(&err, "m.bin", "k", "3 bytes", "4 bytes");
}

static void json_has_them(void **state) {
    (void)state;
    fg_error err = {0};
    char text[2000] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    (void)fg_fail(&err, FG_ERR_INPUT, "%s: key \"%s\": found %s, expected %s", "c\n\xff.json", "k\\", "\"3\"",
                  "4");
    fg_error_json(&err, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\n  \"file\": \"c\\\\n\\\\xff.json\",\n  \"key\": \"k\\\\\",\n"));
    assert_non_null(
        strstr(text, "\n  \"found\": \"\\\"3\\\"\",\n  \"expected\": \"4\",\n  \"while\": null,\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_lead),          cmocka_unit_test(keys_are_named),
        cmocka_unit_test(values_are_compared), cmocka_unit_test(arguments_say_nothing),
        cmocka_unit_test(long_texts_are_cut),  cmocka_unit_test(the_first_failure_keeps_its_fields),
        cmocka_unit_test(parts_are_added),     cmocka_unit_test(json_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
