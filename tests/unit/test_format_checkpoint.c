/* format/checkpoint and format/weight_files: what a directory is, where its weights are, what is wrong with
 * it. */
#include "store_fixture.h"

#include <fcntl.h>

#include "base/log.h"
#include "format/carried.h"
#include "format/checkpoint.h"

#define U8(name, begin, end)                                                                                 \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #end "],\"data_offsets\":[" #begin "," #end "]}"
#define ONE "{" U8("one", 0, 3) "}"
#define TWO "{" U8("two", 0, 2) "}"

static const fg_checkpoint_options defaults;

static void expect_open(fg_checkpoint *c, const char *directory, const fg_checkpoint_options *options) {
    fg_error err = {0};
    fg_log_end();
    if (fg_checkpoint_open(c, directory, options, &err) != FG_OK) fail_msg("%s", err.text);
}

static void expect_refused(const char *directory, const fg_checkpoint_options *options, fg_status expected,
                           const char *part) {
    fg_error err = {0};
    fg_checkpoint c;
    fg_status status = fg_checkpoint_open(&c, directory, options, &err);
    expect_error(&err, status, expected, part);
    assert_null(c.directory);
    assert_null(c.config);
}

/* A model with the tensors "one" and "two" in two files. */
static void put_sharded(const char *total) {
    char index[300];
    put_text("config.json", "{\"model_type\": \"llama\"}");
    put_safetensors("model-1.safetensors", ONE, 3);
    put_safetensors("model-2.safetensors", TWO, 2);
    snprintf(index, sizeof index,
             "{\"metadata\": {\"total_size\": %s}, \"weight_map\": {\"one\": \"model-1.safetensors\", "
             "\"two\": \"model-2.safetensors\"}}",
             total);
    put_text("model.safetensors.index.json", index);
}

static void formats_have_names(void **state) {
    (void)state;
    assert_string_equal(fg_format_fast_llm.name, "fast_llm");
    assert_ptr_equal(fg_format_find("hf"), &fg_format_hf);
    assert_ptr_equal(fg_format_find("forgather"), &fg_format_forgather);
    assert_ptr_equal(fg_format_find("fast_llm"), &fg_format_fast_llm);
    assert_ptr_equal(fg_format_find("auto"), NULL);
    assert_ptr_equal(fg_format_find("gguf"), NULL);
}

static void a_single_file_is_opened(void **state) {
    (void)state;
    fg_checkpoint c;
    put_text("config.json", "{\"model_type\": \"qwen3\", \"z\": 1}");
    put_safetensors("model.safetensors", ONE, 3);
    expect_open(&c, at(""), NULL);
    assert_ptr_equal(c.format, &fg_format_hf);
    assert_string_equal(c.model_type, "qwen3");
    assert_string_equal(c.directory, at(""));
    assert_string_equal(c.weights_directory, at(""));
    assert_int_equal(c.tensors.count, 1);
    assert_null(c.generation_config);
    assert_null(c.index_metadata);
    fg_checkpoint_close(&c);
}

static void shards_are_opened(void **state) {
    (void)state;
    fg_checkpoint c;
    put_sharded("5");
    put_text("generation_config.json", "{\"eos_token_id\": 2}");
    put_text("tokenizer_config.json", "{\"bos_token\": \"<s>\"}");
    expect_open(&c, at(""), &defaults);
    assert_int_equal(c.tensors.count, 2);
    assert_int_equal(c.tensors.file_count, 2);
    assert_int_equal(json_integer_value(json_object_get(c.index_metadata, "total_size")), 5);
    assert_non_null(json_object_get(c.generation_config, "eos_token_id"));
    assert_int_equal(fg_log_warning_count(), 0);
    fg_checkpoint_close(&c);
    put_sharded("6");
    expect_open(&c, at(""), &defaults);
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "total_size is 6, the tensors have 5 bytes"));
    fg_checkpoint_close(&c);
    expect_open(&c, at(""), &(fg_checkpoint_options){.config_only = true});
    assert_int_equal(c.tensors.count, 0);
    fg_checkpoint_close(&c);
}

/* Opens the directory as `format` and expects the tensor `tensor` alone, and a warning that ends in
 * `comes_first`. */
static void expect_first(const fg_format *format, const char *tensor, const char *comes_first) {
    fg_checkpoint c;
    fg_log_end();
    expect_open(&c, at(""), &(fg_checkpoint_options){.format = format});
    assert_int_equal(c.tensors.count, 1);
    assert_non_null(fg_tensors_find(&c.tensors, tensor));
    assert_int_equal(fg_log_warning_count(), comes_first != NULL);
    if (comes_first) assert_true(fg_ends_with(fg_log_warning(0), comes_first));
    fg_checkpoint_close(&c);
}

static void each_format_has_its_order_of_files(void **state) {
    (void)state;
    put_text("config.json", "{\"hf_model_type\": \"llama\"}");
    put_safetensors("model-1.safetensors", ONE, 3);
    put_text("model.safetensors.index.json", "{\"weight_map\": {\"one\": \"model-1.safetensors\"}}");
    expect_first(&fg_format_hf, "one", NULL);
    put_safetensors("model.safetensors", TWO, 2);
    expect_first(&fg_format_hf, "two",
                 "model.safetensors.index.json is not read: model.safetensors comes first");
    expect_first(&fg_format_forgather, "one",
                 "model.safetensors is not read: model.safetensors.index.json comes first");
    unlink(at("model.safetensors.index.json"));
    put_text("pytorch_model.bin.index.json", "{\"weight_map\": {\"one\": \"model-1.safetensors\"}}");
    expect_first(&fg_format_hf, "two",
                 "pytorch_model.bin.index.json is not read: model.safetensors comes first");
    expect_first(&fg_format_forgather, "one",
                 "model.safetensors is not read: pytorch_model.bin.index.json comes first");
    put_text("pytorch_model.bin.index.json", "{\"weight_map\": {\"two\": \"model.safetensors\"}}");
    expect_first(&fg_format_forgather, "two", NULL); /* an index of that very file */
}

static void an_adapter_beside_whole_weights_is_warned_of(void **state) {
    (void)state;
    fg_checkpoint c;
    put_text("config.json", "{}");
    put_text("adapter_config.json", "{}");
    put_safetensors("model.safetensors", ONE, 3);
    fg_log_end();
    expect_open(&c, at(""), &defaults);
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "the adapter is ignored"));
    fg_checkpoint_close(&c);
}

static void wrong_indexes_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *index, *part;
    } cases[] = {
        {"[]", "key \"weight_map\": found nothing, expected an object"},
        {"{\"weight_map\": []}", "key \"weight_map\": found an array, expected an object"},
        {"{\"weight_map\": {}}", "weight_map is empty"},
        {"{\"weight_map\": {\"one\": 1}}", "tensor \"one\": found 1, expected the name of a file"},
        {"{\"weight_map\": {\"one\": \"\"}}", "found \"\", expected the name of a file"},
        {"{\"weight_map\": {\"one\": \".\"}}", "expected the name of a file"},
        {"{\"weight_map\": {\"one\": \"..\"}}", "expected the name of a file"},
        {"{\"weight_map\": {\"one\": \"../model-1.safetensors\"}}",
         "tensor \"one\": found \"../model-1.safetensors\", expected the name of a file"},
        {"{\"weight_map\": {\"one\": \"/etc/passwd\"}}", "expected the name of a file"},
        {"{\"weight_map\": {\"one\": \"model-1.safetensors\\u0000.bin\"}}", "expected the name of a file"},
        {"{\"weight_map\": {\"one\": \"model-3.safetensors\"}}",
         "it names the file \"model-3.safetensors\", which is missing"},
        {"{\"weight_map\": {\"one\": \"model-4.safetensors\", \"two\": \"model-1.safetensors\", \"three\": "
         "\"model-3.safetensors\"}}",
         "2 of the 3 files that it names are missing; the first is \"model-3.safetensors\""},
        {"{\"weight_map\": {\"one\": \"directory.safetensors\"}}", "which is not a file that can be read"},
        {"{\"weight_map\": {\"one\": \"config.json\"}}", "files that end in .safetensors or .bin"},
        {"{\"weight_map\": {\"one\": \"model-1.safetensors\", \"one\": \"model-1.safetensors\"}}",
         "duplicate object key"},
        {"{\"weight_map\": {\"two\": \"model-1.safetensors\"}}",
         "tensor \"one\" of the file model-1.safetensors is not listed"},
        {"{\"weight_map\": {\"one\": \"model-1.safetensors\", \"three\": \"model-1.safetensors\"}}",
         "tensor \"three\" is listed in model-1.safetensors, which does not hold it"},
        {"{\"weight_map\": {\"one\": \"model-2.safetensors\", \"two\": \"model-1.safetensors\"}}",
         "tensor \"one\" is listed in model-2.safetensors and found in model-1.safetensors"},
        {"{\"weight_map\": {\"one\": \"model-1.safetensors\", \"two\": \"model-1-again.safetensors\"}}",
         "tensor \"one\" exists already (in "},
    };
    put_sharded("5");
    put_safetensors("model-1-again.safetensors", ONE, 3);
    put_directory("directory.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text("model.safetensors.index.json", cases[i].index);
        expect_refused(at(""), &defaults, FG_ERR_INPUT, cases[i].part);
    }
}

static void cut_shards_are_noticed(void **state) {
    (void)state;
    fg_buffer whole = {0};
    put_sharded("5");
    assert_int_equal(fg_file_read_all(at("model-2.safetensors"), 1000, &whole, NULL), FG_OK);
    for (size_t size = 0; size < whole.length; size += 5) {
        put_bytes("model-2.safetensors", whole.data, size);
        expect_refused(at(""), &defaults, FG_ERR_INPUT, "model-2.safetensors");
    }
    fg_buffer_free(&whole);
}

static void directories_that_are_no_models_are_refused(void **state) {
    (void)state;
    fg_checkpoint_options fast_llm = {.format = &fg_format_fast_llm};
    expect_refused(at("absent"), &defaults, FG_ERR_USAGE, "/absent: no such directory");
    expect_refused(at(""), &defaults, FG_ERR_INPUT, ": no config.json");
    put_text("file", "");
    expect_refused(at("file"), &defaults, FG_ERR_USAGE, "/file: a file, not a directory");
    put_text("adapter_config.json", "{}");
    expect_refused(at(""), &defaults, FG_ERR_INPUT, "an adapter (LoRA, PEFT: adapter_config.json)");
    put_text("config.json", "{}");
    expect_refused(at(""), &defaults, FG_ERR_INPUT, "an adapter (LoRA, PEFT: adapter_config.json)");
    unlink(at("adapter_config.json"));
    expect_refused(
        at(""), &defaults, FG_ERR_INPUT,
        ": no weights: none of model.safetensors, model.safetensors.index.json, pytorch_model.bin");
    put_text("config.json", "[1]");
    expect_refused(at(""), &defaults, FG_ERR_INPUT, "config.json: found an array, expected an object");
    put_text("config.json", "{\"model_type\": 3}");
    expect_refused(at(""), &defaults, FG_ERR_INPUT,
                   "config.json: key \"model_type\": found 3, expected a string");
    put_text("config.json", "{");
    expect_refused(at(""), &defaults, FG_ERR_INPUT, "config.json: line 1");
    put_text("config.json", "{}");
    expect_refused(at(""), &fast_llm, FG_ERR_INPUT, "metadata.yaml");
    put_text("metadata.yaml", "x: 1");
    unlink(at("config.json"));
    expect_refused(at(""), &defaults, FG_ERR_INPUT, "format: found (absent), expected \"fast_llm\"");
}

static void formats_are_found_out(void **state) {
    (void)state;
    static const struct {
        const char *config;
        const fg_format *wanted, *found;
        const char *model_type;
    } cases[] = {
        {"{\"model_type\": \"llama\"}", NULL, &fg_format_hf, "llama"},
        {"{}", NULL, &fg_format_hf, NULL},
        {"{\"model_type\": \"forgather-dynamic-causal-llama\", \"hf_model_type\": \"llama\"}", NULL,
         &fg_format_forgather, "llama"},
        {"{\"hf_model_type\": \"mistral\"}", NULL, &fg_format_forgather, "mistral"},
        {"{\"model_type\": \"forgather-dynamic-causal-llama\"}", NULL, &fg_format_forgather, NULL},
        {"{\"model_type\": \"llama\"}", &fg_format_forgather, &fg_format_forgather, NULL},
        {"{\"model_type\": \"llama\", \"hf_model_type\": \"x\"}", &fg_format_hf, &fg_format_hf, "llama"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_checkpoint c;
        put_text("config.json", cases[i].config);
        expect_open(&c, at(""), &(fg_checkpoint_options){.format = cases[i].wanted, .config_only = true});
        assert_int_equal(c.format, cases[i].found);
        if (cases[i].model_type)
            assert_string_equal(c.model_type, cases[i].model_type);
        else
            assert_null(c.model_type);
        fg_checkpoint_close(&c);
    }
}

/* A training checkpoint of one tensor, with the time of its directory. */
static void put_training(const char *name, const char *header, size_t data, time_t time) {
    char file[100];
    const struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
    put_directory(name);
    snprintf(file, sizeof file, "%s/model.safetensors", name);
    put_safetensors(file, header, data);
    assert_int_equal(utimensat(AT_FDCWD, at(name), times, 0), 0);
}

static void expect_weights_in(const fg_checkpoint_options *options, const char *directory,
                              const char *tensor) {
    fg_checkpoint c;
    expect_open(&c, at(""), options);
    assert_string_equal(c.weights_directory, directory);
    assert_non_null(fg_tensors_find(&c.tensors, tensor));
    fg_checkpoint_close(&c);
}

static void the_newest_training_checkpoint_is_taken(void **state) {
    (void)state;
    put_text("config.json", "{\"hf_model_type\": \"llama\"}");
    put_safetensors("model.safetensors", ONE, 3);
    expect_weights_in(&defaults, at(""), "one");
    put_directory("checkpoints");
    expect_refused(at(""), &defaults, FG_ERR_INPUT, "/checkpoints: no checkpoint-* in it has weights");
    put_training("checkpoints/checkpoint-100", TWO, 2, 2000);
    put_training("checkpoints/checkpoint-200", ONE, 3, 1000);
    put_training("checkpoints/other-300", ONE, 3, 3000);
    put_directory("checkpoints/checkpoint-400"); /* newer, without weights */
    put_text("checkpoints/checkpoint-500", "a file");
    expect_weights_in(&defaults, at("checkpoints/checkpoint-100"), "two");
    put_training("checkpoints/checkpoint-99", ONE, 3, 2000); /* the same time: the larger number */
    expect_weights_in(&defaults, at("checkpoints/checkpoint-100"), "two");
    expect_weights_in(&(fg_checkpoint_options){.checkpoint_path = at("checkpoints/checkpoint-200")},
                      at("checkpoints/checkpoint-200"), "one");
    expect_weights_in(&(fg_checkpoint_options){.checkpoint_path = at("")}, at(""), "one");
    expect_weights_in(&(fg_checkpoint_options){.checkpoint_path = "200"}, at("checkpoints/checkpoint-200"),
                      "one");
    expect_refused(at(""), &(fg_checkpoint_options){.checkpoint_path = "checkpoints/checkpoint-700"},
                   FG_ERR_USAGE, "checkpoints/checkpoint-700: no such checkpoint directory");
    expect_refused(at(""), &(fg_checkpoint_options){.checkpoint_path = at("checkpoints/checkpoint-400")},
                   FG_ERR_INPUT, "checkpoint-400: no weights");
    put_text("config.json", "{\"model_type\": \"llama\"}"); /* not Forgather's: the folder is ignored */
    expect_weights_in(&defaults, at(""), "one");
}

static void links_of_a_hub_cache_are_followed(void **state) {
    (void)state;
    fg_checkpoint c;
    put_directory("blobs");
    put_directory("snapshots");
    put_directory("snapshots/abc");
    put_text("blobs/1", "{\"model_type\": \"llama\"}");
    put_safetensors("blobs/2", ONE, 3);
    put_text("blobs/3", "{\"weight_map\": {\"one\": \"model-00001-of-00001.safetensors\"}}");
    put_link("../../blobs/1", "snapshots/abc/config.json");
    put_link("../../blobs/2", "snapshots/abc/model-00001-of-00001.safetensors");
    put_link("../../blobs/3", "snapshots/abc/model.safetensors.index.json");
    put_link("../../blobs/1", "snapshots/abc/tokenizer.json");
    put_link("../../blobs/9",
             "snapshots/abc/events.out"); /* leads nowhere, and does not travel with the model */
    expect_open(&c, at("snapshots/abc"), &defaults);
    assert_non_null(fg_tensors_find(&c.tensors, "one"));
    assert_int_equal(c.side_files.count, 1);
    assert_string_equal(c.side_files.items[0], "tokenizer.json");
    fg_checkpoint_close(&c);
}

static void links_to_nothing_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {
        "config.json",       "generation_config.json", "tokenizer_config.json",
        "tokenizer.json",    "chat_template.jinja",    "special_tokens_map.json",
        "vocab.json",        "tokenizer.model",        "model.safetensors",
        "modeling_llama.py", "adapter_config.json",    "metadata.yaml",
        FG_CARRIED_FILE};
    put_text("config.json", "{\"model_type\": \"llama\"}");
    put_safetensors("model.safetensors", ONE, 3);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char kept[64], expected[160];
        snprintf(kept, sizeof kept, "%s.kept", names[i]);
        rename(at(names[i]), at(kept));
        put_link("../../blobs/9", names[i]);
        snprintf(expected, sizeof expected, "%s: a link to ../../blobs/9, which does not exist", names[i]);
        expect_refused(at(""), &defaults, FG_ERR_INPUT, expected);
        unlink(at(names[i]));
        rename(at(kept), at(names[i]));
    }
}

static void files_are_sorted_into_kinds(void **state) {
    (void)state;
    static const char *const side[] = {"LICENSE",
                                       "LICENSE.txt",
                                       "NOTICE",
                                       "USE_POLICY.md",
                                       "added_tokens.json",
                                       "additional_chat_templates/rag.jinja",
                                       "additional_chat_templates/tool_use.jinja",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "generation_config.json",
                                       "merges.txt",
                                       "special_tokens_map.json",
                                       "spiece.model",
                                       "tekken.json",
                                       "tokenizer.json",
                                       "tokenizer.model",
                                       "tokenizer_config.json",
                                       "vocab.json",
                                       "vocab.txt"};
    static const char *const other[] = {".gitattributes", "README.md",   "events.out",
                                        "optimizer.bin",  "tf_model.h5", "training_args.bin"};
    static const char *const known[] = {"model.safetensors.index.json", "pytorch_model-00001-of-00002.bin",
                                        "pytorch_model.bin.index.json", "modeling_x.py",
                                        "fgconv_report.json",           "model-00001-of-00002.safetensors"};
    enum {
        SIDE = sizeof side / sizeof *side,
        OTHER = sizeof other / sizeof *other,
        KNOWN = sizeof known / sizeof *known
    };
    fg_checkpoint c;
    put_text("config.json", "{}");
    put_directory("LICENSES");
    put_directory("runs");
    put_directory("additional_chat_templates");
    put_text("additional_chat_templates/notes.txt", "x");
    for (size_t i = 0; i < SIDE; i++) put_text(side[i], "{}");
    for (size_t i = 0; i < OTHER; i++) put_text(other[i], "x");
    for (size_t i = 0; i < KNOWN; i++) put_text(known[i], "x");
    expect_open(&c, at(""), &(fg_checkpoint_options){.config_only = true});
    assert_int_equal(c.side_files.count, SIDE);
    assert_int_equal(c.other_files.count, OTHER);
    for (size_t i = 0; i < SIDE; i++) assert_string_equal(c.side_files.items[i], side[i]);
    for (size_t i = 0; i < OTHER; i++) assert_string_equal(c.other_files.items[i], other[i]);
    fg_checkpoint_close(&c);
}

/* Two small directories that the real programs wrote: tests/data/store/make.py. */
static void real_directories_are_opened(void **state) {
    (void)state;
    fg_checkpoint c;
    expect_open(&c, FG_TEST_DATA "/store/hf", &defaults);
    assert_ptr_equal(c.format, &fg_format_hf);
    assert_string_equal(c.model_type, "llama");
    assert_int_equal(c.tensors.file_count, 2);
    assert_int_equal(c.tensors.count, 12);
    const fg_tensor *q = fg_tensors_find(&c.tensors, "model.layers.0.self_attn.q_proj.weight");
    assert_int_equal(q->dtype, FG_BF16);
    assert_int_equal(q->shape[0], 16);
    assert_int_equal(fg_log_warning_count(), 0);
    fg_checkpoint_close(&c);
    expect_open(&c, FG_TEST_DATA "/store/bin", &defaults);
    assert_int_equal(c.tensors.count, 12);
    assert_int_equal(fg_log_warning_count(), 0); /* total_size counts the tied weight twice */
    const fg_tensor *head = fg_tensors_find(&c.tensors, "lm_head.weight"),
                    *embedding = fg_tensors_find(&c.tensors, "model.embed_tokens.weight");
    assert_int_equal(head->offset, embedding->offset);
    fg_checkpoint_close(&c);
}

static void total_size_may_count_shared_weights_once(void **state) {
    (void)state;
    static const char *const names[] = {"config.json", "pytorch_model-00001-of-00002.bin",
                                        "pytorch_model-00002-of-00002.bin"};
    static const uint64_t totals[] = {7008, 7008 - 2 * 48 * 16,
                                      7007}; /* the embedding is bfloat16 [48, 16] */
    for (size_t i = 0; i < 3; i++) {
        char target[PATH_SIZE];
        snprintf(target, sizeof target, "%s/store/bin/%s", FG_TEST_DATA, names[i]);
        put_link(target, names[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        fg_checkpoint c;
        fg_error err = {0};
        json_t *index;
        fg_buffer text = {0};
        assert_int_equal(fg_json_read(FG_TEST_DATA "/store/bin/pytorch_model.bin.index.json", &index, &err),
                         FG_OK);
        assert_int_equal(
            fg_json_set_at(index, "metadata/total_size", json_integer((json_int_t)totals[i]), &err), FG_OK);
        assert_int_equal(fg_json_write(index, 0, &text, &err), FG_OK);
        put_text("pytorch_model.bin.index.json", text.data);
        expect_open(&c, at(""), &defaults);
        assert_int_equal(fg_log_warning_count(), i == 2);
        fg_checkpoint_close(&c);
        fg_buffer_free(&text);
        json_decref(index);
    }
}

static void failed_allocations_end_in_order(void **state) {
    (void)state;
    put_sharded("5");
    put_text("tokenizer.json", "{}");
    put_text("README.md", "x");
    for (uint64_t n = 1;; n++) {
        fg_checkpoint c;
        fg_error err = {0};
        fg_alloc_fail_after(n);
        fg_status status = fg_checkpoint_open(&c, at(""), &defaults, &err);
        fg_alloc_fail_after(0);
        fg_checkpoint_close(&c);
        if (status == FG_OK) {
            assert_true(n > 50);
            return;
        }
        /* jansson does not always tell that it had no memory for parsing. */
        bool parsing = strstr(err.text, "not valid JSON") != NULL;
        if (err.status != (int)status || (status != FG_ERR_MEMORY && !parsing)) {
            fail_msg("allocation %d: status %d: %s", (int)n, (int)status, err.text);
        }
    }
}

static void failed_reads_end_in_order(void **state) {
    (void)state;
    put_sharded("5");
    for (uint64_t n = 1;; n++) {
        fg_checkpoint c;
        fg_error err = {0};
        fg_file_fail_after(n);
        fg_status status = fg_checkpoint_open(&c, at(""), &defaults, &err);
        fg_file_fail_after(0);
        fg_checkpoint_close(&c);
        if (status == FG_OK) {
            assert_true(n > 8);
            return;
        }
        assert_int_equal(status, FG_ERR_SYSTEM);
        assert_non_null(strstr(err.text, "Input/output error"));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(formats_have_names),
        TEST(a_single_file_is_opened),
        TEST(shards_are_opened),
        TEST(each_format_has_its_order_of_files),
        TEST(an_adapter_beside_whole_weights_is_warned_of),
        TEST(wrong_indexes_are_refused),
        TEST(cut_shards_are_noticed),
        TEST(directories_that_are_no_models_are_refused),
        TEST(formats_are_found_out),
        TEST(the_newest_training_checkpoint_is_taken),
        TEST(links_of_a_hub_cache_are_followed),
        TEST(links_to_nothing_are_refused),
        TEST(files_are_sorted_into_kinds),
        TEST(real_directories_are_opened),
        TEST(total_size_may_count_shared_weights_once),
        TEST(failed_allocations_end_in_order),
        TEST(failed_reads_end_in_order),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
