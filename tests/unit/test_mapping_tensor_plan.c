/* mapping/tensor_plan where data (tests/data/language/tensors) cannot say it: bytes that are compared, failing
 * allocations, time. The real Llama converter over made-up tensor tables, both directions. */
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
#include "tries.h"

static char data_file[] = "/tmp/fgconv-test-tensors-XXXXXX";
static fg_catalogue catalogue;
static const fg_converter *llama;

static int set_up(void **state) {
    (void)state;
    fg_error err = {0};
    int fd = mkstemp(data_file);
    if (fd < 0 || ftruncate(fd, (off_t)1 << 30) || close(fd)) return 1; /* sparse */
    fg_status status = fg_catalogue_add(&catalogue, FG_CONVERTERS, &err);
    if (status == FG_OK) status = fg_converter_load(&llama, &catalogue, &fg_format_forgather, "llama", &err);
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

static fg_status make_plan(fg_direction direction, fg_tensors *source, const json_t *hf, fg_plan *plan,
                           fg_error *err) {
    fg_tensor_map map;
    const fg_tensor_plan_options options = {0};
    *plan = (fg_plan){0};
    fg_status status = fg_name_map_new(&map, llama, hf, NULL, err);
    if (status == FG_OK) {
        status = fg_tensor_plan(&map, direction, source, &options, plan, err);
        assert_int_equal(source->count, 0);
    }
    fg_tensor_map_free(&map);
    fg_tensors_free(source);
    return status;
}

static fg_status plan_it(fg_direction direction, fg_tensors *source, int layers, bool tied, fg_plan *plan,
                         fg_error *err) {
    json_t *hf = config_of(layers, tied);
    fg_status status = make_plan(direction, source, hf, plan, err);
    json_decref(hf);
    return status;
}

static fg_plan expect_plan(fg_direction direction, fg_tensors source, int layers, bool tied) {
    fg_error err = {0};
    fg_plan plan;
    if (plan_it(direction, &source, layers, tied, &plan, &err) != FG_OK) fail_msg("%s", err.text);
    return plan;
}

static void expect_refusal(fg_direction direction, fg_tensors source, bool tied, const char *text,
                           const char *hint) {
    fg_error err = {0};
    fg_plan plan;
    assert_int_equal(plan_it(direction, &source, 2, tied, &plan, &err), FG_ERR_INPUT);
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

/* ---- tied weights ---- */

static void both_names_in_the_source_are_one_weight(void **state) {
    (void)state;
    fg_plan plan = expect_plan(FG_IMPORT, model_of(FG_IMPORT, 2, NULL), 2, true);
    assert_string_equal(source_of(&plan, "lm_head.weight"), "lm_head.weight");
    fg_plan_free(&plan);
    plan = expect_plan(FG_EXPORT, model_of(FG_EXPORT, 2, NULL), 2, true);
    assert_null(output_of(&plan, "lm_head.weight"));
    assert_int_equal(plan.dropped_count, 1);
    assert_non_null(
        strstr(plan.dropped[0].reason, "the same bytes as \"causal_lm.input_encoder.embedding.weight\""));
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
        fg_plan plan = expect_plan((fg_direction)direction, source, 2, true);
        fg_plan_free(&plan);
        source = model_of((fg_direction)direction, 2, "lm_head.weight");
        add(&source, "lm_head.weight", FG_BF16, 96, 64, 20000000);
        expect_refusal((fg_direction)direction, source, true,
                       "are tied by the configuration, but element 5000 differs", "tie_word_embeddings");
        source = model_of((fg_direction)direction, 2, "lm_head.weight");
        add(&source, "lm_head.weight", FG_F32, 96, 64, 0);
        expect_refusal((fg_direction)direction, source, true, "have different shapes or dtypes", NULL);
    }
    fg_plan plan = expect_plan(FG_IMPORT, model_of(FG_IMPORT, 2, NULL), 2, false);
    fg_plan_free(&plan);
    expect_refusal(FG_IMPORT, model_of(FG_IMPORT, 2, "lm_head.weight"), false, "missing: \"lm_head.weight\"",
                   NULL);
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

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    json_t *hf = config_of(2, true);
    for (uint64_t n = 1;; n += 1 + n / 40) {
        fg_error err = {0};
        fg_plan plan;
        fg_tensors source = model_of(FG_EXPORT, 2, NULL);
        fg_alloc_fail_after(n);
        fg_status status = make_plan(FG_EXPORT, &source, hf, &plan, &err);
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
                                   LAYERS, false);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        print_message("%zu tensors: %.2f s, peak %.0f MiB\n", plan.output_count, seconds,
                      (double)fg_alloc_peak() / (1 << 20));
        assert_true(seconds < seconds_allowed(10)); /* sanitizers are slow; the budget is 2 */
        assert_true(fg_alloc_peak() < 300u << 20);
        fg_plan_free(&plan);
    }
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_names_in_the_source_are_one_weight),
        cmocka_unit_test(tied_weights_must_be_equal),
        cmocka_unit_test(large_tied_weights_are_compared_to_the_end),
        cmocka_unit_test(tied_pairs_are_listed_in_destination_names),
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(large_models_are_planned_in_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
