/* language/migration, migrations, version: versions in their order, one step on configurations and tensors,
 * chains, and what is refused. */
#include "plan_fixture.h"

#include "language/migrations.h"
#include "mapping/migration_map.h"
#include "translate/migration_config.h"

static char folder[] = "/tmp/fgconv-migration-XXXXXX";
static fg_catalogue none;

static int begin(void **state) {
    if (!mkdtemp(folder)) return 1;
    char *migrations = fg_path_join(folder, "migrations", NULL);
    int failed = fg_directory_create(migrations, NULL) != FG_OK;
    fg_free(migrations);
    return failed || set_up(state);
}

static int end(void **state) {
    fg_catalogue_free(&none);
    fg_directory_remove(folder, NULL);
    return tear_down(state);
}

/* ---- versions ---- */

static void versions_are_ordered_as_pep_440_orders_them(void **state) {
    (void)state;
    static const char *const ascending[] = {
        "0",       "0.1",   "1.dev3", "1a1.dev2", "1a1",    "1.0a2", "1b1", "1rc1", "1", "1.post0.dev4",
        "1.post0", "1.0-2", "1.0.1",  "1.10",     "2.dev1", "2",     "10",  "1!0.1"};
    enum { COUNT = sizeof ascending / sizeof *ascending };
    fg_version a, b;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < COUNT; k++) {
            assert_true(fg_version_parse(ascending[i], &a));
            assert_true(fg_version_parse(ascending[k], &b));
            int order = fg_version_compare(&a, &b);
            if ((order > 0) != (i > k) || (order < 0) != (i < k))
                fail_msg("%s against %s: %d", ascending[i], ascending[k], order);
        }
    }
}

static void one_version_may_be_written_in_several_ways(void **state) {
    (void)state;
    static const char *const same[][2] = {{"1", "1.0"},      {"v1", "1.0.0"},        {"1a1", "1.0-ALPHA.1"},
                                          {"1c2", "1_rc_2"}, {"1pre1", "1preview1"}, {"1.post", "1-rev0"},
                                          {"0!1", "1"},      {"1.dev", "1DEV0"},     {"007", "7"}};
    fg_version a, b;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (!fg_version_parse(same[i][0], &a) || !fg_version_parse(same[i][1], &b) ||
            fg_version_compare(&a, &b))
            fail_msg("%s and %s are one version", same[i][0], same[i][1]);
    }
    static const char *const broken[] = {"",
                                         "a",
                                         "1.",
                                         "1..2",
                                         "1+local",
                                         "1 ",
                                         "-1",
                                         "1a1b1",
                                         "v",
                                         "1!",
                                         "1.x",
                                         "99999999999999999999",
                                         "1.2.3.4.5.6.7.8.9"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        if (fg_version_parse(broken[i], &a)) fail_msg("\"%s\" passed", broken[i]);
    }
    fg_error err = {0};
    json_t *integer = json_integer(3), *real = json_real(1.5);
    assert_int_equal(fg_version_read(integer, "x", &a, &err), FG_OK);
    assert_string_equal(a.text, "3");
    assert_int_equal(fg_version_read(real, "config.json: v", &a, &err), FG_ERR_INPUT);
    assert_string_equal(err.text, "config.json: v: found 1.5, expected a version, such as 2 or \"2.1\"");
    json_decref(integer);
    json_decref(real);
}

/* ---- files ---- */

static char *put(const char *name, const char *text) {
    char *path = fg_path_join(folder, name, NULL);
    remove(path);
    assert_int_equal(fg_file_write_all(path, text, strlen(text), NULL), FG_OK);
    return path;
}

/* The one migration of a file with these members. */
static fg_status load(const char *members, fg_migrations *all, fg_error *err) {
    char *text = fg_strformat(
        NULL, "{\"arch\": \"probe\", \"from\": 1, \"to\": \"2\", \"about\": \"a probe\",\n%s}", members);
    char *path = put("one.json", text);
    *all = (fg_migrations){0};
    fg_catalogue_forget(&none);
    fg_status status = fg_migrations_load_file(all, &none, path, err);
    fg_free(path);
    fg_free(text);
    return status;
}

static void what_is_wrong_with_a_file_is_said(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"\"config\": {}, \"drop\": []", "one.json:2: drop: unknown key"},
        {"\"names\": [[\"a(\", \"b\"]]", "broken pattern at column"},
        {"\"names\": [[\"a\", \"\\\\1\"]]", "line 2: names/0: rule \"a\": the replacement names group 1"},
        {"\"names\": [\"@x\"]", "there is no list \"@x\""},
        {"\"tensors\": {\"a[\": {\"permute\": [1, 0]}}",
         "one.json:2: tensors/0: rule \"(?:a[)\\z\": broken pattern"},
        {"\"tensors\": {\"a\": {}}", "one.json:2: tensors/a: changes nothing"},
        {"\"tensors\": {\"a\": {\"permute\": [0, 2]}}", "expected an order of dimensions"},
        {"\"tensors\": {\"a\": {\"permute\": [1, 0], \"shape\": [1]}}",
         "\"shape\" has 1 dimensions, \"permute\" 2"},
        {"\"tensors\": {\"a\": {\"shape\": [\"1 +\"]}}", "one.json:2: tensors/a/shape"},
        {"\"tensors\": {\"a\": {\"transpose\": true}}", "tensors/a/transpose: unknown key"},
        {"\"tensors\": {\"a\": {\"new_shape\": [1, 1, 1, 1, 1, 1]}}", "more than 5 dimensions"},
        {"\"config\": {\"k\": {\"renamed\": \"o\"}}", "one.json:2: config/k: has no primitive"},
        {"\"config\": {\"k\": {\"nested\": \"o\"}}", "config/k: there are no sections to lead to"},
        {"\"config\": {\"k\": {\"custom\": \"rotary_older\"}}", "belongs in the root section"},
        {"\"config\": {\"k\": {\"custom\": \"rotary\"}}", "there is no custom function \"rotary\""},
        {"\"config\": {\"k\": {\"rename\": \"o\", \"through\": \"t\"}}", "there is no such table"},
        {"\"config\": {\"k\": {\"rename\": \"o\"}, \"l\": {\"rename\": \"o\"}}",
         "is already covered by \"k\""},
        {"\"to\": 1", "duplicate"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_migrations all;
        fg_error err = {0};
        fg_status status = load(rows[i][0], &all, &err);
        if (status != FG_ERR_INPUT || !strstr(err.text, rows[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i][0], err.text, rows[i][1]);
        fg_migrations_free(&all);
    }
    static const char *const whole[][2] = {
        {"{\"arch\": \"a\", \"from\": 2, \"to\": \"1.9\", \"about\": \"x\"}",
         "to: 1.9 does not come after 2"},
        {"{\"arch\": \"a\", \"from\": \"one\", \"to\": 1, \"about\": \"x\"}",
         "from: found \"one\", expected a version"},
        {"{\"from\": 1, \"to\": 2, \"about\": \"x\"}", "arch: is missing"},
        {"{\"arch\": \"a\", \"from\": 1, \"to\": 2}", "about: is missing"},
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        fg_migrations all = {0};
        fg_error err = {0};
        char *path = put("one.json", whole[i][0]);
        fg_catalogue_forget(&none);
        fg_status status = fg_migrations_load_file(&all, &none, path, &err);
        if (status != FG_ERR_INPUT || !strstr(err.text, whole[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", whole[i][0], err.text, whole[i][1]);
        fg_migrations_free(&all);
        fg_free(path);
    }
}

/* ---- configurations ---- */

static json_t *parse(const char *text) {
    json_t *value;
    assert_int_equal(fg_json_parse("test", text, strlen(text), &value, NULL), FG_OK);
    return value;
}

static void rules_change_keys_and_others_pass(void **state) {
    (void)state;
    /* rules, configuration, result without the stamp or what the refusal says */
    static const char *const rows[][3] = {
        {"", "{\"b\": {\"c\": 1}, \"a\": []}", "{\"a\": [], \"b\": {\"c\": 1}, S}"},
        {"\"n\": {\"rename\": \"o\"}", "{\"o\": 3, \"x\": null}", "{S, \"n\": 3, \"x\": null}"},
        {"\"n\": {\"rename\": \"o\"}", "{}", "key \"o\" is absent"},
        {"\"n\": {\"rename\": \"o\", \"maybe\": true}", "{}", "{S}"},
        {"\"n\": {\"rename\": \"o\", \"default\": \"= x * 2\"}", "{\"x\": 4}", "{S, \"n\": 8, \"x\": 4}"},
        {"\"n\": {\"constant_import\": 7}", "{}", "{S, \"n\": 7}"},
        {"\"n\": {\"constant_import\": 7}", "{\"n\": 7}", "{S, \"n\": 7}"},
        {"\"n\": {\"constant_import\": 7}", "{\"n\": 8}",
         "key \"n\" = 8: no rule covers it, but one writes 7"},
        {"\"gone\": {\"ignored\": \"read by nothing\", \"hf\": [\"gone\"]}", "{\"gone\": 1, \"x\": 2}",
         "{S, \"x\": 2}"},
        {"\"gone\": {\"ignored\": \"matters\", \"hf\": [\"gone\"], \"neutral\": [0]}", "{\"gone\": 1}",
         "key \"gone\" = 1: only absent or 0"},
        {"\"r/theta\": {\"rename\": \"theta\"}", "{\"r\": {\"type\": \"x\"}, \"theta\": 5}",
         "{S, \"r\": {\"theta\": 5, \"type\": \"x\"}}"},
        {"\"theta\": {\"rename\": \"r/theta\"}", "{\"r\": {\"type\": \"x\", \"theta\": 5}}",
         "{S, \"r\": {\"type\": \"x\"}, \"theta\": 5}"},
        {"\"a\": {\"rename\": \"b\"}, \"b\": {\"rename\": \"a\"}", "{\"a\": 1, \"b\": 2}",
         "{\"a\": 2, \"b\": 1, S}"},
        {"\"act\": {\"rename\": \"act\", \"through\": \"t\"}", "{\"act\": \"swish\"}",
         "{\"act\": \"silu\", S}"},
        {"\"act\": {\"rename\": \"act\", \"through\": \"t\"}", "{\"act\": \"tanh\"}", "has no such value"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_migrations all;
        fg_error err = {0};
        char *members =
            fg_strformat(NULL, "\"tables\": {\"t\": [[\"silu\", \"swish\"]]}, \"config\": {%s}", rows[i][0]);
        if (load(members, &all, &err) != FG_OK) fail_msg("%s: %s", rows[i][0], err.text);
        json_t *config = parse(rows[i][1]), *result, *left_out = json_array();
        fg_status status =
            fg_migration_config(&all.items[0], "probe", config, "config.json", &result, left_out, NULL, &err);
        if (rows[i][2][0] != '{') {
            if (status != FG_ERR_INPUT || !strstr(err.text, rows[i][2]))
                fail_msg("%s: \"%s\" does not say \"%s\"", rows[i][0], err.text, rows[i][2]);
            assert_non_null(strstr(err.where, "migrating from 1 to 2"));
            assert_null(result);
        } else {
            if (status != FG_OK) fail_msg("%s: %s", rows[i][0], err.text);
            const char *stamp = strchr(rows[i][2], 'S');
            char *text =
                fg_strformat(NULL, "%.*s\"forgather_arch\": \"probe\", \"forgather_arch_version\": \"2\"%s",
                             (int)(stamp - rows[i][2]), rows[i][2], stamp + 1);
            fg_buffer got = {0};
            assert_int_equal(fg_json_write(result, FG_JSON_SORTED | FG_JSON_COMPACT, &got, NULL), FG_OK);
            assert_string_equal(got.data, text);
            fg_buffer_free(&got);
            fg_free(text);
        }
        assert_int_equal(json_array_size(left_out), strstr(rows[i][0], "read by nothing") != NULL);
        json_decref(config);
        json_decref(result);
        json_decref(left_out);
        fg_free(members);
        fg_migrations_free(&all);
    }
}

/* ---- tensors ---- */

static fg_status plan_of(const char *members, fg_plan *plan, fg_error *err) {
    static const uint64_t square[] = {6, 4}, line[] = {24};
    fg_migrations all;
    fg_plan before = {0};
    json_t *config = parse("{\"heads\": 2}");
    if (load(members, &all, err) != FG_OK) fail_msg("%s: %s", members, err->text);
    add_source(&before, "x.w", FG_BF16, 2, square);
    add_source(&before, "x.b", FG_F32, 1, line);
    add_source(&before, "y", FG_I64, 0, NULL);
    const fg_tensor_plan_options options = {0};
    fg_status status = fg_migration_plan(&all.items[0], &before.source, config, &options, plan, err);
    assert_int_equal(before.source.count, 0);
    json_decref(config);
    fg_migrations_free(&all);
    return status;
}

static void names_change_and_others_pass(void **state) {
    (void)state;
    fg_plan plan;
    fg_error err = {0};
    assert_int_equal(
        plan_of(
            "\"lists\": {\"rest\": [[\"w$\", \"weight\"]]}, \"names\": [[\"x\\\\.\", \"z.\", [\"@rest\"]]]",
            &plan, &err),
        FG_OK);
    assert_string_equal(plan.outputs[0].name, "z.weight");
    assert_string_equal(plan.outputs[1].name, "x.b");
    assert_string_equal(plan.outputs[2].name, "y");
    assert_int_equal(plan.outputs[0].dtype, FG_BF16);
    assert_int_equal(plan.outputs[2].dtype, FG_I64);
    fg_plan_free(&plan);
    assert_int_equal(plan_of("\"names\": [[\"x\\\\..\", \"y\"]]", &plan, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "/one.json: \"x.w\" and \"x.b\" both become \"y\""));
}

static void tensors_are_seen_permuted_and_reshaped(void **state) {
    (void)state;
    fg_plan plan;
    fg_error err = {0};
    assert_int_equal(
        plan_of(
            "\"names\": [[\"x\\\\.\", \"z.\"]], \"tensors\": {\"z\\\\.w\": {\"shape\": [\"heads\", 3, 4], "
            "\"permute\": [1, 0, 2], \"new_shape\": [\"= 3 * heads\", 4]}, \"z\\\\..\": {\"shape\": [2, "
            "12]}}",
            &plan, &err),
        FG_OK);
    const fg_piece *piece = &plan.pieces[plan.outputs[0].first_piece];
    static const uint64_t extent[] = {3, 2, 4}, from[] = {4, 12, 1}, to[] = {8, 4, 1};
    assert_int_equal(piece->dims, 3);
    assert_memory_equal(piece->extent, extent, sizeof extent);
    assert_memory_equal(piece->from_stride, from, sizeof from);
    assert_memory_equal(piece->to_stride, to, sizeof to);
    assert_int_equal(plan.outputs[0].rank, 2);
    assert_int_equal(plan.outputs[0].shape[0], 6);
    assert_int_equal(plan.outputs[1].rank, 2);
    assert_int_equal(plan.outputs[1].shape[1], 12);
    fg_plan_free(&plan);
}

static void tensors_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{\"permute\": [2, 1, 0]}", "tensor \"x.w\" is bfloat16 [6, 4], but \"permute\" has 3 dimensions"},
        {"{\"shape\": [5, 5]}", "which cannot be viewed as [5, 5]"},
        {"{\"new_shape\": [4294967296, 4294967296]}", "cannot be viewed as [4294967296, 4294967296]"},
        {"{\"shape\": [\"tails\", 4]}", "is null for this configuration, expected a whole number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_plan plan;
        fg_error err = {0};
        char *members = fg_strformat(NULL, "\"tensors\": {\"x\\\\.w\": %s}", rows[i][0]);
        if (plan_of(members, &plan, &err) != FG_ERR_INPUT || !strstr(err.text, rows[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i][0], err.text, rows[i][1]);
        fg_free(members);
    }
}

/* ---- chains ---- */

static void put_step(const char *name, const char *arch, const char *from, const char *to) {
    char *text = fg_strformat(
        NULL, "{\"arch\": [\"other\", \"%s\"], \"from\": \"%s\", \"to\": \"%s\", \"about\": \"%s\"}", arch,
        from, to, name);
    char *below = fg_path_join("migrations", name, NULL), *path = put(below, text);
    fg_free(path);
    fg_free(below);
    fg_free(text);
}

static void expect_chain(const fg_migrations *all, const char *from, const char *to, const char *want) {
    fg_migration_chain chain = {0};
    fg_version a, b;
    fg_error err = {0};
    fg_buffer got = {0};
    assert_true(fg_version_parse(from, &a) && fg_version_parse(to, &b));
    fg_status status = fg_migrations_chain(all, "probe", &a, &b, &chain, &err);
    fg_buffer_put(&got, "", NULL);
    for (size_t i = 0; i < chain.count; i++) {
        char *text = fg_migration_text(chain.steps[i], NULL);
        fg_buffer_printf(&got, NULL, "%s%s", i ? "; " : "", text);
        fg_free(text);
    }
    if (status != FG_OK) fg_buffer_put(&got, err.text, NULL);
    if (status == FG_OK ? strcmp(got.data, want) != 0 : !strstr(got.data, want))
        fail_msg("\"%s\" is not \"%s\"", got.data, want);
    fg_buffer_free(&got);
    fg_migration_chain_free(&chain);
}

static void steps_are_chained_in_their_order(void **state) {
    (void)state;
    fg_catalogue catalogue = {0};
    fg_migrations all = {0};
    fg_error err = {0};
    put_step("c.json", "probe", "1", "1.5");
    put_step("a.json", "probe", "1.5", "10");
    put_step("b.json", "probe", "0.9", "1.0");
    put_step("d.json", "stranger", "10", "11");
    char *converter =
        put("probe.json", "{\"format\": \"forgather\", \"model_type\": \"probe\", \"migrations\": "
                          "[{\"from\": \"12\", \"to\": 13, \"about\": \"own\"}, {\"from\": 1, \"to\": "
                          "\"1.5.0\", \"about\": \"own too\"}, {\"arch\": \"else\", \"from\": 1, "
                          "\"to\": 7, \"about\": \"no\"}]}");
    assert_int_equal(fg_catalogue_add(&catalogue, folder, &err), FG_OK);
    if (fg_migrations_load(&all, &catalogue, converter, "probe", &err) != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(all.count, 5);
    assert_string_equal(fg_migrations_newest(&all)->text, "13");
    expect_chain(&all, "0.9", "10", "0.9->1.0: b.json; 1->1.5.0: own too; 1.5->10: a.json");
    expect_chain(&all, "1", "1.5", "1->1.5.0: own too");
    expect_chain(&all, "10", "10.0", "");
    expect_chain(&all, "10", "13",
                 "architecture probe: there is no migration from version 10 on the way to 13");
    expect_chain(&all, "2", "10",
                 "architecture probe: there is no migration from version 2 on the way to 10");
    expect_chain(&all, "1", "1.2", "probe: the migration from version 1 leads to 1.5.0, past 1.2 (");
    expect_chain(&all, "10", "9",
                 "architecture probe: version 9 comes before 10, the version of the source: migrations only "
                 "lead forward");
    fg_migrations_free(&all);
    put_step("e.json", "probe", "0.9", "1.1");
    assert_int_equal(fg_migrations_load(&all, &catalogue, NULL, "probe", &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "leads from version 0.9 to 1.0"));
    fg_migrations_free(&all);
    fg_catalogue_free(&catalogue);
    fg_free(converter);
}

static void memory_that_runs_out_is_reported(void **state) {
    (void)state;
    fg_catalogue catalogue = {0};
    fg_error err = {0};
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), FG_OK);
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t n = 1; status != FG_OK; n++) {
        uint64_t live = fg_alloc_live();
        fg_migrations all = {0};
        err = (fg_error){0};
        fg_alloc_fail_after(n);
        status = fg_migrations_load(&all, &catalogue, NULL, "llama", &err);
        fg_alloc_fail_after(0);
        if (status == FG_OK) assert_int_equal(all.count, 1);
        fg_migrations_free(&all);
        fg_catalogue_forget(&catalogue);
        if (status != FG_OK && status != FG_ERR_MEMORY)
            fail_msg("allocation %lu: %s", (unsigned long)n, err.text);
        assert_int_equal(fg_alloc_live(), live);
    }
    fg_catalogue_free(&catalogue);
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_ordered_as_pep_440_orders_them),
        cmocka_unit_test(one_version_may_be_written_in_several_ways),
        cmocka_unit_test(what_is_wrong_with_a_file_is_said),
        cmocka_unit_test(rules_change_keys_and_others_pass),
        cmocka_unit_test(names_change_and_others_pass),
        cmocka_unit_test(tensors_are_seen_permuted_and_reshaped),
        cmocka_unit_test(tensors_that_do_not_fit_are_refused),
        cmocka_unit_test(steps_are_chained_in_their_order),
        cmocka_unit_test(memory_that_runs_out_is_reported),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
