/* MLPs and experts of Fast-LLM's configuration with made-up weights, against a forward pass in float64 that is
 * written here from its formulas. Attention gives 0, so a block adds what its MLP makes. */
#include "model_fixture.h"

enum { HIDDEN = 12, INNER = 5, WIDE = 7, EXPERTS = 6, CHOSEN = 2, COUNT = 9 };
static const double EPSILON = 1e-5;

/* What a case has beyond the plain form. */
typedef struct settings {
    const char *name;
    bool dense, experts; /* both: next to one another */
    uint64_t shared;
    bool block_norm, input_norm, output_norm, part_norms;
    bool router_norm, router_scale, expert_scale;
    double router_input_scale;
} settings;

/* ---- the model ---- */

static void fill(array *a, unsigned salt) {
    for (uint64_t k = 0; k < a->elements; k++)
        a->values[k] = (float)(((k + 31 * salt) * 2654435761u >> 7) % 2001) / 1000 - 0.9f;
}

static const float *weight(const fixture *f, const char *name) {
    char whole[NAME];
    snprintf(whole, sizeof whole, "decoder.0.%s", name);
    const array *a = fixture_array((fixture *)(uintptr_t)f, whole);
    if (!a) fail_msg("no %s", whole);
    return a->values;
}

static void add(fixture *f, const char *prefix, const char *name, uint64_t rows, uint64_t columns) {
    char whole[NAME];
    snprintf(whole, sizeof whole, "decoder.0.%s%s", prefix, name);
    fill(fixture_add(f, whole, columns ? 2 : 1, rows, columns), (unsigned)f->count + 3);
}

static void put(json_t *object, const char *path, json_t *value) {
    fg_error err = {0};
    require_ok(fg_json_set_at(object, path, value, &err), &err);
}

static void put_norm(fixture *f, json_t *config, const char *path, const char *prefix, const char *name) {
    char tensor[NAME];
    put(config, path, json_pack("{s:s, s:f}", "type", "rms_norm", "epsilon", EPSILON));
    snprintf(tensor, sizeof tensor, "%s.weight", name);
    add(f, prefix, tensor, HIDDEN, 0);
}

static json_t *mlp_config(const char *type, int size) {
    return json_pack("{s:s, s:i, s:b, s:b, s:s}", "type", type, "intermediate_size", size, "gated", 1,
                     "add_linear_biases", 0, "activation", "silu");
}

static void add_dense(fixture *f, const settings *s, json_t *block, const char *at, const char *prefix) {
    char path[NAME];
    put(block, at, mlp_config("mlp", WIDE));
    add(f, prefix, "layer_1.weight", 2 * WIDE, HIDDEN);
    add(f, prefix, "layer_2.weight", WIDE, HIDDEN);
    if (!s->part_norms) return;
    snprintf(path, sizeof path, "%s/pre_norm", at);
    put_norm(f, block, path, prefix, "pre_norm");
    snprintf(path, sizeof path, "%s/post_norm", at);
    put_norm(f, block, path, prefix, "post_norm");
}

static void add_router(fixture *f, const settings *s, json_t *config, const char *prefix) {
    add(f, prefix, "router.weight", EXPERTS - s->shared, HIDDEN);
    if (s->router_norm)
        put(config, "router_normalization",
            json_pack("{s:s, s:f}", "type", "fixed_rms_norm", "epsilon", EPSILON));
    if (s->router_scale) put(config, "router_scale", json_pack("{s:b}", "enabled", 1));
    if (s->router_scale) add(f, prefix, "router_scale", HIDDEN, 0);
    if (s->expert_scale) put(config, "router_per_expert_scale", json_pack("{s:b}", "enabled", 1));
    if (s->expert_scale) add(f, prefix, "router_per_expert_scale", EXPERTS, 0);
    put(config, "router_input_scale", json_real(s->router_input_scale));
}

static void add_experts(fixture *f, const settings *s, json_t *block, const char *at, const char *prefix) {
    json_t *config = mlp_config("moe", INNER);
    put(config, "experts", json_integer(EXPERTS));
    put(config, "shared_experts", json_integer((json_int_t)s->shared));
    put(config, "experts_per_token", json_integer(CHOSEN));
    add_router(f, s, config, prefix);
    add(f, prefix, "layer_1.weight", (uint64_t)EXPERTS * 2 * INNER, HIDDEN);
    add(f, prefix, "layer_2.weight", (uint64_t)EXPERTS * INNER, HIDDEN);
    if (s->part_norms) put_norm(f, config, "pre_norm", prefix, "pre_norm");
    if (s->part_norms) put_norm(f, config, "post_norm", prefix, "post_norm");
    put(block, at, config);
}

static void add_mlp(fixture *f, const settings *s, json_t *block) {
    bool both = s->dense && s->experts;
    if (both) put(block, "mlp", json_pack("{s:s}", "type", "hybrid_moe"));
    if (s->dense) add_dense(f, s, block, both ? "mlp/dense" : "mlp", both ? "mlp.dense." : "mlp.");
    if (s->experts) add_experts(f, s, block, both ? "mlp/routed" : "mlp", both ? "mlp.routed." : "mlp.");
    if (s->input_norm) put_norm(f, block, "mlp/pre_norm", "mlp.", "pre_norm");
    if (s->output_norm) put_norm(f, block, "mlp/post_norm", "mlp.", "post_norm");
}

static fixture *make_fixture(const settings *s) {
    fixture *f = calloc(1, sizeof *f);
    json_t *block =
        json_pack("{s:{s:s, s:f}, s:{s:i, s:i, s:b}, s:{}}", "normalization", "type", "rms_norm", "epsilon",
                  EPSILON, "mixer", "heads", 1, "head_size", 2, "add_linear_biases", 0, "mlp");
    f->spec = load_spec("fast_llm");
    f->hf = json_pack("{s:{s:i, s:{s:i}, s:{s:{s:s}}, s:b, s:{s:i, s:o}}}", "base_model", "hidden_size",
                      HIDDEN, "embeddings", "vocab_size", COUNT, "head", "normalization", "type", "rms_norm",
                      "tied_embedding_weight", 1, "decoder", "num_blocks", 1, "block", block);
    assert_non_null(f->hf);
    fill(fixture_add(f, "embeddings.word_embeddings_weight", 2, COUNT, HIDDEN), 1);
    fill(fixture_add(f, "head.final_norm.weight", 1, HIDDEN, 0), 2);
    add(f, "", "norm_1.weight", HIDDEN, 0);
    add(f, "", "mixer.query.weight", 2, HIDDEN);
    add(f, "", "mixer.key_value.weight", 4, HIDDEN);
    add(f, "", "mixer.dense.weight", HIDDEN, 2);
    memset(fixture_array(f, "decoder.0.mixer.dense.weight")->values, 0, HIDDEN * 2 * sizeof(float));
    if (s->block_norm)
        add(f, "", "norm_2.weight", HIDDEN, 0);
    else
        put(block, "pre_mlp_normalization", json_pack("{s:s}", "type", "none"));
    add_mlp(f, s, block);
    return f;
}

/* ---- the same in float64 ---- */

static void norm(double *x, const float *by) {
    double mean = 0;
    for (int i = 0; i < HIDDEN; i++) mean += x[i] * x[i] / HIDDEN;
    for (int i = 0; i < HIDDEN; i++) x[i] = x[i] / sqrt(mean + EPSILON) * (by ? (double)by[i] : 1);
}

static void norm_part(const fixture *f, const char *prefix, const char *which, double *x) {
    char name[NAME];
    snprintf(name, sizeof name, "%s%s_norm.weight", prefix, which);
    norm(x, weight(f, name));
}

/* out += share * mlp(x), of an MLP whose first rows are `first` and `down`. */
static void run_mlp(const float *first, const float *down, uint64_t size, const double *x, double share,
                    double *out) {
    for (uint64_t k = 0; k < size; k++) {
        double gate = 0, up = 0;
        for (int i = 0; i < HIDDEN; i++) {
            gate += x[i] * (double)first[k * HIDDEN + (uint64_t)i];
            up += x[i] * (double)first[(size + k) * HIDDEN + (uint64_t)i];
        }
        double inner = gate / (1 + exp(-gate)) * up;
        for (int i = 0; i < HIDDEN; i++) out[i] += share * inner * (double)down[k * HIDDEN + (uint64_t)i];
    }
}

/* What each expert counts for a token. */
static void route(const fixture *f, const settings *s, const char *prefix, const double *x, double *shares) {
    char name[NAME];
    double r[HIDDEN], scores[EXPERTS], sum = 0;
    uint64_t routed = EXPERTS - s->shared;
    memcpy(r, x, sizeof r);
    if (s->router_norm) norm(r, NULL);
    snprintf(name, sizeof name, "%srouter_scale", prefix);
    for (int i = 0; i < HIDDEN && s->router_scale; i++) r[i] *= (double)weight(f, name)[i];
    snprintf(name, sizeof name, "%srouter.weight", prefix);
    for (uint64_t e = 0; e < routed; e++) {
        scores[e] = 0;
        for (uint64_t i = 0; i < HIDDEN; i++)
            scores[e] += r[i] * s->router_input_scale * (double)weight(f, name)[e * HIDDEN + i];
    }
    for (uint64_t e = 0; e < EXPERTS; e++) {
        uint64_t above = 0;
        for (uint64_t o = 0; o < routed && e < routed; o++) above += scores[o] > scores[e];
        shares[e] = e >= routed ? 1 : above < CHOSEN ? exp(scores[e]) : 0;
        if (e < routed) sum += shares[e];
    }
    snprintf(name, sizeof name, "%srouter_per_expert_scale", prefix);
    for (uint64_t e = 0; e < EXPERTS; e++) {
        if (e < routed) shares[e] /= sum;
        if (s->expert_scale) shares[e] *= (double)weight(f, name)[e];
    }
}

static void run_part(const fixture *f, const settings *s, bool experts, const char *prefix, const double *x,
                     double *out) {
    char first[NAME], down[NAME];
    double input[HIDDEN], shares[EXPERTS];
    memcpy(input, x, sizeof input);
    memset(out, 0, HIDDEN * sizeof *out);
    snprintf(first, sizeof first, "%slayer_1.weight", prefix);
    snprintf(down, sizeof down, "%slayer_2.weight", prefix);
    if (s->part_norms) norm_part(f, prefix, "pre", input);
    if (experts) route(f, s, prefix, x, shares);
    for (uint64_t e = 0; e < EXPERTS && experts; e++)
        run_mlp(weight(f, first) + e * 2 * INNER * HIDDEN, weight(f, down) + e * INNER * HIDDEN, INNER, input,
                shares[e], out);
    if (!experts) run_mlp(weight(f, first), weight(f, down), WIDE, input, 1, out);
    if (s->part_norms) norm_part(f, prefix, "post", out);
}

/* What the block makes of x, in place. */
static void run_block(const fixture *f, const settings *s, double *x) {
    double input[HIDDEN], routed[HIDDEN], out[HIDDEN], normed[HIDDEN];
    bool both = s->dense && s->experts;
    memcpy(input, x, sizeof input);
    if (s->block_norm) norm(input, weight(f, "norm_2.weight"));
    memcpy(normed, input, sizeof normed);
    if (s->input_norm) norm_part(f, "mlp.", "pre", both ? input : normed);
    if (both) {
        run_part(f, s, false, "mlp.dense.", input, out);
        run_part(f, s, true, "mlp.routed.", input, routed);
        for (int i = 0; i < HIDDEN; i++) out[i] += routed[i];
    } else {
        run_part(f, s, s->experts, "mlp.", input, out);
    }
    if (s->output_norm) norm_part(f, "mlp.", "post", out);
    for (int i = 0; i < HIDDEN; i++) x[i] += out[i];
}

/* ---- both ---- */

static void expect_equal(const settings *s, uint64_t batch) {
    fg_error err = {0};
    fg_model *model;
    fg_cache *cache;
    float hidden[COUNT * HIDDEN];
    const uint32_t tokens[COUNT] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    fixture *f = make_fixture(s);
    fg_weight_source weights = fixture_weights(f, &fg_format_fast_llm);
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_fast_llm, f->hf, weights, &err),
               &err);
    require_ok(fg_cache_new(&cache, model, 0, 1, COUNT, &err), &err);
    require_ok(fg_model_embed(model, tokens, COUNT, hidden, &err), &err);
    for (uint64_t t = 0; t < COUNT; t += batch)
        require_ok(fg_model_block(model, 0, cache, t, batch, hidden + t * HIDDEN, NULL, &err), &err);
    for (uint64_t t = 0; t < COUNT; t++) {
        double x[HIDDEN];
        for (uint64_t i = 0; i < HIDDEN; i++)
            x[i] = (double)fixture_array(f, "embeddings.word_embeddings_weight")->values[t * HIDDEN + i];
        run_block(f, s, x);
        for (uint64_t i = 0; i < HIDDEN; i++) {
            if (fabs(x[i] - (double)hidden[t * HIDDEN + i]) > 2e-5 * (1 + fabs(x[i])))
                fail_msg("%s, token %d, element %d: found %g, expected %g", s->name, (int)t, (int)i,
                         (double)hidden[t * HIDDEN + i], x[i]);
        }
    }
    fg_cache_free(&cache);
    fg_model_free(&model);
    fixture_free(f);
}

static void blocks_equal_their_formulas(void **state) {
    (void)state;
    static const settings cases[] = {
        {.name = "dense", .dense = true, .block_norm = true},
        {.name = "dense with norms", .dense = true, .block_norm = true, .part_norms = true},
        {.name = "experts", .experts = true, .block_norm = true, .router_input_scale = 1},
        {.name = "router scale",
         .experts = true,
         .block_norm = true,
         .router_scale = true,
         .router_input_scale = 1},
        {.name = "router norm", .experts = true, .router_norm = true, .router_input_scale = 1},
        {.name = "input scale", .experts = true, .block_norm = true, .router_input_scale = 0.3},
        {.name = "expert scale",
         .experts = true,
         .block_norm = true,
         .expert_scale = true,
         .router_input_scale = 1},
        {.name = "shared experts",
         .experts = true,
         .block_norm = true,
         .shared = 2,
         .expert_scale = true,
         .router_input_scale = 1},
        {.name = "norms of experts",
         .experts = true,
         .block_norm = true,
         .part_norms = true,
         .router_norm = true,
         .router_input_scale = 0.5},
        {.name = "both", .dense = true, .experts = true, .block_norm = true, .router_input_scale = 1},
        {.name = "both with all",
         .dense = true,
         .experts = true,
         .part_norms = true,
         .router_norm = true,
         .router_scale = true,
         .expert_scale = true,
         .router_input_scale = 0.7},
        {.name = "both with norms around",
         .dense = true,
         .experts = true,
         .block_norm = true,
         .input_norm = true,
         .output_norm = true,
         .part_norms = true,
         .router_input_scale = 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_equal(&cases[i], COUNT);
        expect_equal(&cases[i], 3);
        expect_equal(&cases[i], 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_equal_their_formulas)};
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
