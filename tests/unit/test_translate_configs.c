/* translate/translate with the converters of this repository: real config.json files, and what the real
 * Forgather wrote. Large data of other kinds than cases of tests/data/language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
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
    const fg_converter *converter;
    if (strcmp(want, "unsupported-family") == 0 &&
        fg_converter_load(&converter, &catalogue, &fg_format_forgather, family, NULL) == FG_OK)
        return 0; /* the verdict is older than the converter */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(telling_configs_meet_their_verdict),
        cmocka_unit_test(all_real_configs_meet_their_verdict),
        cmocka_unit_test(real_conversions_are_met),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, add_directory, drop_directories);
}
