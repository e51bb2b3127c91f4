/* language/name_rules: renaming, falling back, broken and hostile rules, speed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "language/name_rules.h"
#include "tries.h"

static const char llama_import[] =
    "[[\"model\\\\.\", \"causal_lm.\", [\n"
    "  [\"embed_tokens\\\\.\", \"input_encoder.embedding.\"],\n"
    "  [\"norm\\\\.\", \"layer_stack.layer_norm.\"],\n"
    "  [\"layers\\\\.(\\\\d+)\\\\.\", \"layer_stack.layers.\\\\1.\", [\"@layer\"]]]],\n"
    " [\"lm_head\\\\.\", \"lm_head.\", []]]";
static const char llama_import_lists[] =
    "{\"layer\": [[\"self_attn\\\\.\", \"attention.\", [\"@attention\"]],\n"
    " [\"mlp\\\\.\", \"feedforward.\"], [\"input_layernorm\\\\.\", \"norm1.\"], "
    "[\"post_attention_layernorm\\\\.\", \"norm2.\"]],\n"
    " \"attention\": [[\"q_proj\\\\.\", \"query_linear.\"], [\"k_proj\\\\.\", \"key_linear.\"], "
    "[\"v_proj\\\\.\", \"value_linear.\"],\n"
    " [\"o_proj\\\\.\", \"output_linear.\"]]}";
static const char llama_export[] =
    "[[\"causal_lm\\\\.\", \"model.\", [[\"input_encoder\\\\.embedding\\\\.\", \"embed_tokens.\"], "
    "[\"layer_stack\\\\.layer_norm\\\\.\", \"norm.\"],\n"
    "  [\"layer_stack\\\\.layers\\\\.(\\\\d+)\\\\.\", \"layers.\\\\1.\", [[\"attention\\\\.\", "
    "\"self_attn.\", [[\"query_linear\\\\.\", \"q_proj.\"],\n"
    "   [\"key_linear\\\\.\", \"k_proj.\"], [\"value_linear\\\\.\", \"v_proj.\"], [\"output_linear\\\\.\", "
    "\"o_proj.\"]]],\n"
    "   [\"feedforward\\\\.\", \"mlp.\"], [\"norm1\\\\.\", \"input_layernorm.\"], [\"norm2\\\\.\", "
    "\"post_attention_layernorm.\"]]]]],\n"
    " [\"lm_head\\\\.\", \"lm_head.\"]]";

static fg_status compile(const char *names, const char *lists, fg_name_rules **rules, fg_error *err) {
    json_t *n = json_loads(names, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL),
           *l = lists ? json_loads(lists, 0, NULL) : NULL;
    assert_non_null(n);
    assert_int_equal(lists != NULL, l != NULL);
    fg_status status = fg_name_rules_compile(rules, n, l, "t.json", "to_hf/names", NULL, err);
    json_decref(n);
    json_decref(l);
    return status;
}

static fg_name_rules *good(const char *names, const char *lists) {
    fg_error err = {0};
    fg_name_rules *rules;
    if (compile(names, lists, &rules, &err) != FG_OK) fail_msg("%s", err.text);
    return rules;
}

/* `expected` NULL: no rule takes the name. */
static void expect_name(fg_name_rules *rules, const char *name, const char *expected) {
    fg_error err = {0};
    fg_buffer out = {0};
    bool matched;
    if (fg_name_rules_apply(rules, name, &out, &matched, &err) != FG_OK) fail_msg("%s", err.text);
    if (matched != (expected != NULL)) fail_msg("%s: matched %d", name, matched);
    if (expected) assert_string_equal(out.data, expected);
    fg_buffer_free(&out);
}

static void expect_one(const char *names, const char *name, const char *expected) {
    fg_name_rules *rules = good(names, NULL);
    expect_name(rules, name, expected);
    fg_name_rules_free(&rules);
}

static void llama_names_go_there_and_back(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"model.embed_tokens.weight", "causal_lm.input_encoder.embedding.weight"},
        {"model.layers.12.self_attn.q_proj.weight",
         "causal_lm.layer_stack.layers.12.attention.query_linear.weight"},
        {"model.layers.0.mlp.gate_proj.weight",
         "causal_lm.layer_stack.layers.0.feedforward.gate_proj.weight"},
        {"model.layers.3.post_attention_layernorm.weight", "causal_lm.layer_stack.layers.3.norm2.weight"},
        {"model.norm.weight", "causal_lm.layer_stack.layer_norm.weight"},
        {"lm_head.weight", "lm_head.weight"},
    };
    fg_name_rules *there = good(llama_import, llama_import_lists), *back = good(llama_export, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expect_name(there, names[i][0], names[i][1]);
        expect_name(back, names[i][1], names[i][0]);
    }
    expect_name(there, "model.layers.0.self_attn.rotary_emb.inv_freq", NULL);
    expect_name(there, "model.layers.x.mlp.up_proj.weight", NULL);
    expect_name(there, "xmodel.norm.weight", NULL);
    expect_name(there, "", NULL);
    fg_name_rules_free(&there);
    fg_name_rules_free(&back);
}

static void siblings_are_tried_in_order_and_fall_back(void **state) {
    (void)state;
    expect_one("[[\"a\", \"1\"], [\"ab\", \"2\"]]", "abc", "1bc");
    expect_one("[[\"a\", \"1\", [[\"x\", \"y\"]]], [\"ab\", \"2\"]]", "abc", "2c");
    expect_one("[[\"a\", \"1\", [[\"b\", \"!\", [[\"q\", \"\"]]], [\"bc\", \"?\"]]]]", "abc", "1?");
    expect_one("[[\"a\", \"1\", [[\"b\", \"!\"]]]]", "a", NULL);
    expect_one("[[\"a\", \"1\", [[\"$\", \"end\"]]]]", "a", "1end");
    expect_one("[[\"^a\", \"1\", [[\"^b\", \"2\"]]]]", "abc", "12c"); /* each rest starts again */
    expect_one("[]", "abc", NULL);
    expect_one("[[\"\", \"x.\"]]", "abc", "x.abc");
    expect_one("[[\"\", \"x.\", [[\"\", \"y.\", [[\"a\", \"z\"]]]]]]", "abc", "x.y.zbc");
    expect_one("[[\"abc\", \"\"]]", "abc", "");
    expect_one("[[\"b\", \"1\"]]", "ab", NULL);
}

static void replacements_refer_to_groups(void **state) {
    (void)state;
    expect_one("[[\"(\\\\w+)\\\\.(\\\\w+)\", \"\\\\2-\\\\1-\\\\2\"]]", "a.b", "b-a-b");
    expect_one("[[\"(a)|(b)\", \"<\\\\1|\\\\2>\"]]", "b", "<|b>");
    expect_one("[[\"a\", \"x\\\\\\\\1\"]]", "a", "x\\1");
    expect_one("[[\"a\", \"\\\\\\\\\\\\\\\\\"]]", "a", "\\\\");
    expect_one("[[\"(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)\", \"\\\\9\\\\1\"]]", "abcdefghij", "ia");
    expect_one("[[\"(.)\", \"\\\\1\\\\1\"]]", "\xc3\xa9x", "\xc3\xa9\xc3\xa9x");
}

static void broken_rules_are_refused(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"{}", NULL, "t.json: to_hf/names: expected an array of rules"},
        {"[[\"a\"]]", NULL, "to_hf/names/0: rule \"a\": a rule is [pattern, replacement]"},
        {"[[\"a\", 1]]", NULL, "a rule is"},
        {"[[\"a\", \"b\", {}]]", NULL, "a rule is"},
        {"[[\"a\", \"b\", [], 1]]", NULL, "a rule is"},
        {"[[\"a\\u0000b\", \"b\"]]", NULL, "a rule is"},
        {"[5]", NULL, "a rule is"},
        {"[[\"a(\", \"b\"]]", NULL, "broken pattern at column 3: missing closing parenthesis"},
        {"[[\"x\", \"y\", [[\"[\", \"b\"]]]]", NULL, "to_hf/names/0/2/0: rule \"[\": broken pattern"},
        {"[[\"\\\\C\", \"b\"]]", NULL, "broken pattern"},
        {"[[\"(a)\", \"\\\\2\"]]", NULL, "the replacement names group 2, the pattern has 1"},
        {"[[\"(a)\", \"\\\\0\"]]", NULL, "must be followed by a group number"},
        {"[[\"(a)\", \"\\\\\"]]", NULL, "must be followed by a group number"},
        {"[\"@x\"]", NULL, "there is no list \"@x\""},
        {"[\"x\"]", NULL, "a string in a list of rules must be \"@NAME\""},
        {"[\"@a\"]", "{\"a\": [\"@b\"], \"b\": [[\"x\", \"y\", [\"@a\"]]]}",
         "to_hf/lists/b/0/2/0: the list \"@a\" contains itself"},
        {"[]", "{\"a\": [\"@a\"]}", "contains itself"},
        {"[]", "{\"a\": [[\"(\", \"\"]]}", "to_hf/lists/a/0: rule \"(\": broken pattern"},
        {"[]", "{\"a\": 1}", "there is no list \"@a\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        fg_name_rules *rules;
        assert_int_equal(compile(cases[i][0], cases[i][1], &rules, &err), FG_ERR_INPUT);
        assert_null(rules);
        if (!strstr(err.text, cases[i][2])) fail_msg("said \"%s\", expected \"%s\"", err.text, cases[i][2]);
    }
}

static void messages_carry_lines(void **state) {
    (void)state;
    static const char document[] = "{\n \"to_hf\": {\n  \"lists\": {\"l\": [\n   [\"ok\", \"\"]]},\n  "
                                   "\"names\": [\n   [\"a\", \"b\"],\n   [\"c\", \"\\\\1\"]]}}";
    fg_error err = {0};
    fg_buffer text = {0}, out = {0};
    fg_name_rules *rules;
    size_t count;
    json_t *root = json_loads(document, 0, NULL);
    fg_buffer_add(&text, document, strlen(document), &err);
    json_t *names = fg_json_at(root, "to_hf/names");
    assert_int_equal(fg_name_rules_compile(&rules, names, NULL, "f.json", "to_hf/names", &text, &err),
                     FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "f.json: line 7: to_hf/names/1: rule \"c\""));
    err = (fg_error){0};
    json_array_remove(names, 1);
    json_array_append_new(names, json_string("@l"));
    assert_int_equal(fg_name_rules_compile(&rules, names, fg_json_at(root, "to_hf/lists"), "f.json",
                                           "to_hf/names", &text, &err),
                     FG_OK);
    expect_name(rules, "az", "bz");
    assert_int_equal(fg_name_rules_unused(rules, &out, &count, &err), FG_OK);
    assert_int_equal(count, 1);
    assert_string_equal(out.data, "f.json: line 4: to_hf/lists/l/0: rule \"ok\"\n");
    fg_name_rules_free(&rules);
    fg_buffer_free(&text);
    fg_buffer_free(&out);
    json_decref(root);
}

static void only_successful_matches_count_as_uses(void **state) {
    (void)state;
    fg_error err = {0};
    fg_buffer out = {0};
    size_t count;
    fg_name_rules *rules = good("[[\"a\", \"1\", [[\"x\", \"y\"]]], [\"ab\", \"2\"], \"@used\"]",
                                "{\"used\": [[\"q\", \"\"]], \"other\": [[\"z\", \"\"]]}");
    expect_name(rules, "abc", "2c");
    expect_name(rules, "q", "");
    assert_int_equal(fg_name_rules_unused(rules, &out, &count, &err), FG_OK);
    assert_int_equal(count, 2); /* "a" and "x"; the list that is not referred to does not count */
    assert_non_null(strstr(out.data, "to_hf/names/0: rule \"a\"\n"));
    assert_non_null(strstr(out.data, "to_hf/names/0/2/0: rule \"x\"\n"));
    fg_buffer_free(&out);
    fg_name_rules_free(&rules);
}

static fg_status compile_nested(unsigned depth, fg_error *err) {
    fg_buffer text = {0};
    fg_name_rules *rules;
    for (unsigned i = 1; i < depth; i++) fg_buffer_printf(&text, err, "[[\"a\", \"b\", ");
    fg_buffer_printf(&text, err, "[[\"a\", \"b\"]]");
    for (unsigned i = 1; i < depth; i++) fg_buffer_printf(&text, err, "]]");
    fg_status status = compile(text.data, NULL, &rules, err);
    fg_name_rules_free(&rules);
    fg_buffer_free(&text);
    return status;
}

static void nesting_is_limited(void **state) {
    (void)state;
    fg_error err = {0}, other = {0}, third = {0};
    fg_name_rules *rules;
    assert_int_equal(compile_nested(32, &err), FG_OK);
    assert_int_equal(compile_nested(33, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "nested more than 32 deep"));
    assert_int_equal(compile_nested(600, &other), FG_ERR_INPUT);
    /* A chain of lists that is compiled from its far end first must be measured, too. */
    fg_buffer lists = {0};
    fg_buffer_printf(&lists, &third, "{");
    for (unsigned i = 0; i < 60; i++) fg_buffer_printf(&lists, &third, "\"l%u\": [\"@l%u\"], ", i, i + 1);
    fg_buffer_printf(&lists, &third, "\"l60\": []}");
    assert_int_equal(compile("[\"@l40\", \"@l20\"]", lists.data, &rules, &third), FG_ERR_INPUT);
    assert_non_null(strstr(third.text, "nested more than 32 deep"));
    fg_buffer_free(&lists);
}

static void hostile_rules_end(void **state) {
    (void)state;
    fg_error err = {0}, other = {0};
    fg_buffer lists = {0}, out = {0};
    bool matched;
    /* 2^25 ways through the lists. */
    fg_buffer_printf(&lists, &err, "{");
    for (unsigned i = 0; i < 25; i++)
        fg_buffer_printf(&lists, &err, "\"l%u\": [\"@l%u\", \"@l%u\"], ", i, i + 1, i + 1);
    fg_buffer_printf(&lists, &err, "\"l25\": [[\"a\", \"b\", [[\"x\", \"y\"]]]]}");
    fg_name_rules *rules = good("[\"@l0\"]", lists.data);
    assert_int_equal(fg_name_rules_apply(rules, "aaaa", &out, &matched, &err), FG_ERR_INPUT);
    assert_false(matched);
    assert_non_null(strstr(err.text, "patterns were tried for the name \"aaaa\""));
    fg_name_rules_free(&rules);
    rules = good("[[\"(a+a+)+(a+)+[bc]\", \"b\"]]", NULL);
    char name[4001];
    memset(name, 'a', sizeof name);
    name[4000] = '\0';
    assert_int_equal(fg_name_rules_apply(rules, name, &out, &matched, &other), FG_ERR_INPUT);
    assert_non_null(strstr(other.text, "match limit exceeded"));
    fg_name_rules_free(&rules);
    fg_buffer_free(&lists);
    fg_buffer_free(&out);
}

static void names_that_are_not_utf8_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"a\xff",    "\xc0\x80",         "\xed\xa0\x80",
                                      "\xe2\x82", "\xf4\x90\x80\x80", "\x80"};
    fg_name_rules *rules = good("[[\"\", \"\"]]", NULL);
    fg_buffer out = {0};
    bool matched;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fg_error err = {0};
        assert_int_equal(fg_name_rules_apply(rules, bad[i], &out, &matched, &err), FG_ERR_INPUT);
    }
    expect_name(rules, "\xf0\x9f\x98\x80\xe2\x82\xac", "\xf0\x9f\x98\x80\xe2\x82\xac");
    fg_name_rules_free(&rules);
    fg_buffer_free(&out);
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    json_t *names = json_loads(llama_import, 0, NULL), *lists = json_loads(llama_import_lists, 0, NULL);
    for (uint64_t n = 1;; n++) {
        fg_error err = {0};
        fg_name_rules *rules;
        fg_buffer out = {0};
        bool matched = false;
        fg_alloc_fail_after(n);
        fg_status status = fg_name_rules_compile(&rules, names, lists, "t.json", "to_hf/names", NULL, &err);
        if (status == FG_OK)
            status =
                fg_name_rules_apply(rules, "model.layers.0.self_attn.q_proj.weight", &out, &matched, &err);
        fg_alloc_fail_after(0);
        assert_int_equal(matched, status == FG_OK);
        fg_name_rules_free(&rules);
        fg_buffer_free(&out);
        if (status == FG_OK) break;
        assert_int_equal(status, FG_ERR_MEMORY);
    }
    json_decref(names);
    json_decref(lists);
}

static void a_million_names_take_seconds(void **state) {
    (void)state;
    fg_name_rules *there = good(llama_import, llama_import_lists), *back = good(llama_export, NULL);
    fg_error err = {0};
    fg_buffer out = {0}, again = {0};
    bool matched;
    char name[100];
    clock_t start = clock();
    for (unsigned i = 0; i < 1000000; i++) {
        snprintf(name, sizeof name, "model.layers.%u.self_attn.o_proj.weight", i);
        assert_int_equal(fg_name_rules_apply(there, name, &out, &matched, &err), FG_OK);
        assert_true(matched);
        assert_int_equal(fg_name_rules_apply(back, out.data, &again, &matched, &err), FG_OK);
        if (strcmp(again.data, name) != 0) fail_msg("%s came back as %s", name, again.data);
    }
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    print_message("1,000,000 names both ways: %.2f s\n", seconds);
    assert_true(seconds < seconds_allowed(30)); /* sanitizers are slow; plainly it is about 2 */
    fg_buffer_free(&out);
    fg_buffer_free(&again);
    fg_name_rules_free(&there);
    fg_name_rules_free(&back);
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_names_go_there_and_back),
        cmocka_unit_test(siblings_are_tried_in_order_and_fall_back),
        cmocka_unit_test(replacements_refer_to_groups),
        cmocka_unit_test(broken_rules_are_refused),
        cmocka_unit_test(messages_carry_lines),
        cmocka_unit_test(only_successful_matches_count_as_uses),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(hostile_rules_end),
        cmocka_unit_test(names_that_are_not_utf8_are_refused),
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(a_million_names_take_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
