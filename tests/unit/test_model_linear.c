/* Products with matrices of several panels and tiles, seen through the head of a model that is made for it.
 */
#include "model_fixture.h"

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
    require_ok(fg_model_bind(&model, f->spec, FG_FORMAT_HF, f->hf, fixture_weights(f, FG_FORMAT_HF), &err),
               &err);
    for (int threads = 1; threads <= 2; threads++) {
        fg_model_threads(threads);
        for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
            fg_model_keep(model, budgets[b]);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                check(model, head, input, counts[c], 0, ROWS);
            check(model, head, input, 5, 173, 2);
            check(model, head, input, 5, 100, 600);
            check(model, head, input, 5, 799, 1);
        }
    }
    fg_model_threads(1);
    fg_model_free(&model);
    fixture_free(f);
}

static void kept_weights_stay_within_the_budget(void **state) {
    (void)state;
    fixture *f = make_fixture();
    fg_error err = {0};
    fg_model *model;
    static float input[HIDDEN], logits[ROWS];
    require_ok(fg_model_bind(&model, f->spec, FG_FORMAT_HF, f->hf, fixture_weights(f, FG_FORMAT_HF), &err),
               &err);
    assert_int_equal(fg_model_block_bytes(model, 0, 1), (6 + 2 + 3) * HIDDEN * sizeof(float));
    fg_model_keep(model, 3 << 20);
    require_ok(fg_model_logits(model, input, 1, 0, ROWS, logits, &err), &err);
    uint64_t before = fg_alloc_count();
    require_ok(fg_model_logits(model, input, 1, 0, 174, logits, &err),
               &err); /* the first panel is kept: nothing is allocated or read */
    assert_int_equal(fg_alloc_count(), before);
    fixture_array(f, "lm_head.weight")->values[0] = 1e6f;
    input[0] = 1;
    require_ok(fg_model_logits(model, input, 1, 0, 1, logits, &err), &err);
    assert_true(logits[0] < 2);
    fg_model_keep(model, 0);
    require_ok(fg_model_logits(model, input, 1, 0, 1, logits, &err), &err);
    assert_true(logits[0] == 1e6f);
    fg_model_free(&model);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_equal_plain_sums),
                                       cmocka_unit_test(kept_weights_stay_within_the_budget)};
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
