/* tokenizer/plain_token: objects that are written the usual way are read, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tokenizer/plain_token.h"

static bool reads(const char *text, fg_plain_token *token) {
    fg_json_scan scan = {.name = "t.json", .text = text, .length = strlen(text)};
    return fg_plain_token_read(&scan, token) && scan.at == scan.length;
}

static void usual_objects_are_read(void **state) {
    (void)state;
    const char *text = "{ \"id\": 32000,\n\"content\":\"<pad>\", \"lstrip\": true, \"normalized\" : false}";
    fg_plain_token token;
    assert_true(reads(text, &token));
    assert_int_equal(token.id, 32000);
    assert_true(token.has_id);
    assert_memory_equal(text + token.content.begin, "<pad>\"", token.content.length + 1);
    assert_true(fg_plain_token_flag(&token, FG_TOKEN_LSTRIP, false));
    assert_false(fg_plain_token_flag(&token, FG_TOKEN_NORMALIZED, true));
    assert_true(fg_plain_token_flag(&token, FG_TOKEN_SPECIAL, true));
    assert_false(fg_plain_token_flag(&token, FG_TOKEN_SPECIAL, false));
    assert_true(reads("{\"content\":\"a\"}", &token));
    assert_false(token.has_id);
}

static void all_else_is_left_to_the_parser(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"id\": 1}",
        "{\"content\": \"a\", \"content\": \"a\"}",
        "{\"content\": \"a\", \"id\": 1, \"id\": 1}",
        "{\"content\": \"a\", \"special\": true, \"special\": true}",
        "{\"content\": \"a\", \"special\": 1}",
        "{\"content\": \"a\", \"special\": truer}",
        "{\"content\": \"a\", \"specials\": true}",
        "{\"content\": \"a\", \"spec\": true}",
        "{\"content\": \"a\", \"\": true}",
        "{\"content\": 1}",
        "{\"content\": \"a\\n\"}",
        "{\"content\": \"\xc3\xa9\"}",
        "{\"content\": \"a\", \"id\": -1}",
        "{\"content\": \"a\", \"id\": 01}",
        "{\"content\": \"a\", \"id\": 1.5}",
        "{\"content\": \"a\", \"id\": 1e3}",
        "{\"content\": \"a\", \"id\": \"1\"}",
        "{\"content\": \"a\", \"id\": 1234567890123456789}",
        "{\"content\": \"a\",}",
        "{\"content\": \"a\" \"id\": 1}",
        "{\"content\": \"a\"",
    };
    fg_plain_token token;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (reads(texts[i], &token)) fail_msg("%s is read", texts[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_objects_are_read),
        cmocka_unit_test(all_else_is_left_to_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
