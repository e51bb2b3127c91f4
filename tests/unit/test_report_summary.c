/* report: the summary and the plan for people, from whole, partial and odd reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "report/report.h"
#include "report/report_text.h"

typedef fg_status (*writer)(const json_t *report, fg_buffer *out, fg_error *err);

/* The summary with the headline that the report's command has. */
static fg_status summary(const json_t *report, fg_buffer *out, fg_error *err) {
    static const struct {
        const char *command;
        fg_headline headline;
    } rows[] = {{"convert", FG_HEADLINE_WRITES("Converting", "converted", "Converted")},
                {"finalize", FG_HEADLINE_WRITES("Finalizing", "finalized", "Finalized")},
                {"update-vocab", FG_HEADLINE_WRITES("Updating", "updated", "Updated")},
                {"validate",
                 {.done = "Compared {source} with {destination}",
                  .differ = "the logits of {source} and {destination} differ",
                  .tokens_differ = "{source} and {destination} generate different tokens"}},
                {"verify",
                 {.done = "{destination} matches a conversion of {source}",
                  .differ = "{destination} differs from a conversion of {source}"}}};
    const char *command = fg_report_string(report, "command", "convert");
    size_t row = sizeof rows / sizeof *rows - 1;
    while (row && strcmp(rows[row].command, command) != 0) row--;
    return fg_report_summary(report, &rows[row].headline, out, err);
}

static json_t *parse(const char *text) {
    fg_error err = {0};
    json_t *value;
    assert_int_equal(fg_json_parse("t.json", text, strlen(text), &value, &err), FG_OK);
    return value;
}

static void expect(writer write, const char *report, const char *expected) {
    fg_error err = {0};
    fg_buffer out = {0};
    json_t *value = parse(report);
    assert_int_equal(write(value, &out, &err), FG_OK);
    assert_string_equal(out.data, expected);
    fg_buffer_free(&out);
    json_decref(value);
}

#define SIDES                                                                                                \
    "'source': {'directory': 'smol', 'format': 'hf', 'model_type': 'llama', 'tensors': 273, 'bytes': "       \
    "269000000,"                                                                                             \
    " 'dtypes': {'float32': 9000000, 'bfloat16': 260000000}},"                                               \
    "'destination': {'directory': 'out', 'format': 'forgather', 'tensors': 272, 'bytes': 268000000,"         \
    " 'shards': [{'file': 'model.safetensors', 'bytes': 268030000}]}"

/* Reports are written with ' for ". */
static const char *quoted(const char *text) {
    static char buffer[8192];
    size_t i = 0;
    for (; text[i] && i + 1 < sizeof buffer; i++) buffer[i] = text[i] == '\'' ? '"' : text[i];
    buffer[i] = '\0';
    return buffer;
}

static void the_code_is_summed_up(void **state) {
    (void)state;
    static const struct {
        const char *code, *line;
    } rows[] = {
        {"{'origin': 'converter', 'files': ['a.py'], 'checked': true, 'lacking': 0}",
         "a.py, whose parameters are exactly the tensors written"},
        {"{'origin': 'source', 'files': ['a.py', 'b.py'], 'checked': false, 'lacking': 0}",
         "a.py, b.py of the source: nothing is proved of it"},
        {"{'origin': 'converter', 'files': ['a.py'], 'checked': true, 'lacking': 2}",
         "a.py, which refuses to load this: parameters are missing"},
        {"{'origin': 'none', 'files': [], 'checked': false, 'lacking': 0, 'why_none': '--no-code'}",
         "none is written (--no-code): nothing is proved of the code that will load this"},
    };
    char report[400], expected[400];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(report, sizeof report, "{'command': 'validate', 'status': 'done', 'code': %s}",
                 rows[i].code);
        snprintf(expected, sizeof expected, "Compared source with destination\n  code      %s\n",
                 rows[i].line);
        expect(summary, quoted(report), expected);
    }
}

static void a_generation_is_summed_up(void **state) {
    (void)state;
#define PROVED                                                                                               \
    "'proof': {'kind': 'logits', 'tokens': 24, 'blocks': 30, 'max_abs': 0.0, 'non_finite': 0, 'seconds': "   \
    "0.81}"
#define VALIDATED "'command': 'validate', " SIDES ", " PROVED ", 'generation': "
    expect(summary,
           quoted("{'status': 'done', " VALIDATED "{'tokens': [5, 6], 'stopped_by': 'eos', 'eos_token_id': 6,"
                  " 'tokens_per_second': 31.4}}"),
           "Compared smol (hf, llama) with out (forgather)\n"
           "  tensors   272 tensors, 268 MB, bfloat16 and float32, in 1 file\n"
           "  proved    24 tokens through 30 blocks on both sides, logits equal bit for bit (0.81 s)\n"
           "  generated 2 tokens, 31 a second, the same from both models; stopped by token 6\n");
    expect(summary,
           quoted("{'status': 'done', " VALIDATED
                  "{'tokens': [5], 'stopped_by': 'limit', 'tokens_per_second': 3.14}}"),
           "Compared smol (hf, llama) with out (forgather)\n"
           "  tensors   272 tensors, 268 MB, bfloat16 and float32, in 1 file\n"
           "  proved    24 tokens through 30 blocks on both sides, logits equal bit for bit (0.81 s)\n"
           "  generated 1 token, 3.1 a second, the same from both models; stopped by the limit\n");
    expect(summary,
           quoted("{'status': 'differ', " VALIDATED "{'tokens': [5, 6, 7], 'stopped_by': 'difference'}}"),
           "smol (hf, llama) and out (forgather) generate different tokens\n"
           "  tensors   272 tensors, 268 MB, bfloat16 and float32, in 1 file\n"
           "  proved    24 tokens through 30 blocks on both sides, logits equal bit for bit (0.81 s)\n"
           "  differ    of 3 tokens generated, the last differs\n");
}

static void a_conversion_is_summed_up(void **state) {
    (void)state;
    expect(summary,
           quoted("{'command': 'convert', 'status': 'done', 'ranks': 4, 'nodes': 1, " SIDES ","
                  "'rates': {'seconds': 1.24, 'bytes_per_second': 224000000.5}, 'memory': "
                  "{'peak_bytes_per_rank': 61000000},"
                  "'dropped': [{'name': 'model.rotary.inv_freq', 'reason': 'computed'}],"
                  "'config': {'left_out': [{'key': 'use_cache', 'value': true, 'reason': 'runtime'},"
                  " {'key': 'pretraining_tp', 'value': 1, 'reason': 'neutral'}]}, 'left_files': "
                  "['notes.txt'], 'warnings': ['a', 'b'],"
                  "'proof': {'kind': 'logits', 'tokens': 24, 'blocks': 30, 'max_abs': 0.0, 'non_finite': 0, "
                  "'seconds': 0.81}}"),
           "Converted smol (hf, llama) to out (forgather)\n"
           "  tensors   272 tensors, 268 MB, bfloat16 and float32, in 1 file\n"
           "  took      1.2 s, 224 MB/s with 4 ranks, at most 61 MB of memory each\n"
           "  proved    24 tokens through 30 blocks on both sides, logits equal bit for bit (0.81 s)\n"
           "  dropped   1 tensor: model.rotary.inv_freq\n"
           "  left out  2 keys of the configuration: use_cache, pretraining_tp\n"
           "  not taken 1 file: notes.txt\n"
           "  warnings  2, see above\n");
}

static void what_was_not_exercised_is_summed_up(void **state) {
    (void)state;
    expect(summary,
           quoted("{'command': 'validate', 'status': 'done', 'proof': {'kind': 'logits', 'tokens': 24, "
                  "'blocks': 30, 'max_abs': 0.0, 'not_exercised': {'mixers': [{'block': 0, "
                  "'mixers': ['a']}], 'windows': [{'window': 4096, 'blocks': "
                  "1}, {'window': 24, 'blocks': 2}], 'experts': [{'block': 3, 'of': 8, 'experts': [1, 7]}, "
                  "{'block': 5, 'of': 8, 'experts': [0]}]}}}"),
           "Compared source with destination\n"
           "  proved    24 tokens through 30 blocks on both sides, logits equal bit for bit\n"
           "  untested  the mixers of 1 stochastic block that are not the main one\n"
           "            the sliding window of 4096 tokens in 1 block: the prompt is not longer\n"
           "            the sliding window of 24 tokens in 2 blocks: the prompt is not longer\n"
           "            3 of 16 experts in 2 blocks: no token was routed to them\n");
    expect(summary,
           quoted("{'command': 'validate', 'status': 'done', 'proof': {'kind': 'logits', 'tokens': 24, "
                  "'blocks': 30, 'max_abs': 0.0, 'not_exercised': {}}}"),
           "Compared source with destination\n"
           "  proved    24 tokens through 30 blocks on both sides, logits equal bit for bit\n");
}

static void a_cast_says_what_rounding_did(void **state) {
    (void)state;
    expect(summary,
           quoted("{'command': 'convert', 'status': 'done', 'ranks': 1, 'nodes': 1, " SIDES
                  ", 'options': {'dtype': 'float16'}, 'overflows': 3,"
                  "'proof': {'kind': 'logits', 'tokens': 1, 'blocks': 1, 'max_abs': 0, 'non_finite': 2,"
                  " 'rounding': {'max_abs': 0.03125, 'mean_abs': 0.001, 'kl': 0.0000123, 'argmax_agreement': "
                  "0.9583}}}"),
           "Converted smol (hf, llama) to out (forgather)\n"
           "  tensors   272 tensors, 268 MB, float16 from bfloat16 and float32, in 1 file\n"
           "  took      1 rank\n"
           "  proved    1 token through 1 block on both sides, logits equal bit for bit\n"
           "  beware    2 logits not finite (infinite or not a number)\n"
           "  rounding  the cast moves the logits by at most 0.0312 (mean 0.001), KL divergence 1.23e-05, "
           "the top-1 token agrees for 95.83 %\n"
           "  overflow  3 values too large for the type became infinite\n");
}

static void a_difference_names_where_it_begins(void **state) {
    (void)state;
    expect(
        summary,
        quoted(
            "{'command': 'convert', 'status': 'differ', 'source': {'directory': 'a'}, 'destination': "
            "{'directory': 'b'},"
            "'proof': {'kind': 'logits', 'tokens': 24, 'blocks': 30, 'max_abs': 2.5, 'argmax_agreement': 0.5,"
            " 'first_difference': {'block': 3, 'part': 'mixer'}}}"),
        "Not converted: b differs from a, nothing was published\n"
        "  differ    24 tokens through 30 blocks on both sides, logits differ by at most 2.5, the top-1 "
        "token agrees for 50 %\n"
        "            first difference: block 3, the mixer\n");
    expect(summary,
           quoted("{'command': 'validate', 'status': 'differ', 'source': {'directory': 'a'}, 'destination': "
                  "{'directory': 'b'},"
                  "'proof': {'kind': 'logits', 'first_difference': {'part': 'embedding'}}}"),
           "the logits of a and b differ\n"
           "  differ    the tokens through all blocks on both sides, logits differ by an unknown amount\n"
           "            first difference: the embedding\n");
}

static void other_commands_have_their_own_headline(void **state) {
    (void)state;
#define AB "'source': {'directory': 'a'}, 'destination': {'directory': 'b'}"
    expect(summary,
           quoted("{'command': 'validate', 'status': 'done', " AB
                  ", 'proof': {'kind': 'logits', 'max_abs': 1e-6}}"),
           "Compared a with b\n"
           "  passed    the tokens through all blocks on both sides, logits differ by at most 1e-06, within "
           "--atol\n");
    expect(summary, quoted("{'command': 'verify', 'status': 'done', " AB ", 'proof': {'kind': 'bytes'}}"),
           "b matches a conversion of a\n"
           "  checked   every byte was read back and matches the plan\n");
    expect(summary,
           quoted("{'command': 'convert', 'status': 'done', " AB
                  ", 'proof': {'kind': 'bytes', 'verdict': 'not_proved'}}"),
           "Converted a to b\n"
           "  proof     not proved: every byte was read back and matches the plan, but no model was run\n");
    expect(summary, quoted("{'command': 'verify', 'status': 'differ', " AB ", 'proof': {'kind': 'bytes'}}"),
           "b differs from a conversion of a\n"
           "  differ    the bytes are not those of the plan\n");
    expect(summary, quoted("{'command': 'convert', 'status': 'stopped by a signal', " AB "}"),
           "Not converted: a to b (stopped by a signal)\n");
    expect(summary,
           quoted("{'command': 'convert', 'status': 'done', 'dry_run': true, " AB
                  ", 'proof': {'kind': 'none'}}"),
           "Converting a to b would work; nothing was written\n"
           "  proof     not proved (--validate none)\n");
    expect(summary,
           quoted("{'command': 'convert', 'status': 'done', 'dry_run': true, " AB
                  ", 'proof': {'kind': 'bytes', 'verdict': 'not_proved'}}"),
           "Converting a to b would work; nothing was written\n"
           "  proof     not proved: nothing was written that could be read back\n");
}

static void missing_and_odd_keys_are_left_out(void **state) {
    (void)state;
    expect(summary, "{}", "Not converted: source to destination (stopped)\n");
    expect(summary, "[1, 2]", "Not converted: source to destination (stopped)\n");
    expect(summary,
           quoted("{'command': 7, 'status': 'done', 'source': [], 'destination': {'tensors': -1, 'shards': "
                  "3}, 'ranks': 'x',"
                  "'rates': {'seconds': 'y', 'bytes_per_second': -5}, 'dropped': {'a': 1}, 'proof': [], "
                  "'overflows': null}"),
           "Converted source to destination\n");
    expect(fg_report_plan, "{}", "Plan: source to destination; nothing is written\n");
}

static void a_training_checkpoint_is_named(void **state) {
    (void)state;
    expect(
        summary,
        quoted(
            "{'command': 'validate', 'status': 'done', 'source': {'directory': 'run', 'weights_directory': "
            "'run/checkpoints/checkpoint-2', 'training_checkpoint': {'step': 2, 'saved': "
            "'2025-01-24T10:30:00', 'chosen': 'latest'}}, 'destination': {'directory': 'b', "
            "'weights_directory': 'x/checkpoint-9', 'training_checkpoint': {'chosen': 'given'}}}"),
        "Compared run with b\n"
        "  weights   run/checkpoints/checkpoint-2 (the latest training checkpoint by time, saved "
        "2025-01-24T10:30:00)\n"
        "            x/checkpoint-9 (given with -c, saved at an unknown time)\n");
}

static void a_plan_says_what_and_why(void **state) {
    (void)state;
    expect(
        fg_report_plan,
        quoted("{" SIDES ", 'steps': [{'converter': 'llama.json', 'from': 'hf', 'to': 'forgather'}], "
               "'memory': {'expected_bytes_per_rank': 48000000, 'expected_proof_bytes_per_rank': 61000000,"
               "'expected_generation_bytes_per_rank': 420000000},"
               "'disk': {'needed_bytes': 332000000, 'free_bytes': 5000000000},"
               "'estimate': {'seconds': 2.5, 'read_bytes_per_second': 214000000.0, 'read_bytes': 33554432},"
               "'copied_files': ['tokenizer.json', 'LICENSE'], 'left_files': ['notes.txt'],"
               "'dropped': [{'name': 'l.0.inv_freq', 'reason': 'computed'}, {'name': 'l.1.inv_freq', "
               "'reason': 'computed'},"
               " {'name': 'lm_head.weight', 'reason': 'tied'}],"
               "'config': {'left_out': [{'key': 'use_cache', 'value': true, 'reason': 'runtime'}]}}"),
        "Plan: smol (hf, llama) to out (forgather); nothing is written\n"
        "  converter llama.json (hf to forgather)\n"
        "  tensors   272 tensors, 268 MB, bfloat16 and float32\n"
        "  files     model.safetensors, 268 MB\n"
        "  copied    tokenizer.json, LICENSE\n"
        "  not taken notes.txt\n"
        "  dropped   2 tensors, l.0.inv_freq and others: computed\n"
        "            tensor lm_head.weight: tied\n"
        "  left out  use_cache = true: runtime\n"
        "  disk      332 MB needed, 5.0 GB free\n"
        "  memory    about 48 MB a rank to write, 61 MB to prove, 420 MB to generate\n"
        "  time      about 2.5 s to write, without running models (an estimate, from reading 34 MB of the "
        "source "
        "at 214 MB/s)\n");
    expect(fg_report_plan, quoted("{" SIDES ", 'options': {'dtype': 'float16'}}"),
           "Plan: smol (hf, llama) to out (forgather); nothing is written\n"
           "  tensors   272 tensors, 268 MB in float16, rounded from 269 MB in bfloat16 and float32\n"
           "  files     model.safetensors, 268 MB\n");
}

static void long_lists_are_cut(void **state) {
    (void)state;
    fg_error err = {0};
    fg_buffer out = {0};
    json_t *report = json_object(), *shards = json_array(), *dropped = json_array();
    char name[64];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "model-%05d-of-00040.safetensors", i + 1);
        json_array_append_new(shards, json_pack("{s:s, s:i}", "file", name, "bytes", 1000));
        snprintf(name, sizeof name, "a.tensor.with.a.longer.name.%d", i);
        json_array_append_new(dropped, json_pack("{s:s, s:s+}", "name", name, "reason", "reason of ", name));
    }
    json_object_set_new(report, "destination", json_pack("{s:o}", "shards", shards));
    json_object_set_new(report, "dropped", dropped);
    assert_int_equal(fg_report_plan(report, &out, &err), FG_OK);
    assert_non_null(strstr(out.data,
                           "            model-00007-of-00040.safetensors, 1.0 kB\n            ... 32 more\n"
                           "            model-00040-of-00040.safetensors, 1.0 kB\n"));
    assert_non_null(strstr(out.data, "name.11\n            ... 28 more\n"));
    fg_buffer_clear(&out);
    assert_int_equal(summary(report, &out, &err), FG_OK);
    assert_non_null(strstr(out.data, "  dropped   40 tensors: a.tensor.with.a.longer.name.0, "));
    assert_non_null(strstr(out.data, ".2, a.tensor.with.a.longer.name.3 and 36 more\n"));
    fg_buffer_free(&out);
    json_decref(report);
}

static void durations_read_well(void **state) {
    (void)state;
    char text[FG_REPORT_WORDS];
    assert_string_equal(fg_report_duration(0.0123, text), "0.012 s");
    assert_string_equal(fg_report_duration(9.94, text), "9.9 s");
    assert_string_equal(fg_report_duration(61, text), "61 s");
    assert_string_equal(fg_report_duration(125.4, text), "2 min 05 s");
    assert_string_equal(fg_report_duration(-1, text), "0 s");
}

static void times_are_iso_8601(void **state) {
    (void)state;
    char text[32];
    int year, month, day, hour, minute, second;
    fg_clock_text(text);
    assert_int_equal(strlen(text), 20);
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ", &year, &month, &day, &hour, &minute, &second),
                     6);
    assert_true(year >= 2024 && month >= 1 && month <= 12 && hour < 24);
}

/* Every allocation that fails ends in FG_ERR_MEMORY and leaks nothing (the sanitizers look). */
static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    json_t *report = parse(
        quoted("{'command': 'convert', 'status': 'done', 'ranks': 2, " SIDES ", 'rates': {'seconds': 1}}"));
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t n = 1; status != FG_OK; n++) {
        fg_error err = {0};
        fg_buffer out = {0};
        assert_true(n < 50);
        fg_alloc_fail_after(n);
        status = summary(report, &out, &err);
        fg_alloc_fail_after(0);
        assert_true(status == FG_OK || (status == FG_ERR_MEMORY && err.status == FG_ERR_MEMORY));
        fg_buffer_free(&out);
    }
    json_decref(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversion_is_summed_up),
        cmocka_unit_test(the_code_is_summed_up),
        cmocka_unit_test(a_generation_is_summed_up),
        cmocka_unit_test(what_was_not_exercised_is_summed_up),
        cmocka_unit_test(a_cast_says_what_rounding_did),
        cmocka_unit_test(a_difference_names_where_it_begins),
        cmocka_unit_test(other_commands_have_their_own_headline),
        cmocka_unit_test(missing_and_odd_keys_are_left_out),
        cmocka_unit_test(a_training_checkpoint_is_named),
        cmocka_unit_test(a_plan_says_what_and_why),
        cmocka_unit_test(long_lists_are_cut),
        cmocka_unit_test(durations_read_well),
        cmocka_unit_test(times_are_iso_8601),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
