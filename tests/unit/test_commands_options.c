/* options and commands: what is accepted, what every refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/command_line.h"
#include "commands/command_table.h"

enum { MOST = 32, LONG = 2000 };

/* Splits at spaces; '' stands for an empty argument. */
static int split(char *line, char **argv) {
    static char name[] = "fgconv", empty[] = "";
    int argc = 0;
    argv[argc++] = name;
    for (char *word = strtok(line, " "); word && argc < MOST; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "''") ? word : empty;
    argv[argc] = NULL;
    return argc;
}

/* A conversion's source must exist: the directory that the tests run in has those that they name. */
static char directory[] = "/tmp/fgconv-options-XXXXXX";
static const char *const sources[] = {"in", "a", "-in"};

static int enter_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory) || chdir(directory) != 0) return -1;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (mkdir(sources[i], 0700) != 0) return -1;
    }
    return symlink("nowhere", "list");
}

static int leave_directory(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) rmdir(sources[i]);
    unlink("list");
    return rmdir(directory);
}

/* The options borrow from the line. */
static char held_line[LONG];

static fg_options parsed(const char *line) {
    char *argv[MOST + 1];
    fg_error err = {0};
    fg_options options;
    snprintf(held_line, sizeof held_line, "%s", line);
    fg_status status = fg_command_line_parse(&options, &fg_command_table, split(held_line, argv), argv, &err);
    if (status != FG_OK) print_error("%s: %s\n", line, err.text);
    assert_int_equal(status, FG_OK);
    return options;
}

static void refused(const char *line, const char *text, const char *hint) {
    char *argv[MOST + 1];
    fg_error err = {0};
    fg_options options;
    snprintf(held_line, sizeof held_line, "%s", line);
    assert_int_equal(fg_command_line_parse(&options, &fg_command_table, split(held_line, argv), argv, &err),
                     FG_ERR_USAGE);
    assert_string_equal(err.text, text);
    if (hint) assert_string_equal(err.hint, hint);
    assert_null(options.files);
    assert_null(options.token_ids);
    assert_null(options.converter_paths);
}

static void defaults_are_those_of_the_contract(void **state) {
    (void)state;
    fg_options o = parsed("in out");
    assert_ptr_equal(o.command, &fg_convert_command);
    assert_string_equal(o.source, "in");
    assert_string_equal(o.destination, "out");
    assert_int_equal(o.file_count, 2);
    assert_ptr_equal(o.from, NULL);
    assert_ptr_equal(o.to, NULL);
    assert_int_equal(o.dtype, FG_DTYPE_NONE);
    assert_int_equal(o.max_shard_size, 5000000000);
    assert_int_equal(o.max_length, 0);
    assert_int_equal(o.hf_version, 4);
    assert_int_equal(o.validate, FG_VALIDATE_AUTO);
    assert_int_equal(o.mask, FG_MASK_NATIVE);
    assert_int_equal(o.progress, FG_PROGRESS_AUTO);
    assert_true(o.atol < 0);
    assert_int_equal(o.verbosity, 0);
    assert_false(o.reverse || o.dry_run || o.debug_params || o.no_fsync || o.no_code || o.json || o.resume);
    assert_null(o.checkpoint_path);
    assert_null(o.model_type);
    assert_null(o.report);
    fg_options_free(&o);
}

static void every_option_of_convert_is_stored(void **state) {
    (void)state;
    fg_options o = parsed(
        "convert --from forgather --to hf --reverse --model-type qwen3 --dtype float16 --max-length 4096 -c "
        "ck "
        "--converter-path p1 --converter-path p2 --dry-run --debug-params --skip-default-tokens in out");
    assert_ptr_equal(o.from, &fg_format_forgather);
    assert_ptr_equal(o.to, &fg_format_hf);
    assert_true(o.reverse && o.dry_run && o.debug_params && o.skip_default_tokens);
    assert_string_equal(o.model_type, "qwen3");
    assert_int_equal(o.dtype, FG_F16);
    assert_int_equal(o.max_length, 4096);
    assert_string_equal(o.checkpoint_path, "ck");
    assert_int_equal(o.converter_path_count, 2);
    assert_string_equal(o.converter_paths[0], "p1");
    assert_string_equal(o.converter_paths[1], "p2");
    fg_options_free(&o);
    o = parsed("in --max-shard-size=2GiB --hf-version 5 --no-fsync --no-code --report r.json --validate "
               "bytes --token-ids 1,2,4294967295 "
               "--mask causal --device cpu --json --progress lines -v out");
    assert_int_equal(o.max_shard_size, 2147483648);
    assert_int_equal(o.hf_version, 5);
    assert_true(o.no_fsync && o.no_code && o.json);
    assert_string_equal(o.report, "r.json");
    assert_int_equal(o.validate, FG_VALIDATE_BYTES);
    assert_int_equal(o.token_count, 3);
    assert_int_equal(o.token_ids[0], 1);
    assert_true(o.token_ids[2] == UINT32_MAX);
    assert_int_equal(o.mask, FG_MASK_CAUSAL);
    assert_int_equal(o.progress, FG_PROGRESS_LINES);
    assert_int_equal(o.verbosity, 1);
    assert_string_equal(o.source, "in");
    assert_string_equal(o.destination, "out");
    fg_options_free(&o);
}

static void options_are_spelt_in_several_ways(void **state) {
    (void)state;
    fg_options o = parsed("--checkpoint-path=a/b in out -q");
    assert_string_equal(o.checkpoint_path, "a/b");
    assert_int_equal(o.verbosity, -1);
    fg_options_free(&o);
    o = parsed("-cpath -vq in out"); /* letters together; of -v and -q the last counts */
    assert_string_equal(o.checkpoint_path, "path");
    assert_int_equal(o.verbosity, -1);
    fg_options_free(&o);
    o = parsed("--report=--json --dtype float32 --dtype bfloat16 --token-ids 1 --token-ids 2,3 in out");
    assert_string_equal(o.report, "--json");
    assert_false(o.json);
    assert_int_equal(o.dtype, FG_BF16);
    assert_int_equal(o.token_count, 2);
    assert_int_equal(o.token_ids[0], 2);
    fg_options_free(&o);
    o = parsed("-- -in --out");
    assert_string_equal(o.source, "-in");
    assert_string_equal(o.destination, "--out");
    fg_options_free(&o);
    o = parsed("-- list out"); /* not the command */
    assert_ptr_equal(o.command, &fg_convert_command);
    assert_string_equal(o.source, "list");
    fg_options_free(&o);
    o = parsed("convert list diff");
    assert_ptr_equal(o.command, &fg_convert_command);
    assert_string_equal(o.source, "list");
    assert_string_equal(o.destination, "diff");
    fg_options_free(&o);
}

static void commands_are_known(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const fg_command *command;
        size_t files;
    } cases[] = {
        {"config --from hf --to forgather --max-length 7 --hf-version 5 c.json", &fg_config_command, 1},
        {"-v inspect dir --json -c x", &fg_inspect_command, 1},
        {"validate a b --atol 1e-5 --dump x.h5", &fg_validate_command, 2},
        {"verify a b --report r.json", &fg_verify_command, 2},
        {"diff a b --json", &fg_diff_command, 2},
        {"list --converter-path p", &fg_list_command, 0},
        {"lint", &fg_lint_command, 0},
        {"lint a b c", &fg_lint_command, 3},
        {"tokenize d", &fg_tokenize_command, 1},
        {"tokenize --jsonl --special d -", &fg_tokenize_command, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_options o = parsed(cases[i].line);
        assert_ptr_equal(o.command, cases[i].command);
        assert_int_equal(o.file_count, cases[i].files);
        char first_word[16];
        snprintf(first_word, sizeof first_word, "%s", o.command->name);
        assert_non_null(strstr(cases[i].line, first_word));
        fg_options_free(&o);
    }
    fg_options o = parsed("validate a b --atol 1e-5");
    assert_true(o.atol > 0.99e-5 && o.atol < 1.01e-5);
    fg_options_free(&o);
    o = parsed("validate a b --profile relaxed");
    assert_int_equal(o.profile, FG_PROFILE_RELAXED);
    fg_options_free(&o);
}

static void help_and_version_need_nothing_else(void **state) {
    (void)state;
    static const struct {
        const char *line;
        fg_help_form form;
    } cases[] = {{"--help", FG_HELP_TEXT},
                 {"-h", FG_HELP_TEXT},
                 {"--help=markdown", FG_HELP_MARKDOWN},
                 {"--help=man", FG_HELP_MAN},
                 {"convert --dry-run --help --nonsense", FG_HELP_TEXT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_options o = parsed(cases[i].line);
        assert_ptr_equal(o.command, &fg_help_command);
        assert_int_equal(o.help_form, cases[i].form);
        fg_options_free(&o);
    }
    fg_options o = parsed("--version a b c");
    assert_ptr_equal(o.command, &fg_help_command);
    assert_int_equal(o.help_form, FG_HELP_VERSION);
    assert_false(o.json || o.verbosity);
    fg_options_free(&o);
    static const struct {
        const char *line;
        int verbosity;
        bool json;
    } details[] = {{"--version -v", 1, false},          {"-v --version", 1, false},
                   {"--version a --verbose", 1, false}, {"--version --nonsense --json", 0, true},
                   {"--json --version -v", 1, true},    {"--version -- -v --json", 0, false},
                   {"--version -q", 0, false},          {"inspect a --version --json", 0, true}};
    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        o = parsed(details[i].line);
        assert_ptr_equal(o.command, &fg_help_command);
        assert_int_equal(o.verbosity, details[i].verbosity);
        assert_int_equal(o.json, details[i].json);
        fg_options_free(&o);
    }
    refused("--help=html", "option --help: found \"html\", expected one of markdown, man", NULL);
}

static void unknown_options_are_refused_with_the_nearest(void **state) {
    (void)state;
    refused("in out --dtpye float32", "unknown option --dtpye",
            "did you mean --dtype? \"fgconv help COMMAND\" lists the options");
    refused("in out --max-len=5", "unknown option --max-len",
            "did you mean --max-length? \"fgconv help COMMAND\" lists the options");
    refused("in out --chat-templat x", "unknown option --chat-templat",
            "did you mean --chat-template-path? \"fgconv help COMMAND\" lists the options");
    refused("in out --zzzzzzzzz", "unknown option --zzzzzzzzz",
            "\"fgconv help COMMAND\" lists the options of a command");
    refused("in out -x", "unknown option -x", "\"fgconv help COMMAND\" lists the options of a command");
    refused("in out -qx", "unknown option -qx", NULL);
    refused("in out --=3", "unknown option --", NULL);
}

static void choices_have_aliases(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const fg_format *to;
        fg_dtype dtype;
    } cases[] = {{"--dtype bf16 --to fast-llm in out", &fg_format_fast_llm, FG_BF16},
                 {"--dtype fp16 --to Fast-LLM in out", &fg_format_fast_llm, FG_F16},
                 {"--dtype=FP32 --to huggingface in out", &fg_format_hf, FG_F32},
                 {"--dtype BFloat16 --to HF in out", &fg_format_hf, FG_BF16},
                 {"--dtype float32 --to Hugging-Face in out", &fg_format_hf, FG_F32},
                 {"--dtype float16 --to Forgather in out", &fg_format_forgather, FG_F16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_options o = parsed(cases[i].line);
        assert_int_equal(o.to, cases[i].to);
        assert_int_equal(o.dtype, cases[i].dtype);
        fg_options_free(&o);
    }
    fg_options o = parsed("config --from huggingface c.json");
    assert_ptr_equal(o.from, &fg_format_hf);
    fg_options_free(&o);
    refused("in out --dtype bfloat",
            "option --dtype: found \"bfloat\", expected one of bfloat16, float32, float16",
            "did you mean bfloat16?");
    refused("in out --dtype fp23",
            "option --dtype: found \"fp23\", expected one of bfloat16, float32, float16",
            "did you mean fp32?");
    refused("in out --to huggingfac",
            "option --to: found \"huggingfac\", expected one of hf, forgather, fast_llm",
            "did you mean huggingface?");
    refused("in out --to _", "option --to: found \"_\", expected one of hf, forgather, fast_llm", "");
}

static void misspelt_commands_are_named(void **state) {
    (void)state;
    static const char both[] = "no such file or directory, and no such command";
    static const struct {
        const char *line, *typed, *meant;
    } cases[] = {{"verfy a b", "verfy", "verify"},
                 {"verfy", "verfy", "verify"},
                 {"verfy --help", "verfy", "verify"},
                 {"convrt a b", "convrt", "convert"},
                 {"valid a b", "valid", "validate"},
                 {"Inspect a", "Inspect", "inspect"},
                 {"update_vocab a b", "update_vocab", "update-vocab"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[96], hint[96];
        snprintf(text, sizeof text, "%s: %s", cases[i].typed, both);
        snprintf(hint, sizeof hint, "did you mean \"fgconv %s\"? \"fgconv help\" lists the commands",
                 cases[i].meant);
        refused(cases[i].line, text, hint);
    }
    refused("absent b", "absent: no such file or directory, and no such command",
            "\"fgconv help\" lists the commands");
    refused("in/x/y b", "in/x/y: no such file or directory, and no such command",
            "\"fgconv help\" lists the commands");
    refused("meta-llama/Llama-3.2-1B b",
            "meta-llama/Llama-3.2-1B: no such file or directory, and no such command",
            "fgconv reads local directories; to get a model of the Hugging Face Hub: hf download "
            "meta-llama/Llama-3.2-1B --local-dir DIR");
    refused("help verfy", "there is no command \"verfy\"",
            "did you mean \"fgconv verify\"? \"fgconv help\" lists the commands");
    refused("help a b", "fgconv help takes [COMMAND], found also \"b\"", NULL);
    fg_options o =
        parsed("convert absent b"); /* whoever says the command gets the error of the opened file */
    assert_string_equal(o.source, "absent");
    fg_options_free(&o);
}

static void help_is_about_a_command(void **state) {
    (void)state;
    static const struct {
        const char *line, *topic;
    } cases[] = {{"--help", NULL},
                 {"help", NULL},
                 {"help verify", "verify"},
                 {"verify --help", "verify"},
                 {"--help verify", "verify"},
                 {"verify a -h b", "verify"},
                 {"in --help", "convert"},
                 {"--dtype bf16 -h in out", NULL},
                 {"help help", "help"},
                 {"diff --help=man", "diff"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_options o = parsed(cases[i].line);
        assert_ptr_equal(o.command, &fg_help_command);
        if (cases[i].topic)
            assert_string_equal(o.help_topic->name, cases[i].topic);
        else
            assert_null(o.help_topic);
        fg_options_free(&o);
    }
}

static void values_are_strict(void **state) {
    (void)state;
#define COUNT ", expected a positive integer (below 2^64)"
    refused("in out --max-length 0", "option --max-length: found \"0\"" COUNT, NULL);
    refused("in out --max-length -3", "option --max-length: found \"-3\"" COUNT, NULL);
    refused("in out --max-length +3", "option --max-length: found \"+3\"" COUNT, NULL);
    refused("in out --max-length 3k", "option --max-length: found \"3k\"" COUNT, NULL);
    refused("in out --max-length 18446744073709551616",
            "option --max-length: found \"18446744073709551616\"" COUNT, NULL);
    refused("in out --max-length=", "option --max-length: found \"\"" COUNT, NULL);
    refused("in out --dtype int7",
            "option --dtype: found \"int7\", expected one of bfloat16, float32, float16", NULL);
    refused("in out --dtype ''", "option --dtype: found \"\", expected one of bfloat16, float32, float16",
            NULL);
    refused("in out --validate all", "option --validate: found \"all\", expected one of logits, bytes, none",
            NULL);
    refused("in out --mask full", "option --mask: found \"full\", expected one of native, causal, none",
            NULL);
    refused("in out --progress dots",
            "option --progress: found \"dots\", expected one of auto, bar, lines, json, none", NULL);
    refused("in out --hf-version 6", "option --hf-version: found \"6\", expected one of 4, 5", NULL);
    refused("in out --to onnx", "option --to: found \"onnx\", expected one of hf, forgather, fast_llm", NULL);
    refused("in out --device tpu", "option --device: found \"tpu\", expected one of cpu, cuda", NULL);
#define IDS ", expected token ids separated by commas, without spaces, such as 1,2,3"
    refused("in out --token-ids 1,,2", "option --token-ids: found \"1,,2\"" IDS, NULL);
    refused("in out --token-ids 1,", "option --token-ids: found \"1,\"" IDS, NULL);
    refused("in out --token-ids ''", "option --token-ids: found \"\"" IDS, NULL);
    refused("in out --token-ids 4294967296", "option --token-ids: found \"4294967296\"" IDS, NULL);
    refused("in out --token-ids 1,-2", "option --token-ids: found \"1,-2\"" IDS, NULL);
#define REAL ", expected a non-negative number, such as 1e-5"
    refused("validate a b --atol -1", "option --atol: found \"-1\"" REAL, NULL);
    refused("validate a b --atol nan", "option --atol: found \"nan\"" REAL, NULL);
    refused("validate a b --atol 0x1p3", "option --atol: found \"0x1p3\"" REAL, NULL);
    refused("validate a b --atol 1e999", "option --atol: found \"1e999\"" REAL, NULL);
    refused("validate a b --atol 1e-5x", "option --atol: found \"1e-5x\"" REAL, NULL);
    refused("in out --report ''", "option --report: found an empty value, expected FILE.json", NULL);
    refused("in out --converter-path=", "option --converter-path: found an empty value, expected DIR", NULL);
}

static void sizes_are_strict(void **state) {
    (void)state;
    static const char *const bad[] = {"0", "5", "5000000000", "5XB", "-5GB", "", "GB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64];
        char *argv[MOST + 1];
        fg_error err = {0};
        fg_options options;
        snprintf(line, sizeof line, "--max-shard-size %s a b", *bad[i] ? bad[i] : "''");
        assert_int_equal(fg_command_line_parse(&options, &fg_command_table, split(line, argv), argv, &err),
                         FG_ERR_USAGE);
        assert_non_null(strstr(err.text, "--max-shard-size"));
    }
}

static void values_must_be_there_and_only_where_they_belong(void **state) {
    (void)state;
    refused("in out --dtype", "option --dtype needs a value: one of bfloat16, float32, float16", NULL);
    refused("in out --report", "option --report needs a value: FILE.json", NULL);
    refused("in out -c", "option -c needs a value: PATH", NULL);
    refused("in out --report --json", "option --report needs a value: FILE.json",
            "a value that looks like an option is written --report=--json");
    refused("in out --dry-run=yes", "option --dry-run takes no value, found \"yes\"", NULL);
    refused("in out --version=1", "option --version takes no value, found \"1\"", NULL);
}

static void files_are_counted(void **state) {
    (void)state;
    static const char hint[] = "\"fgconv help convert\" shows its usage";
    refused("in", "fgconv convert needs SRC DST, found only in", hint);
    refused("-v", "fgconv convert needs SRC DST, found nothing", hint);
    refused("in out more", "fgconv convert takes SRC DST, found also \"more\"", hint);
    refused("inspect", "fgconv inspect needs DIR, found nothing", "\"fgconv help inspect\" shows its usage");
    refused("inspect a b", "fgconv inspect takes DIR, found also \"b\"",
            "\"fgconv help inspect\" shows its usage");
    refused("list x", "fgconv list takes no file or directory, found \"x\"",
            "\"fgconv help list\" shows its usage");
    refused("diff a ''", "fgconv diff: found an empty name, expected A B", NULL);
    refused("", "nothing to do: SRC and DST are missing",
            "fgconv SRC DST         converts the checkpoint in directory SRC into the new directory DST\n"
            "      fgconv inspect SRC     prints what SRC holds\n"
            "      fgconv help            lists the commands and common options");
}

static void options_belong_to_commands(void **state) {
    (void)state;
    refused("validate a b --atol 1 --profile strict",
            "--atol and --profile both say which differences of "
            "logits are accepted",
            "remove one of the two");
    refused("a b --atol 1", "fgconv convert does not take the option --atol",
            "remove it; it is an option of: validate");
    refused("inspect a --to hf", "fgconv inspect does not take the option --to",
            "remove it; it is an option of: convert, config");
    refused("list --dry-run", "fgconv list does not take the option --dry-run",
            "remove it; it is an option of: convert, update, finalize, update-vocab");
    refused("verify a b --max-length 3", "fgconv verify does not take the option --max-length",
            "remove it; it is an option of: convert, config");
    refused("completion bash --json", "fgconv completion does not take the option --json", NULL);
}

static void contradictions_are_refused(void **state) {
    (void)state;
    refused("--reverse --from hf a b", "--reverse converts from forgather, but --from is hf", NULL);
    refused("--reverse --to forgather a b", "--reverse converts to hf, but --to is forgather", NULL);
    refused("--from hf --to hf a b", "--from and --to are both hf: there is nothing to convert", NULL);
    refused("--dump x.h5 --validate none a b",
            "--dump writes the logits of the proof, but --validate none computes none",
            "remove one of the two");
    refused("--dump x.h5 --validate bytes a b",
            "--dump writes the logits of the proof, but --validate bytes computes none", NULL);
}

static void what_belongs_to_a_generation(void **state) {
    (void)state;
    fg_options options =
        parsed("a b -g --max-new-tokens 3 --sample --temperature 0.7 --top-p 1 --seed 0 --prompt Hello");
    assert_true(options.generation_test && options.sample);
    assert_int_equal(options.max_new_tokens, 3);
    assert_true(options.temperature == 0.7 && options.top_p == 1);
    assert_int_equal(options.seed, 0);
    assert_string_equal(options.prompt, "Hello");
    fg_options_free(&options);
    options = parsed("validate a b");
    assert_true(!options.generation_test && !options.sample && !options.prompt);
    assert_int_equal(options.max_new_tokens, 64);
    assert_true(options.temperature < 0 && options.top_p < 0 && options.seed < 0);
    fg_options_free(&options);

    static const char *const details[] = {"--max-new-tokens 3", "--sample", "--temperature 1", "--top-p 0.5",
                                          "--seed 3"};
    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        char line[64], message[96];
        snprintf(line, sizeof line, "a b %s", details[i]);
        snprintf(message, sizeof message, "%.*s is only used with --generation-test",
                 (int)strcspn(details[i], " "), details[i]);
        refused(line, message, "remove it, or add -g");
    }
    refused("a b --prompt x --token-ids 1", "--prompt and --token-ids both give the tokens to run",
            "remove one of the two");
    refused("a b -g --top-p 1.5", "option --top-p: found 1.5, expected 0 to 1", NULL);
    refused("a b -g --seed -1", "option --seed: found \"-1\", expected a non-negative integer (below 2^63)",
            NULL);
    refused("a b -g --seed 9223372036854775808",
            "option --seed: found \"9223372036854775808\", expected a non-negative integer (below 2^63)",
            NULL);
    refused("a b -g --prompt ''", "option --prompt: found an empty value, expected TEXT", NULL);
}

static void both_devices_are_taken(void **state) {
    (void)state;
    fg_options o = parsed("a b --device cuda");
    assert_int_equal(o.device, FG_DEVICE_CUDA);
    fg_options_free(&o);
    o = parsed("update a b --device cpu");
    assert_int_equal(o.device, FG_DEVICE_CPU);
    fg_options_free(&o);
}

static void a_journal_needs_what_it_promises(void **state) {
    (void)state;
    refused("a b --trust-journal", "--trust-journal is only used with --resume",
            "remove it, or add --resume");
    refused("a b --resume --no-fsync",
            "--resume continues from what is on the disk, but --no-fsync does not wait until it is",
            "remove one of the two");
    refused("update-vocab a --in-place --resume",
            "--resume cannot be used with --in-place: a second run could not tell the new SRC from the old",
            "write to a new directory DST with --resume, or remove --resume");
}

static void what_finalize_and_update_vocab_take(void **state) {
    (void)state;
    fg_options o = parsed("finalize a b -c ck --stop-tokens x,y --no-auto-stop-tokens --generation-config p "
                          "--keep-optimizer --safetensors --log-level DEBUG --dtype float16 --device cpu");
    assert_ptr_equal(o.command, &fg_finalize_command);
    assert_string_equal(o.checkpoint_path, "ck");
    assert_string_equal(o.stop_tokens, "x,y");
    assert_string_equal(o.generation_config, "p");
    assert_true(o.no_auto_stop_tokens && o.keep_optimizer && !o.root_copy);
    assert_int_equal(o.verbosity, 1);
    fg_options_free(&o);
    o = parsed("update-vocab a --in-place --log-level WARNING");
    assert_ptr_equal(o.command, &fg_update_vocab_command);
    assert_string_equal(o.destination, "a");
    assert_int_equal(o.verbosity, -1);
    fg_options_free(&o);
    refused("finalize a b --root-copy --keep-optimizer",
            "--keep-optimizer needs a checkpoints/ directory, and --root-copy writes none",
            "remove one of the two");
    refused("finalize a b --stop-tokens x --generation-config none",
            "--stop-tokens are written to generation_config.json, and --generation-config none writes none",
            NULL);
    refused("finalize a b --log-level ERROR",
            "option --log-level ERROR: warnings cannot be silenced; use WARNING", NULL);
    refused("finalize a b --validate none --dump x",
            "--dump writes the logits of the proof, but --validate none computes none", NULL);
    refused("finalize a b --in-place", "fgconv finalize does not take the option --in-place",
            "remove it; it is an option of: update-vocab");
    refused("finalize a", "fgconv finalize needs SRC DST, found only a", NULL);
    refused("update-vocab a", "fgconv update-vocab needs SRC DST, found only a",
            "give either DST or --in-place");
    refused("update-vocab a b --in-place", "--in-place replaces SRC, but DST is given too: b", NULL);
    refused("update-vocab a b --root-copy", "fgconv update-vocab does not take the option --root-copy", NULL);
}

static void what_update_takes(void **state) {
    (void)state;
    fg_options o =
        parsed("update a b -c ck --arch llama --from-version 1 --to-version 2.1 --no-strict --dtype float16 "
               "--safetensors --device cpu --dry-run --converter-path p --log-level DEBUG");
    assert_ptr_equal(o.command, &fg_update_command);
    assert_string_equal(o.checkpoint_path, "ck");
    assert_string_equal(o.arch, "llama");
    assert_string_equal(o.from_version, "1");
    assert_string_equal(o.to_version, "2.1");
    assert_true(o.no_strict && o.dry_run);
    assert_int_equal(o.dtype, FG_F16);
    assert_int_equal(o.verbosity, 1);
    fg_options_free(&o);
    o = parsed("update a b --checkpoint=x --log-level WARNING");
    assert_string_equal(o.checkpoint_path, "x");
    assert_int_equal(o.verbosity, -1);
    assert_false(o.no_strict);
    fg_options_free(&o);
    refused("update a b --log-level ERROR",
            "option --log-level ERROR: warnings cannot be silenced; use WARNING", NULL);
    refused("update a b --add-tokens y", "fgconv update does not take the option --add-tokens", NULL);
    refused("update a b --validate none --dump x",
            "--dump writes the logits of the proof, but --validate none computes none", NULL);
    refused("a b --arch llama", "fgconv convert does not take the option --arch",
            "remove it; it is an option of: update");
    refused("update a", "fgconv update needs SRC DST, found only a", NULL);
    assert_ptr_equal(fg_command_find(&fg_command_table, "update"), &fg_update_command);
    assert_null(fg_command_find(&fg_command_table, "nothing"));
}

static void a_flag_without_a_field_stores_nothing(void **state) {
    (void)state;
    char line[] = "update a b --safetensors", *argv[MOST + 1];
    const uint64_t untouched = 0x5a5a5a5a5a5a5a5a;
    struct {
        uint64_t before;
        fg_options options;
        uint64_t behind;
    } held = {.before = untouched, .behind = untouched};
    assert_int_equal(fg_command_line_parse(&held.options, &fg_command_table, split(line, argv), argv, NULL),
                     FG_OK);
    assert_true(held.before == untouched && held.behind == untouched);
    fg_options_free(&held.options);
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t n = 1; status != FG_OK; n++) {
        char line[] = "--token-ids 1,2,3,4,5,6,7,8,9,10 --converter-path a --converter-path b in out",
             *argv[MOST + 1];
        fg_error err = {0};
        fg_options options;
        assert_true(n < 20);
        int argc = split(line, argv);
        fg_alloc_fail_after(n);
        status = fg_command_line_parse(&options, &fg_command_table, argc, argv, &err);
        fg_alloc_fail_after(0);
        assert_true(status == FG_OK || (status == FG_ERR_MEMORY && !options.files));
        fg_options_free(&options);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(every_option_of_convert_is_stored),
        cmocka_unit_test(options_are_spelt_in_several_ways),
        cmocka_unit_test(commands_are_known),
        cmocka_unit_test(help_and_version_need_nothing_else),
        cmocka_unit_test(unknown_options_are_refused_with_the_nearest),
        cmocka_unit_test(choices_have_aliases),
        cmocka_unit_test(misspelt_commands_are_named),
        cmocka_unit_test(help_is_about_a_command),
        cmocka_unit_test(values_are_strict),
        cmocka_unit_test(sizes_are_strict),
        cmocka_unit_test(values_must_be_there_and_only_where_they_belong),
        cmocka_unit_test(files_are_counted),
        cmocka_unit_test(options_belong_to_commands),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(what_belongs_to_a_generation),
        cmocka_unit_test(both_devices_are_taken),
        cmocka_unit_test(a_journal_needs_what_it_promises),
        cmocka_unit_test(what_finalize_and_update_vocab_take),
        cmocka_unit_test(what_update_takes),
        cmocka_unit_test(a_flag_without_a_field_stores_nothing),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
