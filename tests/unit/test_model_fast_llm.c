/* Models of Fast-LLM's formats on both sides, against reference logits of golden conversions. Weights times 8
 * are what tells: with the plain ones attention is nearly uniform. */
#include "checkpoint_fixture.h"

#include "base/log.h"
#include "path_questions.h"
#include "tries.h"

#define TOLERANCE 2e-5

static const char *const cases[] = {
    "llama/basic",
    "llama/llama3-tied-bias",
    "llama/pattern",
    "mistral/window",
    "qwen2/tied",
    "mixtral/experts4",
    "mtp_llama/heads3",
    "dream/basic",
    "diffusion_llama/yarn",
    "gemma4/dense",
    "gemma4/moe",
    "gemma4/shared",
    "apriel2_text/hybrid",
    "apriel2_text/stochastic",
    "apriel_hybrid_ssm/attention-mamba",
};
enum { CASES = sizeof cases / sizeof *cases };

/* Below tests/data; some cases stand with those that only tests of conversions have. */
static const char *file_of(const char *name, const char *file, char text[TEXT]) {
    char path[TEXT + sizeof FG_TEST_DATA];
    snprintf(text, TEXT, "golden_fast_llm/%s/%s", name, file);
    snprintf(path, sizeof path, FG_TEST_DATA "/%s", text);
    if (!path_is_file(path) && !path_is_directory(path)) snprintf(text, TEXT, "fast_llm/%s/%s", name, file);
    return text;
}

static subject open_side(const char *name, const char *side) {
    char directory[TEXT], tokens[TEXT];
    return subject_open(file_of(name, side, directory), file_of(name, "logits.json", tokens));
}

/* Those with causal attention where there are two. */
static logits read_reference(const char *name, bool causal, const char *suffix) {
    char file[TEXT], path[TEXT + sizeof FG_TEST_DATA];
    for (int one = causal ? 0 : 1; one < 2; one++) {
        char base[40];
        snprintf(base, sizeof base, one ? "logits%s.npy" : "logits_causal%s.npy", suffix);
        snprintf(path, sizeof path, FG_TEST_DATA "/%s", file_of(name, base, file));
        if (path_is_file(path)) break;
    }
    return logits_read(path);
}

static void expect_reference(const char *name, const char *side, int times, bool causal, fg_mask mask) {
    subject s = open_side(name, side);
    logits reference = read_reference(name, causal, times == 8 ? "_x8" : "");
    logits found = subject_run(&s, (float)times, mask, s.count);
    double apart = logits_distance(&reference, &found);
    if (!(apart <= TOLERANCE)) fail_msg("%s, %s, times %d: %g", name, side, times, apart);
    logits_free(&reference);
    logits_free(&found);
    subject_close(&s);
}

/* The mask that a model has on its own: that of the HF code, and what Fast-LLM's configuration says. */
static void logits_agree_with_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        for (int times = 1; times <= 8; times += 7) {
            expect_reference(cases[i], "hf", times, false, FG_MASK_NATIVE);
            expect_reference(cases[i], "fast_llm", times, true, FG_MASK_NATIVE);
        }
    }
}

static void the_mask_is_the_callers_choice(void **state) {
    (void)state;
    static const char *const names[] = {"dream/basic", "diffusion_llama/yarn"};
    for (size_t i = 0; i < 2; i++) {
        expect_reference(names[i], "hf", 8, true, FG_MASK_CAUSAL);
        expect_reference(names[i], "fast_llm", 8, false, FG_MASK_NONE);
        for (int hf = 0; hf < 2; hf++) {
            fg_error err = {0};
            fg_model *model;
            subject s = open_side(names[i], hf ? "hf" : "fast_llm");
            require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
            assert_int_equal(fg_model_own_mask(model), hf ? FG_MASK_NONE : FG_MASK_CAUSAL);
            assert_int_equal(fg_model_sees_ahead(model), hf);
            fg_model_set_mask(model, FG_MASK_CAUSAL);
            assert_false(fg_model_sees_ahead(model));
            fg_model_set_mask(model, FG_MASK_NONE);
            assert_true(fg_model_sees_ahead(model));
            fg_model_free(&model);
            subject_close(&s);
        }
    }
}

/* Stores of one model, packed and transposed here, plain there, give the same bits. */
static void both_sides_agree_to_the_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        subject a = open_side(cases[i], "hf"), b = open_side(cases[i], "fast_llm");
        for (uint64_t batch = 5; batch <= a.count; batch += a.count - 5) {
            logits one = subject_run(&a, 8, FG_MASK_CAUSAL, batch),
                   other = subject_run(&b, 8, FG_MASK_CAUSAL, batch);
            assert_int_equal(one.heads, other.heads);
            if (memcmp(one.values, other.values, one.heads * one.tokens * one.vocab * sizeof(float)) != 0)
                fail_msg("%s: the two sides differ", cases[i]);
            logits_free(&one);
            logits_free(&other);
        }
        subject_close(&a);
        subject_close(&b);
    }
}

static void several_prediction_heads_have_blocks_of_their_own(void **state) {
    (void)state;
    fg_error err = {0};
    fg_model *model;
    subject s = open_side("mtp_llama/heads3", "fast_llm");
    require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
    fg_model_shape shape = fg_model_shape_of(model);
    assert_int_equal(shape.heads, 3);
    assert_int_equal(shape.blocks, 4);
    assert_int_equal(shape.trunk, 1);
    fg_model_free(&model);
    subject_close(&s);
}

/* Each token chooses two of four experts in a block; blocks without experts count nothing. */
static void chosen_experts_are_counted(void **state) {
    (void)state;
    fg_error err = {0};
    fg_model *model;
    size_t experts;
    uint64_t unchosen = 0;
    for (int side = 0; side < 2; side++) {
        subject s = open_side("mixtral/experts4", side ? "fast_llm" : "hf");
        require_ok(subject_bind(&s, &fg_device_cpu, 8, &model, &err), &err);
        uint64_t size = fg_model_shape_of(model).hidden, blocks = fg_model_shape_of(model).blocks;
        float *hidden = calloc(s.count * size, sizeof *hidden);
        assert_non_null(hidden);
        require_ok(fg_model_embed(model, s.tokens, s.count, hidden, &err), &err);
        for (uint64_t b = 0; b < blocks; b++) {
            const uint64_t *chosen = fg_model_experts_chosen(model, b, &experts);
            uint64_t sum = 0;
            assert_int_equal(experts, 4);
            for (size_t e = 0; e < experts; e++) unchosen += chosen[e] == 0;
            assert_int_equal(unchosen, 4);
            require_ok(fg_model_block(model, b, NULL, 0, s.count, hidden, NULL, &err), &err);
            for (size_t e = 0; e < experts; e++) sum += chosen[e];
            assert_int_equal(sum, 2 * s.count);
            unchosen = 0;
        }
        free(hidden);
        fg_model_free(&model);
        subject_close(&s);
    }
    subject dense = open_side("llama/basic", "hf");
    require_ok(subject_bind(&dense, &fg_device_cpu, 1, &model, &err), &err);
    assert_null(fg_model_experts_chosen(model, 0, &experts));
    assert_int_equal(experts, 0);
    fg_model_free(&model);
    subject_close(&dense);
}

/* ---- damage that must show ---- */

typedef struct change {
    const char *name, *side, *path, *value; /* JSON; NULL: the key is removed */
} change;

static void apply(json_t *config, const change *c) {
    fg_error err = {0};
    char parent[TEXT];
    const char *key = strrchr(c->path, '/');
    if (c->value) {
        json_t *value = json_loads(c->value, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        require_ok(fg_json_set_at(config, c->path, value, &err), &err);
        return;
    }
    snprintf(parent, sizeof parent, "%.*s", (int)(key ? key - c->path : 0), c->path);
    json_object_del(key ? fg_json_at(config, parent) : config, key ? key + 1 : c->path);
}

#define BLOCK "base_model/decoder/block/"
#define SLIDING "base_model/decoder/blocks/sliding_attention/"
#define FULL "base_model/decoder/blocks/full_attention/"

static void changed_settings_move_the_logits(void **state) {
    (void)state;
    static const change changes[] = {
        {"llama/basic", "fast_llm", BLOCK "mixer/rotary/theta", "10100.0"},
        {"llama/basic", "fast_llm", BLOCK "mixer/rotary/type", "\"none\""},
        {"llama/basic", "fast_llm", BLOCK "mixer/rotary", NULL},
        {"llama/basic", "fast_llm", BLOCK "mixer/softmax_scale_power", "0.4"},
        {"llama/basic", "fast_llm", BLOCK "mixer/causal", "false"},
        {"llama/basic", "fast_llm", BLOCK "mixer/window_size", "20"},
        {"llama/basic", "fast_llm", BLOCK "mlp/activation", "\"gelu\""},
        {"llama/basic", "fast_llm", BLOCK "mlp/activation", "\"squared_relu\""},
        {"llama/basic", "fast_llm", BLOCK "normalization/epsilon", "0.1"},
        {"llama/basic", "fast_llm", "base_model/head/normalization/epsilon", "0.1"},
        {"llama/basic", "fast_llm", "base_model/head/final_logit_softcap", "30.0"},
        {"llama/basic", "fast_llm", "base_model/embeddings/embedding_scale", "1.5"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/add_linear_biases", "false"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/query_layer/bias/enabled", "false"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/key_layer/bias/enabled", "false"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/dense_layer/bias/enabled", "false"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mlp/layer_1/bias/enabled", "false"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mlp/layer_2/bias/enabled", "false"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/rotary/scale_factor", "7.0"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/rotary/low_frequency_factor", "0.5"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/rotary/high_frequency_factor", "8.0"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/rotary/original_context_length", NULL},
        {"llama/pattern", "fast_llm", "base_model/decoder/blocks/b/normalization/epsilon", "0.1"},
        {"llama/pattern", "fast_llm", "base_model/decoder/blocks/a/mixer/rotary/theta", "9000.0"},
        {"mistral/window", "fast_llm", BLOCK "mixer/window_size", "15"},
        {"mistral/window", "fast_llm", BLOCK "mixer/window_size", "null"},
        {"mixtral/experts4", "fast_llm", BLOCK "mlp/experts_per_token", "1"},
        {"mixtral/experts4", "fast_llm", BLOCK "mlp/experts_per_token", "3"},
        {"mixtral/experts4", "fast_llm", BLOCK "mlp/router_input_scale", "0.5"},
        {"mixtral/experts4", "fast_llm", BLOCK "mlp/router_normalization", "{\"type\": \"fixed_rms_norm\"}"},
        {"mixtral/experts4", "fast_llm", BLOCK "mlp/pre_norm",
         "{\"type\": \"fixed_rms_norm\", \"epsilon\": 0.1}"},
        {"mixtral/experts4", "fast_llm", BLOCK "mlp/post_norm", "{\"type\": \"fixed_rms_norm\"}"},
        {"llama/basic", "fast_llm", BLOCK "mlp/post_norm", "{\"type\": \"fixed_rms_norm\"}"},
        {"llama/basic", "fast_llm", BLOCK "mixer/value_norm", "{\"type\": \"fixed_rms_norm\"}"},
        {"llama/basic", "fast_llm", BLOCK "mixer/rotary",
         "{\"type\": \"proportional\", \"partial_rotary_factor\": 0.5}"},
        {"llama/basic", "fast_llm", BLOCK "pre_mlp_normalization", "{\"type\": \"none\"}"},
        {"llama/basic", "fast_llm", BLOCK "normalization/zero_centered", "true"},
        {"llama/basic", "fast_llm", "base_model/head/normalization/zero_centered", "true"},
        {"llama/basic", "fast_llm", BLOCK "post_mixer_normalization", "{\"type\": \"fixed_rms_norm\"}"},
        {"llama/basic", "fast_llm", BLOCK "post_mlp_normalization", "{\"type\": \"fixed_rms_norm\"}"},
        {"llama/basic", "fast_llm", BLOCK "pre_mlp_normalization",
         "{\"type\": \"rms_norm\", \"epsilon\": 0.1}"},
        {"llama/basic", "fast_llm", BLOCK "pre_mixer_normalization",
         "{\"type\": \"rms_norm\", \"epsilon\": 0.1}"},
        {"mixtral/experts4", "hf", "num_experts_per_tok", "3"},
        {"mixtral/experts4", "hf", "rope_parameters/rope_theta", "900000.0"},
        {"diffusion_llama/yarn", "fast_llm", BLOCK "mixer/rotary/attention_factor", "1.2"},
        {"diffusion_llama/yarn", "fast_llm", BLOCK "mixer/rotary/attention_factor", "null"},
        {"diffusion_llama/yarn", "fast_llm", BLOCK "mixer/rotary/scale_factor", "5.0"},
        {"diffusion_llama/yarn", "fast_llm", BLOCK "mixer/rotary/original_context_length", "8192"},
        {"diffusion_llama/yarn", "fast_llm", BLOCK "mixer/rotary/beta_slow", "0.1"},
        {"diffusion_llama/yarn", "hf", "rope_parameters/beta_slow", "0.1"},
        {"diffusion_llama/yarn", "hf", "rope_parameters/factor", "5.0"},
        {"gemma4/dense", "hf", "final_logit_softcapping", "null"},
        {"gemma4/dense", "hf", "rms_norm_eps", "0.1"},
        {"gemma4/dense", "hf", "sliding_window", "15"},
        {"gemma4/dense", "hf", "hidden_activation", "\"silu\""},
        {"gemma4/dense", "hf", "rope_parameters/sliding_attention/rope_theta", "9000.0"},
        {"gemma4/dense", "hf", "rope_parameters/full_attention/rope_theta", "900000.0"},
        {"gemma4/dense", "hf", "rope_parameters/full_attention/partial_rotary_factor", "0.5"},
        {"gemma4/dense", "hf", "rope_parameters/full_attention/factor", "2.0"},
        {"gemma4/moe", "hf", "top_k_experts", "1"},
        {"gemma4/dense", "fast_llm", SLIDING "output_scale/enabled", "false"},
        {"gemma4/dense", "fast_llm", SLIDING "mixer/value_norm", "null"},
        {"gemma4/dense", "fast_llm", FULL "mixer/value_norm/epsilon", "0.1"},
        {"gemma4/dense", "fast_llm", FULL "mixer/query_norm", "null"},
        {"gemma4/dense", "fast_llm", FULL "mixer/rotary/partial_rotary_factor", "0.5"},
        {"gemma4/dense", "fast_llm", FULL "mixer/softmax_scale_power", "0.5"},
        {"gemma4/dense", "fast_llm", SLIDING "post_mixer_normalization", "null"},
        {"gemma4/dense", "fast_llm", SLIDING "post_mlp_normalization/epsilon", "0.1"},
        {"gemma4/dense", "fast_llm", SLIDING "pre_mlp_normalization/epsilon", "0.1"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/dense/pre_norm", "null"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/dense/post_norm/epsilon", "0.1"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/routed/pre_norm/epsilon", "0.1"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/routed/post_norm", "null"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/routed/router_normalization", "null"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/routed/router_scale/enabled", "false"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/routed/router_per_expert_scale/enabled", "false"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/routed/router_input_scale", "1.0"},
        {"gemma4/moe", "fast_llm", SLIDING "mlp/routed/experts_per_token", "3"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const change *c = &changes[i];
        subject s = open_side(c->name, c->side);
        logits before = subject_run(&s, 8, FG_MASK_NATIVE, s.count);
        apply(s.config, c);
        logits after = subject_run(&s, 8, FG_MASK_NATIVE, s.count);
        double apart = logits_distance(&before, &after);
        if (!(apart > 10 * TOLERANCE))
            fail_msg("%s, %s: %s moves the logits by %g only", c->name, c->side, c->path, apart);
        logits_free(&before);
        logits_free(&after);
        subject_close(&s);
    }
}

/* Keys that may be left out because the classes have that default, or because another key decides. */
static void defaults_fill_what_is_left_out(void **state) {
    (void)state;
    static const change changes[] = {
        {"llama/basic", "fast_llm", BLOCK "mixer/causal", NULL},
        {"llama/basic", "fast_llm", BLOCK "mixer/softmax_scale_power", NULL},
        {"llama/basic", "fast_llm", BLOCK "mixer/rotary/theta", NULL},
        {"llama/basic", "fast_llm", BLOCK "mixer/type", NULL},
        {"llama/basic", "fast_llm", BLOCK "mlp/type", NULL},
        {"llama/basic", "fast_llm", BLOCK "mlp/activation", NULL},
        {"llama/basic", "fast_llm", BLOCK "mlp/activation", "null"},
        {"llama/basic", "fast_llm", BLOCK "type", NULL},
        {"llama/basic", "fast_llm", "base_model/decoder/type", NULL},
        {"llama/basic", "fast_llm", "base_model/tied_embedding_weight", NULL},
        {"llama/basic", "fast_llm", "base_model/embeddings/embedding_scale", NULL},
        {"llama/pattern", "fast_llm", "base_model/decoder/blocks/a/normalization/epsilon", NULL},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/add_linear_biases", NULL},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mlp/add_linear_biases", "null"},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/rotary/scale_factor", NULL},
        {"llama/llama3-tied-bias", "fast_llm", BLOCK "mixer/value_layer/bias/enabled", "false"},
        {"qwen2/tied", "fast_llm", BLOCK "mixer/query_layer/bias/enabled", "true"},
        {"diffusion_llama/yarn", "fast_llm", BLOCK "mixer/rotary/beta_slow", NULL},
        {"diffusion_llama/yarn", "hf", "rope_theta",
         "5.0"}, /* the class always writes it; the object counts */
        {"dream/basic", "hf", "num_key_value_heads", "2"},
        {"qwen2/tied", "hf", "max_window_layers", "1"},
        {"gemma4/dense", "hf", "rope_parameters", NULL},
        {"gemma4/dense", "hf", "rope_parameters", "null"},
        {"gemma4/dense", "hf", "rms_norm_eps", NULL},
        {"gemma4/dense", "hf", "tie_word_embeddings", NULL},
        {"gemma4/dense", "hf", "attention_bias", NULL},
        {"gemma4/dense", "hf", "enable_moe_block", NULL},
        {"gemma4/dense", "hf", "hidden_activation", NULL},
        {"gemma4/dense", "hf", "layer_types",
         "[\"sliding_attention\", \"sliding_attention\", \"sliding_attention\", "
         "\"sliding_attention\"]"},                                /* the last layer sees all */
        {"gemma4/dense", "hf", "num_global_key_value_heads", "1"}, /* counts where keys are values only */
        {"gemma4/dense", "hf", "per_layer_config", "{\"3\": {\"head_dim\": 16}}"},
        {"gemma4/dense", "hf", "per_layer_config",
         "{\"03\": {\"head_dim\": 16, \"num_key_value_heads\": 2}}"},
        {"gemma4/dense", "hf", "use_bidirectional_attention", "\"vision\""},
        {"gemma4/dense", "fast_llm", SLIDING "mlp/gated", "true"},
        {"gemma4/dense", "fast_llm", FULL "mixer/shared_key_value", "false"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const change *c = &changes[i];
        subject s = open_side(c->name, c->side);
        logits before = subject_run(&s, 8, FG_MASK_NATIVE, s.count);
        apply(s.config, c);
        logits after = subject_run(&s, 8, FG_MASK_NATIVE, s.count);
        if (memcmp(before.values, after.values,
                   before.heads * before.tokens * before.vocab * sizeof(float)) != 0)
            fail_msg("%s, %s: %s moves the logits", c->name, c->side, c->path);
        logits_free(&before);
        logits_free(&after);
        subject_close(&s);
    }
}

static void what_is_not_computed_is_refused(void **state) {
    (void)state;
    static const struct {
        change change;
        const char *text;
    } refused[] = {
        {{"llama/basic", "fast_llm", "type", "\"multi\""}, "\"type\": found \"multi\""},
        {{"llama/basic", "fast_llm", "type", "\"multimodal\""},
         "no tensor vision_encoder.embeddings.patch_embeddings.weight"},
        {{"llama/basic", "fast_llm", "base_model/vision_encoder", "{}"}, "that is not multimodal"},
        {{"llama/basic", "fast_llm", "base_model/peft/type", "\"lora\""}, "base_model/peft/type"},
        {{"llama/basic", "fast_llm", "base_model/head/normalization/type", NULL},
         "no tensor head.final_norm.bias"},
        {{"llama/basic", "fast_llm", BLOCK "normalization/type", "\"layer_norm\""},
         "no tensor decoder.0.norm_1.bias"},
        {{"llama/basic", "fast_llm", BLOCK "normalization/type", "\"gated_rms_norm\""},
         "\"gated_rms_norm\", expected one of \"none\" \"rms_norm\""},
        {{"llama/basic", "fast_llm", BLOCK "mixer/type", "\"retention\""},
         "\"retention\", expected one of \"attention\" \"mamba\" \"gdn\" \"kda\""},
        {{"llama/basic", "fast_llm", BLOCK "mixer/rotary/type", "\"default_2d\""}, "\"default_2d\""},
        {{"llama/basic", "fast_llm", BLOCK "mixer/rotary",
          "{\"type\": \"proportional\", \"partial_rotary_factor\": 0.3}"},
         "whole pairs"},
        {{"llama/basic", "fast_llm", BLOCK "mixer/query_norm", "{}"},
         "no tensor decoder.0.mixer.query_norm.weight"},
        {{"llama/basic", "fast_llm", BLOCK "mixer/key_norm", "{\"type\": \"rms_norm\"}"},
         "no tensor decoder.0.mixer.key_norm.weight"},
        {{"llama/basic", "fast_llm", BLOCK "mixer/value_norm", "{\"type\": \"rms_norm\"}"},
         "no tensor decoder.0.mixer.value_norm.weight"},
        {{"llama/basic", "fast_llm", BLOCK "mixer/shared_key_value", "true"},
         "found shape [32, 32], expected [16, 32]"},
        {{"llama/basic", "fast_llm", BLOCK "post_mixer_normalization", "{\"type\": \"rms_norm\"}"},
         "no tensor decoder.0.post_mixer_norm.weight"},
        {{"llama/basic", "fast_llm", BLOCK "post_mlp_normalization", "{}"},
         "no tensor decoder.0.post_mlp_norm.weight"},
        {{"llama/basic", "fast_llm", BLOCK "output_scale", "{\"enabled\": true}"},
         "no tensor decoder.0.output_scale"},
        {{"llama/basic", "fast_llm", BLOCK "mlp/pre_norm", "{\"type\": \"rms_norm\"}"},
         "no tensor decoder.0.mlp.pre_norm.weight"},
        {{"llama/basic", "fast_llm", BLOCK "mlp/activation", "\"swish\""},
         "\"swish\", expected one of \"silu\""},
        {{"llama/basic", "fast_llm", BLOCK "mlp/gated", "false"}, "found shape [96, 32], expected [48, 32]"},
        {{"llama/basic", "fast_llm", BLOCK "mlp/type", "\"hybrid_moe\""}, "experts with biases"},
        {{"llama/basic", "fast_llm", BLOCK "mixer/head_groups", "4"},
         "found shape [32, 32], expected [64, 32]"},
        {{"llama/basic", "fast_llm", "base_model/decoder/block", "[]"},
         "a description of blocks: found an array, expected an object"},
        {{"llama/basic", "fast_llm", "base_model/decoder/type", "\"spiral\""},
         "\"spiral\", expected one of \"fixed\" \"pattern\""},
        {{"llama/basic", "fast_llm", "base_model/decoder/type", "\"pattern\""},
         "expected descriptions of blocks"},
        {{"llama/pattern", "fast_llm", "base_model/decoder/pattern", "[]"}, "expected a list of names"},
        {{"llama/pattern", "fast_llm", "base_model/decoder/pattern", "[\"a\", \"c\"]"},
         "\"c\", but no block is described"},
        {{"llama/pattern", "fast_llm", "base_model/decoder/pattern", "[1]"},
         "found 1, but no block is described"},
        {{"llama/pattern", "fast_llm", "base_model/decoder/blocks/b", "7"},
         "a description of blocks: found an integer, expected an object"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/experts_per_token", "5"},
         "5 experts per token, of 4 experts"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/shared_experts", "1"}, "expected [3, 32]"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/shared_experts", "5"}, "5 shared experts, of 4 experts"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/shared_experts", "3"},
         "2 experts per token, of 1 experts that are not shared"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/router_scale", "{\"enabled\": true}"},
         "no tensor decoder.0.mlp.router_scale"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/router_per_expert_scale", "{\"enabled\": true}"},
         "no tensor decoder.0.mlp.router_per_expert_scale"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/routing", "\"sinkhorn\""}, "mlp/routing"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/add_linear_biases", "true"}, "experts with biases"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/experts", "8"}, "expected [8, 32]"},
        {{"mixtral/experts4", "fast_llm", BLOCK "mlp/experts", "1000000"}, "1000000 experts"},
        {{"mtp_llama/heads3", "fast_llm", "base_model/head/prediction_heads", "4"},
         "heads.2.final_norm.weight"},
        {{"mtp_llama/heads3", "hf", "prediction_heads", "4"}, "model.mtp_norms.3.weight"},
        {{"gemma4/dense", "hf", "hidden_size_per_layer_input", NULL}, "hidden_size_per_layer_input is not 0"},
        {{"gemma4/dense", "hf", "num_kv_shared_layers", "1"}, "num_kv_shared_layers"},
        {{"gemma4/dense", "hf", "use_bidirectional_attention", "\"all\""}, "use_bidirectional_attention"},
        {{"gemma4/dense", "hf", "layer_types", "[\"full_attention\"]"}, "one type a layer"},
        {{"gemma4/dense", "hf", "layer_types", "[\"chunked_attention\", null, null, null]"},
         "block 0 is of the kind \"chunked_attention\""},
        {{"gemma4/dense", "hf", "per_layer_config", "{\"1\": {\"intermediate_size\": 48}}"},
         "per_layer_config with another key"},
        {{"gemma4/dense", "hf", "per_layer_config", "{\"3\": {\"head_dim\": 8}}"},
         "model.layers.3.self_attn.q_proj.weight"},
        {{"gemma4/dense", "hf", "rope_parameters/full_attention/rope_type", "\"default\""},
         "counts in the proportional type only"},
        {{"gemma4/dense", "hf", "attention_bias", "true"}, "model.layers.0.self_attn.q_proj.bias"},
        {{"gemma4/dense", "hf", "enable_moe_block", "true"}, "moe_intermediate_size"},
        {{"gemma4/moe", "fast_llm", SLIDING "mlp/routed/gated", "false"}, "one is gated, the other is not"},
        {{"gemma4/moe", "fast_llm", SLIDING "mlp/routed/activation", "\"silu\""}, "different activations"},
        {{"gemma4/moe", "fast_llm", SLIDING "mlp/routed/shared_experts", "1"}, "mlp/routed/shared_experts"},
        {{"gemma4/moe", "fast_llm", SLIDING "mlp/routed/routing", "\"sinkhorn\""}, "mlp/routed/routing"},
        {{"dream/basic", "hf", "use_sliding_window", "true"}, "use_sliding_window"},
        {{"qwen2/tied", "hf", "layer_types", "[\"sliding_attention\"]"}, "layer_types"},
        {{"mistral/window", "fast_llm", BLOCK "mixer/causal", "false"},
         "a window of 16 in attention that is not causal"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const change *c = &refused[i].change;
        fg_error err = {0};
        fg_model *model;
        subject s = open_side(c->name, c->side);
        apply(s.config, c);
        if (subject_bind(&s, &fg_device_cpu, 1, &model, &err) != FG_ERR_INPUT)
            fail_msg("%s: %s is not refused", c->name, c->path);
        if (!strstr(err.text, refused[i].text))
            fail_msg("found \"%s\", expected \"%s\" in it", err.text, refused[i].text);
        assert_null(model);
        subject_close(&s);
    }
    fg_error err = {0};
    fg_model *model;
    subject s = open_side("qwen2/tied", "hf");
    apply(s.config, &(change){.path = "use_sliding_window", .value = "true"});
    apply(s.config, &(change){.path = "sliding_window", .value = "8"});
    apply(s.config, &(change){.path = "layer_types", .value = "null"});
    apply(s.config, &(change){.path = "max_window_layers", .value = "2"});
    require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
    fg_model_free(&model);
    apply(s.config, &(change){.path = "max_window_layers", .value = "1"});
    require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
    assert_int_equal(fg_model_window(model, 0), 0);
    assert_int_equal(fg_model_window(model, 1), 8);
    fg_model_free(&model);
    subject_close(&s);
}

static void every_allocation_of_binding_may_fail(void **state) {
    (void)state;
    static const char *const names[] = {"mixtral/experts4", "llama/pattern"};
    for (size_t i = 0; i < 2; i++) {
        subject s = open_side(names[i], "fast_llm");
        fg_status status = FG_ERR_MEMORY;
        for (uint64_t k = 1; status != FG_OK; k = next_try(k)) {
            fg_error err = {0};
            fg_model *model = NULL;
            fg_alloc_fail_after(k);
            status = subject_bind(&s, &fg_device_cpu, 1, &model, &err);
            fg_alloc_fail_after(0);
            if (status != FG_OK && status != FG_ERR_MEMORY) fail_msg("allocation %d: %s", (int)k, err.text);
            assert_true(k < 5000);
            fg_model_free(&model);
        }
        subject_close(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_agree_with_the_reference),
        cmocka_unit_test(the_mask_is_the_callers_choice),
        cmocka_unit_test(both_sides_agree_to_the_bit),
        cmocka_unit_test(several_prediction_heads_have_blocks_of_their_own),
        cmocka_unit_test(chosen_experts_are_counted),
        cmocka_unit_test(changed_settings_move_the_logits),
        cmocka_unit_test(defaults_fill_what_is_left_out),
        cmocka_unit_test(what_is_not_computed_is_refused),
        cmocka_unit_test(every_allocation_of_binding_may_fail),
    };
    fg_alloc_init();
    fg_log_silence();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
