/* The five real tokenizers against HF tokenizers, on all texts of tests/data/vocab/corpus.jsonl (made with
 * the expected ids by make.py there). The files are packed: the program xz unpacks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8_text.h"
#include "tokenizer/tokenizer.h"

enum { LINES_LEAST = 3000, SHOWN = 5 };

static void unpack(const char *name, const char *file, const char *directory) {
    char command[600];
    snprintf(command, sizeof command, "xz -dc '%s/vocab/%s/%s.xz' > '%s/%s'", FG_TEST_DATA, name, file,
             directory, file);
    assert_int_equal(system(command), 0);
}

/* The JSON values of a file's lines, as an array. */
static json_t *read_lines(const char *directory, const char *file) {
    fg_error err = {0};
    fg_buffer text = {0};
    char *path = fg_path_join(directory, file, &err);
    assert_int_equal(fg_file_read_all(path, 100 << 20, &text, &err), FG_OK);
    json_t *lines = json_array();
    for (char *at = text.data, *end; (end = strchr(at, '\n')); at = end + 1) {
        json_t *line = json_loadb(at, (size_t)(end - at), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(line);
        json_array_append_new(lines, line);
    }
    fg_buffer_free(&text);
    fg_free(path);
    return lines;
}

/* The bytes of a line of the corpus: a string, or {"bytes": hex}. */
static void line_bytes(const json_t *line, fg_buffer *bytes) {
    fg_buffer_clear(bytes);
    const char *hex = json_string_value(json_object_get(line, "bytes"));
    if (!hex) {
        assert_int_equal(fg_buffer_add(bytes, json_string_value(line), json_string_length(line), NULL),
                         FG_OK);
        return;
    }
    for (; *hex; hex += 2) {
        char pair[3] = {hex[0], hex[1], '\0'}, byte = (char)strtoul(pair, NULL, 16);
        assert_int_equal(fg_buffer_add(bytes, &byte, 1, NULL), FG_OK);
    }
}

static bool same_ids(const fg_id_list *ids, const json_t *expected) {
    bool same = ids->count == json_array_size(expected);
    for (size_t i = 0; same && i < ids->count; i++)
        same = (json_int_t)ids->ids[i] == json_integer_value(json_array_get(expected, i));
    return same;
}

static void show(const char *name, size_t line, const char *what, const fg_id_list *ids) {
    fprintf(stderr, "%s: corpus.jsonl line %zu: %s; found", name, line + 1, what);
    for (size_t i = 0; i < ids->count && i < 30; i++) fprintf(stderr, " %u", ids->ids[i]);
    fprintf(stderr, "\n");
}

/* What differs on one line, or NULL. */
static const char *compare(fg_tokenizer *tokenizer, const fg_buffer *input, const json_t *expected,
                           fg_id_list *ids) {
    fg_buffer text = {0}, clean = {0};
    const json_t *special = json_object_get(expected, "special"),
                 *decoded = json_object_get(expected, "text");
    const char *differs = NULL;
    ids->count = 0;
    const char *bytes = input->data ? input->data : "";
    assert_int_equal(fg_tokenizer_encode(tokenizer, bytes, input->length, true, ids, NULL), FG_OK);
    if (!same_ids(ids, special ? special : json_object_get(expected, "ids")))
        differs = "the ids with special tokens";
    ids->count = 0;
    assert_int_equal(fg_tokenizer_encode(tokenizer, bytes, input->length, false, ids, NULL), FG_OK);
    if (!same_ids(ids, json_object_get(expected, "ids"))) differs = "the ids";
    assert_int_equal(fg_tokenizer_decode(tokenizer, ids->ids, ids->count, true, &text, NULL), FG_OK);
    assert_int_equal(fg_utf8_replace_invalid(bytes, input->length, &clean, NULL), FG_OK);
    const char *wanted = decoded ? json_string_value(decoded) : clean.data ? clean.data : "";
    size_t length = decoded ? json_string_length(decoded) : clean.length;
    if (!differs && (text.length != length || (length && memcmp(text.data, wanted, length) != 0)))
        differs = "the decoded text";
    fg_buffer_free(&text);
    fg_buffer_free(&clean);
    return differs;
}

static void check(const char *name) {
    char directory[] = "/tmp/fg_vocab_XXXXXX";
    fg_error err = {0};
    fg_tokenizer *tokenizer = NULL;
    fg_id_list ids = {0};
    fg_buffer input = {0};
    size_t differences = 0;
    assert_non_null(mkdtemp(directory));
    unpack(name, "tokenizer.json", directory);
    unpack(name, "tokenizer_config.json", directory);
    unpack(name, "expected.jsonl", directory);
    if (fg_tokenizer_open(&tokenizer, directory, &err) != FG_OK) fail_msg("%s: %s", name, err.text);
    json_t *corpus = read_lines(FG_TEST_DATA "/vocab", "corpus.jsonl");
    json_t *expected = read_lines(directory, "expected.jsonl");
    assert_int_equal(json_array_size(corpus), json_array_size(expected));
    assert_true(json_array_size(corpus) >= LINES_LEAST);
    for (size_t i = 0; i < json_array_size(corpus); i++) {
        line_bytes(json_array_get(corpus, i), &input);
        const char *differs = compare(tokenizer, &input, json_array_get(expected, i), &ids);
        if (differs && differences++ < SHOWN) show(name, i, differs, &ids);
    }
    print_message("%s: %zu texts, %zu differences\n", name, json_array_size(corpus), differences);
    json_decref(corpus);
    json_decref(expected);
    fg_buffer_free(&input);
    fg_id_list_free(&ids);
    fg_tokenizer_free(&tokenizer);
    fg_directory_remove(directory, &err);
    assert_int_equal(differences, 0);
}

static void need_xz(void) {
    if (system("xz --version > /dev/null 2>&1") == 0) return;
    print_message("skipped: the program xz is not there\n");
    skip();
}

#define TOKENIZER(name)                                                                                      \
    static void name##_gives_the_ids_of_hf(void **state) {                                                   \
        (void)state;                                                                                         \
        need_xz();                                                                                           \
        check(#name);                                                                                        \
    }
TOKENIZER(llama2)
TOKENIZER(llama3)
TOKENIZER(qwen3)
TOKENIZER(gemma3)
TOKENIZER(smollm2)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama2_gives_the_ids_of_hf),  cmocka_unit_test(llama3_gives_the_ids_of_hf),
        cmocka_unit_test(qwen3_gives_the_ids_of_hf),   cmocka_unit_test(gemma3_gives_the_ids_of_hf),
        cmocka_unit_test(smollm2_gives_the_ids_of_hf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
