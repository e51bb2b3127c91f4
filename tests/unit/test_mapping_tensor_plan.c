/* mapping/tensor_plan: the real Llama converter over made-up tensor tables, both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "mapping/name_map.h"
#include "mapping/tensor_plan.h"
#include "mapping/tensor_tied.h"

static char data_file[] = "/tmp/fgconv-test-tensors-XXXXXX";
static fg_catalogue catalogue;
static const fg_converter *llama, *qwen3;

static int set_up(void **state) {
    (void)state;
    fg_error err = {0};
    int fd = mkstemp(data_file);
    if (fd < 0 || ftruncate(fd, (off_t)1 << 30) || close(fd)) return 1; /* sparse */
    fg_status status = fg_catalogue_add(&catalogue, FG_CONVERTERS, &err);
    if (status == FG_OK) status = fg_converter_load(&llama, &catalogue, &fg_format_forgather, "llama", &err);
    if (status == FG_OK) status = fg_converter_load(&qwen3, &catalogue, &fg_format_forgather, "qwen3", &err);
    if (status != FG_OK) print_error("%s\n", err.text);
    return status != FG_OK;
}

static int tear_down(void **state) {
    (void)state;
    fg_catalogue_free(&catalogue);
    return unlink(data_file);
}

/* ---- a model: 2 layers, hidden 64, 4 heads of 32, 2 of them KV ---- */

static json_t *config_of(int layers, bool tied) {
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b}", "vocab_size", 96, "hidden_size", 64,
                     "intermediate_size", 160, "num_hidden_layers", layers, "num_attention_heads", 4,
                     "num_key_value_heads", 2, "head_dim", 32, "tie_word_embeddings", tied);
}

typedef struct entry {
    const char *hf, *forgather;
    uint64_t rows, columns; /* columns 0: one dimension */
} entry;

static const entry outside[] = {
    {"model.embed_tokens.weight", "causal_lm.input_encoder.embedding.weight", 96, 64},
    {"model.norm.weight", "causal_lm.layer_stack.layer_norm.weight", 64, 0},
    {"lm_head.weight", "lm_head.weight", 96, 64},
};
static const entry inside[] = {
    {"self_attn.q_proj.weight", "attention.query_linear.weight", 128, 64},
    {"self_attn.k_proj.weight", "attention.key_linear.weight", 64, 64},
    {"self_attn.v_proj.weight", "attention.value_linear.weight", 64, 64},
    {"self_attn.o_proj.weight", "attention.output_linear.weight", 64, 128},
    {"mlp.gate_proj.weight", "feedforward.gate_proj.weight", 160, 64},
    {"mlp.up_proj.weight", "feedforward.up_proj.weight", 160, 64},
    {"mlp.down_proj.weight", "feedforward.down_proj.weight", 64, 160},
    {"input_layernorm.weight", "norm1.weight", 64, 0},
    {"post_attention_layernorm.weight", "norm2.weight", 64, 0},
};

enum { OUTSIDE = sizeof outside / sizeof *outside, INSIDE = sizeof inside / sizeof *inside };

static void add(fg_tensors *table, const char *name, fg_dtype dtype, uint64_t rows, uint64_t columns,
                uint64_t offset) {
    fg_error err = {0};
    char copy[200];
    uint32_t file;
    snprintf(copy, sizeof copy, "%s", name);
    fg_tensor tensor = {
        .name = copy, .dtype = dtype, .rank = columns ? 2 : 1, .shape = {rows, columns}, .offset = offset};
    assert_true(fg_tensor_row_major(&tensor));
    if (!table->file_count) assert_int_equal(fg_tensors_add_file(table, data_file, &file, &err), FG_OK);
    if (fg_tensors_add(table, &tensor, &err) != FG_OK) fail_msg("%s", err.text);
}

/* The whole model but `without` (an hf or Forgather name, or NULL). */
static fg_tensors model_of(fg_direction side, int layers, const char *without) {
    fg_tensors table = {0};
    char name[200];
    for (int layer = layers - 1; layer >= 0; layer--) {
        for (size_t i = 0; i < INSIDE; i++) {
            if (side == FG_IMPORT)
                snprintf(name, sizeof name, "model.layers.%d.%s", layer, inside[i].hf);
            else
                snprintf(name, sizeof name, "causal_lm.layer_stack.layers.%d.%s", layer, inside[i].forgather);
            if (!without || strcmp(name, without) != 0)
                add(&table, name, FG_BF16, inside[i].rows, inside[i].columns, 0);
        }
    }
    for (size_t i = 0; i < OUTSIDE; i++) {
        const char *own = side == FG_IMPORT ? outside[i].hf : outside[i].forgather;
        if (!without || strcmp(own, without) != 0)
            add(&table, own, FG_BF16, outside[i].rows, outside[i].columns, 0);
    }
    return table;
}

static fg_status make_plan(const fg_converter *converter, fg_direction direction, fg_tensors *source,
                           const json_t *hf, fg_dtype cast, fg_plan *plan, fg_error *err) {
    fg_tensor_map map;
    const fg_tensor_plan_options options = {.cast = cast};
    *plan = (fg_plan){0};
    fg_status status = fg_name_map_new(&map, converter, hf, NULL, err);
    if (status == FG_OK) {
        status = fg_tensor_plan(&map, direction, source, &options, plan, err);
        assert_int_equal(source->count, 0);
    }
    fg_tensor_map_free(&map);
    fg_tensors_free(source);
    return status;
}

static fg_status plan_it(fg_direction direction, fg_tensors *source, int layers, bool tied, fg_dtype cast,
                         fg_plan *plan, fg_error *err) {
    json_t *hf = config_of(layers, tied);
    fg_status status = make_plan(llama, direction, source, hf, cast, plan, err);
    json_decref(hf);
    return status;
}

static fg_plan expect_plan(fg_direction direction, fg_tensors source, int layers, bool tied, fg_dtype cast) {
    fg_error err = {0};
    fg_plan plan;
    if (plan_it(direction, &source, layers, tied, cast, &plan, &err) != FG_OK) fail_msg("%s", err.text);
    return plan;
}

static void expect_refusal(fg_direction direction, fg_tensors source, bool tied, fg_dtype cast,
                           const char *text, const char *hint) {
    fg_error err = {0};
    fg_plan plan;
    assert_int_equal(plan_it(direction, &source, 2, tied, cast, &plan, &err), FG_ERR_INPUT);
    if (!strstr(err.text, text)) fail_msg("said \"%s\", expected \"%s\"", err.text, text);
    if (hint && !strstr(err.hint, hint)) fail_msg("hint \"%s\", expected \"%s\"", err.hint, hint);
    assert_int_equal(plan.output_count, 0);
}

static const fg_output *output_of(const fg_plan *plan, const char *name) {
    for (size_t i = 0; i < plan->output_count; i++) {
        if (strcmp(plan->outputs[i].name, name) == 0) return &plan->outputs[i];
    }
    return NULL;
}

static const char *source_of(const fg_plan *plan, const char *name) {
    const fg_output *output = output_of(plan, name);
    assert_non_null(output);
    assert_int_equal(output->piece_count, 1);
    return plan->source.items[plan->pieces[output->first_piece].source].name;
}

/* ---- what works ---- */

static void imports_rename_everything_in_order(void **state) {
    (void)state;
    fg_plan plan = expect_plan(FG_IMPORT, model_of(FG_IMPORT, 2, NULL), 2, false, FG_DTYPE_NONE);
    assert_int_equal(plan.output_count, OUTSIDE + 2 * INSIDE);
    assert_int_equal(plan.dropped_count, 0);
    assert_string_equal(plan.outputs[0].name, "causal_lm.input_encoder.embedding.weight");
    assert_string_equal(plan.outputs[1].name, "causal_lm.layer_stack.layers.0.attention.query_linear.weight");
    assert_string_equal(plan.outputs[INSIDE + 1].name,
                        "causal_lm.layer_stack.layers.1.attention.query_linear.weight");
    assert_string_equal(plan.outputs[2 * INSIDE + 1].name, "causal_lm.layer_stack.layer_norm.weight");
    assert_string_equal(source_of(&plan, "causal_lm.layer_stack.layers.1.norm2.weight"),
                        "model.layers.1.post_attention_layernorm.weight");
    assert_string_equal(fg_plan_main_dtype(&plan), "bfloat16");
    assert_int_equal(fg_plan_check(&plan, NULL), FG_OK);
    fg_plan_free(&plan);
}

static void exports_come_back(void **state) {
    (void)state;
    fg_plan plan = expect_plan(FG_EXPORT, model_of(FG_EXPORT, 2, NULL), 2, false, FG_F32);
    assert_int_equal(plan.output_count, OUTSIDE + 2 * INSIDE);
    assert_string_equal(plan.outputs[0].name, "model.embed_tokens.weight");
    assert_string_equal(source_of(&plan, "model.layers.0.mlp.down_proj.weight"),
                        "causal_lm.layer_stack.layers.0.feedforward.down_proj.weight");
    assert_int_equal(plan.outputs[3].dtype, FG_F32);
    assert_string_equal(fg_plan_main_dtype(&plan), "float32");
    fg_plan_free(&plan);
}

static void every_layer_count_works(void **state) {
    (void)state;
    for (int layers = 0; layers < 13; layers += 4) {
        fg_plan plan = expect_plan(FG_IMPORT, model_of(FG_IMPORT, layers, NULL), layers, false, FG_F16);
        assert_int_equal(plan.output_count, OUTSIDE + layers * INSIDE);
        fg_plan_free(&plan);
    }
}

static void other_families_declare_more(void **state) {
    (void)state;
    fg_error err = {0};
    fg_plan plan;
    json_t *hf = config_of(1, false);
    fg_tensors source = model_of(FG_IMPORT, 1, NULL);
    add(&source, "model.layers.0.self_attn.q_norm.weight", FG_BF16, 32, 0, 0);
    assert_int_equal(make_plan(qwen3, FG_IMPORT, &source, hf, FG_DTYPE_NONE, &plan, &err), FG_ERR_INPUT);
    assert_string_equal(err.text, "1 of 14 tensors are missing: \"model.layers.0.self_attn.k_norm.weight\"");
    err = (fg_error){0};
    source = model_of(FG_IMPORT, 1, NULL);
    add(&source, "model.layers.0.self_attn.q_norm.weight", FG_BF16, 32, 0, 0);
    add(&source, "model.layers.0.self_attn.k_norm.weight", FG_BF16, 32, 0, 0);
    assert_int_equal(make_plan(qwen3, FG_IMPORT, &source, hf, FG_DTYPE_NONE, &plan, &err), FG_OK);
    assert_non_null(output_of(&plan, "causal_lm.layer_stack.layers.0.attention.k_norm.weight"));
    fg_plan_free(&plan);
    json_decref(hf);
}

static void old_names_are_read_too(void **state) {
    (void)state;
    fg_tensors source = model_of(FG_EXPORT, 2, "causal_lm.layer_stack.layer_norm.weight");
    add(&source, "causal_lm.layer_norm.weight", FG_BF16, 64, 0, 0);
    fg_plan plan = expect_plan(FG_EXPORT, source, 2, false, FG_DTYPE_NONE);
    assert_string_equal(source_of(&plan, "model.norm.weight"), "causal_lm.layer_norm.weight");
    fg_plan_free(&plan);
    source = model_of(FG_EXPORT, 2, NULL);
    add(&source, "causal_lm.layer_norm.weight", FG_BF16, 64, 0, 0);
    expect_refusal(
        FG_EXPORT, source, false, FG_DTYPE_NONE,
        "the source has \"causal_lm.layer_stack.layer_norm.weight\" and \"causal_lm.layer_norm.weight\", "
        "which hold the same weight",
        "remove the one that the model does not use");
}

static void buffers_are_dropped_with_a_reason(void **state) {
    (void)state;
    fg_tensors source = model_of(FG_IMPORT, 2, NULL);
    add(&source, "model.layers.1.self_attn.rotary_emb.inv_freq", FG_I64, 16, 0,
        0); /* the dtype does not matter */
    fg_plan plan = expect_plan(FG_IMPORT, source, 2, false, FG_DTYPE_NONE);
    assert_int_equal(plan.dropped_count, 1);
    assert_non_null(strstr(plan.dropped[0].reason, "rotary table"));
    assert_string_equal(plan.source.items[plan.dropped[0].source].name,
                        "model.layers.1.self_attn.rotary_emb.inv_freq");
    fg_plan_free(&plan);
    source = model_of(FG_IMPORT, 2, NULL);
    add(&source, "model.layers.1.self_attn.rotary_emb.inv_freq.weight", FG_BF16, 16, 0,
        0); /* only whole names */
    expect_refusal(FG_IMPORT, source, false, FG_DTYPE_NONE,
                   "no rule of the converter covers 1 source tensor: "
                   "\"model.layers.1.self_attn.rotary_emb.inv_freq.weight\"",
                   "\"drop\" pattern");
}

/* ---- tied weights ---- */

static void tied_weights_get_both_names_and_lose_one(void **state) {
    (void)state;
    fg_plan plan = expect_plan(FG_IMPORT, model_of(FG_IMPORT, 2, "lm_head.weight"), 2, true, FG_DTYPE_NONE);
    assert_int_equal(plan.output_count, OUTSIDE + 2 * INSIDE);
    assert_string_equal(source_of(&plan, "lm_head.weight"), "model.embed_tokens.weight");
    fg_plan_free(&plan);
    plan =
        expect_plan(FG_IMPORT, model_of(FG_IMPORT, 2, "model.embed_tokens.weight"), 2, true, FG_DTYPE_NONE);
    assert_string_equal(source_of(&plan, "causal_lm.input_encoder.embedding.weight"), "lm_head.weight");
    fg_plan_free(&plan);
    plan = expect_plan(FG_IMPORT, model_of(FG_IMPORT, 2, NULL), 2, true, FG_DTYPE_NONE);
    assert_string_equal(source_of(&plan, "lm_head.weight"), "lm_head.weight");
    fg_plan_free(&plan);
    plan = expect_plan(FG_EXPORT, model_of(FG_EXPORT, 2, NULL), 2, true, FG_DTYPE_NONE);
    assert_null(output_of(&plan, "lm_head.weight"));
    assert_int_equal(plan.dropped_count, 1);
    assert_non_null(
        strstr(plan.dropped[0].reason, "the same bytes as \"causal_lm.input_encoder.embedding.weight\""));
    fg_plan_free(&plan);
    plan = expect_plan(FG_EXPORT, model_of(FG_EXPORT, 2, "lm_head.weight"), 2, true, FG_DTYPE_NONE);
    assert_null(output_of(&plan, "lm_head.weight"));
    fg_plan_free(&plan);
    plan = expect_plan(FG_EXPORT, model_of(FG_EXPORT, 2, "causal_lm.input_encoder.embedding.weight"), 2, true,
                       FG_DTYPE_NONE);
    assert_string_equal(source_of(&plan, "model.embed_tokens.weight"), "lm_head.weight");
    fg_plan_free(&plan);
}

static void tied_weights_must_be_equal(void **state) {
    (void)state;
    FILE *file = fopen(data_file, "r+b");
    assert_non_null(file);
    fseek(file, 20000000 + 2 * 5000, SEEK_SET);
    fputc(1, file);
    fclose(file);
    for (int direction = 0; direction < 2; direction++) {
        fg_tensors source = model_of((fg_direction)direction, 2, "lm_head.weight");
        add(&source, "lm_head.weight", FG_BF16, 96, 64, 10000000); /* elsewhere, but equal: zeros */
        fg_plan plan = expect_plan((fg_direction)direction, source, 2, true, FG_DTYPE_NONE);
        fg_plan_free(&plan);
        source = model_of((fg_direction)direction, 2, "lm_head.weight");
        add(&source, "lm_head.weight", FG_BF16, 96, 64, 20000000);
        expect_refusal((fg_direction)direction, source, true, FG_DTYPE_NONE,
                       "are tied by the configuration, but element 5000 differs", "tie_word_embeddings");
        source = model_of((fg_direction)direction, 2, "lm_head.weight");
        add(&source, "lm_head.weight", FG_F32, 96, 64, 0);
        expect_refusal((fg_direction)direction, source, true, FG_DTYPE_NONE,
                       "have different shapes or dtypes", NULL);
    }
    fg_plan plan = expect_plan(FG_IMPORT, model_of(FG_IMPORT, 2, NULL), 2, false, FG_DTYPE_NONE);
    fg_plan_free(&plan);
    expect_refusal(FG_IMPORT, model_of(FG_IMPORT, 2, "lm_head.weight"), false, FG_DTYPE_NONE,
                   "missing: \"lm_head.weight\"", NULL);
}

static void large_tied_weights_are_compared_to_the_end(void **state) {
    (void)state;
    enum { ROWS = 1 << 11, COLUMNS = 1 << 10, BEGIN = 30000000 }; /* 4 MiB */
    fg_error err = {0};
    fg_tensors table = {0};
    FILE *file = fopen(data_file, "r+b");
    assert_non_null(file);
    fseek(file, BEGIN + 2 * ROWS * COLUMNS - 1, SEEK_SET);
    fputc(1, file);
    fclose(file);
    add(&table, "a", FG_BF16, ROWS, COLUMNS, BEGIN);
    add(&table, "b", FG_BF16, ROWS, COLUMNS, 2 * BEGIN);
    add(&table, "c", FG_BF16, ROWS, COLUMNS, 3 * BEGIN);
    assert_int_equal(fg_tied_compare(&table, &table.items[0], &table.items[1], &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "element 2097151 differs"));
    err = (fg_error){0};
    assert_int_equal(fg_tied_compare(&table, &table.items[1], &table.items[2], &err), FG_OK);
    fg_tensors_free(&table);
}

static void tied_pairs_are_listed_in_destination_names(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *tied = config_of(2, true), *untied = config_of(2, false), *pairs;
    char brief[200];
    assert_int_equal(fg_name_map_tied(llama, tied, &pairs, &err), FG_OK);
    assert_string_equal(fg_json_brief(pairs, brief, sizeof brief),
                        "[[\"lm_head.weight\", \"causal_lm.input_encoder.embedding.weight\"]]");
    json_decref(pairs);
    assert_int_equal(fg_name_map_tied(llama, untied, &pairs, &err), FG_OK);
    assert_int_equal(json_array_size(pairs), 0);
    json_decref(pairs);
    json_decref(tied);
    json_decref(untied);
}

/* ---- what is refused ---- */

static void wrong_shapes_are_named_with_what_they_mean(void **state) {
    (void)state;
    static const char name[] = "model.layers.1.self_attn.q_proj.weight";
    fg_tensors source = model_of(FG_IMPORT, 2, name);
    add(&source, name, FG_BF16, 64, 64, 0);
    expect_refusal(
        FG_IMPORT, source, false, FG_DTYPE_NONE,
        "model.layers.1.self_attn.q_proj.weight: shape [64, 64], expected [128, 64] (num_attention_heads * "
        "head_dim, hidden_size)",
        NULL);
    source = model_of(FG_EXPORT, 2, "causal_lm.layer_stack.layer_norm.weight");
    add(&source, "causal_lm.layer_stack.layer_norm.weight", FG_BF16, 64, 1, 0);
    expect_refusal(FG_EXPORT, source, false, FG_DTYPE_NONE,
                   "causal_lm.layer_stack.layer_norm.weight: shape [64, 1], expected [64] (hidden_size)",
                   NULL);
}

static void missing_tensors_are_counted_and_named(void **state) {
    (void)state;
    expect_refusal(FG_IMPORT, model_of(FG_IMPORT, 2, "model.norm.weight"), false, FG_DTYPE_NONE,
                   "1 of 21 tensors are missing: \"model.norm.weight\"",
                   "config.json belongs to these weights");
    expect_refusal(
        FG_IMPORT, model_of(FG_IMPORT, 1, NULL), false, FG_DTYPE_NONE,
        "9 of 21 tensors are missing: \"model.layers.1.self_attn.q_proj.weight\", "
        "\"model.layers.1.self_attn.k_proj.weight\", \"model.layers.1.self_attn.v_proj.weight\", ...",
        NULL);
    expect_refusal(FG_EXPORT, model_of(FG_EXPORT, 2, "causal_lm.layer_stack.layers.0.norm1.weight"), false,
                   FG_DTYPE_NONE,
                   "1 of 21 tensors are missing: \"causal_lm.layer_stack.layers.0.norm1.weight\"", NULL);
    expect_refusal(FG_IMPORT, (fg_tensors){0}, true, FG_DTYPE_NONE, "20 of 21 tensors are missing", NULL);
}

static void unexpected_tensors_are_listed_with_the_reason(void **state) {
    (void)state;
    fg_tensors source = model_of(FG_IMPORT, 3, NULL);
    expect_refusal(FG_IMPORT, source, false, FG_DTYPE_NONE,
                   "no rule of the converter covers 9 source tensors: \"model.layers.2.",
                   "has the index 2, but config.json gives 2 (\"num_hidden_layers\")");
    expect_refusal(FG_EXPORT, model_of(FG_EXPORT, 3, NULL), false, FG_DTYPE_NONE,
                   "\"causal_lm.layer_stack.layers.2.feedforward.gate_proj.weight\", ...", NULL);
    source = model_of(FG_IMPORT, 2, NULL);
    add(&source, "model.layers.0.self_attn.q_proj.bias", FG_BF16, 128, 0, 0);
    expect_refusal(
        FG_IMPORT, source, false, FG_DTYPE_NONE,
        "no rule of the converter covers 1 source tensor: \"model.layers.0.self_attn.q_proj.bias\"",
        "llama.json says which tensors this configuration has");
    source = model_of(FG_EXPORT, 2, NULL);
    add(&source, "unknown", FG_BF16, 128, 0, 0);
    expect_refusal(FG_EXPORT, source, false, FG_DTYPE_NONE, "covers 1 source tensor: \"unknown\"", NULL);
}

static void only_floats_are_weights(void **state) {
    (void)state;
    static const char name[] = "model.layers.0.mlp.up_proj.weight";
    static const fg_dtype bad[] = {FG_BOOL, FG_U8, FG_I8, FG_I32, FG_I64, FG_F8_E4M3, FG_F8_E5M2};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fg_tensors source = model_of(FG_IMPORT, 2, name);
        add(&source, name, bad[i], 160, 64, 0);
        expect_refusal(
            FG_IMPORT, source, false, i % 2 ? FG_F32 : FG_DTYPE_NONE,
            i < 5 ? "tensor \"model.layers.0.mlp.up_proj.weight\" has dtype "
                  : "the weights are quantized: tensor \"model.layers.0.mlp.up_proj.weight\" is float8_e",
            "dequantize");
    }
    fg_tensors source = model_of(FG_IMPORT, 2, name);
    add(&source, name, FG_F64, 160, 64, 0);
    fg_plan plan =
        expect_plan(FG_IMPORT, source, 2, false, FG_DTYPE_NONE); /* mixed dtypes stay as they are */
    assert_int_equal(output_of(&plan, "causal_lm.layer_stack.layers.0.feedforward.up_proj.weight")->dtype,
                     FG_F64);
    assert_int_equal(plan.outputs[0].dtype, FG_BF16);
    fg_plan_free(&plan);
}

/* A converter of its own: a bias on a condition, and drop patterns that do not end in "$". */
static const fg_converter *plugin(fg_catalogue *own, char *directory) {
    static const char text[] =
        "{\"extends\": \"forgather/llama.json\", \"model_type\": \"plug\", \"about\": \"test\",\n"
        " \"tensors\": {\"model.layers.{i}.self_attn.q_proj.bias\": {\"shape\": [\"num_attention_heads * "
        "head_dim\"],\n"
        "   \"repeat\": \"num_hidden_layers\", \"if\": \"attention_bias\"}},\n"
        " \"drop\": [[\"extra|other\", \"a reason\"]]}";
    fg_error err = {0};
    const fg_converter *converter = NULL;
    char folder[80], path[100];
    snprintf(folder, sizeof folder, "%s/forgather", directory);
    snprintf(path, sizeof path, "%s/plug.json", folder);
    assert_int_equal(fg_directory_create(folder, &err), FG_OK);
    assert_int_equal(fg_file_write_all(path, text, sizeof text - 1, false, &err), FG_OK);
    assert_int_equal(fg_catalogue_add(own, directory, &err), FG_OK);
    assert_int_equal(fg_catalogue_add(own, FG_CONVERTERS, &err), FG_OK);
    if (fg_converter_load(&converter, own, &fg_format_forgather, "plug", &err) != FG_OK)
        fail_msg("%s", err.text);
    return converter;
}

static void expect_plug(const fg_converter *converter, bool bias, const char *more, const char *text,
                        const char *hint) {
    fg_error err = {0};
    fg_plan plan;
    json_t *hf = config_of(1, false);
    fg_tensors source = model_of(FG_IMPORT, 1, NULL);
    json_object_set_new(hf, "attention_bias", json_boolean(bias));
    if (more) add(&source, more, FG_BF16, 128, 0, 0);
    fg_status status = make_plan(converter, FG_IMPORT, &source, hf, FG_DTYPE_NONE, &plan, &err);
    if (status == FG_OK ? text != NULL : !text || !strstr(err.text, text) || !strstr(err.hint, hint))
        fail_msg("said \"%s\", hint \"%s\"", err.text, err.hint);
    if (plan.dropped_count) assert_string_equal(plan.dropped[0].reason, "a reason");
    assert_int_equal(plan.dropped_count, status == FG_OK && more && strcmp(more, "extra") == 0);
    fg_plan_free(&plan);
    json_decref(hf);
}

static void conditions_and_drop_patterns_are_exact(void **state) {
    (void)state;
    static const char bias[] = "model.layers.0.self_attn.q_proj.bias";
    char directory[] = "/tmp/fgconv-test-plug-XXXXXX";
    assert_non_null(mkdtemp(directory));
    fg_catalogue own = {0};
    const fg_converter *converter = plugin(&own, directory);
    expect_plug(converter, false, NULL, NULL, NULL);
    expect_plug(converter, true, bias, NULL, NULL);
    expect_plug(converter, true, NULL,
                "1 of 13 tensors are missing: \"model.layers.0.self_attn.q_proj.bias\"", "");
    expect_plug(converter, false, bias, "covers 1 source tensor: \"model.layers.0.self_attn.q_proj.bias\"",
                "belongs to models with \"attention_bias\"");
    expect_plug(converter, false, "extra", NULL, NULL);
    expect_plug(converter, false, "extra.more", "covers 1 source tensor: \"extra.more\"", "");
    expect_plug(converter, false, "another", "covers 1 source tensor: \"another\"", "");
    fg_catalogue_free(&own);
    assert_int_equal(fg_directory_remove(directory, NULL), FG_OK);
}

static void hostile_configurations_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *expected;
    } cases[] = {
        {"num_hidden_layers", "999999999999", "more than 4000000 tensors"},
        {"num_hidden_layers", "-1", "is -1 for this configuration, expected a whole number"},
        {"num_hidden_layers", "2.0", "is 2.0 for this configuration"},
        {"num_hidden_layers", "null", "is null for this configuration"},
        {"hidden_size", "\"64\"", "is \"64\" for this configuration"},
        {"head_dim", "9223372036854775",
         "model.layers.0.self_attn.q_proj.weight: shape [128, 64], expected ["},
        {"head_dim", "999999999999999999", "expected ["},
        {"head_dim", "{}", "expected two numbers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        fg_plan plan;
        json_t *hf = config_of(2, false);
        fg_tensors source = model_of(FG_IMPORT, 2, NULL);
        json_object_set_new(hf, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(make_plan(llama, FG_IMPORT, &source, hf, FG_DTYPE_NONE, &plan, &err), FG_ERR_INPUT);
        if (!strstr(err.text, cases[i].expected))
            fail_msg("said \"%s\", expected \"%s\"", err.text, cases[i].expected);
        json_decref(hf);
    }
}

static void names_expand_as_the_state_dict_has_them(void **state) {
    (void)state;
    fg_error err = {0};
    fg_tensor_map map;
    json_t *hf = config_of(2, true);
    assert_int_equal(fg_name_map_new(&map, llama, hf, NULL, &err), FG_OK);
    assert_int_equal(map.count, OUTSIDE + 2 * INSIDE);
    assert_int_equal(map.part_count, map.count);
    static const struct {
        size_t at;
        const char *hf, *tied_to;
        uint32_t rank;
        uint64_t rows, columns;
    } rows[] = {{1, "model.layers.0.self_attn.q_proj.weight", NULL, 2, 128, 64},
                {2 * INSIDE + 1, "model.norm.weight", NULL, 1, 64, 0},
                {2 * INSIDE + 2, "lm_head.weight", "model.embed_tokens.weight", 2, 96, 64}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const fg_tensor_form *form = &map.forms[map.links[rows[i].at].form];
        assert_string_equal(map.parts[rows[i].at], rows[i].hf);
        assert_int_equal(form->rank, rows[i].rank);
        assert_int_equal(form->shape[0], rows[i].rows);
        assert_int_equal(form->shape[1], rows[i].columns);
        assert_true(rows[i].tied_to ? !strcmp(form->tied_to, rows[i].tied_to) : !form->tied_to);
    }
    assert_int_equal(map.tie_count, 1);
    assert_string_equal(map.parts[map.ties[0].link], "lm_head.weight");
    assert_string_equal(map.parts[map.ties[0].to], "model.embed_tokens.weight");
    fg_tensor_map_free(&map);
    json_decref(hf);
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    json_t *hf = config_of(2, true);
    for (uint64_t n = 1;; n += 1 + n / 40) {
        fg_error err = {0};
        fg_plan plan;
        fg_tensors source = model_of(FG_EXPORT, 2, NULL);
        fg_alloc_fail_after(n);
        fg_status status = make_plan(llama, FG_EXPORT, &source, hf, FG_DTYPE_NONE, &plan, &err);
        fg_alloc_fail_after(0);
        fg_plan_free(&plan);
        if (status == FG_OK) break;
        assert_int_equal(status, FG_ERR_MEMORY);
    }
    json_decref(hf);
}

static void large_models_are_planned_in_time(void **state) {
    (void)state;
    enum { LAYERS = 11111 };
    for (int direction = 0; direction < 2; direction++) {
        clock_t start = clock();
        fg_plan plan = expect_plan((fg_direction)direction, model_of((fg_direction)direction, LAYERS, NULL),
                                   LAYERS, false, FG_DTYPE_NONE);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        print_message("%zu tensors: %.2f s, peak %.0f MiB\n", plan.output_count, seconds,
                      (double)fg_alloc_peak() / (1 << 20));
        assert_true(seconds < 10); /* sanitizers are slow; the budget is 2 */
        assert_true(fg_alloc_peak() < 300u << 20);
        fg_plan_free(&plan);
    }
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_rename_everything_in_order),
        cmocka_unit_test(exports_come_back),
        cmocka_unit_test(every_layer_count_works),
        cmocka_unit_test(other_families_declare_more),
        cmocka_unit_test(old_names_are_read_too),
        cmocka_unit_test(buffers_are_dropped_with_a_reason),
        cmocka_unit_test(tied_weights_get_both_names_and_lose_one),
        cmocka_unit_test(tied_weights_must_be_equal),
        cmocka_unit_test(large_tied_weights_are_compared_to_the_end),
        cmocka_unit_test(tied_pairs_are_listed_in_destination_names),
        cmocka_unit_test(wrong_shapes_are_named_with_what_they_mean),
        cmocka_unit_test(missing_tensors_are_counted_and_named),
        cmocka_unit_test(unexpected_tensors_are_listed_with_the_reason),
        cmocka_unit_test(only_floats_are_weights),
        cmocka_unit_test(conditions_and_drop_patterns_are_exact),
        cmocka_unit_test(hostile_configurations_are_refused),
        cmocka_unit_test(names_expand_as_the_state_dict_has_them),
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(large_models_are_planned_in_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
