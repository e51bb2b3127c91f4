/* Adding tokens: the YAML file, its result for a tokenizer, and the files afterwards. */
#include "store_fixture.h"

#include "base/json.h"
#include "base/log.h"
#include "tokens/new_tokens.h"
#include "tokens/tokenizer_edit.h"

enum { ROWS = 10 };

/* A tokenizer of 8 tokens: 6 of the model, two added ones. */
#define VOCAB                                                                                                \
    "  \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"\\u00e9\": 3, \"c\": 4, " \
    "\"d\": 5}, \"merges\": [\"a b\"]}\n}\n"
#define ENTRY(id, content, special)                                                                          \
    "    {\n      \"id\": " id ",\n      \"content\": \"" content                                            \
    "\",\n      \"single_word\": false,\n      \"lstrip\": false,\n      \"rstrip\": false,\n      "         \
    "\"normalized\": false,\n      \"special\": " special "\n    }"
static const char TOKENIZER[] = "{\n  \"version\": \"1.0\",\n  \"added_tokens\": [\n" ENTRY(
    "6", "<s>", "true") ",\n" ENTRY("7", "<x>", "false") "\n  ],\n" VOCAB;
static const char CONFIG[] =
    "{\"added_tokens_decoder\": {\"6\": {\"content\": \"<s>\", \"special\": true}, "
    "\"7\": {\"content\": \"<x>\", \"special\": false}}, \"bos_token\": \"<s>\", \"eos_token\": "
    "{\"content\": \"ab\"}}";

static fg_tokenizer_files files;
static fg_token_request request;
static fg_new_tokens tokens;

static int set_up(void **state) {
    fixture_set_up(state);
    put_text("tokenizer.json", TOKENIZER);
    put_text("tokenizer_config.json", CONFIG);
    put_text("special_tokens_map.json", "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"ab\"}");
    return 0;
}

static const json_t *declared(const char *path);

static int tear_down(void **state) {
    declared(NULL);
    fg_tokenizer_files_free(&files);
    fg_token_request_free(&request);
    fg_new_tokens_free(&tokens);
    fg_log_end();
    return fixture_tear_down(state);
}

static fg_status ask(const char *yaml, uint64_t rows, fg_error *err) {
    fg_tokenizer_files_free(&files);
    fg_token_request_free(&request);
    fg_new_tokens_free(&tokens);
    put_text("t.yaml", yaml);
    FG_CALL(fg_tokenizer_files_read(&files, at(""), err));
    FG_CALL(fg_token_request_read(&request, at("t.yaml"), err));
    return fg_new_tokens_decide(&tokens, &request, &files, rows, err);
}

static void decide(const char *yaml, uint64_t rows) {
    fg_error err = {0};
    if (ask(yaml, rows, &err) != FG_OK) fail_msg("%s: %s", yaml, err.text);
}

static void refuse(const char *yaml, const char *message) {
    fg_error err = {0};
    fg_status status = ask(yaml, ROWS, &err);
    if (status != FG_ERR_INPUT || !strstr(err.text, message))
        fail_msg("%s: status %d: %s", yaml, (int)status, err.text);
}

/* What tokenizer_config.json, as it will be written, declares: until the next call. */
static const json_t *declared(const char *path) {
    static json_t *written;
    fg_buffer text = {0};
    json_decref(written);
    written = NULL;
    if (!path) return NULL;
    assert_int_equal(fg_tokenizer_files_write_config(&files, files.config, &text, NULL), FG_OK);
    assert_int_equal(fg_json_parse("config", text.data, text.length, &written, NULL), FG_OK);
    fg_buffer_free(&text);
    return fg_json_at(json_object_get(written, "added_tokens_decoder"), path);
}

/* "id=text" of the tokens that are new, then "|", then "row=value" of the rows, then the rows of the
 * matrix. */
static void expect(const char *expected) {
    fg_buffer text = {0};
    char value[FG_ROW_TEXT];
    for (size_t i = 0; i < tokens.count; i++) {
        if (tokens.items[i].is_new)
            fg_buffer_printf(&text, NULL, "%llu=%s ", (unsigned long long)tokens.items[i].id,
                             tokens.items[i].text);
    }
    fg_buffer_printf(&text, NULL, "|");
    for (size_t i = 0; i < tokens.rows.count; i++)
        fg_buffer_printf(&text, NULL, " %llu=%s", (unsigned long long)tokens.rows.items[i].row,
                         fg_row_value_text(tokens.rows.items[i].value, value));
    fg_buffer_printf(&text, NULL, " of %llu", (unsigned long long)tokens.rows.rows);
    assert_string_equal(text.data, expected);
    fg_buffer_free(&text);
}

static void new_ids_come_in_the_order_of_roles_and_lists(void **state) {
    (void)state;
    decide("regular_tokens: [r1, r2]\nspecial_tokens: [s1]\nunk_token: u\npad_token: {token: p}\n", 8);
    expect("8=u 9=p 10=s1 11=r1 12=r2 | 8=mean 9=zero 10=mean 11=mean 12=mean of 13");
    decide("pad_token: {token: p, init: 'copy:3'}\nunk_token: {token: u, init: zero}\n", 8);
    expect("8=u 9=p | 8=zero 9=copy:3 of 10");
}

static void a_role_that_exists_moves_or_stays(void **state) {
    (void)state;
    decide("bos_token: {token: <s>, init: zero}\neos_token: {token: e, if_missing: true}\n", 8);
    expect("| of 0");
    assert_false(fg_new_tokens_any(&tokens));
    decide("bos_token: {token: <new>, init: zero}\n", 8); /* its row is the old one's, whatever init says */
    expect("8=<new> | 8=copy:6 of 9");
    decide("eos_token: {token: <x>, init: zero}\n", 8); /* a pointer only: nothing is new */
    expect("| of 0");
    assert_true(fg_new_tokens_any(&tokens));
    assert_int_equal(tokens.items[tokens.roles[FG_ROLE_EOS]].id, 7);
    decide("eos_token: {token: <x>, init: zero}\nspecial_tokens: [s]\n", 8);
    expect("8=s | 7=zero 8=mean of 9");
    decide("eos_token: <x>\nspecial_tokens: [s]\n", 8);
    expect("8=s | 8=mean of 9");
    decide("eos_token: {token: <x>, init: 'copy:2'}\nspecial_tokens: [s]\n", 7); /* it had no row yet */
    expect("8=s | 7=copy:2 8=mean of 9");
}

/* transformers gives them ids when it reads the files. */
static void named_tokens_without_an_id_come_first(void **state) {
    (void)state;
    put_text("tokenizer_config.json",
             "{\"bos_token\": \"<s>\", \"pad_token\": \"<pad>\", \"unk_token\": {\"content\": \"<unk>\"}, "
             "\"additional_special_tokens\": [\"<x>\", {\"content\": \"<l>\"}, 5, \"\", \"<unk>\"], "
             "\"extra_special_tokens\": {\"image_token\": \"<image>\", \"n\": {}}}");
    decide("regular_tokens: [r]\n", 8);
    expect("8=<unk> 9=<pad> 10=<l> 11=<image> 12=r | 8=mean 9=zero 10=mean 11=mean 12=mean of 13");
    assert_int_equal(fg_tokenizer_files_add(&files, &tokens, NULL), FG_OK);
    decide("pad_token: {token: '[PAD]', if_missing: true}\n", 8); /* nothing is new, and nothing changes */
    expect("| of 0");
    assert_false(fg_new_tokens_any(&tokens));
}

static void rows_are_never_dropped(void **state) {
    (void)state;
    decide("pad_token: p\n", 20); /* the matrix is padded: the token takes the row at its id */
    expect("8=p | 8=zero of 20");
    decide("pad_token: p\n", 6); /* more tokens than rows: those between get the mean */
    expect("8=p | 6=mean 7=mean 8=zero of 9");
}

static void roles_may_share_a_token(void **state) {
    (void)state;
    decide("bos_token: t\neos_token: t\npad_token: {token: t}\nspecial_tokens: [t]\n", 8);
    expect("8=t | 8=copy:6 of 9");
    assert_int_equal(tokens.roles[FG_ROLE_BOS], tokens.roles[FG_ROLE_PAD]);
    assert_int_equal(tokens.added, 1);
}

static void what_the_file_says_wrong_is_named_with_its_place(void **state) {
    (void)state;
    refuse("", "t.yaml: found null, expected a mapping of bos_token");
    refuse("- a\n", "expected a mapping");
    refuse("pad_token: p\npadding: q\n", "t.yaml: line 2, column 10: padding: this key is not known");
    refuse("pad_token: 7\n", "line 1, column 12: pad_token: found 7, expected the text of a token");
    refuse("pad_token: ''\n", "the text of a token is empty");
    refuse("pad_token: {init: zero}\n", "line 1, column 12: pad_token: it has no token");
    refuse("pad_token: {token: p, init: ones}\n",
           "line 1, column 29: pad_token/init: found \"ones\", expected zero, mean or copy:ID");
    refuse("pad_token: {token: p, init: 'copy:-1'}\n", "found \"copy:-1\"");
    refuse("pad_token: {token: p, init: 'copy:'}\n", "found \"copy:\"");
    refuse("pad_token: {token: p, init: 'copy:99999999999999999999'}\n", "expected zero, mean or copy:ID");
    refuse("pad_token: {token: p, init: 'copy:10'}\n",
           "line 1, column 29: pad_token/init: copy:10: the model has rows for the ids 0 to 9");
    refuse("pad_token: {token: p, init: 3}\n", "pad_token/init: found 3");
    refuse("pad_token: {token: p, if_missing: 1}\n", "pad_token/if_missing: found 1, expected true or false");
    refuse("pad_token: {token: p, text: q}\n", "line 1, column 29: pad_token/text: this key is not known");
    refuse("special_tokens: <a>\n", "special_tokens: found \"<a>\", expected a list of texts");
    refuse("special_tokens: [a, 5]\n", "line 1, column 21: special_tokens/1: found 5");
    refuse("special_tokens: [a, b, a]\n",
           "special_tokens/2: the token \"a\" is also listed under special_tokens/0");
    refuse("special_tokens: [a]\nregular_tokens: [a]\n",
           "line 2, column 18: regular_tokens/0: the token \"a\" is also listed under");
    refuse("pad_token: a\nregular_tokens: [a]\n",
           "pad_token: the token \"a\" has a role, but is listed under regular_tokens/0");
    refuse("bos_token: {token: t, init: zero}\nunk_token: {token: t, init: mean}\n",
           "is unk_token too, with another init");
}

static void the_tokenizers_files_agree_afterwards(void **state) {
    (void)state;
    decide("pad_token: '[PAD]'\nunk_token: d\nspecial_tokens: [<x>, \"\\u00fc\"]\nregular_tokens: [r]\n", 8);
    assert_int_equal(fg_tokenizer_files_add(&files, &tokens, NULL), FG_OK);
    static const char expected[] =
        "{\n  \"version\": \"1.0\",\n  \"added_tokens\": [\n" ENTRY("5", "d", "true") ",\n" ENTRY(
            "6", "<s>",
            "true") ",\n" ENTRY("7", "<x>",
                                "true") ",\n" ENTRY("8", "[PAD]",
                                                    "true") ",\n" ENTRY("9", "\xc3\xbc",
                                                                        "true") ",\n    {\n      \"id\": "
                                                                                "10,\n      "
                                                                                "\"content\": \"r\",\n      "
                                                                                "\"single_word\": false,\n   "
                                                                                "   \"lstrip\": false,\n     "
                                                                                " \"rstrip\": false,\n      "
                                                                                "\"normalized\": true,\n     "
                                                                                " \"special\": false\n    "
                                                                                "}\n  ],\n" VOCAB;
    assert_string_equal(files.tokenizer.data, expected);
    assert_string_equal(json_string_value(json_object_get(files.config, "pad_token")), "[PAD]");
    assert_string_equal(json_string_value(json_object_get(files.config, "unk_token")), "d");
    assert_string_equal(json_string_value(declared("9/content")), "\xc3\xbc");
    assert_true(json_is_true(declared("7/special")));
    assert_true(json_is_true(declared("10/normalized")));
    assert_int_equal(json_array_size(json_object_get(files.config, "additional_special_tokens")), 2);
    assert_string_equal(json_string_value(fg_json_at(files.map, "pad_token/content")), "[PAD]");
    assert_int_equal(json_array_size(json_object_get(files.map, "additional_special_tokens")), 2);

    fg_token_ids ids;
    assert_int_equal(fg_token_ids_read(&files, &ids, NULL), FG_OK);
    assert_int_equal(ids.id[FG_ROLE_BOS], 6);
    assert_int_equal(ids.id[FG_ROLE_EOS], 2);
    assert_int_equal(ids.id[FG_ROLE_PAD], 8);
    assert_int_equal(ids.id[FG_ROLE_UNK], 5);
}

static void a_token_that_is_named_gets_the_flags_of_a_new_one(void **state) {
    (void)state;
    put_text(
        "tokenizer.json",
        "{\"added_tokens\": [{\"id\": 1, \"content\": \"<m>\", \"single_word\": true, \"lstrip\": true, "
        "\"rstrip\": true, \"normalized\": true, \"special\": true}], \"model\": {\"vocab\": {\"a\": 0}}}");
    put_text("tokenizer_config.json",
             "{\"added_tokens_decoder\": {\"1\": {\"content\": \"<m>\", \"lstrip\": true, "
             "\"normalized\": true, \"special\": true}}}");
    decide("unk_token: <m>\n", 2);
    assert_int_equal(fg_tokenizer_files_add(&files, &tokens, NULL), FG_OK);
    assert_null(strstr(files.tokenizer.data, "strip\": true"));
    assert_null(strstr(files.tokenizer.data, "single_word\": true"));
    assert_null(strstr(files.tokenizer.data, "normalized\": true"));
    assert_true(json_is_false(declared("1/lstrip")));
    assert_true(json_is_false(declared("1/normalized")));
}

static void one_line_files_stay_one_line(void **state) {
    (void)state;
    put_text("tokenizer.json", "{\"added_tokens\": [], \"model\": {\"vocab\": [[\"a\", 0.5], [\"b\", -1]]}}");
    put_text("tokenizer_config.json", "{}");
    put_text("special_tokens_map.json", "{}");
    decide("pad_token: p\n", 2);
    expect("2=p | 2=zero of 3");
    assert_int_equal(fg_tokenizer_files_add(&files, &tokens, NULL), FG_OK);
    assert_string_equal(
        files.tokenizer.data,
        "{\"added_tokens\": [{\"id\": 2, \"content\": \"p\", \"single_word\": false, \"lstrip\": false, "
        "\"rstrip\": false, \"normalized\": false, \"special\": true}], \"model\": {\"vocab\": [[\"a\", "
        "0.5], "
        "[\"b\", -1]]}}");
    put_text("tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 0}}}");
    decide("regular_tokens: [p]\n", 1);
    assert_int_equal(fg_tokenizer_files_add(&files, &tokens, NULL), FG_OK);
    assert_true(fg_starts_with(files.tokenizer.data, "{\"added_tokens\": [{\"id\": 1, \"content\": \"p\", "));
    assert_true(
        fg_ends_with(files.tokenizer.data, "\"special\": false}],\"model\": {\"vocab\": {\"a\": 0}}}"));
}

/* Without it the new token would get the id of the other one when transformers reads the files. */
static void tokens_that_only_the_configuration_declares_are_kept(void **state) {
    (void)state;
    put_text("tokenizer_config.json",
             "{\"added_tokens_decoder\": {\"8\": {\"content\": \"<y>\", \"special\": true}}}");
    decide("pad_token: p\n", 8);
    expect("9=p | 8=mean 9=zero of 10");
    assert_int_equal(fg_tokenizer_files_add(&files, &tokens, NULL), FG_OK);
    assert_non_null(strstr(files.tokenizer.data, ENTRY("8", "<y>", "true") ",\n" ENTRY("9", "p", "true")));
}

/* Where the object cannot be cut out of the text, it is read after all. */
static void declared_tokens_are_found_in_any_text(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"added_tokens_decoder\": {\"8\": {\"content\": \"<y>\"}}}",
        "{\"added_tokens\\u005fdecoder\": {\"8\": {\"content\": \"<y>\"}}}",
        "\xef\xbb\xbf{\"added_tokens_decoder\": {\"8\": {\"content\": \"<y>\"}}}",
        "{\"a\": 1, \"added_tokens_decoder\": {\n\n\"8\": {\"content\": \"<y>\"}\n}, \"b\": 1e30}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_text("tokenizer_config.json", texts[i]);
        decide("regular_tokens: [r]\n", 8);
        expect("9=r | 8=mean 9=mean of 10");
        assert_int_equal(fg_tokenizer_files_add(&files, &tokens, NULL), FG_OK);
        assert_string_equal(json_string_value(declared("8/content")), "<y>");
        assert_string_equal(json_string_value(declared("9/content")), "r");
    }
}

static void broken_tokenizers_are_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"added_tokens\": {}}", "added_tokens: found an object, expected an array"},
        {"{\"added_tokens\": [{\"id\": -1, \"content\": \"q\"}]}", "the token \"q\" has the id -1"},
        {"{\"added_tokens\": [{\"id\": 1}]}", "the token \"(without content)\""},
        {"{\"added_tokens\": [], \"added_tokens\": []}", "added_tokens is given twice"},
        {"{\"model\": {\"vocab\": {\"p\": \"x\"}}}", "the token \"p\" has the id \"x\""},
        {"{\"model\": {\"vocab\": [", "it ends where"},
        {"{\"model\": {\"vocab\": 3}}", "expected an object"},
        {"{\"model\": {\"vocab\": {}, \"vocab\": {}}}", "the model's vocab is given twice"},
        {"{\"model\": {}, \"model\": {}}", "the model is given twice"},
        {"{\"model\": {}} {}", "byte 14: text after the end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text("tokenizer.json", cases[i][0]);
        refuse("pad_token: p\n", cases[i][1]);
    }
    put_text("tokenizer.json", "");
    refuse("pad_token: p\n", "tokenizer.json: the file is empty");
    unlink(at("tokenizer.json"));
    refuse("pad_token: p\n", "tokens cannot be added: there is no tokenizer.json");
    put_text("tokenizer.json", TOKENIZER);
    put_text("tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"q\"}}}");
    refuse("pad_token: p\n", "added_tokens_decoder: \"x\" is not the id of a token");
    put_text("tokenizer_config.json", "{\"added_tokens_decoder\": []}");
    refuse("pad_token: p\n", "added_tokens_decoder: found an array");
    put_text("tokenizer_config.json", "[]");
    refuse("pad_token: p\n", "tokenizer_config.json: found an array, expected an object");
    put_text("tokenizer_config.json", "{\n\"added_tokens_decoder\": {\n},\n\"b\": x}"); /* cut out before */
    refuse("pad_token: p\n", "tokenizer_config.json: line 4, column 6");
    put_text("tokenizer_config.json", "{}");
    put_text("tokenizer.json", "{\"model\": null}"); /* the token would take row 0 from another one */
    refuse("pad_token: p\n", "it has no vocabulary");
}

/* transformers numbers tokens itself; a file that says something else would part the tokens from their
 * rows. */
static void ids_that_would_be_read_otherwise_are_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[{\"id\": 9, \"content\": \"<y>\"}]",
         "\"<y>\" has the id 9 in the file, but is loaded with 6"}, /* a gap */
        {"[{\"id\": 2, \"content\": \"<y>\"}]",
         "\"<y>\" has the id 2 in the file, but is loaded with 6"}, /* the model's */
        {"[{\"id\": 6, \"content\": \"a\"}]", "\"a\" has the id 6 in the file, but is loaded with 0"},
        {"[{\"id\": 6, \"content\": \"<y>\"}, {\"id\": 7, \"content\": \"<y>\"}]",
         "has the id 7 in the file, but is loaded with 6"},
        {"[{\"id\": 6, \"content\": \"<y>\"}, {\"id\": 6, \"content\": \"<z>\"}]",
         "has the id 6 in the file, but is loaded with 7"},
        {"[{\"id\": 7, \"content\": \"<y>\"}, {\"id\": 6, \"content\": \"<z>\"}]",
         "has the id 7 in the file, but is loaded with 6"},
        {"[{\"id\": 6, \"content\": \"\"}]", "the added token \"\" has the id 6"},
    };
    put_text("tokenizer_config.json", "{}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        char text[400];
        snprintf(text, sizeof text, "{\"added_tokens\": %s,\n" VOCAB, cases[i][0]);
        put_text("tokenizer.json", text);
        decide("pad_token: p\n", ROWS);
        assert_int_equal(fg_tokenizer_files_add(&files, &tokens, &err), FG_ERR_INPUT);
        if (!strstr(err.text, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.text);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(new_ids_come_in_the_order_of_roles_and_lists),
        TEST(a_role_that_exists_moves_or_stays),
        TEST(named_tokens_without_an_id_come_first),
        TEST(rows_are_never_dropped),
        TEST(roles_may_share_a_token),
        TEST(what_the_file_says_wrong_is_named_with_its_place),
        TEST(the_tokenizers_files_agree_afterwards),
        TEST(a_token_that_is_named_gets_the_flags_of_a_new_one),
        TEST(one_line_files_stay_one_line),
        TEST(tokens_that_only_the_configuration_declares_are_kept),
        TEST(declared_tokens_are_found_in_any_text),
        TEST(broken_tokenizers_are_refused),
        TEST(ids_that_would_be_read_otherwise_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
