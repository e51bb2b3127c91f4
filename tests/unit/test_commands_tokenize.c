/* fgconv tokenize: arguments and lines, round trips, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "commands/command_table.h"
#include "commands/run.h"

static char directory[32];

static int make_tokenizer(void **state) {
    (void)state;
    static const char json[] = "{\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
                               "\"use_regex\": true}, \"decoder\": {\"type\": "
                               "\"ByteLevel\"}, \"post_processor\": {\"type\": \"TemplateProcessing\", "
                               "\"single\": [{\"SpecialToken\": {\"id\": \"B\", "
                               "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], "
                               "\"special_tokens\": {\"B\": {\"id\": \"B\", \"ids\": "
                               "[9], \"tokens\": [\"B\"]}}}, \"model\": {\"type\": \"BPE\", \"vocab\": "
                               "{\"a\": 0, \"b\": 1, \"ab\": 2, \"\\u010a\": 3, "
                               "\"\\u00c3\": 4, \"\\u00a9\": 5, \"\\u00ef\": 6, \"\\u00bf\": 7, \"\\u00bd\": "
                               "8, \"B\": 9, \"\\u0100\": 10}, \"merges\": "
                               "[\"a b\"]}}";
    snprintf(directory, sizeof directory, "/tmp/fgconv_tokenize_XXXXXX");
    if (!mkdtemp(directory)) return -1;
    char *path = fg_path_join(directory, "tokenizer.json", NULL);
    fg_status status = fg_file_write_all(path, json, sizeof json - 1, NULL);
    fg_free(path);
    return (int)status;
}

static int remove_tokenizer(void **state) {
    (void)state;
    return (int)fg_directory_remove(directory, NULL);
}

static fg_status carry_out(fg_options *options, FILE *in, FILE *out, fg_error *err) {
    fg_status status = fg_tokenize_command.check(options, err);
    if (status != FG_OK) return status;
    return fg_tokenize_command.run(&(fg_run){.options = options, .in = in, .out = out}, err);
}

/* Runs the command on `input` and compares what it prints. */
static fg_status run(fg_options options, const char *input, size_t size, const char *expected,
                     fg_error *err) {
    FILE *in = tmpfile(), *out = tmpfile();
    char found[300] = "";
    assert_non_null(in);
    assert_non_null(out);
    assert_int_equal(fwrite(input, 1, size, in), size);
    rewind(in);
    options.source = directory;
    fg_status status = carry_out(&options, in, out, err);
    rewind(out);
    found[fread(found, 1, sizeof found - 1, out)] = '\0';
    assert_string_equal(found, expected);
    fclose(in);
    fclose(out);
    return status;
}

static void gives(fg_options options, const char *input, size_t size, const char *expected) {
    fg_error err = {0};
    if (run(options, input, size, expected, &err) != FG_OK) fail_msg("%s", err.text);
}

static void refused(fg_options options, const char *input, fg_status status, const char *message) {
    fg_error err = {0};
    assert_int_equal(run(options, input, strlen(input), "", &err), status);
    assert_string_equal(err.text, message);
}

static void an_argument_is_one_text(void **state) {
    (void)state;
    gives((fg_options){.destination = "ab\nb"}, "", 0, "[2, 3, 1]\n");
    gives((fg_options){.destination = "ab", .special = true}, "", 0, "[9, 2]\n");
    gives((fg_options){.destination = "[2, 3, 1]", .decode = true}, "", 0, "ab\nb\n");
}

static void lines_are_texts(void **state) {
    (void)state;
    gives((fg_options){.destination = "-"}, "ab\n\nb\xff", 6, "[2]\n[]\n[1, 6, 7, 8]\n");
    gives((fg_options){0}, "a\0b\n", 4, "[0, 10, 1]\n");
    gives((fg_options){0}, "", 0, "");
    gives((fg_options){.decode = true}, "[2, 4, 5]\n[]\n", 13, "ab\xc3\xa9\n\n");
}

static void json_lines_may_hold_newlines(void **state) {
    (void)state;
    static const char texts[] = "\"ab\\n\\u00e9\"\n\"\\u0000\"\n", ids[] = "[2, 3, 4, 5]\n[10]\n";
    gives((fg_options){.jsonl = true}, texts, sizeof texts - 1, ids);
    gives((fg_options){.jsonl = true, .decode = true}, ids, sizeof ids - 1,
          "\"ab\\n\xc3\xa9\"\n\"\\u0000\"\n");
}

static void long_lines_are_whole(void **state) {
    (void)state;
    enum { LENGTH = 200000 };
    fg_error err = {0};
    char *line = malloc(LENGTH);
    FILE *in = tmpfile(), *out = tmpfile();
    memset(line, 'a', LENGTH);
    assert_int_equal(fwrite(line, 1, LENGTH, in), LENGTH);
    rewind(in);
    assert_int_equal(carry_out(&(fg_options){.source = directory}, in, out, &err), FG_OK);
    assert_int_equal(ftell(out), LENGTH * 3 + 1); /* "[0, 0, ...]\n" */
    fclose(in);
    fclose(out);
    free(line);
}

static void bad_input_is_named(void **state) {
    (void)state;
    refused((fg_options){.jsonl = true}, "ab\n", FG_ERR_INPUT,
            "line 1 of the input: found \"ab\", expected a JSON string");
    refused((fg_options){.decode = true}, "{}", FG_ERR_INPUT,
            "line 1 of the input: found \"{}\", expected a JSON array of ids");
    refused((fg_options){.decode = true, .destination = "[1.5]"}, "", FG_ERR_INPUT,
            "the text: found \"[1.5]\", expected a JSON array of ids");
    refused((fg_options){.decode = true}, "[1, 11]", FG_ERR_INPUT,
            "line 1 of the input: the id 11 is not in the vocabulary");
    refused((fg_options){.decode = true, .destination = "[-1]"}, "", FG_ERR_INPUT,
            "the text: the id -1 is not in the vocabulary");
    refused((fg_options){.decode = true, .special = true}, "", FG_ERR_USAGE,
            "--special adds tokens to a text, but --decode reads token ids");
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_argument_is_one_text),      cmocka_unit_test(lines_are_texts),
        cmocka_unit_test(json_lines_may_hold_newlines), cmocka_unit_test(long_lines_are_whole),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests(tests, make_tokenizer, remove_tokenizer);
}
