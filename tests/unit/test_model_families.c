/* Tiny models of families that transformers has, with settings that change how they compute, against logits that
 * transformers computed (tests/data/families/make.py). */
#include "checkpoint_fixture.h"
#include "tries.h"

#define TOLERANCE 2e-5

static const char *const cases[] = {
    "qwen2/last_layers", "qwen2/types",  "smollm3/interval",    "smollm3/list",
    "gemma2/caps",       "gemma2/types", "gemma3_text/pattern", "gemma3_text/types",
    "olmo2/basic",       "olmo2/bias",   "granite/multipliers", "granite/bias",
    "phi3/short",        "phi3/long",    "glm4/basic",          "glm4/odd",
    "smollm3/window",
};
enum { CASES = sizeof cases / sizeof *cases };

static subject open_case(const char *name) {
    char directory[100], tokens[100];
    snprintf(directory, sizeof directory, "families/%s", name);
    snprintf(tokens, sizeof tokens, "families/%s/tokens.json", name);
    return subject_open(directory, tokens);
}

static logits read_reference(const char *name) {
    char path[TEXT];
    snprintf(path, sizeof path, FG_TEST_DATA "/families/%s/logits.npy", name);
    return logits_read(path);
}

static logits run_batches(const subject *s, uint64_t batch) {
    fg_error err = {0};
    fg_model *model;
    require_ok(subject_bind(s, &fg_device_cpu, 1, &model, &err), &err);
    fg_model_set_length(model, s->count);
    return run_model(model, s->tokens, s->count, batch);
}

/* Logits of the subject against the reference; a subject that is refused is as far as can be. */
static double distance_of(const subject *s, const char *name) {
    fg_error err = {0};
    fg_model *model;
    if (subject_bind(s, &fg_device_cpu, 1, &model, &err) != FG_OK) {
        assert_int_equal(err.status, FG_ERR_INPUT);
        return INFINITY;
    }
    logits reference = read_reference(name), found = run_model(model, s->tokens, s->count, s->count);
    double apart = logits_distance(&reference, &found);
    logits_free(&reference);
    logits_free(&found);
    return apart;
}

static void logits_agree_with_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        subject s = open_case(cases[i]);
        double apart = distance_of(&s, cases[i]);
        if (!(apart <= TOLERANCE)) fail_msg("%s: %g", cases[i], apart);
        subject_close(&s);
    }
}

/* However the prompt is cut, if the model knows how long it is. */
static void pieces_of_the_prompt_agree(void **state) {
    (void)state;
    static const uint64_t batches[] = {1, 3, 7};
    for (size_t i = 0; i < CASES; i++) {
        subject s = open_case(cases[i]);
        logits reference = read_reference(cases[i]);
        for (size_t b = 0; b < 3; b++) {
            logits found = run_batches(&s, batches[b]);
            double apart = logits_distance(&reference, &found);
            if (!(apart <= TOLERANCE)) fail_msg("%s by %d tokens: %g", cases[i], (int)batches[b], apart);
            logits_free(&found);
        }
        logits_free(&reference);
        subject_close(&s);
    }
}

/* Without its length a sequence ends with each call: before the model's limit rotary embeddings are others. */
static void the_length_of_a_sequence_counts(void **state) {
    (void)state;
    static const char *const names[] = {"qwen2/types", "olmo2/bias", "phi3/long"};
    for (size_t i = 0; i < 3; i++) {
        fg_error err = {0};
        fg_model *model;
        subject s = open_case(names[i]);
        logits reference = read_reference(names[i]);
        require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
        logits found = run_model(model, s.tokens, s.count, 5);
        assert_true(logits_distance(&reference, &found) > 100 * TOLERANCE);
        logits_free(&found);
        logits_free(&reference);
        subject_close(&s);
    }
}

/* ---- damage that must show ---- */

typedef struct change {
    const char *name, *path, *value; /* JSON; NULL: the key is removed */
} change;

static void apply(json_t *config, const change *c) {
    fg_error err = {0};
    if (c->value)
        require_ok(fg_json_set_at(config, c->path, json_loads(c->value, JSON_DECODE_ANY, NULL), &err), &err);
    else
        json_object_del(config, c->path);
}

static void expect_moved(const char *name, const subject *s, const char *what) {
    double apart = distance_of(s, name);
    if (!(apart > 20 * TOLERANCE)) fail_msg("%s: %s moves the logits by %g only", name, what, apart);
}

static void changed_settings_move_the_logits(void **state) {
    (void)state;
    static const change changes[] = {
        {"qwen2/last_layers", "max_window_layers", "2"},
        {"qwen2/last_layers", "max_window_layers", "0"},
        {"qwen2/last_layers", "sliding_window", "4"},
        {"qwen2/last_layers", "sliding_window", "null"},
        {"qwen2/last_layers", "use_sliding_window", "false"},
        {"qwen2/last_layers", "rope_scaling/factor", "2.4"},
        {"qwen2/last_layers", "rope_scaling", "null"},
        {"qwen2/types", "layer_types", "null"},
        {"qwen2/types", "max_position_embeddings", "64"},
        {"qwen2/types", "max_position_embeddings", "15"},
        {"qwen2/types", "rope_parameters/factor", "2.0"},
        {"smollm3/interval", "no_rope_layer_interval", "3"},
        {"smollm3/interval", "no_rope_layer_interval", NULL},
        {"smollm3/interval", "no_rope_layers", "[1, 1, 0]"},
        {"smollm3/list", "no_rope_layers", "[0, 1, 0]"},
        {"smollm3/list", "no_rope_layers", NULL},
        {"smollm3/list", "sliding_window", "5"},
        {"smollm3/list", "use_sliding_window", "false"},
        {"smollm3/list", "rope_parameters/rope_theta", "303.0"},
        {"gemma2/caps", "attn_logit_softcapping", "2.1"},
        {"gemma2/caps", "attn_logit_softcapping", "null"},
        {"gemma2/caps", "final_logit_softcapping", NULL},
        {"gemma2/caps", "query_pre_attn_scalar", "8"},
        {"gemma2/caps", "sliding_window", NULL},
        {"gemma2/caps", "rms_norm_eps", "0.01"},
        {"gemma2/caps", "layer_types", "[\"full_attention\", \"sliding_attention\", \"full_attention\"]"},
        {"gemma2/types", "layer_types", NULL},
        {"gemma2/types", "hidden_activation", NULL},
        {"gemma3_text/pattern", "sliding_window_pattern", "3"},
        {"gemma3_text/pattern", "sliding_window_pattern", NULL},
        {"gemma3_text/pattern", "rope_local_base_freq", "101.0"},
        {"gemma3_text/pattern", "rope_local_base_freq", NULL},
        {"gemma3_text/pattern", "rope_theta", "2900.0"},
        {"gemma3_text/pattern", "rope_scaling/factor", "3.0"},
        {"gemma3_text/pattern", "rope_scaling", NULL},
        {"gemma3_text/types", "rope_parameters/sliding_attention/factor", "2.1"},
        {"gemma3_text/types", "rope_parameters/full_attention/factor", "3.0"},
        {"gemma3_text/types", "rope_parameters/full_attention/rope_type", "\"linear\""},
        {"gemma3_text/types", "final_logit_softcapping", "null"},
        {"olmo2/basic", "rms_norm_eps", "0.01"},
        {"olmo2/basic", "rope_theta", NULL},
        {"olmo2/bias", "attention_bias", "false"},
        {"olmo2/bias", "rope_scaling/type", "\"linear\""},
        {"granite/multipliers", "embedding_multiplier", NULL},
        {"granite/multipliers", "attention_multiplier", NULL},
        {"granite/multipliers", "residual_multiplier", NULL},
        {"granite/multipliers", "logits_scaling", NULL},
        {"granite/bias", "residual_multiplier", "0.81"},
        {"granite/bias", "rope_parameters/factor", "3.0"},
        {"phi3/short", "partial_rotary_factor", NULL},
        {"phi3/short", "sliding_window", "null"},
        {"phi3/short", "rope_scaling/short_factor", "[1.1, 1.5]"},
        {"phi3/short", "original_max_position_embeddings", "19"},
        {"phi3/short", "original_max_position_embeddings", "31"},
        {"phi3/short", "max_position_embeddings", "96"},
        {"phi3/long", "rope_parameters/long_factor", "[2.0, 7.0, 3.0]"},
        {"phi3/long", "original_max_position_embeddings", "20"},
        {"phi3/long", "rope_parameters/attention_factor", "1.0"},
        {"glm4/basic", "partial_rotary_factor", "1.0"},
        {"glm4/basic", "partial_rotary_factor", "0.25"},
        {"glm4/odd", "rope_parameters/partial_rotary_factor", "0.67"},
        {"glm4/odd", "rope_parameters/partial_rotary_factor", "0.84"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        subject s = open_case(changes[i].name);
        apply(s.config, &changes[i]);
        expect_moved(changes[i].name, &s, changes[i].path);
        subject_close(&s);
    }
}

/* Keys that may be left out, or whose values mean the same. */
static void equal_settings_do_not(void **state) {
    (void)state;
    static const change changes[] = {
        {"qwen2/last_layers", "layer_types",
         "[\"full_attention\", \"sliding_attention\", \"sliding_attention\"]"},
        {"qwen2/types", "max_window_layers", "0"},
        {"smollm3/interval", "no_rope_layers", "[true, false, true]"},
        {"smollm3/interval", "tie_word_embeddings", "true"},
        {"smollm3/interval", "use_sliding_window", "true"}, /* without a window */
        {"smollm3/list", "no_rope_layer_interval", "3"},
        {"smollm3/list", "layer_types", "[\"full_attention\", \"sliding_attention\", \"sliding_attention\"]"},
        {"gemma2/caps", "hidden_activation", "\"gelu_pytorch_tanh\""},
        {"gemma2/caps", "layer_types", "[\"sliding_attention\", \"full_attention\", \"sliding_attention\"]"},
        {"gemma3_text/types", "rope_theta", "300.0"},
        {"gemma3_text/types", "attn_logit_softcapping", "2.0"},
        {"gemma3_text/types", "sliding_window_pattern", "null"},
        {"phi3/short", "rope_scaling/type", "\"su\""},
        {"phi3/long", "rope_parameters/original_max_position_embeddings", "8"},
        {"phi3/long", "partial_rotary_factor", "1.0"},
        {"glm4/basic", "attention_bias", "true"},
        {"glm4/basic", "partial_rotary_factor", "0.5"},
        {"glm4/basic", "rope_scaling", "null"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        subject s = open_case(changes[i].name);
        apply(s.config, &changes[i]);
        double apart = distance_of(&s, changes[i].name);
        if (!(apart <= TOLERANCE))
            fail_msg("%s: %s moves the logits by %g", changes[i].name, changes[i].path, apart);
        subject_close(&s);
    }
}

static void what_transformers_would_refuse_is_refused(void **state) {
    (void)state;
    static const struct {
        change change;
        const char *text;
    } refused[] = {
        {{"qwen2/last_layers", "layer_types", "[\"full_attention\"]"}, "must have an entry for each layer"},
        {{"qwen2/types", "use_sliding_window", "false"}, "\"use_sliding_window\" is not true"},
        {{"qwen2/types", "sliding_window", "null"}, "sliding_window"},
        {{"qwen2/types", "layer_types", "[\"full_attention\", \"chunked_attention\", \"full_attention\"]"},
         "block 1 is of the kind \"chunked_attention\", expected one of \"full_attention\" "
         "\"sliding_attention\""},
        {{"qwen2/types", "layer_types", "[\"full_attention\", null, \"full_attention\"]"},
         "block 1 is of the kind"},
        {{"qwen2/types", "per_layer_config", "{\"1\": {\"head_dim\": 8}}"}, "per_layer_config"},
        {{"smollm3/list", "no_rope_layers", "[1, 0]"},
         "\"no_rope_layers\" must have an entry for each layer"},
        {{"smollm3/interval", "no_rope_layer_interval", "0"}, "a divisor above 0"},
        {{"smollm3/interval", "no_rope_layer_interval", "null"}, "\"no_rope_layer_interval\" is null"},
        {{"gemma2/caps", "use_bidirectional_attention", "true"}, "use_bidirectional_attention"},
        {{"gemma2/caps", "attn_logit_softcapping", "0.0"}, "a soft cap of 0"},
        {{"gemma2/caps", "attn_logit_softcapping", "-1.0"}, "negative"},
        {{"gemma2/caps", "query_pre_attn_scalar", "null"}, "query_pre_attn_scalar"},
        {{"gemma3_text/types", "rope_parameters/rope_theta", "300.0"}, "rope_parameters/rope_theta"},
        {{"gemma3_text/types", "rope_theta", "400.0"}, "rope_theta"},
        {{"gemma3_text/pattern", "rope_scaling/rope_type", "\"axial\""}, "axial"},
        {{"granite/multipliers", "logits_scaling", "0"}, "divided by 0"},
        {{"granite/multipliers", "is_causal", "false"}, "is_causal"},
        {{"granite/multipliers", "is_causal", "null"}, "is_causal"},
        {{"olmo2/basic", "partial_rotary_factor", "0.5"}, "partial_rotary_factor"},
        {{"phi3/short", "rope_scaling/short_factor", "[1.0]"}, "a list of 2 numbers above 0"},
        {{"phi3/short", "rope_scaling/long_factor", "[1.0, -1.0]"}, "long_factor"},
        {{"phi3/short", "rope_scaling/type", "\"linear\""}, "\"linear\", expected one of"},
        {{"glm4/basic", "partial_rotary_factor", "1.5"}, "rotates more than a head"},
        {{"glm4/basic", "partial_rotary_factor", "null"}, "partial_rotary_factor"},
        {{"glm4/odd", "partial_rotary_factor", "0.5"}, "the same number as in the object"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const change *c = &refused[i].change;
        fg_error err = {0};
        fg_model *model;
        subject s = open_case(c->name);
        apply(s.config, c);
        if (subject_bind(&s, &fg_device_cpu, 1, &model, &err) != FG_ERR_INPUT)
            fail_msg("%s: %s is not refused", c->name, c->path);
        if (!strstr(err.text, refused[i].text))
            fail_msg("found \"%s\", expected \"%s\" in it", err.text, refused[i].text);
        assert_null(model);
        subject_close(&s);
    }
}

/* Biases, which not all have; a tied head. */
static bool is_passed_over(const subject *s, const char *role) {
    return fg_ends_with(role, ".bias") ||
           (strcmp(role, "head") == 0 && !fg_tensors_find(&s->checkpoint.tensors, "lm_head.weight"));
}

/* Any two roles that change their places: another shape is refused. */
static void swapped_roles_move_the_logits(void **state) {
    (void)state;
    unsigned swaps = 0;
    for (size_t i = 0; i < CASES; i++) {
        subject s = open_case(cases[i]);
        json_t *weights = fg_json_at(s.spec, "formats/hf/weights"), *all = json_deep_copy(weights), *a, *b;
        FG_JSON_MEMBERS(all, one, a) {
            FG_JSON_MEMBERS(all, other, b) {
                char what[TEXT];
                if (strcmp(one, other) >= 0 || is_passed_over(&s, one) || is_passed_over(&s, other)) continue;
                snprintf(what, sizeof what, "%s in place of %s", one, other);
                json_object_set(weights, one, b);
                json_object_set(weights, other, a);
                expect_moved(cases[i], &s, what);
                json_object_set(weights, one, a);
                json_object_set(weights, other, b);
                swaps++;
            }
        }
        json_decref(all);
        subject_close(&s);
    }
    assert_true(swaps > 500);
}

/* Entries of a model file that are dropped, or take another value. */
static void changed_model_files_move_the_logits(void **state) {
    (void)state;
    static const change changes[] = {
        {"gemma2/caps", "config/norm/value", "\"rms\""},
        {"gemma2/caps", "config/post_mixer_norm/value", "\"rms\""},
        {"gemma2/caps", "config/post_mlp_norm/value", "null"},
        {"gemma2/caps", "config/final_norm/value", "\"rms\""},
        {"gemma2/caps", "formats/hf/config/embedding_scale", "null"},
        {"gemma2/caps", "formats/hf/config/score_softcap", "null"},
        {"gemma2/caps", "formats/hf/config/logit_softcap", "null"},
        {"gemma2/caps", "formats/hf/config/score_scale", "null"},
        {"gemma2/caps", "formats/hf/blocks", "null"},
        {"gemma3_text/types", "config/query_norm/value", "\"rms\""},
        {"gemma3_text/types", "config/key_norm/value", "null"},
        {"olmo2/basic", "config/mixer_norm/value", "\"fixed_rms\""},
        {"olmo2/basic", "config/norm_all_heads/value", "false"},
        {"granite/multipliers", "formats/hf/config/residual_multiplier", "null"},
        {"granite/multipliers", "formats/hf/config/logit_divisor", "null"},
        {"glm4/basic", "config/rotary_interleaved/value", "false"},
        {"glm4/basic", "config/post_mlp_norm", "null"},
        {"glm4/basic", "formats/hf/rotary/numbers/partial", "null"},
        {"phi3/short", "formats/hf/weights/attention.key/part", "2"},
        {"phi3/short", "formats/hf/weights/mlp.gate/part", "1"},
        {"smollm3/list", "formats/hf/blocks/variants/no_rotary/rotary", "null"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        subject s = open_case(changes[i].name);
        apply(s.spec, &changes[i]);
        expect_moved(changes[i].name, &s, changes[i].path);
        subject_close(&s);
    }
}

static void every_allocation_of_binding_may_fail(void **state) {
    (void)state;
    static const char *const names[] = {"smollm3/list", "phi3/short"};
    for (size_t i = 0; i < 2; i++) {
        subject s = open_case(names[i]);
        fg_status status = FG_ERR_MEMORY;
        fg_model *model = NULL;
        for (uint64_t k = 1; status != FG_OK; k = next_try(k)) {
            fg_error err = {0};
            fg_alloc_fail_after(k);
            status = subject_bind(&s, &fg_device_cpu, 1, &model, &err);
            fg_alloc_fail_after(0);
            assert_true(status == FG_OK || status == FG_ERR_MEMORY);
            assert_true(k < 20000);
        }
        fg_model_free(&model);
        subject_close(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_agree_with_the_reference),
        cmocka_unit_test(pieces_of_the_prompt_agree),
        cmocka_unit_test(the_length_of_a_sequence_counts),
        cmocka_unit_test(changed_settings_move_the_logits),
        cmocka_unit_test(equal_settings_do_not),
        cmocka_unit_test(what_transformers_would_refuse_is_refused),
        cmocka_unit_test(swapped_roles_move_the_logits),
        cmocka_unit_test(changed_model_files_move_the_logits),
        cmocka_unit_test(every_allocation_of_binding_may_fail),
    };
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
