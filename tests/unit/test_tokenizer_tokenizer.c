/* Small tokenizers made here: what real ones do not show, and files that are refused. The expected ids were
 * seen from HF tokenizers 0.23.3 for the same files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "tokenizer/tokenizer.h"

static char directory[32];

static int make_directory(void **state) {
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/fg_vocab_XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state) {
    (void)state;
    fg_log_end();
    return fg_directory_remove(directory, NULL) == FG_OK ? 0 : -1;
}

static void put(const char *name, const char *text) {
    fg_error err = {0};
    char *path = fg_path_join(directory, name, &err);
    unlink(path);
    assert_int_equal(fg_file_write_all(path, text, strlen(text), &err), FG_OK);
    fg_free(path);
}

/* JSON with ' for ", as one writes it in C. */
static void put_json(const char *name, const char *text) {
    char *json = fg_strdup(text, NULL);
    for (char *at = json; (at = strchr(at, '\'')); at++) *at = '"';
    put(name, json);
    fg_free(json);
}

/* A tokenizer whose model has the letters a to e, space and x, "ab", "abc" and "bc"; `more` are fields of the
 * model, `parts` those next to it. */
static void put_tokenizer(const char *more, const char *parts) {
    char *text = fg_strformat(
        NULL,
        "{'version': '1.0'%s%s, 'model': {'type': 'BPE'%s%s, 'vocab': {'a': 0, 'b': 1, 'c': 2, 'd': 3, "
        "'e': 4, ' ': 5, 'x': 6, 'bc': 7, 'ab': 8, 'abc': 9, '<u>': 10, '<0xC3>': 11, '<0xA9>': 12, "
        "'\\u2581': 13}, 'merges': ['b c', ['a', 'b'], 'a bc']}}",
        *parts ? ", " : "", parts, *more ? ", " : "", more);
    put_json("tokenizer.json", text);
    fg_free(text);
}

static fg_tokenizer *opened(void) {
    fg_error err = {0};
    fg_tokenizer *tokenizer = NULL;
    if (fg_tokenizer_open(&tokenizer, directory, &err) != FG_OK) fail_msg("%s", err.text);
    return tokenizer;
}

/* The ids as "1 2 3". */
static void gives(const char *input, bool special, const char *expected) {
    fg_tokenizer *tokenizer = opened();
    fg_id_list ids = {0};
    fg_buffer found = {0};
    assert_int_equal(fg_tokenizer_encode(tokenizer, input, strlen(input), special, &ids, NULL), FG_OK);
    fg_buffer_add(&found, "", 0, NULL);
    for (size_t i = 0; i < ids.count; i++) fg_buffer_printf(&found, NULL, "%s%u", i ? " " : "", ids.ids[i]);
    assert_string_equal(found.data, expected);
    fg_buffer_free(&found);
    fg_id_list_free(&ids);
    fg_tokenizer_free(&tokenizer);
}

static void reads(const uint32_t *ids, size_t count, const char *expected) {
    fg_tokenizer *tokenizer = opened();
    fg_buffer text = {0};
    fg_buffer_add(&text, "", 0, NULL);
    assert_int_equal(fg_tokenizer_decode(tokenizer, ids, count, true, &text, NULL), FG_OK);
    assert_string_equal(text.data, expected);
    fg_buffer_free(&text);
    fg_tokenizer_free(&tokenizer);
}

static void refused(const char *message) {
    fg_error err = {0};
    fg_tokenizer *tokenizer = NULL;
    assert_int_equal(fg_tokenizer_open(&tokenizer, directory, &err), FG_ERR_INPUT);
    assert_null(tokenizer);
    if (!strstr(err.text, message)) fail_msg("found \"%s\", expected \"%s\" in it", err.text, message);
}

/* What is read in place and what base/json.h reads (an empty token, and a byte order mark) means the same. */
static void unusual_text_is_read_too(void **state) {
    (void)state;
    static const char *const models[] = {
        "{'model': {'vocab': {'a': 0, 'b': 1, 'ab': 2}, 'merges': ['a b']}}",
        "{'model': {'vocab': {'': 3, 'a': 0, 'b': 1, 'ab': 2}, 'merges': ['#version: 0.2', ['a', 'b']]}}",
        "\xef\xbb\xbf{'model': {'merges': ['#version: 0.2', 'a b'], 'vocab': {'a': 0, 'b': 1, 'ab': 2}}}",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        put_json("tokenizer.json", models[i]);
        gives("aabb", false, "0 2 1");
    }
}

static void merges_go_by_rank(void **state) {
    (void)state;
    put_tokenizer("", "");
    gives("abc", false, "9");
    gives("abd", false, "8 3");
    gives("bcabab", false, "7 8 8");
    gives("ababababababababababababababababababcdbc", false, "8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 9 3 7");
    gives("<u>", false, ""); /* its characters have no tokens */
    put_tokenizer("'ignore_merges': true", "");
    gives("<u>", false, "10");
    gives("abc", false, "9");
}

static void characters_without_a_token(void **state) {
    (void)state;
    put_tokenizer("", "");
    gives("a\xc3\xa9q!b", false, "8"); /* without an unknown token they vanish */
    put_tokenizer("'unk_token': '<u>'", "");
    gives("aqqb", false, "0 10 10 1");
    put_tokenizer("'unk_token': '<u>', 'fuse_unk': true", "");
    gives("aqqb", false, "0 10 1");
    put_tokenizer("'unk_token': '<u>', 'fuse_unk': true, 'byte_fallback': true", "");
    gives("a\xc3\xa9qqb", false, "0 11 12 10 1");
    gives("aq\xc3\xa9qb", false, "0 11 12 10 1"); /* the unknown run goes on behind the bytes */
}

static void invalid_bytes_are_replaced(void **state) {
    (void)state;
    put_tokenizer("'unk_token': '<u>'", "");
    gives("a\xff"
          "b",
          false, "0 10 1");
    gives("a\xe2\x82"
          "b\xed\xa0\x80",
          false, "0 10 1 10 10 10");
}

static void added_tokens_are_found_first(void **state) {
    (void)state;
    put_tokenizer(
        "",
        "'added_tokens': [{'id': 14, 'content': 'bc', 'single_word': false, 'lstrip': true, 'rstrip': false, "
        "'normalized': false, 'special': true}, {'id': 15, 'content': 'xx', 'single_word': true, 'lstrip': "
        "false, 'rstrip': true, 'normalized': false, 'special': false}]");
    gives("a  bca", false, "0 7 0"); /* "bc" has an id already: 7 */
    gives("a xx  b", false, "0 5 14 1");
    gives("axx xxb xx", false, "0 6 6 5 6 6 1 5 14");
    gives("xx\xc3\xa9", false, "6 6");
    assert_int_equal(fg_log_warning_count(), 2); /* ids 14 and 15 are not what they get */
}

/* What a token has stripped may hold others: those that strip to their left are part of it. */
static void spaces_are_stripped_once(void **state) {
    (void)state;
    put_tokenizer(
        "",
        "'added_tokens': [{'id': 5, 'content': ' ', 'lstrip': true, 'rstrip': true, 'normalized': false}]");
    gives("a    b", false, "0 5 1");
    put_tokenizer("", "'added_tokens': [{'id': 0, 'content': 'a', 'rstrip': true, 'normalized': false}, "
                      "{'id': 5, 'content': ' ', 'lstrip': true, 'normalized': false}]");
    gives("a  b", false, "0 1");
    put_tokenizer("", "'added_tokens': [{'id': 0, 'content': 'a', 'rstrip': true, 'normalized': false}, "
                      "{'id': 14, 'content': ' b', 'lstrip': true, 'normalized': false}]");
    gives("a  bc", false, "0 14 2");
}

static void the_configuration_adds_tokens(void **state) {
    (void)state;
    put_tokenizer("", "");
    put_json("tokenizer_config.json",
             "{'added_tokens_decoder': {'15': {'content': '<y>', 'special': true}, '14': {'content': '<x>', "
             "'special': "
             "true, 'lstrip': false, 'rstrip': false, 'normalized': false, 'single_word': false}}}");
    gives("a<x>b<y>", false, "0 14 1 15");
    put_json("tokenizer_config.json", "{'added_tokens_decoder': {'x': {'content': '<y>'}}}");
    refused("added_tokens_decoder: the key \"x\" is not a token id");
    put_json("tokenizer_config.json", "[]");
    refused("tokenizer_config.json: found an array, expected an object");
    put_json("tokenizer_config.json", "{}");
}

static void normalized_tokens_are_found_in_normalized_text(void **state) {
    (void)state;
    put_tokenizer(
        "",
        "'normalizer': {'type': 'Replace', 'pattern': {'String': 'd'}, 'content': 'e'}, 'added_tokens': "
        "[{'id': "
        "14, 'content': 'xd', 'single_word': false, 'lstrip': false, 'rstrip': false, 'normalized': true, "
        "'special': false}]");
    gives("axdaxea", false, "0 14 0 14 0");
    reads((uint32_t[]){0, 14}, 2, "a xe");
}

static void metaspace_and_templates(void **state) {
    (void)state;
    put_tokenizer(
        "'unk_token': '<u>'",
        "'pre_tokenizer': {'type': 'Metaspace', 'replacement': '\xe2\x96\x81', 'prepend_scheme': 'first', "
        "'split': true}, "
        "'decoder': {'type': 'Metaspace', 'replacement': '\xe2\x96\x81', 'prepend_scheme': 'first', 'split': "
        "true}, "
        "'post_processor': {'type': 'Sequence', 'processors': [{'type': 'ByteLevel', 'trim_offsets': true}, "
        "{'type': "
        "'TemplateProcessing', 'single': [{'SpecialToken': {'id': 'B', 'type_id': 0}}, {'Sequence': {'id': "
        "'A', "
        "'type_id': 0}}, {'SpecialToken': {'id': 'E', 'type_id': 0}}], 'pair': [], 'special_tokens': {'B': "
        "{'id': "
        "'B', 'ids': [3], 'tokens': ['B']}, 'E': {'id': 'E', 'ids': [4, 6], 'tokens': ['E', 'F']}}}]}");
    gives("ab  bc", false, "13 8 13 13 7");
    gives(" ab", false, "13 8");
    gives("ab", true, "3 13 8 4 6");
    gives("", true, "3 4 6");
    reads((uint32_t[]){13, 8, 13, 13, 7}, 5, "ab  bc");
}

#define ONCE "{'Sequence': {'id': 'A', 'type_id': 0}}"
#define TEMPLATE(single)                                                                                     \
    "{'type': 'TemplateProcessing', 'single': [" single "], 'pair': [], 'special_tokens': {}}"

/* Also without special tokens the text is where the template has it. */
static void a_template_may_repeat_the_text(void **state) {
    (void)state;
    put_tokenizer("", "'post_processor': " TEMPLATE(ONCE ", " ONCE));
    gives("abd", false, "8 3 8 3");
    gives("abd", true, "8 3 8 3");
    put_tokenizer("", "'post_processor': " TEMPLATE(""));
    gives("abd", false, "");
    put_tokenizer(
        "", "'post_processor': {'type': 'Sequence', 'processors': [" TEMPLATE(ONCE) ", " TEMPLATE(ONCE) "]}");
    refused("post_processor: a second TemplateProcessing is not supported");
}

static void splits_behave(void **state) {
    static const char *const expected[][2] = {{"Isolated", "0 1 0 1 0"}, /* nothing merges across a cut */
                                              {"Removed", "0 0 0"},
                                              {"Contiguous", "0 1 0 1 0"},
                                              {"MergedWithPrevious", "8 8 0"},
                                              {"MergedWithNext", "0 1 0 1 0"}};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char parts[200];
        snprintf(parts, sizeof parts,
                 "'pre_tokenizer': {'type': 'Split', 'pattern': {'Regex': '\\\\p{^Lu}(?<=b)'}, 'behavior': "
                 "'%s', 'invert': "
                 "false}",
                 expected[i][0]);
        put_tokenizer("", parts);
        gives("ababa", false, expected[i][1]);
    }
    put_tokenizer("", "'pre_tokenizer': {'type': 'Split', 'pattern': {'String': 'x'}, 'behavior': 'Removed', "
                      "'invert': true}");
    gives("axbx", false, "6 6");
    put_tokenizer(
        "",
        "'pre_tokenizer': {'type': 'Split', 'pattern': {'Regex': '(?=b)'}, 'behavior': 'Isolated', 'invert': "
        "false}");
    gives("ab", false, "0 1"); /* an empty match cuts */
}

static void decoders_do_as_hf(void **state) {
    (void)state;
    put_tokenizer(
        "",
        "'decoder': {'type': 'Sequence', 'decoders': [{'type': 'ByteFallback'}, {'type': 'Fuse'}, {'type': "
        "'Strip', 'content': 'a', 'start': 1, 'stop': 1}]}");
    reads((uint32_t[]){0, 11, 12, 1, 11, 1, 0, 0}, 8,
          "\xc3\xa9"
          "b\xef\xbf\xbd"
          "ba");
    put_tokenizer("", "");
    reads((uint32_t[]){0, 999999, 8}, 3, "a ab"); /* no decoder: spaces between; an unknown id is left out */
}

static void what_is_not_known_is_named(void **state) {
    static const char *const cases[][3] = {
        {"", "'normalizer': {'type': 'NFKD'}", "normalizer: the type \"NFKD\" is not supported"},
        {"", "'pre_tokenizer': {'type': 'Whitespace'}",
         "pre_tokenizer: the type \"Whitespace\" is not supported"},
        {"", "'post_processor': {'type': 'BertProcessing'}", "post_processor: the type \"BertProcessing\""},
        {"", "'decoder': {'type': 'CTC'}", "decoder: the type \"CTC\" is not supported"},
        {"", "'decoder': {'type': 'Fuse', 'much': 1}", "decoder: the key \"much\" is not supported"},
        {"", "'normalizers': null", "the key \"normalizers\" is not supported"},
        {"'dropout': 0.1", "", "\"dropout\": 0.1 is not supported"},
        {"'end_of_word_suffix': '</w>'", "", "\"end_of_word_suffix\": \"</w>\" is not supported"},
        {"'unk_token': 'q'", "", "unk_token \"q\" is not in the vocabulary"},
        {"'byte_fallback': 1", "", "\"byte_fallback\": found 1, expected true or false"},
        {"", "'pre_tokenizer': {'type': 'Split', 'pattern': {'Regex': '\\\\bx'}, 'behavior': 'Isolated'}",
         "this escape in the pattern at byte 0, \"\\bx\", is not supported"},
        {"", "'pre_tokenizer': {'type': 'Split', 'pattern': {'Regex': 'a(?<n>b)'}, 'behavior': 'Isolated'}",
         "this group"},
        {"", "'pre_tokenizer': {'type': 'Split', 'pattern': {'Regex': 'a(b'}, 'behavior': 'Isolated'}",
         "the pattern cannot be used: missing closing parenthesis"},
        {"", "'pre_tokenizer': {'type': 'Split', 'pattern': {'Regex': '\\\\p{Han}'}, 'behavior': 'Isolated'}",
         "this property"},
        {"", "'pre_tokenizer': {'type': 'Split', 'pattern': {'String': 'a'}, 'behavior': 'Around'}",
         "\"Around\" is not"},
        {"", "'added_tokens': [{'id': 'x', 'content': 'q'}]", "added_tokens/0: \"id\": found a string"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_tokenizer(cases[i][0], cases[i][1]);
        refused(cases[i][2]);
    }
}

static void bad_models_are_refused(void **state) {
    static const char *const cases[][2] = {
        {"{'type': 'Unigram'}", "model: the type \"Unigram\" is not supported"},
        {"[]", "model: found an array, expected an object"},
        {"{'type': 'BPE', 'vocab': {'a': -1}, 'merges': []}", "the id of \"a\": found"},
        {"{'type': 'BPE', 'vocab': {'a': 99999999}, 'merges': []}", "found 99999999, expected less than"},
        {"{'type': 'BPE', 'vocab': {'a': 0}, 'merges': ['a']}", "merge 0: found \"a\", expected two tokens"},
        {"{'type': 'BPE', 'vocab': {'a': 0}, 'merges': ['a a a']}", "merge 0: found \"a a a\""},
        {"{'type': 'BPE', 'vocab': {'a': 0}, 'merges': [['a', 1]]}", "merge 0: found [\"a\", 1]"},
        {"{'type': 'BPE', 'vocab': {'a': 0}, 'merges': ['a b']}",
         "merge 0: the token \"b\" is not in the vocabulary"},
        {"{'type': 'BPE', 'vocab': {'a': 0}, 'merges': ['a a']}",
         "merge 0: the token \"aa\" is not in the vocabulary"},
        {"{'type': 'BPE', 'vocab': {'a': 0}}", "\"merges\": found (absent), expected an array"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text, "{'version': '1.0', 'model': %s}", cases[i][0]);
        put_json("tokenizer.json", text);
        refused(cases[i][1]);
    }
    put("tokenizer.json", "{");
    refused("not valid JSON");
}

/* Patterns that a hostile file may carry end in an error, not in hours. */
static void work_is_bounded(void **state) {
    (void)state;
    fg_error err = {0};
    fg_id_list ids = {0};
    char text[4000];
    put_tokenizer(
        "", "'pre_tokenizer': {'type': 'Split', 'pattern': {'Regex': '(a*)*(a*)*(a*)*[bx]'}, 'behavior': "
            "'Isolated', 'invert': false}");
    fg_tokenizer *tokenizer = opened();
    memset(text, 'a', sizeof text);
    assert_int_equal(fg_tokenizer_encode(tokenizer, text, sizeof text, false, &ids, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "the pattern fails on this text"));
    fg_tokenizer_free(&tokenizer);
    fg_id_list_free(&ids);
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    fg_status status = FG_ERR_MEMORY;
    put_tokenizer("'unk_token': '<u>'",
                  "'normalizer': {'type': 'Sequence', 'normalizers': [{'type': 'NFC'}, {'type': 'Prepend', "
                  "'prepend': 'x'}]}, "
                  "'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [{'type': 'Digits'}, {'type': "
                  "'Split', 'pattern': "
                  "{'Regex': ' ?\\\\p{L}+'}, 'behavior': 'Isolated'}]}, 'decoder': {'type': 'ByteLevel'}");
    for (uint64_t n = 1; status != FG_OK; n++) {
        fg_error err = {0};
        fg_tokenizer *tokenizer = NULL;
        fg_id_list ids = {0};
        fg_buffer text = {0};
        assert_true(n < 1000);
        fg_alloc_fail_after(n);
        status = fg_tokenizer_open(&tokenizer, directory, &err);
        if (status == FG_OK) status = fg_tokenizer_encode(tokenizer, "ab e\xcc\x81", 6, false, &ids, &err);
        if (status == FG_OK) status = fg_tokenizer_decode(tokenizer, ids.ids, ids.count, true, &text, &err);
        fg_alloc_fail_after(0);
        if (status != FG_OK) assert_int_equal(status, FG_ERR_MEMORY);
        fg_tokenizer_free(&tokenizer);
        fg_id_list_free(&ids);
        fg_buffer_free(&text);
    }
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_go_by_rank),
        cmocka_unit_test(unusual_text_is_read_too),
        cmocka_unit_test(characters_without_a_token),
        cmocka_unit_test(invalid_bytes_are_replaced),
        cmocka_unit_test(added_tokens_are_found_first),
        cmocka_unit_test(spaces_are_stripped_once),
        cmocka_unit_test(the_configuration_adds_tokens),
        cmocka_unit_test(normalized_tokens_are_found_in_normalized_text),
        cmocka_unit_test(metaspace_and_templates),
        cmocka_unit_test(a_template_may_repeat_the_text),
        cmocka_unit_test(splits_behave),
        cmocka_unit_test(decoders_do_as_hf),
        cmocka_unit_test(what_is_not_known_is_named),
        cmocka_unit_test(bad_models_are_refused),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };
    fg_log_level_set(FG_LOG_QUIET);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
