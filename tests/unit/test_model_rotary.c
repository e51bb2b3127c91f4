/* Rotary embeddings as a whole, seen through attention of a model made for it, against a slow computation in
 * double. */
#include "model_fixture.h"

enum { HIDDEN = 16, FAR = 40 };

/* Angle of pair i at a position, from the definition: plain frequency theta^(-2i/d); for llama3, frequencies
 * whose wave is longer than original / low are divided by factor, those shorter than original / high stay, in
 * between the two are mixed. */
static double angle(double theta, const double *llama3, int pair, int position) {
    double frequency = exp(-2.0 * pair / HIDDEN * log(theta));
    if (llama3) {
        double factor = llama3[0], low = llama3[1], high = llama3[2], original = llama3[3];
        double turns = original * frequency / (2 * acos(-1)); /* within the original length */
        double keep = turns <= low ? 0 : turns >= high ? 1 : (turns - low) / (high - low);
        frequency = keep * frequency + (1 - keep) * frequency / factor;
    }
    return position * frequency;
}

static void turn(const double *x, double theta, const double *llama3, int position, double *out) {
    for (int i = 0; i < HIDDEN / 2; i++) {
        double a = angle(theta, llama3, i, position);
        out[i] = x[i] * cos(a) - x[i + HIDDEN / 2] * sin(a);
        out[i + HIDDEN / 2] = x[i + HIDDEN / 2] * cos(a) + x[i] * sin(a);
    }
}

static void set_identity(fixture *f, const char *name, uint64_t rows, uint64_t columns, float scale) {
    array *a = fixture_add(f, name, 2, rows, columns);
    for (uint64_t i = 0; i < a->elements; i++) a->values[i] = i / columns == i % columns ? scale : 0;
}

/* One block, one head, all projections the identity, an MLP that adds nothing. Token t is the embedding's row
 * t. */
static fixture *make_fixture(const double *llama3, double theta) {
    static const char *const norms[] = {"model.norm.weight", "model.layers.0.input_layernorm.weight",
                                        "model.layers.0.post_attention_layernorm.weight"};
    static const char *const projections[] = {"q", "k", "v", "o"};
    fixture *f = calloc(1, sizeof *f);
    f->spec = load_spec("llama");
    f->hf = json_pack("{s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b}", "hidden_size", HIDDEN, "vocab_size", FAR,
                      "num_hidden_layers", 1, "num_attention_heads", 1, "intermediate_size", 2,
                      "rms_norm_eps", 0.0, "rope_theta", theta, "tie_word_embeddings", 1);
    if (llama3)
        json_object_set_new(f->hf, "rope_scaling",
                            json_pack("{s:s, s:f, s:f, s:f, s:f}", "type", "llama3", "factor", llama3[0],
                                      "low_freq_factor", llama3[1], "high_freq_factor", llama3[2],
                                      "original_max_position_embeddings", llama3[3]));
    set_identity(f, "model.embed_tokens.weight", FAR, HIDDEN, 0);
    for (int i = 0; i < FAR * HIDDEN; i++)
        f->arrays[0].values[i] = (float)((i * 37 + i / HIDDEN * 11) % 23 - 11) / 7;
    for (int i = 0; i < 3; i++) {
        array *a = fixture_add(f, norms[i], 1, HIDDEN, 0);
        for (int k = 0; k < HIDDEN; k++) a->values[k] = 1;
    }
    for (int i = 0; i < 4; i++) {
        char name[NAME];
        snprintf(name, sizeof name, "model.layers.0.self_attn.%s_proj.weight", projections[i]);
        set_identity(f, name, HIDDEN, HIDDEN, 1);
    }
    set_identity(f, "model.layers.0.mlp.gate_proj.weight", 2, HIDDEN, 0);
    set_identity(f, "model.layers.0.mlp.up_proj.weight", 2, HIDDEN, 0);
    set_identity(f, "model.layers.0.mlp.down_proj.weight", HIDDEN, 2, 0);
    return f;
}

/* What the block adds to token t. */
static void slow_attention(const float *embedding, double theta, const double *llama3, int t, double *added) {
    double x[FAR][HIDDEN], weight[FAR], query[HIDDEN], key[HIDDEN], sum = 0;
    for (int s = 0; s <= t; s++) {
        double squares = 0;
        for (int i = 0; i < HIDDEN; i++)
            squares += (double)embedding[s * HIDDEN + i] * embedding[s * HIDDEN + i];
        for (int i = 0; i < HIDDEN; i++) x[s][i] = embedding[s * HIDDEN + i] / sqrt(squares / HIDDEN);
    }
    turn(x[t], theta, llama3, t, query);
    for (int s = 0; s <= t; s++) {
        double score = 0;
        turn(x[s], theta, llama3, s, key);
        for (int i = 0; i < HIDDEN; i++) score += query[i] * key[i];
        sum += weight[s] = exp(score / 4 /* sqrt(16) */);
    }
    for (int i = 0; i < HIDDEN; i++) {
        added[i] = 0;
        for (int s = 0; s <= t; s++) added[i] += weight[s] / sum * x[s][i];
    }
}

static void check(const double *llama3, double theta) {
    fixture *f = make_fixture(llama3, theta);
    fg_error err = {0};
    fg_model *model;
    uint32_t tokens[FAR];
    float hidden[FAR * HIDDEN];
    for (uint32_t i = 0; i < FAR; i++) tokens[i] = i;
    require_ok(fg_model_bind(&model, f->spec, FG_FORMAT_HF, f->hf, fixture_weights(f, FG_FORMAT_HF), &err),
               &err);
    require_ok(fg_model_embed(model, tokens, FAR, hidden, &err), &err);
    require_ok(fg_model_block(model, 0, NULL, 0, FAR, hidden, NULL, &err), &err);
    for (int t = 0; t < FAR; t++) {
        double added[HIDDEN];
        slow_attention(f->arrays[0].values, theta, llama3, t, added);
        for (int i = 0; i < HIDDEN; i++)
            assert_float_equal(hidden[t * HIDDEN + i] - f->arrays[0].values[t * HIDDEN + i], (float)added[i],
                               5e-6f);
    }
    fg_model_free(&model);
    fixture_free(f);
}

static void plain(void **state) {
    (void)state;
    check(NULL, 10000);
    check(NULL, 500000);
    check(NULL, 3);
}

static void llama3(void **state) {
    (void)state;
    check((const double[]){8, 1, 4, 64}, 10000); /* pairs on both sides of the bounds and between */
    check((const double[]){4, 1, 4, 16}, 500);
    check((const double[]){32, 2, 8, 8192}, 500000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain), cmocka_unit_test(llama3)};
    fg_alloc_init();
    fg_model_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
