/* inspect, list, config, diff, and where converters are looked for. */
#include <math.h>

#include "commands/command_table.h"
#include "commands/converter_search.h"
#include "commands/run.h"
#include "store_fixture.h"

#define GOLDEN FG_TEST_DATA "/golden/"

/* What a command prints; the text stays until the next call. */
typedef struct printed {
    FILE *file;
    char *text;
    size_t size;
} printed;

static printed last;

static FILE *out(void) {
    if (last.file) fclose(last.file);
    free(last.text);
    last = (printed){0};
    last.file = open_memstream(&last.text, &last.size);
    assert_non_null(last.file);
    return last.file;
}

static const char *text(void) {
    fflush(last.file);
    return last.text;
}

static json_t *document(void) {
    fg_error err = {0};
    json_t *value = NULL;
    const char *bytes = text();
    assert_int_equal(fg_json_parse("out", bytes, strlen(bytes), &value, &err), FG_OK);
    return value;
}

static int forget_output(void **state) {
    if (last.file) fclose(last.file);
    free(last.text);
    last = (printed){0};
    return fixture_tear_down(state);
}

static fg_status carry_out(const fg_command *command, const fg_options *options, fg_catalogue *catalogue,
                           FILE *file, fg_error *err) {
    fg_options of_command = *options;
    of_command.command = command;
    return command->run(&(fg_run){.ranks = &(fg_ranks){.size = 1, .node_size = 1, .node_count = 1},
                                  .launch = &(fg_launch){.size = 1},
                                  .options = &of_command,
                                  .catalogue = catalogue,
                                  .version = "1.2.3",
                                  .out = file},
                        err);
}

static fg_catalogue built_in(void) {
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    assert_int_equal(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), FG_OK);
    return catalogue;
}

#define HEADER_A                                                                                             \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"                                    \
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}}"
#define CONFIG_A                                                                                             \
    "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 8,"             \
    " \"rope_scaling\": {\"factor\": 2.0, \"rope_type\": \"llama3\"}}"

static void put_model(const char *name, const char *config, const char *header, size_t data) {
    char path[PATH_SIZE];
    put_directory(name);
    snprintf(path, sizeof path, "%s/config.json", name);
    put_text(path, config);
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    put_safetensors(path, header, data);
}

/* ---- inspect ---- */

static void describe(int verbosity) {
    fg_error err = {0};
    char expected[2048];
    put_model("m", CONFIG_A, HEADER_A, 32);
    put_text("m/tokenizer.json", "{}");
    put_text("m/notes.xyz", "");
    fg_options options = {.source = at("m"), .verbosity = verbosity};
    snprintf(expected, sizeof expected,
             "%s: hf, llama (LlamaForCausalLM)\n"
             "  holds     10 parameters, 2 tensors in 32 B\n"
             "  dtypes    bfloat16: 1 tensor, 8 B\n"
             "            float32: 1 tensor, 24 B\n"
             "%s"
             "  weights   model.safetensors, %zu B\n"
             "  files     tokenizer.json\n"
             "  not used  notes.xyz\n"
             "%s",
             at("m"), verbosity ? "" : "  tensors   a: 1 x float32 [2, 3]\n            b: 1 x bfloat16 [4]\n",
             8 + strlen(HEADER_A) + 32,
             verbosity ? "a float32 [2, 3] model.safetensors\nb bfloat16 [4] model.safetensors\n" : "");
    assert_int_equal(carry_out(&fg_inspect_command, &options, NULL, out(), &err), FG_OK);
    assert_string_equal(text(), expected);
}

static void a_checkpoint_is_described(void **state) {
    (void)state;
    describe(0);
}

static void every_tensor_is_listed(void **state) {
    (void)state;
    describe(1);
}

static void inspect_speaks_json(void **state) {
    (void)state;
    fg_error err = {0};
    put_model("m", CONFIG_A, HEADER_A, 32);
    fg_options options = {.source = at("m"), .json = true};
    assert_int_equal(carry_out(&fg_inspect_command, &options, NULL, out(), &err), FG_OK);
    json_t *value = document();
    assert_string_equal(json_string_value(json_object_get(value, "format")), "hf");
    assert_int_equal(json_integer_value(json_object_get(value, "parameters")), 10);
    assert_int_equal(json_integer_value(fg_json_at(value, "dtypes/float32/bytes")), 24);
    assert_string_equal(json_string_value(fg_json_at(value, "tensors/1/name")), "b");
    assert_int_equal(json_integer_value(fg_json_at(value, "tensors/0/shape/1")), 3);
    json_decref(value);
}

static json_int_t parameters_of(const char *directory) {
    fg_error err = {0};
    fg_options options = {.source = directory, .json = true};
    assert_int_equal(carry_out(&fg_inspect_command, &options, NULL, out(), &err), FG_OK);
    json_t *value = document();
    json_int_t parameters = json_integer_value(json_object_get(value, "parameters"));
    json_decref(value);
    return parameters;
}

/* The Forgather directory holds the tied head under two names that share one storage. */
static void shared_weights_count_once(void **state) {
    (void)state;
    json_int_t parameters = parameters_of(GOLDEN "llama_tied_rope3_bf16_sharded/hf");
    assert_true(parameters > 1000);
    assert_int_equal(parameters_of(GOLDEN "llama_tied_rope3_bf16_sharded/forgather"), parameters);
}

static void what_is_absent_is_a_usage_error(void **state) {
    (void)state;
    fg_error err = {0};
    fg_options options = {.source = at("absent")};
    expect_error(&err, carry_out(&fg_inspect_command, &options, NULL, out(), &err), FG_ERR_USAGE, "absent");
    assert_string_equal(text(), "");
}

/* ---- diff ---- */

static void a_model_equals_itself(void **state) {
    (void)state;
    fg_error err = {0};
    char expected[2048];
    put_model("m", CONFIG_A, HEADER_A, 32);
    fg_options options = {.source = at("m"), .destination = at("m")};
    assert_int_equal(carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_OK);
    snprintf(
        expected, sizeof expected,
        "configuration: 0 keys changed, 0 only in %s, 0 only in %s\n"
        "tensors: 2 equal, 0 with other values, 0 with another type or shape, 0 only in %s, 0 only in %s\n",
        at("m"), at("m"), at("m"), at("m"));
    assert_string_equal(text(), expected);
}

/* Writes two floats over the beginning of a model's data. */
static void put_floats(const char *file, size_t offset, float first, float second) {
    fg_file opened;
    float values[2] = {first, second};
    assert_int_equal(fg_file_open(&opened, at(file), FG_OPEN_WRITE, NULL), FG_OK);
    assert_int_equal(fg_file_write(&opened, values, sizeof values, 8 + strlen(HEADER_A) + offset, NULL),
                     FG_OK);
    fg_file_close(&opened);
}

static void differences_are_named_and_measured(void **state) {
    (void)state;
    fg_error err = {0};
    char expected[2048];
    put_model("a", CONFIG_A, HEADER_A, 32);
    put_model("b",
              "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 9,"
              " \"rope_scaling\": {\"factor\": 2.5, \"low\": 1}}",
              HEADER_A, 32);
    put_floats("a/model.safetensors", 0, 1.5F, 2);
    put_floats("b/model.safetensors", 0, 1.25F, 2);
    fg_options options = {.source = at("a"), .destination = at("b")};
    expect_error(&err, carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_ERR_DIFFER, " differ");
    snprintf(
        expected, sizeof expected,
        "configuration: 2 keys changed, 1 only in %s, 1 only in %s\n"
        "  hidden_size: 8 and 9\n"
        "  rope_scaling/factor: 2.0 and 2.5\n"
        "  rope_scaling/rope_type only in %s: \"llama3\"\n"
        "  rope_scaling/low only in %s: 1\n"
        "tensors: 1 equal, 1 with other values, 0 with another type or shape, 0 only in %s, 0 only in %s\n"
        "  a: 1 of 6 elements differ, by at most 0.25\n",
        options.source, options.destination, options.source, options.destination, options.source,
        options.destination);
    assert_string_equal(text(), expected);
}

static void long_lists_are_cut(void **state) {
    (void)state;
    enum { TENSORS = 23, SHOWN = 20 };
    fg_error err = {0};
    char header[TENSORS * 64] = "{", expected[32];
    for (int i = 0; i < TENSORS; i++)
        snprintf(header + strlen(header), sizeof header - strlen(header),
                 "%s\"t%02d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? "," : "", i, i,
                 i + 1);
    strcat(header, "}");
    put_model("a", CONFIG_A, HEADER_A, 32);
    put_model("b", CONFIG_A, header, TENSORS);
    fg_options options = {.source = at("a"), .destination = at("b")};
    assert_int_equal(carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_ERR_DIFFER);
    snprintf(expected, sizeof expected, "  t%d only in ", SHOWN - 1);
    assert_non_null(strstr(text(), expected));
    assert_null(strstr(text(), "  t20 "));
    assert_true(fg_ends_with(text(), ": uint8 [1]\n  ... and 3 more\n"));
}

#define TENSOR(name, begin, end)                                                                             \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" #begin "," #end "]}"

static void expect_diff(const char *a, const char *b, const char *said) {
    fg_error err = {0};
    assert_int_equal(fg_directory_remove(at("a"), &err), FG_OK);
    assert_int_equal(fg_directory_remove(at("b"), &err), FG_OK);
    put_model("a", CONFIG_A, a, 3);
    put_model("b", CONFIG_A, b, 3);
    fg_options options = {.source = at("a"), .destination = at("b")};
    assert_int_equal(carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_ERR_DIFFER);
    if (!strstr(text(), said)) fail_msg("%s", text());
}

static void a_missing_prefix_does_not_hide_the_tensors(void **state) {
    (void)state;
    const char *with = "{" TENSOR("m.l.0.n", 0, 1) "," TENSOR("m.n", 1, 2) "," TENSOR("head", 2, 3) "}",
               *without = "{" TENSOR("l.0.n", 0, 1) "," TENSOR("n", 1, 2) "," TENSOR("head", 2, 3) "}",
               *other = "{" TENSOR("k.0.n", 0, 1) "," TENSOR("n", 1, 2) "," TENSOR("head", 2, 3) "}",
               *both = "{" TENSOR("m.l.0.n", 0, 1) "," TENSOR("n", 1, 2) "," TENSOR("head", 2, 3) "}";
    expect_diff(with, without, "tensors: 3 equal, ");
    expect_diff(with, without, "b lack \"m.\"; they are compared as if they had it\n");
    expect_diff(without, with, "a lack \"m.\"; they are compared as if they had it\n");
    expect_diff(with, other, "tensors: 2 equal, ");
    expect_diff(with, other, "1 only in ");
    expect_diff(with, both, "tensors: 2 equal, ");  /* some names have it: it is not missing */
    expect_diff(both, other, "tensors: 2 equal, "); /* "m.l.0." of one tensor is not a prefix */
}

static void presence_type_and_shape_are_compared(void **state) {
    (void)state;
    fg_error err = {0};
    put_model("a", CONFIG_A, HEADER_A, 32);
    put_model("b", CONFIG_A,
              "{\"a\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
              "\"c\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}}",
              32);
    fg_options options = {.source = at("a"), .destination = at("b"), .json = true};
    assert_int_equal(carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_ERR_DIFFER);
    json_t *value = document();
    assert_true(json_is_false(json_object_get(value, "equal")));
    assert_int_equal(json_integer_value(fg_json_at(value, "tensors/equal")), 0);
    assert_string_equal(json_string_value(fg_json_at(value, "tensors/only_a/0/name")), "b");
    assert_string_equal(json_string_value(fg_json_at(value, "tensors/only_b/0/name")), "c");
    assert_string_equal(json_string_value(fg_json_at(value, "tensors/layout/0/a")), "float32 [2, 3]");
    assert_string_equal(json_string_value(fg_json_at(value, "tensors/layout/0/b")), "float32 [3, 2]");
    json_decref(value);
    err = (fg_error){0};
    options.json = false;
    assert_int_equal(carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_ERR_DIFFER);
    assert_non_null(strstr(text(), "  a: float32 [2, 3] and float32 [3, 2]\n  b only in "));
}

/* A NaN against a number has no measure; signs of zero differ by 0; both count as elements. */
static void odd_floats_are_compared(void **state) {
    (void)state;
    fg_error err = {0};
    put_model("a", CONFIG_A, HEADER_A, 32);
    put_model("b", CONFIG_A, HEADER_A, 32);
    put_floats("a/model.safetensors", 8, 0.0F, 3);
    put_floats("b/model.safetensors", 8, -0.0F, 3);
    fg_options options = {.source = at("a"), .destination = at("b")};
    assert_int_equal(carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_ERR_DIFFER);
    assert_non_null(strstr(text(), "  a: 1 of 6 elements differ, by at most 0\n"));
    put_floats("b/model.safetensors", 8, 0.0F, NAN);
    err = (fg_error){0};
    assert_int_equal(carry_out(&fg_diff_command, &options, NULL, out(), &err), FG_ERR_DIFFER);
    assert_non_null(strstr(text(), "  a: 1 of 6 elements differ\n"));
}

/* ---- config ---- */

static fg_options config_of(const char *path) {
    return (fg_options){.source = path, .hf_version = 4};
}

static void expect_config_error(const fg_options *options, fg_status status, const char *part) {
    fg_error err = {0};
    fg_catalogue catalogue = built_in();
    expect_error(&err, carry_out(&fg_config_command, options, &catalogue, out(), &err), status, part);
    assert_string_equal(text(), "");
    fg_catalogue_free(&catalogue);
}

static json_t *config_result(const fg_options *options) {
    fg_error err = {0};
    fg_catalogue catalogue = built_in();
    fg_status status = carry_out(&fg_config_command, options, &catalogue, out(), &err);
    if (status != FG_OK) print_error("%s\n", err.text);
    assert_int_equal(status, FG_OK);
    fg_catalogue_free(&catalogue);
    return document();
}

static void a_configuration_goes_there_and_back(void **state) {
    (void)state;
    fg_options options = config_of(GOLDEN "llama_tied_rope3_bf16_sharded/hf");
    json_t *there = config_result(&options);
    assert_string_equal(json_string_value(json_object_get(there, "hf_model_type")), "llama");
    assert_string_equal(json_string_value(json_object_get(there, "dtype")), "bfloat16");
    assert_null(json_object_get(there, "torch_dtype"));
    put_text("config.json", text());
    options = config_of(at("config.json"));
    json_t *back = config_result(&options);
    assert_string_equal(json_string_value(json_object_get(back, "model_type")), "llama");
    assert_string_equal(json_string_value(json_object_get(back, "dtype")), "bfloat16");
    assert_true(fg_json_equal(json_object_get(back, "hidden_size"), json_object_get(there, "hidden_size")));
    json_decref(there);
    options = config_of(at(""));
    there = config_result(&options);
    assert_true(fg_json_equal(there, back)); /* the directory of the file means the same */
    json_decref(there);
    json_decref(back);
}

/* Old configurations name the type of torch with its module, under another key. */
static void the_type_is_carried_over(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *config = NULL;
    fg_buffer written = {0};
    assert_int_equal(fg_json_read(GOLDEN "llama_tied_rope3_bf16_sharded/hf/config.json", &config, &err),
                     FG_OK);
    json_object_del(config, "dtype");
    json_object_set_new(config, "torch_dtype", json_string("torch.float16"));
    assert_int_equal(fg_json_write(config, 0, &written, &err), FG_OK);
    put_text("config.json", written.data);
    fg_options options = config_of(at("config.json"));
    json_t *value = config_result(&options);
    assert_string_equal(json_string_value(json_object_get(value, "dtype")), "float16");
    assert_null(json_object_get(value, "torch_dtype"));
    json_decref(value);
    json_decref(config);
    fg_buffer_free(&written);
}

static void the_length_can_be_set(void **state) {
    (void)state;
    fg_options options = config_of(GOLDEN "llama_tied_rope3_bf16_sharded/hf/config.json");
    options.max_length = 777;
    json_t *value = config_result(&options);
    assert_int_equal(json_integer_value(json_object_get(value, "max_position_embeddings")), 777);
    json_decref(value);
}

static void contradictions_and_gaps_are_refused(void **state) {
    (void)state;
    fg_options options = config_of(at("absent.json"));
    expect_config_error(&options, FG_ERR_USAGE, "absent.json: no such file or directory");
    options = config_of(GOLDEN "llama_tied_rope3_bf16_sharded/hf");
    options.from = &fg_format_forgather;
    expect_config_error(&options, FG_ERR_USAGE,
                        "is a configuration of hf (model_type llama), but --from is forgather");
    options.from = NULL;
    options.to = &fg_format_hf;
    expect_config_error(&options, FG_ERR_USAGE, "hf/config.json is already in that format");
    options = config_of(GOLDEN "llama_tied_rope3_bf16_sharded/forgather");
    options.from = &fg_format_hf;
    expect_config_error(&options, FG_ERR_USAGE,
                        "is a configuration of forgather (hf_model_type llama), but --from is hf");
    put_text("f.json", "{\"model_type\": \"forgather-dynamic-causal-llama\"}");
    options = config_of(at("f.json"));
    expect_config_error(&options, FG_ERR_INPUT, "does not name the model family (no hf_model_type)");
    put_text("n.json", "{\"model_type\": 7}");
    options = config_of(at("n.json"));
    expect_config_error(&options, FG_ERR_INPUT, "key \"model_type\": found 7");
    put_text("l.json", "[]");
    options = config_of(at("l.json"));
    expect_config_error(&options, FG_ERR_INPUT, "found an array, expected an object");
    put_text("g.json", "{\"model_type\": \"gpt2\"}");
    options = config_of(at("g.json"));
    expect_config_error(&options, FG_ERR_INPUT, "gpt2");
}

/* What the second step refuses is not in the file. */
static void a_chain_of_steps_says_whose_key_is_refused(void **state) {
    (void)state;
    fg_options options = config_of(FG_TEST_DATA "/golden_fast_llm/llama/llama3-tied-bias/fast_llm");
    options.to = &fg_format_forgather;
    options.model_type = "llama";
    expect_config_error(&options, FG_ERR_INPUT, "metadata.yaml (as hf): key \"attention_bias\" = true");
    options = config_of(FG_TEST_DATA "/fast_llm/gemma4/dense/fast_llm");
    options.to = &fg_format_forgather;
    expect_config_error(&options, FG_ERR_INPUT, "for the model type \"gemma4_text\"");
}

/* ---- list, directories ---- */

static size_t times(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)); text++) count++;
    return count;
}

static void families_are_listed(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = built_in();
    fg_options options = {0};
    assert_int_equal(carry_out(&fg_list_command, &options, &catalogue, out(), &err), FG_OK);
    assert_int_equal(strncmp(text(), "family ", 7), 0);
    assert_int_equal(times(text(), "\nllama "), 1);
    assert_non_null(strstr(text(), "\nllama              logits     logits    Llama 1 to 3"));
    assert_non_null(strstr(text(), "\nmixtral            -          logits    "));
    assert_non_null(strstr(text(), "\nllava              -          logits    "));
    assert_null(strstr(text(), ".json"));
    assert_null(strstr(text(), "*"));
    options.verbosity = -1;
    assert_int_equal(carry_out(&fg_list_command, &options, &catalogue, out(), &err), FG_OK);
    assert_non_null(strstr(text(), "\nllama "));
    assert_null(strstr(text(), "family "));
    options.verbosity = 1;
    assert_int_equal(carry_out(&fg_list_command, &options, &catalogue, out(), &err), FG_OK);
    assert_non_null(strstr(text(), "/fast_llm/llama.json\n"));
    fg_catalogue_free(&catalogue);
}

/* A directory of one's own comes first: its converter takes the place of the built-in one. */
static void own_families_are_marked(void **state) {
    (void)state;
    fg_error err = {0};
    const char *own[] = {FG_CONVERTERS "/examples/documented_norm", at("")},
               *candidates[] = {FG_CONVERTERS, NULL};
    fg_options options = {.converter_paths = own, .converter_path_count = 2};
    fg_catalogue catalogue = {0};
    put_text("mine.json", "{\"format\": \"forgather\", \"model_type\": \"mine\", \"unheard_of\": 1}");
    assert_int_equal(fg_converter_search(options.converter_paths, options.converter_path_count, candidates,
                                         &catalogue, &err),
                     FG_OK);
    assert_int_equal(carry_out(&fg_list_command, &options, &catalogue, out(), &err), FG_OK);
    assert_int_equal(times(text(), "\nllama "), 1);
    assert_non_null(strstr(text(), "\nllama              logits*    logits    Example plug-in"));
    assert_non_null(strstr(text(), "\nmine               broken*    -         \n"));
    assert_non_null(strstr(text(), "*: from --converter-path\n"));
    options.json = true;
    assert_int_equal(carry_out(&fg_list_command, &options, &catalogue, out(), &err), FG_OK);
    json_t *value = document();
    assert_string_equal(json_string_value(fg_json_at(value, "families/0/model_type")), "llama");
    assert_string_equal(json_string_value(fg_json_at(value, "families/0/formats/forgather/proof")), "logits");
    assert_true(json_is_true(fg_json_at(value, "families/0/formats/forgather/own")));
    assert_true(json_is_false(fg_json_at(value, "families/0/formats/fast_llm/own")));
    assert_true(json_is_null(fg_json_at(value, "families/1/formats/forgather/proof")));
    json_decref(value);
    fg_catalogue_free(&catalogue);
}

static void directories_are_found_in_order(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    const char *own[] = {at("")}, *candidates[] = {"/nonexistent", FG_CONVERTERS, "/also/nonexistent", NULL};
    fg_options options = {.converter_paths = own, .converter_path_count = 1};
    unsetenv("FGCONV_CONVERTERS");
    assert_int_equal(fg_converter_search(options.converter_paths, options.converter_path_count, candidates,
                                         &catalogue, &err),
                     FG_OK);
    assert_int_equal(catalogue.count, 2);
    assert_string_equal(catalogue.directories[0], at(""));
    assert_string_equal(catalogue.directories[1], FG_CONVERTERS);
    fg_catalogue_free(&catalogue);

    put_directory("c");
    put_directory("c/forgather");
    put_text("c/forgather/common.json", "{}");
    setenv("FGCONV_CONVERTERS", at("c"), 1);
    options.converter_path_count = 0;
    assert_int_equal(fg_converter_search(options.converter_paths, options.converter_path_count, candidates,
                                         &catalogue, &err),
                     FG_OK);
    assert_int_equal(catalogue.count, 1);
    assert_string_equal(catalogue.directories[0], at("c"));
    fg_catalogue_free(&catalogue);
    unsetenv("FGCONV_CONVERTERS");
}

static void missing_directories_are_named(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    const char *own[] = {at("absent")}, *candidates[] = {FG_CONVERTERS, NULL}, *const none[] = {NULL};
    fg_options options = {.converter_paths = own, .converter_path_count = 1};
    expect_error(&err,
                 fg_converter_search(options.converter_paths, options.converter_path_count, candidates,
                                     &catalogue, &err),
                 FG_ERR_USAGE, "absent is not a directory");
    fg_catalogue_free(&catalogue);
    err = (fg_error){0};
    options.converter_path_count = 0;
    setenv("FGCONV_CONVERTERS", "/nonexistent", 1);
    expect_error(&err,
                 fg_converter_search(options.converter_paths, options.converter_path_count, candidates,
                                     &catalogue, &err),
                 FG_ERR_USAGE, "FGCONV_CONVERTERS names /nonexistent");
    unsetenv("FGCONV_CONVERTERS");
    err = (fg_error){0};
    expect_error(
        &err,
        fg_converter_search(options.converter_paths, options.converter_path_count, none, &catalogue, &err),
        FG_ERR_SYSTEM, "cannot find the built-in converters");
    fg_catalogue_free(&catalogue);
}

static void lint_says_what_it_found(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = built_in();
    const char *files[] = {at("bad.json")};
    put_text("bad.json", "{\"format\": \"forgather\", \"model_type\": \"x\", \"wrong_key\": 1}");
    fg_options options = {0};
    assert_int_equal(carry_out(&fg_lint_command, &options, &catalogue, out(), &err), FG_OK);
    assert_non_null(strstr(text(), "forgather/qwen3.json"));
    assert_non_null(strstr(text(), "\nno problems found\n"));
    options.files = files;
    options.file_count = 1;
    expect_error(&err, carry_out(&fg_lint_command, &options, &catalogue, out(), &err), FG_ERR_INPUT,
                 "1 problem in converter files");
    assert_non_null(strstr(text(), "wrong_key"));
    assert_null(strstr(text(), "no problems found"));
    fg_catalogue_free(&catalogue);
}

/* A full disk behind a redirection must not pass for success. */
static void a_result_that_cannot_be_printed_is_an_error(void **state) {
    (void)state;
    fg_error err = {0};
    put_model("m", CONFIG_A, HEADER_A, 32);
    fg_options options = {.source = at("m")};
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    expect_error(&err, carry_out(&fg_inspect_command, &options, NULL, full, &err), FG_ERR_SYSTEM,
                 "cannot print the result: No space left on device");
    fclose(full);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, forget_output)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(every_tensor_is_listed),
        IN_DIRECTORY(a_checkpoint_is_described),
        IN_DIRECTORY(inspect_speaks_json),
        IN_DIRECTORY(shared_weights_count_once),
        IN_DIRECTORY(what_is_absent_is_a_usage_error),
        IN_DIRECTORY(a_model_equals_itself),
        IN_DIRECTORY(differences_are_named_and_measured),
        IN_DIRECTORY(a_missing_prefix_does_not_hide_the_tensors),
        IN_DIRECTORY(long_lists_are_cut),
        IN_DIRECTORY(presence_type_and_shape_are_compared),
        IN_DIRECTORY(odd_floats_are_compared),
        IN_DIRECTORY(a_configuration_goes_there_and_back),
        IN_DIRECTORY(the_type_is_carried_over),
        IN_DIRECTORY(the_length_can_be_set),
        IN_DIRECTORY(contradictions_and_gaps_are_refused),
        IN_DIRECTORY(a_chain_of_steps_says_whose_key_is_refused),
        IN_DIRECTORY(families_are_listed),
        IN_DIRECTORY(own_families_are_marked),
        IN_DIRECTORY(lint_says_what_it_found),
        IN_DIRECTORY(directories_are_found_in_order),
        IN_DIRECTORY(missing_directories_are_named),
        IN_DIRECTORY(a_result_that_cannot_be_printed_is_an_error),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
