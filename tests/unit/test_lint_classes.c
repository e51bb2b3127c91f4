/* lint/lint_classes: each lint error, made by a converter that is right but for one thing. Classes are
 * small ones of the test's own. */
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
#include "base/json.h"
#include "language/converter.h"
#include "lint/lint_classes.h"

static char folder[] = "/tmp/fgconv-lint-classes-XXXXXX";
static fg_catalogue catalogue;

static const char classes_text[] =
    "{\"registries\": {\"Mixer\": {\"types\": {\"a\": \"MixA\", \"b\": \"MixB\"}, \"default\": \"MixA\"}}, "
    "\"classes\": {"
    "\"Model\": {\"type\": null, \"fields\": {"
    "  \"size\": {\"architecture\": \"int\", \"default\": 4}, \"rate\": {\"architecture\": \"float | null\", "
    "\"default\": null},"
    "  \"tied\": {\"architecture\": \"bool\", \"default\": false}, \"name\": {\"architecture\": \"null | "
    "str\", \"default\": null},"
    "  \"note\": {\"other\": \"str\", \"default\": \"\"}, \"mixer\": {\"architecture\": \"Mixer\", "
    "\"class\": \"MixA\"},"
    "  \"layer\": {\"architecture\": \"Layer\", \"class\": \"Layer\"}, \"weight\": {\"architecture\": "
    "\"Parameter\", \"class\": "
    "\"Parameter\"}}},"
    "\"MixA\": {\"type\": \"a\", \"fields\": {\"heads\": {\"architecture\": \"int\", \"default\": 8}}},"
    "\"MixB\": {\"type\": \"b\", \"fields\": {\"states\": {\"architecture\": \"int\", \"default\": 2}}},"
    "\"Layer\": {\"type\": null, \"fields\": {\"bias\": {\"architecture\": \"bool\", \"default\": false},"
    "  \"weight\": {\"architecture\": \"Parameter\", \"class\": \"Parameter\"}}},"
    "\"Parameter\": {\"type\": null, \"fields\": {\"scale\": {\"other\": \"float | null\", \"default\": "
    "null}}}}}";

/* The parts of a converter in which nothing is wrong. */
#define SIZE "\"size\": {\"rename\": \"size\", \"type\": \"count\"}"
#define RATE "\"rate\": {\"rename\": \"rate\", \"type\": \"positive?\"}"
#define TIED "\"tied\": {\"optional\": false, \"rename\": \"tied\", \"type\": \"flag\"}"
#define NAME "\"name\": {\"rename\": \"name\", \"type\": \"text?\"}"
#define MIXER "\"mixer\": {\"dispatch\": {\"a\": \"a\", \"b\": \"b\"}, \"hf\": \"mixer\"}"
#define LAYER "\"layer\": {\"ignored\": \"why\", \"field\": [\"layer/bias\"], \"neutral\": [false]}"
#define REST "\"rest\": {\"ignored\": \"why\", \"field\": [\"layer/weight\", \"weight\"]}"
#define MIX_A                                                                                                \
    "\"a\": {\"class\": \"MixA\", \"config\": {\"heads\": {\"rename\": \"heads\", \"type\": \"size\"}}}"
#define MIX_B "\"b\": {\"class\": \"MixB\", \"config\": {\"states\": {\"constant_import\": 2}}}"

typedef struct row {
    const char *config, *model, *sections, *finding; /* `finding`: all of it; "" for none */
} row;

static void put(const char *name, const char *text) {
    fg_error err = {0};
    char *path = fg_path_join(folder, name, NULL);
    remove(path);
    if (fg_file_write_all(path, text, strlen(text), &err) != FG_OK) fail_msg("%s", err.text);
    fg_free(path);
}

static const fg_converter *load(const row *r) {
    fg_error err = {0};
    const fg_converter *converter;
    char *text = fg_strformat(NULL,
                              "{\"format\": \"fast_llm\", \"model_type\": \"probe\", \"root\": \"model\", "
                              "\"sections\": {\"model\": "
                              "{%s \"config\": {%s}}, %s}}",
                              r->model ? r->model : "\"class\": \"Model\",", r->config,
                              r->sections ? r->sections : MIX_A ", " MIX_B);
    char *path = fg_path_join(folder, "probe.json", NULL);
    put("probe.json", text);
    fg_catalogue_forget(&catalogue);
    if (fg_converter_load_file(&converter, &catalogue, path, &err) != FG_OK) fail_msg("%s", err.text);
    fg_free(path);
    fg_free(text);
    return converter;
}

static void check(const row *r, size_t number) {
    fg_error err = {0};
    const fg_classes *classes;
    fg_buffer wrong = {0};
    const fg_converter *converter = load(r);
    assert_int_equal(fg_classes_load(&classes, &catalogue, &fg_format_fast_llm, &err), FG_OK);
    assert_int_equal(fg_lint_classes(fg_converter_declarations(converter), classes, &wrong, &err), FG_OK);
    const char *found = wrong.length ? wrong.data : "";
    if (strcmp(found, r->finding) != 0)
        fail_msg("row %zu: \"%s\", expected \"%s\"", number, found, r->finding);
    fg_buffer_free(&wrong);
}

#define CHECK(rows)                                                                                          \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++) check(&(rows)[i], i)
#define ALL_BUT_SIZE RATE ", " TIED ", " NAME ", " MIXER ", " LAYER ", " REST
#define ALL_BUT_LAYER SIZE ", " RATE ", " TIED ", " NAME ", " MIXER ", " REST
#define ALL_BUT_MIXER SIZE ", " RATE ", " TIED ", " NAME ", " LAYER ", " REST
#define ALL SIZE ", " ALL_BUT_SIZE

static void what_is_right_has_no_findings(void **state) {
    (void)state;
    static const row rows[] = {
        {.config = ALL, .finding = ""},
        /* fields that are no architecture may be claimed, and need not be */
        {.config = ALL ", \"note\": {\"ignored\": \"why\"}", .finding = ""},
        /* one claim for all below */
        {.config = ALL_BUT_LAYER ", \"layer\": {\"ignored\": \"why\", \"neutral\": [null]}", .finding = ""},
    };
    CHECK(rows);
}

static void fields_are_claimed_down_to_the_leaves(void **state) {
    (void)state;
    static const row rows[] = {
        {.config = ALL_BUT_SIZE,
         .finding = "sections/model: the architecture field \"size\" (int) is covered by no rule"},
        {.config = ALL_BUT_LAYER,
         .finding = "sections/model: the architecture field \"layer/bias\" (bool) is covered by no rule"},
        {.config = SIZE ", " RATE ", " TIED ", " NAME ", " MIXER ", " LAYER,
         .finding =
             "sections/model: the architecture field \"layer/weight\" (Parameter) is covered by no rule; "
             "sections/model: the architecture field \"weight\" (Parameter) is covered by no rule"},
        {.config = ALL_BUT_MIXER,
         .sections = "\"spare\": {\"class\": \"MixA\"}",
         .finding = "sections/model: the architecture field \"mixer\" (Mixer) is covered by no rule; "
                    "sections/spare: no rule refers to it"},
        {.config = ALL,
         .sections = "\"a\": {\"class\": \"MixA\"}, " MIX_B,
         .finding = "sections/a: the architecture field \"heads\" (int) is covered by no rule"},
    };
    CHECK(rows);
}

static void declarations_are_for_fields_that_exist(void **state) {
    (void)state;
    static const row rows[] = {
        {.config = ALL ", \"colour\": {\"constant_import\": 1}",
         .finding = "sections/model: \"colour\": a Model has no field \"colour\""},
        {.config = ALL ", \"deep\": {\"constant_import\": 1, \"field\": \"layer/colour\"}",
         .finding = "sections/model: \"deep\": a Model has no field \"layer/colour\""},
        /* below a field of several classes nothing is known without a configuration */
        {.config = ALL ", \"deep\": {\"constant_import\": 1, \"field\": \"mixer/colour\"}", .finding = ""},
    };
    CHECK(rows);
}

static void what_is_ignored_has_a_proof(void **state) {
    (void)state;
    static const char finding[] = "sections/model: \"layer\" ignores the architecture field \"layer/bias\", "
                                  "without proof that nothing is lost (\"neutral\", or a condition in "
                                  "\"export_if\" or \"export_warn\")";
    static const char ignored[] =
        ALL_BUT_LAYER ", \"layer\": {\"ignored\": \"why\", \"field\": [\"layer/bias\"]}";
    static const row rows[] = {
        {.config = ignored, .finding = finding},
        {.config = ignored,
         .model = "\"class\": \"Model\", \"export_if\": {\"no\": [\"not layer.bias\", \"no bias\"]},",
         .finding = ""},
        {.config = ignored,
         .model = "\"class\": \"Model\", \"export_warn\": [[\"not layer.bias\", \"the bias is lost\"]],",
         .finding = ""},
        {.config = ignored,
         .model = "\"class\": \"Model\", \"export_if\": [[\"size > 1\", \"too small\"]],",
         .finding = finding},
    };
    CHECK(rows);
}

static void what_is_left_out_is_the_default(void **state) {
    (void)state;
    static const row rows[] = {
        {.config = SIZE ", " RATE ", " NAME ", " MIXER ", " LAYER ", " REST
                        ", \"tied\": {\"optional\": true, \"rename\": \"tied\", \"type\": \"flag\"}",
         .finding = "sections/model: \"tied\": the value of \"optional\" is not the default of \"tied\""},
        {.config = ALL_BUT_SIZE ", \"size\": {\"rename\": \"size\", \"type\": \"count\", \"omit\": 3}",
         .finding = "sections/model: \"size\": the value of \"omit\" is not the default of \"size\""},
        {.config = ALL_BUT_SIZE ", \"size\": {\"rename\": \"size\", \"type\": \"count\", \"omit\": 4}",
         .finding = ""},
    };
    CHECK(rows);
}

static void what_is_carried_has_a_type_that_fits(void **state) {
    (void)state;
    static const row rows[] = {
        {.config = ALL_BUT_SIZE ", \"size\": {\"rename\": \"size\"}",
         .finding =
             "sections/model: \"size\": the field \"size\" (int) needs a \"type\", one of: count size"},
        {.config = ALL_BUT_SIZE ", \"size\": {\"rename\": \"size\", \"type\": \"flag\"}",
         .finding =
             "sections/model: \"size\": the field \"size\" (int) needs a \"type\", one of: count size"},
        {.config = ALL_BUT_SIZE ", \"size\": {\"rename\": \"size\", \"type\": \"size?\"}",
         .finding = "sections/model: \"size\": the field \"size\" cannot be null, as \"size?\" can"},
        {.config = SIZE ", " TIED ", " NAME ", " MIXER ", " LAYER ", " REST
                        ", \"rate\": {\"rename\": \"rate\", \"type\": \"count\"}",
         .finding = "sections/model: \"rate\": the field \"rate\" (float | null) needs a \"type\", one of: "
                    "number positive "
                    "probability"},
    };
    CHECK(rows);
}

static void sections_have_classes(void **state) {
    (void)state;
    static const row rows[] = {
        {.config = ALL,
         .sections = "\"a\": {\"class\": \"Unheard\"}, " MIX_B,
         .finding = "sections/a: there is no class \"Unheard\""},
        {.config = ALL,
         .sections = "\"a\": {}, " MIX_B,
         .finding = "sections/a: there is no class \"(none given)\""},
        {.config = ALL,
         .sections = MIX_A ", " MIX_B ", \"c\": {\"class\": \"MixB\"}",
         .finding = "sections/c: no rule refers to it"},
    };
    CHECK(rows);
}

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    char *defaults = fg_path_join(folder, "defaults", NULL);
    fg_status status = fg_directory_create(defaults, NULL);
    fg_free(defaults);
    put("defaults/fast_llm.json", classes_text);
    return status == FG_OK && fg_catalogue_add(&catalogue, folder, NULL) == FG_OK ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    fg_catalogue_free(&catalogue);
    fg_directory_remove(folder, NULL);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_has_no_findings),
        cmocka_unit_test(fields_are_claimed_down_to_the_leaves),
        cmocka_unit_test(declarations_are_for_fields_that_exist),
        cmocka_unit_test(what_is_ignored_has_a_proof),
        cmocka_unit_test(what_is_left_out_is_the_default),
        cmocka_unit_test(what_is_carried_has_a_type_that_fits),
        cmocka_unit_test(sections_have_classes),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
