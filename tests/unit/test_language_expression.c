/* language/expression: values, paths, messages, hostile text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "language/expression.h"

static const char config_text[] =
    "{\"hidden_size\": 64, \"num_attention_heads\": 4, \"eps\": 1e-05, \"name\": \"llama\", \"nothing\": "
    "null,"
    " \"zero\": 0, \"types\": [\"full\", \"full\"], \"mixed\": [1, 2], \"empty\": [], \"flag\": true, "
    "\"off\": false,"
    " \"add_linear_biases\": false, \"layer_1\": {\"bias\": {\"enabled\": "
    "null}},"
    " \"text_config\": {\"hidden_size\": 128, \"inner\": {\"x\": 7}}, \"blocks\": [{\"a\": 5}, {\"a\": 6}], "
    "\"numbered\": {\"7\": \"seven\"}}";

static json_t *config, *variables;
static fg_scope root_scope, text_scope, inner_scope;

static int set_up(void **state) {
    (void)state;
    fg_error err = {0};
    if (fg_json_parse("config", config_text, strlen(config_text), &config, &err) != FG_OK) return 1;
    json_object_set_new(config, "big", json_integer(INT64_MAX));
    variables = json_pack("{s:s, s:i}", "model_type", "qwen3", "version", 3);
    root_scope = (fg_scope){.here = config, .variables = variables};
    text_scope =
        (fg_scope){.here = fg_json_at(config, "text_config"), .parent = &root_scope, .variables = variables};
    inner_scope = (fg_scope){.here = fg_json_at(config, "text_config/inner"), .parent = &text_scope};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    json_decref(config);
    json_decref(variables);
    return 0;
}

static fg_status run(const char *text, const fg_scope *scope, json_t **value, fg_error *err) {
    fg_expression *expression;
    *value = NULL;
    fg_status status = fg_expression_parse(&expression, text, "t.json: rule", err);
    if (status == FG_OK) status = fg_expression_evaluate(expression, scope, value, err);
    fg_expression_free(&expression);
    return status;
}

typedef struct pair {
    const char *text, *expected; /* JSON of the value; or a part of the message */
} pair;

static void expect_values(const pair *cases, size_t count, const fg_scope *scope) {
    for (size_t i = 0; i < count; i++) {
        fg_error err = {0};
        json_t *value;
        char brief[200];
        if (run(cases[i].text, scope, &value, &err) != FG_OK) fail_msg("%s: %s", cases[i].text, err.text);
        fg_json_brief(value, brief, sizeof brief);
        if (strcmp(brief, cases[i].expected) != 0)
            fail_msg("%s: found %s, expected %s", cases[i].text, brief, cases[i].expected);
        json_decref(value);
    }
}

static void values_are_right(void **state) {
    (void)state;
    static const pair cases[] = {
        {"1 + 2 * 3", "7"},
        {"(1 + 2) * 3", "9"},
        {"10 - 4 - 3", "3"},
        {"100 / 5 / 2", "10"},
        {"-3 + 1", "-2"},
        {"--3", "3"},
        {"2 - -3", "5"},
        {"1.5 * 2", "3.0"},
        {"7 / 2.0", "3.5"},
        {"7 % 4", "3"},
        {"5.5 % 2", "1.5"},
        {"8 % 4 * 2", "0"},
        {"2 * 7 % 4", "2"},
        {"1e3", "1000.0"},
        {"1e-05 == eps", "true"},
        {"'a' + 'b'", "\"ab\""},
        {"hidden_size / num_attention_heads", "16"},
        {"hidden_size/2", "32"},
        {"1 == 1.0", "true"},
        {"name != 'llama'", "false"},
        {"1 < 2", "true"},
        {"2 <= 1", "false"},
        {"'a' < 'b'", "true"},
        {"2 >= 2.0", "true"},
        {"3 > 4", "false"},
        {"1 in [1, 2]", "true"},
        {"3 not in mixed", "true"},
        {"'hidden_size' in text_config", "true"},
        {"layer_1.bias.enabled in [null, add_linear_biases]", "true"},
        {"true in [null, add_linear_biases]", "false"},
        {"not flag", "false"},
        {"not not flag", "true"},
        {"not 1 == 2", "true"},
        {"false or true and false", "false"},
        {"nothing or 4096", "4096"},
        {"flag and name", "\"llama\""},
        {"off and 1 / 0", "false"},
        {"flag or 1 / 0", "true"},
        {"[]", "[]"},
        {"[1, 'x', null, [true]]", "[1, \"x\", null, [true]]"},
        {"[hidden_size, eps] == [64.0, 0.00001]", "true"},
        {"range(3)", "[0, 1, 2]"},
        {"mixed + [3]", "[1, 2, 3]"},
        {"range(2, 4)", "[2, 3]"},
        {"range(2, 1)", "[]"},
        {"[$i * 2 for $i in mixed]", "[2, 4]"},
        {"[$key for $key in layer_1]", "[\"bias\"]"},
        {"[$i for $i in range(6) if $i % 2 == 1]", "[1, 3, 5]"},
        {"[$t == 'full' and 1 or 0 for $t in types]", "[1, 1]"},
        {"[mixed[$i] + $version for $i in range(2)]", "[4, 5]"},
        {"[[$i * $k for $k in range(1, 3)] for $i in mixed]", "[[1, 2], [2, 4]]"},
        {"[[$i for $i in range($i)] for $i in mixed]", "[[0], [0, 1]]"},
        {"first([$n for $n in range(1, 5) if [1, 1, 0, 1] == [($i + 1) % $n != 0 and 1 or 0 for $i in "
         "range(4)]])",
         "3"},
        {"[1 for $x in empty]", "[]"},
        {"[1 for $x in [[]]][0]", "1"},
        {"missing", "null"},
        {"missing.deeper.still", "null"},
        {"name.x", "null"},
        {"blocks.1.a", "6"},
        {"mixed[1]", "2"},
        {"mixed[2]", "null"},
        {"mixed [ 3 - 2 ] * 5", "10"},
        {"-mixed[1]", "-2"},
        {"mixed[mixed[0]]", "2"},
        {"[[4, 5], [6]][0][1]", "5"},
        {"text_config['inner']['x']", "7"},
        {"text_config['outer']['x']", "null"},
        {"numbered[7]", "\"seven\""},
        {"numbered[$version]", "null"},
        {"nothing[0]", "null"},
        {"types[$version % 2]", "\"full\""},
        {"1 in mixed and mixed[0] == 1", "true"},
        {"text_config/hidden_size", "128"},
        {"/text_config/inner/x", "7"},
        {"../anything", "null"},
        {"$model_type + '!'", "\"qwen3!\""},
        {"$version", "3"},
        {"len(types)", "2"},
        {"len('h\xc3\xa9')", "2"},
        {"len(text_config)", "2"},
        {"all(types, 'full')", "true"},
        {"all(mixed, 1)", "false"},
        {"all(empty, 1)", "true"},
        {"each_in(types, ['full', 'sliding'])", "true"},
        {"each_in([1, 2], [2])", "false"},
        {"each_in(empty, [])", "true"},
        {"has(nothing)", "true"},
        {"has(missing)", "false"},
        {"has(text_config/inner)", "true"},
        {"coalesce(nothing, missing, 5, 1 / 0)", "5"},
        {"coalesce(nothing)", "null"},
        {"coalesce(head_dim, hidden_size / num_attention_heads)", "16"},
        {"min(3, 1.5, 2)", "1.5"},
        {"max(3, 1, 2) + 1", "4"},
        {"starts_with(name, 'lla')", "true"},
        {"starts_with(name, 'x')", "false"},
        {"  1\t", "1"},
        {"nothing_else and null", "null"},
        {"inside", "null"},
        {"big - 1 + 1", "9223372036854775807"},
    };
    expect_values(cases, sizeof cases / sizeof *cases, &root_scope);
}

static void paths_start_where_the_scope_says(void **state) {
    (void)state;
    static const pair cases[] = {
        {"x", "7"},
        {"../hidden_size", "128"},
        {"../../hidden_size", "64"},
        {"../../../hidden_size", "null"},
        {"/hidden_size", "64"},
        {"../inner.x", "7"},
        {"../hidden_size / ../../hidden_size", "2"},
        {"has(../hidden_size) and not has(../../../x)", "true"},
    };
    expect_values(cases, sizeof cases / sizeof *cases, &inner_scope);
    fg_scope elsewhere = {.here = json_object_get(config, "text_config"), .root = config};
    static const pair rooted[] = {{"/hidden_size", "64"}, {"hidden_size", "128"}};
    expect_values(rooted, 2, &elsewhere);
}

static void expect_errors(const pair *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fg_error err = {0};
        json_t *value;
        fg_status status = run(cases[i].text, &root_scope, &value, &err);
        if (status != FG_ERR_INPUT) fail_msg("%s: status %d", cases[i].text, status);
        assert_null(value);
        if (!strstr(err.text, cases[i].expected))
            fail_msg("%s: said \"%s\", expected \"%s\"", cases[i].text, err.text, cases[i].expected);
        assert_non_null(strstr(err.text, "t.json: rule: expression \""));
    }
}

static void broken_text_is_refused_with_its_column(void **state) {
    (void)state;
    static const pair cases[] = {
        {"", "column 1: expected a value, found the end"},
        {"1 +", "column 4: expected a value, found the end"},
        {"1 2", "column 3: expected an operator or the end, found \"2\""},
        {"(1", "column 3: expected \")\", found the end"},
        {"[1, ", "column 5: expected a value"},
        {"[1 2]", "column 4: expected \",\" or \"]\", found \"2\""},
        {"'abc", "column 1: the text does not end"},
        {"12x", "column 1: not a number"},
        {"1.x", "column 1: not a number"},
        {"99999999999999999999", "column 1: the number is too large"},
        {"1e999", "column 1: the number is too large"},
        {"cube(2)", "column 1: there is no function \"cube\""},
        {"1 + len()", "column 5: len takes 1 argument, found 0"},
        {"all([1])", "all takes 2 arguments, found 1"},
        {"min()", "min takes at least 1 argument, found 0"},
        {"has(1 + 2)", "the argument of has must be a path"},
        {"a < b < c", "column 7: expected an operator or the end, found \"<\""},
        {"$", "column 1: expected the name of a variable"},
        {"../", "column 4: expected a key"},
        {"/", "column 2: expected a key"},
        {"a and or b", "column 7: expected a value, found \"or\""},
        {"a = b", "column 3: expected an operator or the end, found \"=\""},
        {"a.", "column 2: expected an operator or the end, found \".\""},
        {"a # b", "column 3"},
        {"1 not 2", "column 3: expected an operator or the end, found \"not\""},
        {"\"a\"", "column 1: expected a value"},
        {"mixed[0", "column 8: expected \"]\", found the end"},
        {"mixed[]", "column 7: expected a value, found \"]\""},
        {"[1 for i in mixed]", "column 8: expected the name of a variable"},
        {"[1 for", "column 7: expected the name of a variable"},
        {"[1 for $i mixed]", "column 11: expected \"in\""},
        {"[1 for $i in mixed", "column 19: expected \"]\", found the end"},
        {"[1, 2 for $i in mixed]", "column 7: expected \",\" or \"]\", found \"for\""},
    };
    expect_errors(cases, sizeof cases / sizeof *cases);
}

static void wrong_operands_are_refused(void **state) {
    (void)state;
    static const pair cases[] = {
        {"[1 for $i in 5]", "column 1: \"for\" expects a list or an object, found 5"},
        {"[$i for $i in mixed] == $i", "there is no variable \"$i\" here"},
        {"range(0 - 1)", "column 1: range expects whole numbers of 0 or more"},
        {"range(1, 'a')", "column 1: range expects whole numbers of 0 or more"},
        {"range(65537)", "column 1: range expects whole numbers of 0 or more, and not too large ones"},
        {"[[1 for $k in range(60000)] for $i in range(60000)]", "the lists are too long to go through"},
        {"5 / 2", "column 3: the quotient of integers is not exact: 5 and 2"},
        {"1 / zero", "division by zero: 1 and 0"},
        {"1 % zero", "\"%\" expects 0 or more, and a divisor above 0: 1 and 0"},
        {"(0 - 1) % 2", "\"%\" expects 0 or more, and a divisor above 0: -1 and 2"},
        {"5.5 % 0", "\"%\" expects 0 or more, and a divisor above 0: 5.5 and 0"},
        {"mixed['a']", "column 6: an index expects a list and a whole number, or an object and a key"},
        {"mixed[-1]", "an index expects a list and a whole number"},
        {"name[0]", "an index expects a list and a whole number, or an object and a key: \"llama\" and 0"},
        {"text_config[flag]", "an index expects"},
        {"1.0 / 0.0", "division by zero"},
        {"big + 1", "the result does not fit into 64 bits: 9223372036854775807 and 1"},
        {"big * 2", "does not fit"},
        {"(-big - 1) / -1", "does not fit"},
        {"-(-big - 1)", "does not fit"},
        {"1e308 * 10", "not a finite number"},
        {"1 + 'a'", "expected two numbers, two texts or two lists: 1 and \"a\""},
        {"'a' - 'b'", "expected two numbers: \"a\" and \"b\""},
        {"missing * 2", "expected two numbers: null and 2"},
        {"-name", "\"-\" expects a number, found \"llama\""},
        {"1 < 'a'", "only two numbers or two texts can be ordered"},
        {"null < 1", "can be ordered: null and 1"},
        {"1 in 2", "expects a list (or a text and an object) on its right, found 2"},
        {"1 not in nothing", "on its right, found null"},
        {"len(5)", "len expects a list, a text or an object, found 5"},
        {"all(5, 1)", "all expects a list, found 5"},
        {"each_in(5, [5])", "each_in expects a list or an object, found 5"},
        {"each_in([5], 5)", "expects a list (or a text and an object) on its right"},
        {"min(1, 'a')", "min and max expect numbers, found \"a\""},
        {"starts_with(1, 'a')", "starts_with expects two texts"},
        {"$unknown", "there is no variable \"$unknown\" here"},
        {"[1, 1 / 0]", "division by zero"},
        {"not (1 / 0)", "division by zero"},
        {"coalesce(null, 1 / 0)", "division by zero"},
    };
    expect_errors(cases, sizeof cases / sizeof *cases);
}

static void nesting_is_limited(void **state) {
    (void)state;
    static const struct {
        const char *open, *middle, *close;
    } kinds[] = {{"(", "1", ")"},     {"[", "1", "]"},   {"-", "1", ""},   {"not ", "1", ""},
                 {"len(", "''", ")"}, {"1 + ", "1", ""}, {"a[", "0", "]"}, {"", "a", "[0]"}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (unsigned depth = 20; depth <= 500; depth += 480) {
            fg_error err = {0};
            fg_buffer text = {0};
            fg_expression *expression;
            for (unsigned i = 0; i < depth; i++) fg_buffer_printf(&text, &err, "%s", kinds[k].open);
            fg_buffer_printf(&text, &err, "%s", kinds[k].middle);
            for (unsigned i = 0; i < depth; i++) fg_buffer_printf(&text, &err, "%s", kinds[k].close);
            fg_status status = fg_expression_parse(&expression, text.data, "t", &err);
            assert_int_equal(status, depth == 20 ? FG_OK : FG_ERR_INPUT);
            if (depth > 20) assert_non_null(strstr(err.text, "nested more than 64 deep"));
            fg_expression_free(&expression);
            fg_buffer_free(&text);
        }
    }
}

static void too_long_and_not_utf8_are_refused(void **state) {
    (void)state;
    fg_error err = {0}, other = {0};
    fg_expression *expression;
    char text[5000];
    memset(text, '1', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(fg_expression_parse(&expression, text, "t", &err), FG_ERR_INPUT);
    assert_int_equal(fg_expression_parse(&expression, "'\xff'", "t", &other), FG_ERR_INPUT);
}

static void random_text_never_crashes(void **state) {
    (void)state;
    static const char *const words[] = {
        "1",    "2.5",       "'t'",  "hidden_size", "types", "/",    "../",      ".",    "$version",
        "(",    ")",         "[",    "]",           ",",     "+",    "-",        "*",    "==",
        "!=",   "<",         "in",   "not ",        " and ", " or ", "len(",     "all(", "has(",
        "min(", "coalesce(", "null", "true",        " ",     "'",    "\xc3\xa9", "big",  "nothing"};
    unsigned seed = 7, evaluated = 0;
    for (unsigned n = 0; n < 200000; n++) {
        fg_error err = {0};
        json_t *value;
        char text[256] = "";
        unsigned count = 1 + n % 9;
        for (unsigned i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            strcat(text, words[(seed >> 16) % (sizeof words / sizeof *words)]);
        }
        fg_status status = run(text, &root_scope, &value, &err);
        assert_true(status == FG_OK || status == FG_ERR_INPUT);
        assert_int_equal(status == FG_OK, value != NULL);
        evaluated += status == FG_OK;
        json_decref(value);
    }
    assert_true(evaluated > 1000);
}

static void values_and_expressions_are_told_apart(void **state) {
    (void)state;
    static const pair cases[] = {{"\"= hidden_size * 2\"", "128"},
                                 {"\"=hidden_size\"", "\"=hidden_size\""},
                                 {"[1]", "[1]"},
                                 {"null", "null"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        char brief[100];
        json_t *value, *given = json_loads(cases[i].text, JSON_DECODE_ANY, NULL);
        assert_int_equal(fg_expression_value(given, &root_scope, "t", &value, &err), FG_OK);
        assert_string_equal(fg_json_brief(value, brief, sizeof brief), cases[i].expected);
        json_decref(value);
        json_decref(given);
    }
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        fg_error err = {0};
        json_t *value;
        fg_alloc_fail_after(n);
        fg_status status = run("coalesce(nothing, [len(types) + 1, -2.5, 'a' + name, min(1, 2)])",
                               &root_scope, &value, &err);
        fg_alloc_fail_after(0);
        if (status == FG_OK) {
            json_decref(value);
            assert_true(n > 10);
            break;
        }
        assert_int_equal(status, FG_ERR_MEMORY);
    }
}

static void what_paths_lead_to_is_said(void **state) {
    (void)state;
    static const pair cases[] = {
        {"hidden_size == /hidden_size + ../zero and has(absent)",
         "hidden_size = 128, /hidden_size = 64, ../zero = 0, absent = (absent)"},
        {"inner.x > 1 and inner.x < 5 and $model_type == 'llama'", "inner.x = 7"},
        {"1 + 1 == 3", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool holds;
        fg_buffer text = {0};
        assert_int_equal(fg_expression_check(cases[i].text, &text_scope, "t.json: rule", &holds, &text, NULL),
                         FG_OK);
        assert_false(holds);
        assert_string_equal(text.length ? text.data : "", cases[i].expected);
        fg_buffer_free(&text);
    }
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_right),
        cmocka_unit_test(paths_start_where_the_scope_says),
        cmocka_unit_test(broken_text_is_refused_with_its_column),
        cmocka_unit_test(wrong_operands_are_refused),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(too_long_and_not_utf8_are_refused),
        cmocka_unit_test(random_text_never_crashes),
        cmocka_unit_test(values_and_expressions_are_told_apart),
        cmocka_unit_test(what_paths_lead_to_is_said),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
