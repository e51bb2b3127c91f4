/* Damage that must show: each change below moves the logits by far more than the tolerance of the reference,
 * or is refused. */
#include "model_fixture.h"

#define TOLERANCE 1e-5

static float logits[TOKENS * VOCAB];
static const run_options whole = {.batch = TOKENS};

static void expect_seen(fixture *f, const fg_format *format, const char *what) {
    fg_error err = {0};
    require_ok(fixture_run(f, format, &whole, logits, &err), &err);
    double found = distance(f->logits, logits, TOKENS * VOCAB);
    if (!(found > 10 * TOLERANCE)) fail_msg("%s: %s moves the logits by %g only", f->family, what, found);
    fixture_free(f);
}

static void set_real(json_t *config, const char *key, double value) {
    fg_error err = {0};
    require_ok(fg_json_set_at(config, key, json_real(value), &err), &err);
}

static void scale_real(json_t *config, const char *key, double factor) {
    set_real(config, key, json_number_value(fg_json_at(config, key)) * factor);
}

static void rotary_theta(void **state) {
    (void)state;
    static const char *const families[] = {"llama", "mistral", "qwen3"};
    for (size_t i = 0; i < 3; i++) {
        fixture *f = fixture_load(families[i]);
        scale_real(f->hf, "rope_theta", 1.01);
        expect_seen(f, &fg_format_hf, "rope_theta 1 % off");
        f = fixture_load(families[i]);
        scale_real(f->forgather, "rope_theta", 1.01);
        expect_seen(f, &fg_format_forgather, "rope_theta 1 % off");
    }
}

static void rotary_scaling(void **state) {
    (void)state;
    static const char *const keys[] = {"factor", "low_freq_factor", "high_freq_factor",
                                       "original_max_position_embeddings"};
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        fixture *f = fixture_load("llama");
        snprintf(path, sizeof path, "rope_scaling/%s", keys[i]);
        scale_real(f->hf, path, 1.5);
        expect_seen(f, &fg_format_hf, path);
    }
    fixture *f = fixture_load("llama");
    json_object_set_new(f->forgather, "rope_scaling", json_null());
    expect_seen(f, &fg_format_forgather, "no llama3 scaling");
}

static void epsilon(void **state) {
    (void)state;
    fixture *f = fixture_load("mistral");
    scale_real(f->hf, "rms_norm_eps", 10);
    expect_seen(f, &fg_format_hf, "epsilon times 10");
    f = fixture_load("llama");
    scale_real(f->forgather, "rms_norm_eps", 10);
    expect_seen(f, &fg_format_forgather, "epsilon times 10");
}

static void window(void **state) {
    (void)state;
    for (int by = -1; by <= 1; by += 2) {
        fixture *f = fixture_load("mistral");
        json_object_set_new(f->hf, "sliding_window", json_integer(8 + by));
        expect_seen(f, &fg_format_hf, "window one off");
        f = fixture_load("mistral");
        json_object_set_new(f->forgather, "sliding_window", json_integer(8 + by));
        expect_seen(f, &fg_format_forgather, "window one off");
    }
    fixture *f = fixture_load("mistral");
    json_object_del(f->hf, "sliding_window"); /* means 4096 */
    expect_seen(f, &fg_format_hf, "no window");
}

static void mask(void **state) {
    (void)state;
    fixture *f = fixture_load("qwen3");
    fg_error err = {0};
    run_options options = {.batch = TOKENS, .mask = FG_MASK_NONE};
    require_ok(fixture_run(f, &fg_format_hf, &options, logits, &err), &err);
    assert_true(distance(f->logits, logits, TOKENS * VOCAB) > 10 * TOLERANCE);
    options.mask = FG_MASK_CAUSAL;
    require_ok(fixture_run(f, &fg_format_hf, &options, logits, &err), &err);
    assert_true(distance(f->logits, logits, TOKENS * VOCAB) <= TOLERANCE);
    fixture_free(f);
}

static void swap_rows(array *a, uint64_t one, uint64_t other, uint64_t rows) {
    uint64_t columns = a->elements / a->shape[0];
    for (uint64_t i = 0; i < rows * columns; i++) {
        float kept = a->values[one * columns + i];
        a->values[one * columns + i] = a->values[other * columns + i];
        a->values[other * columns + i] = kept;
    }
}

static void heads_permuted(void **state) {
    (void)state;
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    for (size_t i = 0; i < 3; i++) {
        char name[NAME];
        fixture *f = fixture_load("mistral");
        snprintf(name, sizeof name, "model.layers.1.self_attn.%s.weight", names[i]);
        swap_rows(fixture_array(f, name), 0, 16, 16);
        expect_seen(f, &fg_format_hf, name);
    }
}

static void rotary_pairs_interleaved(void **state) {
    (void)state;
    fixture *f = fixture_load("mistral");
    array *query = fixture_array(f, "model.layers.0.self_attn.q_proj.weight");
    swap_rows(query, 1, 8, 1);
    expect_seen(f, &fg_format_hf, "rows of a head in another order");
}

static void square_matrix_transposed(void **state) {
    (void)state;
    static const char *const names[] = {"q_proj", "o_proj"};
    for (size_t i = 0; i < 2; i++) {
        char name[NAME];
        fixture *f = fixture_load("mistral");
        snprintf(name, sizeof name, "model.layers.0.self_attn.%s.weight", names[i]);
        array *a = fixture_array(f, name);
        assert_int_equal(a->shape[0], a->shape[1]);
        for (uint64_t r = 0; r < a->shape[0]; r++) {
            for (uint64_t c = 0; c < r; c++) {
                float kept = a->values[r * a->shape[0] + c];
                a->values[r * a->shape[0] + c] = a->values[c * a->shape[0] + r];
                a->values[c * a->shape[0] + r] = kept;
            }
        }
        expect_seen(f, &fg_format_forgather, name);
    }
}

static void tensors_swapped(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"mlp.gate_proj.weight", "mlp.up_proj.weight"},
                                           {"self_attn.k_proj.weight", "self_attn.v_proj.weight"},
                                           {"input_layernorm.weight", "post_attention_layernorm.weight"},
                                           {"self_attn.q_norm.weight", "self_attn.k_norm.weight"}};
    for (size_t i = 0; i < 4; i++) {
        char one[NAME], other[NAME];
        fixture *f = fixture_load("qwen3");
        snprintf(one, sizeof one, "model.layers.0.%s", pairs[i][0]);
        snprintf(other, sizeof other, "model.layers.0.%s", pairs[i][1]);
        array *a = fixture_array(f, one), *b = fixture_array(f, other);
        float *values = a->values;
        a->values = b->values;
        b->values = values;
        expect_seen(f, &fg_format_hf, one);
    }
}

static void blocks_swapped(void **state) {
    (void)state;
    fixture *f = fixture_load("mistral");
    for (size_t i = 0; i < f->count; i++) {
        char *number = strstr(f->arrays[i].name, "layers.");
        if (number) number[7] = number[7] == '0' ? '1' : '0';
    }
    expect_seen(f, &fg_format_hf, "two blocks swapped");
}

static void untied_head(void **state) {
    (void)state;
    fixture *f = fixture_load("qwen3");
    const array *embedding = fixture_array(f, "model.embed_tokens.weight");
    array *head = fixture_add(f, "lm_head.weight", 2, embedding->shape[0], embedding->shape[1]);
    memcpy(head->values, embedding->values, head->elements * sizeof(float));
    fg_error err = {0};
    require_ok(fixture_run(f, &fg_format_forgather, &whole, logits, &err), &err);
    assert_true(distance(f->logits, logits, TOKENS * VOCAB) <= TOLERANCE);
    swap_rows(head, 5, 6, 1);
    assert_int_equal(fixture_run(f, &fg_format_forgather, &whole, logits, &err), FG_ERR_INPUT);
    assert_string_equal(err.text,
                        "lm_head.weight and causal_lm.input_encoder.embedding.weight are tied by the "
                        "configuration, but hold different numbers");
    fixture_free(f);
    err = (fg_error){0};

    f = fixture_load("qwen3");
    json_object_set_new(f->hf, "tie_word_embeddings", json_false());
    assert_int_equal(fixture_run(f, &fg_format_hf, &whole, logits, &err), FG_ERR_INPUT);
    assert_string_equal(err.text, "no tensor lm_head.weight among the weights (head of a hf model)");
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotary_theta),
        cmocka_unit_test(rotary_scaling),
        cmocka_unit_test(epsilon),
        cmocka_unit_test(window),
        cmocka_unit_test(mask),
        cmocka_unit_test(heads_permuted),
        cmocka_unit_test(rotary_pairs_interleaved),
        cmocka_unit_test(square_matrix_transposed),
        cmocka_unit_test(tensors_swapped),
        cmocka_unit_test(blocks_swapped),
        cmocka_unit_test(untied_head),
    };
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
