/* Rotary embeddings as a whole, seen through attention of a model made for it, against a slow computation in
 * double. */
#include "model_fixture.h"

enum { HIDDEN = 16, FAR = 40 };

/* How frequencies are scaled: "llama3" by factor, low, high, original; "yarn" by factor, original, beta_fast,
 * beta_slow, attention_factor, mscale, mscale_all_dim (0: left out), truncate. NULL: not at all. */
typedef struct scaling {
    const char *type;
    double factor, low, high, original, fast, slow, attention, mscale, all;
    const char *truncate; /* as JSON; NULL: left out */
} scaling;

/* The share of a pair's own frequency that stays; the rest is divided by the factor. llama3: by how often it
 * turns within the original length. yarn: by its number, between those of the pairs that turn `fast` and
 * `slow` times. */
static double kept_share(const scaling *s, double theta, double frequency, int pair) {
    double whole = 2 * acos(-1);
    if (strcmp(s->type, "llama3") == 0) {
        double turns = s->original * frequency / whole;
        return turns <= s->low ? 0 : turns >= s->high ? 1 : (turns - s->low) / (s->high - s->low);
    }
    double per_pair = 2 * log(theta) / HIDDEN; /* log of what a pair turns slower than the one before it */
    double first = log(s->original / whole / s->fast) / per_pair,
           last = log(s->original / whole / s->slow) / per_pair;
    if (!s->truncate || strcmp(s->truncate, "true") == 0) first = floor(first), last = ceil(last);
    if (first < 0) first = 0;
    if (last > HIDDEN - 1) last = HIDDEN - 1;
    if (last == first) last += 0.001;
    double share = 1 - (pair - first) / (last - first);
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

/* Angle of pair i at a position, from the definition: plain frequency theta^(-2i/d). */
static double angle(double theta, const scaling *s, int pair, int position) {
    double frequency = exp(-2.0 * pair / HIDDEN * log(theta));
    if (s->type) {
        double keep = kept_share(s, theta, frequency, pair);
        frequency = keep * frequency + (1 - keep) * frequency / s->factor;
    }
    return position * frequency;
}

static double length_of(const scaling *s) {
    if (!s->type || strcmp(s->type, "yarn") != 0) return 1;
    double tenth = 0.1 * log(s->factor);
    if (s->attention > 0) return s->attention;
    return s->mscale > 0 && s->all > 0 ? (s->mscale * tenth + 1) / (s->all * tenth + 1) : tenth + 1;
}

static void turn(const double *x, double theta, const scaling *s, int position, double *out) {
    double length = length_of(s);
    for (int i = 0; i < HIDDEN / 2; i++) {
        double a = angle(theta, s, i, position);
        out[i] = length * (x[i] * cos(a) - x[i + HIDDEN / 2] * sin(a));
        out[i + HIDDEN / 2] = length * (x[i + HIDDEN / 2] * cos(a) + x[i] * sin(a));
    }
}

static json_t *describe(const scaling *s) {
    json_t *object = json_pack("{s:s, s:f, s:f}", "type", s->type, "factor", s->factor,
                               "original_max_position_embeddings", s->original);
    if (s->low > 0) json_object_set_new(object, "low_freq_factor", json_real(s->low));
    if (s->high > 0) json_object_set_new(object, "high_freq_factor", json_real(s->high));
    if (s->fast > 0) json_object_set_new(object, "beta_fast", json_real(s->fast));
    if (s->slow > 0) json_object_set_new(object, "beta_slow", json_real(s->slow));
    if (s->attention > 0) json_object_set_new(object, "attention_factor", json_real(s->attention));
    if (s->mscale > 0) json_object_set_new(object, "mscale", json_real(s->mscale));
    if (s->all > 0) json_object_set_new(object, "mscale_all_dim", json_real(s->all));
    if (s->truncate) json_object_set_new(object, "truncate", json_loads(s->truncate, JSON_DECODE_ANY, NULL));
    return object;
}

static void set_identity(fixture *f, const char *name, uint64_t rows, uint64_t columns, float scale) {
    array *a = fixture_add(f, name, 2, rows, columns);
    for (uint64_t i = 0; i < a->elements; i++) a->values[i] = i / columns == i % columns ? scale : 0;
}

/* One block, one head, all projections the identity, an MLP that adds nothing. Token t is the embedding's row
 * t. */
static fixture *make_fixture(const scaling *s, double theta) {
    static const char *const norms[] = {"model.norm.weight", "model.layers.0.input_layernorm.weight",
                                        "model.layers.0.post_attention_layernorm.weight"};
    static const char *const projections[] = {"q", "k", "v", "o"};
    fixture *f = calloc(1, sizeof *f);
    f->spec = load_spec("llama");
    f->hf = json_pack("{s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b}", "hidden_size", HIDDEN, "vocab_size", FAR,
                      "num_hidden_layers", 1, "num_attention_heads", 1, "intermediate_size", 2,
                      "rms_norm_eps", 0.0, "rope_theta", theta, "tie_word_embeddings", 1);
    if (s->type) json_object_set_new(f->hf, "rope_scaling", describe(s));
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
static void slow_attention(const float *embedding, double theta, const scaling *scale, int t, double *added) {
    double x[FAR][HIDDEN], weight[FAR], query[HIDDEN], key[HIDDEN], sum = 0;
    for (int s = 0; s <= t; s++) {
        double squares = 0;
        for (int i = 0; i < HIDDEN; i++)
            squares += (double)embedding[s * HIDDEN + i] * embedding[s * HIDDEN + i];
        for (int i = 0; i < HIDDEN; i++) x[s][i] = embedding[s * HIDDEN + i] / sqrt(squares / HIDDEN);
    }
    turn(x[t], theta, scale, t, query);
    for (int s = 0; s <= t; s++) {
        double score = 0;
        turn(x[s], theta, scale, s, key);
        for (int i = 0; i < HIDDEN; i++) score += query[i] * key[i];
        sum += weight[s] = exp(score / 4 /* sqrt(16) */);
    }
    for (int i = 0; i < HIDDEN; i++) {
        added[i] = 0;
        for (int s = 0; s <= t; s++) added[i] += weight[s] / sum * x[s][i];
    }
}

static void check(scaling s, double theta) {
    fixture *f = make_fixture(&s, theta);
    fg_error err = {0};
    fg_model *model;
    uint32_t tokens[FAR];
    float hidden[FAR * HIDDEN];
    for (uint32_t i = 0; i < FAR; i++) tokens[i] = i;
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                             fixture_weights(f, &fg_format_hf), &err),
               &err);
    require_ok(fg_model_embed(model, tokens, FAR, hidden, &err), &err);
    require_ok(fg_model_block(model, 0, NULL, 0, FAR, hidden, NULL, &err), &err);
    for (int t = 0; t < FAR; t++) {
        double added[HIDDEN];
        slow_attention(f->arrays[0].values, theta, &s, t, added);
        for (int i = 0; i < HIDDEN; i++)
            assert_float_equal(hidden[t * HIDDEN + i] - f->arrays[0].values[t * HIDDEN + i], (float)added[i],
                               5e-6f);
    }
    fg_model_free(&model);
    fixture_free(f);
}

static void plain(void **state) {
    (void)state;
    check((scaling){0}, 10000);
    check((scaling){0}, 500000);
    check((scaling){0}, 3);
}

static void llama3(void **state) {
    (void)state;
    /* pairs on both sides of the bounds and between */
    check((scaling){.type = "llama3", .factor = 8, .low = 1, .high = 4, .original = 64}, 10000);
    check((scaling){.type = "llama3", .factor = 4, .low = 1, .high = 4, .original = 16}, 500);
    check((scaling){.type = "llama3", .factor = 32, .low = 2, .high = 8, .original = 8192}, 500000);
}

static void yarn(void **state) {
    (void)state;
    check((scaling){.type = "yarn", .factor = 4, .original = 64, .fast = 32, .slow = 1, .attention = 1.25},
          20000);
    check((scaling){.type = "yarn", .factor = 8, .original = 4096, .fast = 32, .slow = 1}, 10000);
    check((scaling){.type = "yarn", .factor = 16, .original = 1000, .fast = 8, .slow = 2}, 50);
    check((scaling){.type = "yarn", .factor = 2, .original = 64, .fast = 2, .slow = 1.99},
          10000); /* one pair between */
}

static void yarn_further(void **state) {
    const scaling base = {.type = "yarn", .factor = 16, .original = 1000, .fast = 8, .slow = 2};
    static const char *const truncate[] = {"true", "false", "null"};
    (void)state;
    for (size_t i = 0; i < sizeof truncate / sizeof *truncate; i++) {
        scaling s = base;
        s.truncate = truncate[i];
        check(s, 50);
    }
    static const double weights[][3] = {{0.7, 0.4, 0}, {0.7, 0, 0}, {0, 0.4, 0}, {0.7, 0.4, 1.3}};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        scaling s = base;
        s.mscale = weights[i][0], s.all = weights[i][1], s.attention = weights[i][2];
        check(s, 50);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain), cmocka_unit_test(llama3),
                                       cmocka_unit_test(yarn), cmocka_unit_test(yarn_further)};
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
