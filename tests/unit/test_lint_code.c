/* mapping/code_parameters and language/code_declaration: what llama's plan writes, compared with the code
 * that it emits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "lint/lint.h"
#include "mapping/code_parameters.h"
#include "tries.h"

static fg_catalogue catalogue;
static const fg_converter *llama;
static fg_code_declaration code;

static int set_up(void **state) {
    (void)state;
    fg_error err = {0};
    fg_status status = fg_catalogue_add(&catalogue, FG_CONVERTERS, &err);
    if (status == FG_OK) status = fg_converter_load(&llama, &catalogue, &fg_format_forgather, "llama", &err);
    if (status == FG_OK) status = fg_code_declaration_load(&code, llama, &err);
    if (status != FG_OK) print_error("%s\n", err.text);
    return status != FG_OK;
}

static int tear_down(void **state) {
    (void)state;
    fg_code_declaration_free(&code);
    fg_catalogue_free(&catalogue);
    return 0;
}

/* ---- a model with hidden size 8 and two heads of 4 ---- */

static json_t *config_of(unsigned layers) {
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:b}", "vocab_size", 96, "hidden_size", 8,
                     "intermediate_size", 12, "num_hidden_layers", layers, "num_attention_heads", 2,
                     "tie_word_embeddings", 0);
}

static void add(fg_plan *plan, const char *name, uint64_t rows, uint64_t columns) {
    fg_error err = {0};
    const uint64_t shape[] = {rows, columns};
    assert_int_equal(fg_plan_add_output(plan, name, FG_BF16, columns ? 2 : 1, shape, &err), FG_OK);
}

static fg_plan plan_of(unsigned layers) {
    static const struct {
        const char *name;
        uint64_t rows, columns;
    } inside[] = {{"norm1", 8, 0},
                  {"attention.query_linear", 8, 8},
                  {"attention.key_linear", 8, 8},
                  {"attention.value_linear", 8, 8},
                  {"attention.output_linear", 8, 8},
                  {"norm2", 8, 0},
                  {"feedforward.gate_proj", 12, 8},
                  {"feedforward.up_proj", 12, 8},
                  {"feedforward.down_proj", 8, 12}};
    fg_plan plan = {0};
    char name[120];
    add(&plan, "causal_lm.input_encoder.embedding.weight", 96, 8);
    for (unsigned layer = 0; layer < layers; layer++) {
        for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
            snprintf(name, sizeof name, "causal_lm.layer_stack.layers.%u.%s.weight", layer, inside[i].name);
            add(&plan, name, inside[i].rows, inside[i].columns);
        }
    }
    add(&plan, "causal_lm.layer_stack.layer_norm.weight", 8, 0);
    add(&plan, "lm_head.weight", 96, 8);
    return plan;
}

/* `text` NULL: it passes. Takes the plan and the configuration over. */
static void expect(fg_plan plan, json_t *config, const char *tied, const char *text, const char *hint) {
    fg_error err = {0};
    uint64_t lacking = 9;
    json_t *pairs = tied ? json_loads(tied, 0, NULL) : NULL;
    fg_code_written written = {.config = config, .plan = &plan, .tied = pairs};
    fg_status status = fg_code_check_parameters(&code, &written, &lacking, &err);
    if (!text ? status != FG_OK
              : status != FG_ERR_INPUT || !strstr(err.text, text) || !strstr(err.hint, hint))
        fail_msg("status %d: %s; hint %s", status, err.text, err.hint);
    if (text) assert_non_null(strstr(err.text, "llama.json"));
    if (!text) assert_int_equal(lacking, 0);
    json_decref(pairs);
    json_decref(config);
    fg_plan_free(&plan);
}

static json_t *with(json_t *config, const char *key, json_t *value) {
    assert_int_equal(json_object_set_new(config, key, value), 0);
    return config;
}

/* ---- tests ---- */

static void exactly_the_parameters_pass(void **state) {
    (void)state;
    expect(plan_of(2), config_of(2), NULL, NULL, NULL);
    expect(plan_of(12), config_of(12), NULL, NULL, NULL);
    expect(plan_of(2), with(config_of(2), "head_dim", json_null()), NULL, NULL, NULL);
    expect(plan_of(2), with(config_of(2), "tie_word_embeddings", json_true()),
           "[[\"causal_lm.input_encoder.embedding.weight\", \"lm_head.weight\"]]", NULL, NULL);
}

static void other_names_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *hint;
    } rows[] = {
        {"causal_lm.layer_stack.layers.00.norm1.weight", "other weights needs code of its own"},
        {"causal_lm.layer_stack.layers.2.norm1.weight", "2 times (\"num_hidden_layers\")"},
        {"causal_lm.layer_stack.layers.18446744073709551616.norm1.weight", "2 times"},
        {"causal_lm.layer_stack.layers..norm1.weight", "needs code of its own"},
        {"causal_lm.layer_stack.layers.-1.norm1.weight", "needs code of its own"},
        {"causal_lm.layer_stack.layers.1.norm1.weight.more", "needs code of its own"},
        {"lm_head.bias", "--no-code"},
        {"causal_lm.layer_stack.layers.1.attention.key_linear.bias", "if \"attention_bias\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_plan plan = plan_of(2);
        add(&plan, rows[i].name, 8, 0);
        expect(plan, config_of(2), NULL, rows[i].name, rows[i].hint);
    }
}

static void other_shapes_and_missing_ones_are_refused(void **state) {
    (void)state;
    expect(plan_of(2), with(config_of(2), "intermediate_size", json_integer(13)), NULL,
           "has the shape [12, 8], and the parameter of fgconv_causal_lm.py has [13, 8] (intermediate_size, "
           "hidden_size)",
           "");
    expect(plan_of(2), config_of(3), NULL,
           "writes no tensor for 9 parameters of fgconv_causal_lm.py: "
           "\"causal_lm.layer_stack.layers.2.norm1.weight\"",
           "");
    expect(plan_of(2), with(config_of(2), "qk_norm", json_true()), NULL, "4 parameters", "");
    expect(plan_of(2), with(config_of(2), "forgather_arch", json_string("qwen3")), NULL,
           "attention.q_norm.weight", "");
    expect(plan_of(2), with(config_of(2), "hidden_size", json_null()), NULL,
           "writes no key \"hidden_size\" to config.json, which fgconv_causal_lm.py reads", "");
}

static void add_to_each(fg_plan *plan, unsigned layers, const char *name, uint64_t rows) {
    char full[120];
    for (unsigned layer = 0; layer < layers; layer++) {
        snprintf(full, sizeof full, "causal_lm.layer_stack.layers.%u.%s.weight", layer, name);
        add(plan, full, rows, 0);
    }
}

static void norms_follow_the_configuration(void **state) {
    (void)state;
    static const char *const of_others[] = {"input_layernorm", "post_attention_layernorm",
                                            "pre_feedforward_layernorm", "post_feedforward_layernorm"};
    expect(plan_of(2), with(config_of(2), "norm_position", json_string("both")), NULL,
           "layers.0.norm1.weight", "if \"norm_position == 'before'\"");
    expect(plan_of(2), with(config_of(2), "norm_position", json_string("after")), NULL,
           "layers.0.norm1.weight", "if \"norm_position == 'before'\"");
    for (size_t i = 0; i < sizeof of_others / sizeof *of_others; i++) {
        fg_plan plan = plan_of(2);
        add_to_each(&plan, 2, of_others[i], 8);
        expect(plan, config_of(2), NULL, of_others[i], "if \"norm_position");
    }
}

static void norms_of_all_heads_are_as_large_as_their_projections(void **state) {
    (void)state;
    for (int all = 0; all < 2; all++) {
        for (int fits = 0; fits < 2; fits++) {
            const uint64_t rows = all == fits ? 8 : 4; /* two heads of 4 */
            json_t *config =
                with(with(config_of(2), "qk_norm", json_true()), "qk_norm_all_heads", json_boolean(all));
            fg_plan plan = plan_of(2);
            add_to_each(&plan, 2, "attention.q_norm", rows);
            add_to_each(&plan, 2, "attention.k_norm", rows);
            expect(plan, config, NULL, fits ? NULL : "has the shape", "");
        }
    }
}

static void ties_are_the_same(void **state) {
    (void)state;
    static const char pair[] = "[[\"lm_head.weight\", \"causal_lm.input_encoder.embedding.weight\"]]";
    json_t *absent = config_of(2);
    json_object_del(absent, "tie_word_embeddings");
    expect(plan_of(2), absent, NULL, "ties them", "tied_if");
    expect(plan_of(2), config_of(2), pair, "fgconv_causal_lm.py does not", "tied_if");
}

static void failed_allocations_are_errors(void **state) {
    (void)state;
    fg_plan plan = plan_of(2);
    json_t *config = config_of(2);
    const fg_code_written written = {.config = config, .plan = &plan};
    bool passed = false;
    for (uint64_t n = 1; n < 500 && !passed; n = next_try(n)) {
        fg_error err = {0};
        fg_alloc_fail_after(n);
        fg_status status = fg_code_check_parameters(&code, &written, NULL, &err);
        fg_alloc_fail_after(0);
        passed = status == FG_OK;
        if (!passed && status != FG_ERR_MEMORY)
            fail_msg("allocation %d: status %d: %s", (int)n, status, err.text);
    }
    assert_true(passed);
    json_decref(config);
    fg_plan_free(&plan);
}

static void many_layers_take_little_time(void **state) {
    (void)state;
    enum { LAYERS = 20000 };
    fg_plan plan = plan_of(LAYERS);
    clock_t begin = clock();
    expect(plan, config_of(LAYERS), NULL, NULL, NULL);
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < seconds_allowed(2));
}

/* ---- wrong declarations ---- */

typedef struct plug_in {
    char directory[40], converter[80], declaration[80], python[80], models[80], spec[96];
} plug_in;

static void put(const char *path, const char *text) {
    fg_error err = {0};
    remove(path);
    assert_int_equal(fg_file_write_all(path, text, strlen(text), &err), FG_OK);
}

static void make_plug_in(plug_in *p) {
    snprintf(p->directory, sizeof p->directory, "/tmp/fgconv-test-code-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    snprintf(p->converter, sizeof p->converter, "%s/plug.json", p->directory);
    snprintf(p->declaration, sizeof p->declaration, "%s/own.json", p->directory);
    snprintf(p->python, sizeof p->python, "%s/own.py", p->directory);
    snprintf(p->models, sizeof p->models, "%s/models", p->directory);
    snprintf(p->spec, sizeof p->spec, "%s/plug.json", p->models);
    assert_int_equal(mkdir(p->models, 0700), 0);
    put(p->spec, "{}");
    put(p->python, "# code");
    put(p->converter, "{\"format\": \"forgather\", \"extends\": \"llama.json\", \"model_type\": \"plug\", "
                      "\"about\": \"test\", "
                      "\"code\": {\"file\": \"own.py\", \"config_class\": \"C\", \"model_class\": \"M\"}}");
}

static void remove_plug_in(const plug_in *p) {
    remove(p->declaration);
    remove(p->python);
    remove(p->converter);
    remove(p->spec);
    remove(p->models);
    remove(p->directory);
}

/* Whether lint finds something; it must have an answer. */
static size_t lint(const plug_in *p, const json_t *declaration) {
    fg_error err = {0};
    json_t *report = json_array();
    size_t problems = 0;
    fg_catalogue own = {0};
    char *text = json_dumps(declaration, 0);
    put(p->declaration, text);
    free(text);
    assert_int_equal(fg_catalogue_add(&own, FG_CONVERTERS, &err), FG_OK);
    fg_status status = fg_converter_lint(&own, p->converter, report, &problems, &err);
    if (status != FG_OK) fail_msg("%s", err.text);
    assert_true(json_array_size(report) > 0);
    json_decref(report);
    fg_catalogue_free(&own);
    return problems;
}

/* Each value in turn becomes each of `others`; with few tries another one of them. Gives how many changes were
 * noticed. */
static size_t change_each(const plug_in *p, const json_t *whole, json_t *inside, const json_t *others,
                          size_t *tried) {
    const char *key;
    size_t noticed = 0;
    json_t *value;
    void *next;
    json_object_foreach_safe(inside, next, key, value) {
        json_incref(value);
        if (json_is_object(value)) noticed += change_each(p, whole, value, others, tried);
        size_t first = tries_are_few() ? *tried % json_array_size(others) : 0;
        size_t end = tries_are_few() ? first + 1 : json_array_size(others);
        for (size_t i = first; i < end; i++) {
            json_object_set(inside, key, json_array_get(others, i));
            noticed += lint(p, whole) > 0;
            ++*tried;
        }
        json_object_set_new(inside, key, value);
    }
    return noticed;
}

static void any_value_in_a_declaration_is_answered(void **state) {
    (void)state;
    plug_in p;
    json_t *others = json_loads("[null, true, -1, \"x y\", [1], [\"hidden_size\"], {\"a\": 1}]", 0, NULL);
    json_t *declaration = json_deep_copy(code.document);
    size_t tried = 0;
    make_plug_in(&p);
    assert_int_equal(lint(&p, declaration), 0);
    size_t noticed = change_each(&p, declaration, declaration, others, &tried);
    if (noticed < tried * 3 / 4) fail_msg("lint notices %d of %d changes", (int)noticed, (int)tried);
    assert_int_equal(lint(&p, declaration), 0);
    json_decref(others);
    json_decref(declaration);
    remove_plug_in(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_parameters_pass),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(other_shapes_and_missing_ones_are_refused),
        cmocka_unit_test(norms_follow_the_configuration),
        cmocka_unit_test(norms_of_all_heads_are_as_large_as_their_projections),
        cmocka_unit_test(ties_are_the_same),
        cmocka_unit_test(failed_allocations_are_errors),
        cmocka_unit_test(many_layers_take_little_time),
        cmocka_unit_test(any_value_in_a_declaration_is_answered),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
