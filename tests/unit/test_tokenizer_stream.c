/* tokenizer/token_stream: text comes as soon as it is certain, and the pieces make up the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tokenizer/token_stream.h"

/* Byte-level: letters, the four bytes of U+1F600, the first two of U+00E9 and U+20AC's three, and a special
 * token. */
static const char BYTES[] =
    "{'added_tokens': [{'id': 9, 'content': '<end>', 'single_word': false, 'lstrip': false, 'rstrip': false,"
    " 'normalized': false, 'special': true}], 'decoder': {'type': 'ByteLevel', 'add_prefix_space': true,"
    " 'trim_offsets': true, 'use_regex': true},"
    " 'model': {'type': 'BPE', 'vocab': {'a': 0, 'b': 1, '\\u0120c': 2, '\\u00f0': 3, '\\u0141': 4, "
    "'\\u013a': 5,"
    " '\\u0122': 6, '\\u00c3': 7, '\\u00a9': 8}, 'merges': []}}";

/* As Llama 2 has it: a mark for a space, which the first token loses. */
static const char SENTENCE[] =
    "{'decoder': {'type': 'Sequence', 'decoders': [{'type': 'Replace', 'pattern': {'String': '\\u2581'},"
    " 'content': ' '}, {'type': 'ByteFallback'}, {'type': 'Fuse'}, {'type': 'Strip', 'content': ' ', "
    "'start': 1,"
    " 'stop': 0}]}, 'model': {'type': 'BPE', 'byte_fallback': true, 'vocab': {'\\u2581a': 0, '\\u2581b': 1, "
    "'c': 2,"
    " '<0xC3>': 3, '<0xA9>': 4}, 'merges': []}}";

static fg_tokenizer *make(const char *json) {
    fg_error err = {0};
    fg_tokenizer *tokenizer = NULL;
    char *text = fg_strdup(json, NULL);
    for (char *at = text; (at = strchr(at, '\'')); at++) *at = '"';
    fg_tokenizer_files files = {.directory = "here", .tokenizer = {.data = text, .length = strlen(text)}};
    if (fg_tokenizer_new(&tokenizer, &files, &err) != FG_OK) fail_msg("%s", err.text);
    fg_free(text);
    return tokenizer;
}

enum { MOST = 16 };

/* The ids up to UINT32_MAX: a prompt, then what is generated; `expected` has a piece for each of these, and
 * one for the end. */
static void comes_as(const char *json, const uint32_t *prompt, const uint32_t *ids,
                     const char *const *expected) {
    fg_tokenizer *tokenizer = make(json);
    fg_token_stream stream;
    size_t given = 0, count = 0;
    while (prompt[given] != UINT32_MAX) given++;
    assert_int_equal(fg_token_stream_begin(&stream, tokenizer, prompt, given, NULL), FG_OK);
    for (;; count++) {
        fg_buffer piece = {0};
        bool end = ids[count] == UINT32_MAX;
        fg_status status = end ? fg_token_stream_end(&stream, &piece, NULL)
                               : fg_token_stream_add(&stream, ids[count], &piece, NULL);
        assert_int_equal(status, FG_OK);
        assert_string_equal(piece.data ? piece.data : "", expected[count]);
        fg_buffer_free(&piece);
        if (end) break;
    }
    fg_token_stream_free(&stream);
    fg_tokenizer_free(&tokenizer);
}

#define IDS(...) ((const uint32_t[]){__VA_ARGS__, UINT32_MAX})
#define NONE ((const uint32_t[]){UINT32_MAX})
#define PIECES(...) ((const char *const[]){__VA_ARGS__})

static void words_come_at_once(void **state) {
    (void)state;
    comes_as(BYTES, IDS(0), IDS(1, 2, 0), PIECES("b", " c", "a", ""));
    comes_as(BYTES, NONE, IDS(2, 2), PIECES(" c", " c", ""));
}

static void characters_come_whole(void **state) {
    (void)state;
    comes_as(BYTES, IDS(0), IDS(3, 4, 5, 6, 1), PIECES("", "", "", "\xf0\x9f\x98\x80", "b", ""));
    comes_as(BYTES, IDS(0), IDS(0, 7, 8, 7, 8), PIECES("a", "", "\xc3\xa9", "", "\xc3\xa9", ""));
    comes_as(BYTES, IDS(7), IDS(8, 1), PIECES("\xc3\xa9", "b", "")); /* begun by the prompt */
    comes_as(SENTENCE, IDS(0), IDS(3, 4, 2), PIECES("", "\xc3\xa9", "c", ""));
}

static void what_becomes_no_character_is_marked(void **state) {
    (void)state;
#define MARK "\xef\xbf\xbd"
    comes_as(BYTES, IDS(0), IDS(7, 1), PIECES("", MARK "b", ""));
    comes_as(BYTES, IDS(0), IDS(1, 7), PIECES("b", "", MARK));
    comes_as(BYTES, IDS(0), IDS(3, 4, 5), PIECES("", "", "", MARK));
    comes_as(BYTES, IDS(0), IDS(8, 8, 0), PIECES("", "", MARK MARK "a", ""));
}

static void special_tokens_are_not_shown(void **state) {
    (void)state;
    comes_as(BYTES, IDS(9, 0), IDS(1, 9), PIECES("b", "", ""));
    comes_as(BYTES, IDS(9), IDS(9, 9, 1, 9, 0), PIECES("", "", "b", "", "a", ""));
}

static void a_space_is_lost_at_the_very_beginning_only(void **state) {
    (void)state;
    comes_as(SENTENCE, NONE, IDS(0, 1, 2, 1), PIECES("a", " b", "c", " b", ""));
    comes_as(SENTENCE, IDS(0), IDS(1, 1, 2), PIECES(" b", " b", "c", ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_come_at_once),
        cmocka_unit_test(characters_come_whole),
        cmocka_unit_test(what_becomes_no_character_is_marked),
        cmocka_unit_test(special_tokens_are_not_shown),
        cmocka_unit_test(a_space_is_lost_at_the_very_beginning_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
