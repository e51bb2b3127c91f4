/* What is refused when a file of models/, the "model" of a migration, or defaults/hf_keys.json is read. */
#include "language/hf_keys.h"
#include "language/migrations.h"
#include "model/spec.h"
#include "store_fixture.h"

/* The fixture's directory, then the built-in one. */
static void open_catalogue(fg_catalogue *catalogue) {
    assert_int_equal(fg_catalogue_add(catalogue, at(""), NULL), FG_OK);
    assert_int_equal(fg_catalogue_add(catalogue, FG_CONVERTERS, NULL), FG_OK);
}

static void expect(size_t row, fg_status status, const fg_error *err, const char *text, const char *near) {
    char hint[80] = "";
    if (near) snprintf(hint, sizeof hint, "did you mean \"%s\"?", near);
    if (status != FG_ERR_INPUT || !strstr(err->text, text) || strcmp(err->hint, hint) != 0)
        fail_msg("row %zu: found %d: %s (%s), expected %s (%s)", row, (int)status, err->text, err->hint, text,
                 hint);
}

static fg_status read_spec(const char *text, fg_error *err) {
    fg_catalogue catalogue = {0};
    json_t *spec;
    open_catalogue(&catalogue);
    put_text("models/tapir.json", text);
    fg_status status = fg_model_spec_read(&spec, &catalogue, "tapir", err);
    json_decref(spec);
    fg_catalogue_free(&catalogue);
    return status;
}

static void members_of_a_spec(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"{\n\"formts\": {}}", "models/tapir.json:2: formts: unknown key", "formats"},
        {"{\"extends\": \"llama.json\", \"formts\": null}", "tapir.json:1: formts: unknown key", "formats"},
        {"{\"formats\": {\"forgater\": {}}}", "formats/forgater: unknown key", "forgather"},
        {"{\"formats\": []}", "formats: found an array, expected an object", NULL},
        {"{\"config\": {\"haeds\": {\"value\": 1}}}", "config/haeds: unknown key", "heads"},
        {"{\"config\": {\"mlp\": {\"values\": 1}}}", "config/mlp/values: unknown key", "value"},
        {"{\"config\": {\"mlp\": \"dense\"}}", "config/mlp: found a string, expected an object", NULL},
        {"{\"config\": {\"mlp\": null}}", "config/mlp: found null, expected an object", NULL},
        {"{\"formats\": {\"hf\": {\"onyl\": {}}}}", "formats/hf/onyl: unknown key", "only"},
        {"{\"formats\": {\"hf\": {\"only\": {\"bias\": null}}}}", "only/bias: found null, expected a list",
         NULL},
        {"{\"formats\": {\"hf\": {\"only_if\": {\"a ==\": \"why\"}}}}", "formats/hf/only_if/a ==", NULL},
        {"{\"formats\": {\"hf\": {\"config\": {\n\"heads\":\n{\"kye\": 1}}}}}",
         "tapir.json:3: formats/hf/config/heads/kye: unknown key", "key"},
        {"{\"formats\": {\"hf\": {\"config\": {\"heads\": {\"key\": 1}}}}}",
         "formats/hf/config/heads/key: found an integer, expected a string", NULL},
        {"{\"formats\": {\"hf\": {\"rotary\": {\"number\": {}}}}}", "rotary/number: unknown key", "numbers"},
        {"{\"formats\": {\"hf\": {\"rotary\": {\"type\": {\"wrods\": {}}}}}}", "rotary/type/wrods: unknown",
         "words"},
        {"{\"formats\": {\"hf\": {\"rotary\": {\"numbers\": {\"beta_fats\": {}}}}}}",
         "numbers/beta_fats: unknown key", "beta_fast"},
        {"{\"formats\": {\"hf\": {\"rotary\": {\"numbers\": {\"theta\": {\"outsides\": \"a\"}}}}}}",
         "numbers/theta/outsides: unknown key", "outside"},
        {"{\"formats\": {\"hf\": {\"rotary\": {\"numbers\": {\"theta\": {\"yields\": 1}}}}}}",
         "theta/yields: found an integer, expected true or false", NULL},
        {"{\"formats\": {\"hf\": {\"blocks\": {\"patern\": \"a\"}}}}", "blocks/patern: unknown", "pattern"},
        {"{\"formats\": {\"hf\": {\"blocks\": {\"by\": {\"absnt\": 1}}}}}", "by/absnt: unknown", "absent"},
        {"{\"formats\": {\"hf\": {\"blocks\": {\"config\": {\"haeds\": {}}}}}}", "config/haeds: unknown key",
         "heads"},
        {"{\"formats\": {\"hf\": {\"weights\": {\"head\": {\"nam\": \"x\"}}}}}", "head/nam: unknown", "name"},
        {"{\"formats\": {\"hf\": {\"weights\": {\"head\": [\"y\", {\"name\": \"x\", \"prat\": 1}]}}}}",
         "formats/hf/weights/head/1/prat: unknown key", "part"},
        {"{\"formats\": {\"hf\": {\"weights\": {\"head\": {\"of\": 2}}}}}", "head/name: is missing", NULL},
        {"{\"formats\": {\"hf\": {\"weights\": {\"head\": {\"name\": \"x\", \"of\": -2}}}}}",
         "head/of: found an integer, expected an integer of 0 or more", NULL},
        {"{\"formats\": {\"hf\": {\"weights\": {\"head\": [1]}}}}",
         "weights/head: found an array, expected a", NULL},
    };
    put_directory("models");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        fg_status status = read_spec(rows[i][0], &err);
        expect(i, status, &err, rows[i][1], rows[i][2]);
    }
}

static void what_a_plug_in_may_say(void **state) {
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"extends\": \"llama.json\", \"about\": \"null removes\", \"config\": {\"mlp\": null}, "
        "\"formats\": "
        "{\"forgather\": null, \"hf\": {\"only\": {\"bias\": null}, \"only_if\": {\"a == 1\": null}, "
        "\"weights\": {\"head\": null, \"mlp.up\": {\"name\": \"up\", \"part\": null}}}}}",
        "{\"formats\": {\"hf\": {\"config\": {\"heads\": {\"key\": [\"a\", \"b\"], \"absent\": null, "
        "\"null\": {\"same_as\": \"hidden\"}}}, \"weights\": {\"head\": [\"a\", {\"name\": \"b\", \"rows\": "
        "[1, \"heads * 2\"], \"experts\": \"stacked\"}]}}}}",
    };
    put_directory("models");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        if (read_spec(rows[i], &err) != FG_OK) fail_msg("row %zu: %s", i, err.text);
    }
}

static void the_model_of_a_migration(void **state) {
    (void)state;
    fg_catalogue catalogue = {0};
    fg_migrations all = {0};
    fg_error err = {0};
    put_text("one.json",
             "{\"arch\": \"a\", \"from\": 0, \"to\": 1, \"about\": \"b\",\n\"model\": {\"weights\": "
             "{\"head\": {\"name\": \"x\",\n\"tranposed\": true}}}}");
    open_catalogue(&catalogue);
    assert_int_equal(fg_migrations_load_file(&all, &catalogue, at("one.json"), &err), FG_OK);
    fg_status status = fg_model_spec_check_patch(&all.items[0], &err);
    expect(0, status, &err, "one.json:3: model/weights/head/tranposed: unknown key", "transposed");
    fg_migrations_free(&all);
    fg_catalogue_free(&catalogue);
}

static void keys_of_hf(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"{\"unred\": {}}", "hf_keys.json:1: unred: unknown key", "unread"},
        {"{\"unread\": {\"a\": {\"reason\": \"b\", \"source\": \"c\"}}}", "unread/a/keys: is missing", NULL},
        {"{\"unread\": {\"a\": {\"reason\": 1, \"source\": \"c\", \"keys\": [\"d\"]}}}",
         "unread/a/reason: found an integer", NULL},
        {"{\"refused\": {\"a\": {\"message\": \"b\", \"hint\": \"c\", \"keys\": [\"d\"], \"netral\": [1]}}}",
         "refused/a/netral: unknown key", "neutral"},
        {"{\"types\": {\"idz\": [\"a\"]}}", "types/idz: there is no such type", NULL},
    };
    put_directory("defaults");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        fg_catalogue catalogue = {0};
        const json_t *keys;
        put_text("defaults/hf_keys.json", rows[i][0]);
        open_catalogue(&catalogue);
        fg_status status = fg_hf_keys_load(&catalogue, &keys, &err);
        expect(i, status, &err, rows[i][1], rows[i][2]);
        fg_catalogue_free(&catalogue);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_of_a_spec, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_a_plug_in_may_say, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(the_model_of_a_migration, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(keys_of_hf, fixture_set_up, fixture_tear_down),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
