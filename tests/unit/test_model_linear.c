/* Products with matrices of several panels and tiles, seen through the head of a model that is made for it.
 */
#include "model_fixture.h"
#include "tries.h"

enum { HIDDEN = 1500, ROWS = 800, LONGEST = 70 }; /* a panel has 174 rows; a tile 512 or 1024 columns */

static fixture *make_fixture(void) {
    static const struct {
        const char *name;
        uint32_t rank;
        uint64_t rows, columns;
    } shapes[] = {
        {"model.embed_tokens.weight", 2, ROWS, HIDDEN},
        {"lm_head.weight", 2, ROWS, HIDDEN},
        {"model.norm.weight", 1, HIDDEN, 0},
        {"model.layers.0.input_layernorm.weight", 1, HIDDEN, 0},
        {"model.layers.0.post_attention_layernorm.weight", 1, HIDDEN, 0},
        {"model.layers.0.self_attn.q_proj.weight", 2, 2, HIDDEN},
        {"model.layers.0.self_attn.k_proj.weight", 2, 2, HIDDEN},
        {"model.layers.0.self_attn.v_proj.weight", 2, 2, HIDDEN},
        {"model.layers.0.self_attn.o_proj.weight", 2, HIDDEN, 2},
        {"model.layers.0.mlp.gate_proj.weight", 2, 1, HIDDEN},
        {"model.layers.0.mlp.up_proj.weight", 2, 1, HIDDEN},
        {"model.layers.0.mlp.down_proj.weight", 2, HIDDEN, 1},
    };
    fixture *f = calloc(1, sizeof *f);
    f->spec = load_spec("llama");
    f->hf =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "hidden_size", HIDDEN, "vocab_size", ROWS,
                  "num_hidden_layers", 1, "num_attention_heads", 1, "intermediate_size", 1, "head_dim", 2);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        array *a = fixture_add(f, shapes[i].name, shapes[i].rank, shapes[i].rows, shapes[i].columns);
        for (uint64_t k = 0; k < a->elements; k++)
            a->values[k] = (float)((k * 2654435761u >> 7) % 2001) / 1000 - 1;
    }
    return f;
}

/* Rows [row, row + rows) of the head against sums in double. */
static void check(fg_model *model, const float *head, const float *input, uint64_t count, uint64_t row,
                  uint64_t rows) {
    fg_error err = {0};
    float *logits = malloc(count * rows * sizeof *logits);
    require_ok(fg_model_logits(model, input, count, row, rows, logits, &err), &err);
    for (uint64_t t = 0; t < count; t++) {
        for (uint64_t r = 0; r < rows; r++) {
            double sum = 0;
            for (uint64_t i = 0; i < HIDDEN; i++)
                sum += (double)head[(row + r) * HIDDEN + i] * input[t * HIDDEN + i];
            assert_float_equal(logits[t * rows + r], (float)sum, 2e-4f);
        }
    }
    free(logits);
}

static void products_equal_plain_sums(void **state) {
    (void)state;
    static const uint64_t counts[] = {1, 2, 24, 30, 31, 61, LONGEST}, budgets[] = {0, 3 << 20, 1 << 30};
    static float input[LONGEST * HIDDEN];
    fixture *f = make_fixture();
    fg_error err = {0};
    fg_model *model;
    const float *head = fixture_array(f, "lm_head.weight")->values;
    for (size_t i = 0; i < sizeof input / sizeof *input; i++)
        input[i] = (float)((i * 40503u >> 3) % 1999) / 1000 - 1;
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                             fixture_weights(f, &fg_format_hf), &err),
               &err);
    for (int threads = 1; threads <= 2; threads++) {
        fg_device_cpu_threads(threads);
        for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
            fg_model_cache_weights(model, budgets[b]);
            for (size_t c = tries_are_few() ? b : 0; c < sizeof counts / sizeof *counts;
                 c += tries_are_few() ? 3 : 1)
                check(model, head, input, counts[c], 0, ROWS);
            check(model, head, input, 5, 173, 2);
            check(model, head, input, 5, 100, 600);
            check(model, head, input, 5, 799, 1);
        }
    }
    fg_device_cpu_threads(1);
    fg_model_free(&model);
    fixture_free(f);
}

static void kept_weights_stay_within_the_budget(void **state) {
    (void)state;
    fixture *f = make_fixture();
    fg_error err = {0};
    fg_model *model;
    static float input[HIDDEN], logits[ROWS];
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                             fixture_weights(f, &fg_format_hf), &err),
               &err);
    assert_int_equal(fg_model_block_bytes(model, 0), (6 + 2 + 3) * HIDDEN * sizeof(float));
    fg_model_cache_weights(model, 3 << 20);
    require_ok(fg_model_logits(model, input, 1, 0, ROWS, logits, &err), &err);
    uint64_t before = fg_alloc_count();
    require_ok(fg_model_logits(model, input, 1, 0, 174, logits, &err),
               &err); /* the first panel is kept: nothing is allocated or read */
    assert_int_equal(fg_alloc_count(), before);
    fixture_array(f, "lm_head.weight")->values[0] = 1e6f;
    input[0] = 1;
    require_ok(fg_model_logits(model, input, 1, 0, 1, logits, &err), &err);
    assert_true(logits[0] < 2);
    fg_model_cache_weights(model, 0);
    require_ok(fg_model_logits(model, input, 1, 0, 1, logits, &err), &err);
    assert_true(logits[0] == 1e6f);
    fg_model_free(&model);
    fixture_free(f);
}

/* ---- boxes of stored tensors ---- */

enum { WIDE = 6000, EXPERTS = 2 }; /* down has 36 MB: more than are turned round at once */

static void fill(array *a, unsigned salt) {
    for (uint64_t k = 0; k < a->elements; k++)
        a->values[k] = (float)(((k + salt) * 2654435761u >> 7) % 2001) / 40000 - 0.025f;
}

/* The second name holds rows and columns of the first turned round, from row `first` on. */
static void add_turned(fixture *f, const char *of, uint64_t first, uint64_t rows, const char *name) {
    const array *from = fixture_array(f, of);
    uint64_t columns = from->shape[1];
    const float *values = from->values + first * columns;
    array *to = fixture_add(f, name, 2, columns, rows);
    for (uint64_t r = 0; r < rows; r++) {
        for (uint64_t c = 0; c < columns; c++) to->values[c * rows + r] = values[r * columns + c];
    }
}

/* Fast-LLM's layout: experts one behind the other, gate and up of each; down of each transposed. */
static fixture *make_packed_fixture(uint64_t inner) {
    static const char *const norms[] = {"decoder.0.norm_1.weight", "decoder.0.norm_2.weight",
                                        "head.final_norm.weight"};
    fixture *f = calloc(1, sizeof *f);
    f->spec = load_spec("fast_llm");
    f->hf = json_pack("{s:{s:i, s:{s:i}, s:{s:{s:s}}, s:b, s:{s:i, s:{s:{s:s}, s:{s:i, s:i, s:b}, s:{s:s, "
                      "s:i, s:i, s:i, s:b, "
                      "s:b, s:s}}}}}",
                      "base_model", "hidden_size", HIDDEN, "embeddings", "vocab_size", 3, "head",
                      "normalization", "type", "rms_norm", "tied_embedding_weight", 1, "decoder",
                      "num_blocks", 1, "block", "normalization", "type", "rms_norm", "mixer", "heads", 1,
                      "head_size", 2, "add_linear_biases", 0, "mlp", "type", "moe", "experts", EXPERTS,
                      "experts_per_token", EXPERTS, "intermediate_size", (int)inner, "gated", 1,
                      "add_linear_biases", 0, "activation", "silu");
    assert_non_null(f->hf);
    for (unsigned i = 0; i < 3; i++) fill(fixture_add(f, norms[i], 1, HIDDEN, 0), i);
    fill(fixture_add(f, "embeddings.word_embeddings_weight", 2, 3, HIDDEN), 7);
    fill(fixture_add(f, "decoder.0.mixer.query.weight", 2, 2, HIDDEN), 11);
    fill(fixture_add(f, "decoder.0.mixer.key_value.weight", 2, 4, HIDDEN), 13);
    fill(fixture_add(f, "decoder.0.mixer.dense.weight", 2, HIDDEN, 2), 17);
    fill(fixture_add(f, "decoder.0.mlp.router.weight", 2, EXPERTS, HIDDEN), 19);
    fill(fixture_add(f, "decoder.0.mlp.layer_1.weight", 2, EXPERTS * 2 * inner, HIDDEN), 23);
    fill(fixture_add(f, "decoder.0.mlp.layer_2.weight", 2, EXPERTS * inner, HIDDEN), 29);
    return f;
}

static void run_packed(fixture *f, uint64_t keep, float *hidden, uint64_t count) {
    fg_error err = {0};
    fg_model *model;
    const uint32_t tokens[] = {0, 1, 2};
    fg_weight_source weights = fixture_weights(f, &fg_format_fast_llm);
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_fast_llm, f->hf, weights, &err),
               &err);
    fg_model_cache_weights(model, keep);
    for (int again = 0; again < 2; again++) {
        require_ok(fg_model_embed(model, tokens, count, hidden, &err), &err);
        require_ok(fg_model_block(model, 0, NULL, 0, count, hidden, NULL, &err), &err);
    }
    fg_model_free(&model);
}

/* The same model with plain tensors of each expert's own must give the same bits. */
static void expect_same_bits(uint64_t inner) {
    static float packed[3 * HIDDEN], plain[3 * HIDDEN];
    fixture *f = make_packed_fixture(inner);
    fg_error err = {0};
    char name[NAME];
    run_packed(f, 0, packed, 3);
    run_packed(f, 1 << 30, plain, 3);
    assert_memory_equal(packed, plain, sizeof packed);
    for (int e = 0; e < EXPERTS; e++) {
        snprintf(name, sizeof name, "down.%d", e);
        add_turned(f, "decoder.0.mlp.layer_2.weight", (uint64_t)e * inner, inner, name);
    }
    require_ok(
        fg_json_set_at(f->spec, "formats/fast_llm/weights/experts.down", json_string("down.{e}"), &err),
        &err);
    run_packed(f, 0, plain, 3);
    assert_memory_equal(packed, plain, sizeof packed);
    fixture_free(f);
}

static void transposed_stores_give_the_same_bits(void **state) {
    (void)state;
    fg_device_cpu_threads(1);
    expect_same_bits(37);   /* turned round whole */
    expect_same_bits(WIDE); /* in several parts */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_equal_plain_sums),
                                       cmocka_unit_test(kept_weights_stay_within_the_budget),
                                       cmocka_unit_test(transposed_stores_give_the_same_bits)};
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
