/* Recurrent mixers and several mixers in one block, against reference logits (tests/data/golden_fast_llm), against
 * their definitions in settings that no golden case has (tests/data/model_words/recurrent), and damaged. */
#include "checkpoint_fixture.h"

#include "base/log.h"
#include "tries.h"

#define TOLERANCE 2e-5

static subject open_case(const char *name, const char *side) {
    char directory[100], tokens[100];
    snprintf(directory, sizeof directory, "golden_fast_llm/%s/%s", name, side);
    snprintf(tokens, sizeof tokens, "golden_fast_llm/%s/logits.json", name);
    return subject_open(directory, tokens);
}

static subject open_words(void) {
    return subject_open("model_words/recurrent", "model_words/recurrent/tokens.json");
}

static bool same_bits(const logits *a, const logits *b) {
    return memcmp(a->values, b->values, a->heads * a->tokens * a->vocab * sizeof *a->values) == 0;
}

/* ---- however a prompt is cut ---- */

static void parts_of_a_prompt_continue_each_other(void **state) {
    (void)state;
    static const char *const names[] = {"apriel2_text/hybrid", "apriel2_text/stochastic",
                                        "apriel_hybrid_ssm/attention-mamba"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int hf = 0; hf < 2; hf++) {
            char path[TEXT];
            snprintf(path, sizeof path, FG_TEST_DATA "/golden_fast_llm/%s/logits_x8.npy", names[i]);
            subject s = open_case(names[i], hf ? "hf" : "fast_llm");
            logits reference = logits_read(path);
            for (uint64_t batch = 1; batch <= s.count; batch += batch == 3 ? s.count - 3 : 1) {
                logits found = subject_run(&s, 8, FG_MASK_NATIVE, batch);
                double apart = logits_distance(&reference, &found);
                if (!(apart <= TOLERANCE)) fail_msg("%s by %d tokens: %g", names[i], (int)batch, apart);
                logits_free(&found);
            }
            logits_free(&reference);
            subject_close(&s);
        }
    }
}

static void settings_of_no_golden_case(void **state) {
    (void)state;
    subject s = open_words();
    logits reference = logits_read(FG_TEST_DATA "/model_words/recurrent/logits.npy");
    for (uint64_t batch = 1; batch <= s.count; batch += batch == 3 ? s.count - 3 : 1) {
        logits found = subject_run(&s, 1, FG_MASK_NATIVE, batch);
        double apart = logits_distance(&reference, &found);
        if (!(apart <= TOLERANCE)) fail_msg("by %d tokens: %g", (int)batch, apart);
        logits_free(&found);
    }
    logits_free(&reference);
    subject_close(&s);
}

/* A state of fixed size cannot go back. */
static void a_state_does_not_go_back(void **state) {
    (void)state;
    fg_error err = {0};
    fg_model *model;
    fg_cache *cache;
    subject s = open_words();
    require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
    fg_model_shape shape = fg_model_shape_of(model);
    float hidden[3 * 12], again[3 * 12];
    assert_int_equal(shape.hidden, 12);
    require_ok(fg_cache_new(&cache, model, 0, 1, s.count, &err), &err);
    for (int round = 0; round < 2; round++) {
        float *values = round ? again : hidden;
        require_ok(fg_model_embed(model, s.tokens, 3, values, &err), &err);
        require_ok(fg_model_block(model, 0, cache, 0, 3, values, NULL, &err), &err); /* begins again */
    }
    assert_memory_equal(hidden, again, sizeof hidden);
    assert_int_equal(fg_model_block(model, 0, cache, 2, 1, hidden, NULL, &err), FG_ERR_BUG);
    assert_non_null(strstr(err.text, "do not continue"));
    fg_cache_free(&cache);
    fg_model_free(&model);
    subject_close(&s);
}

/* ---- wrong rules that keep shapes ---- */

/* Rows [first, first + count) and [other, other + count) of a tensor are swapped in what is read. */
typedef struct swap {
    const char *name;
    uint64_t columns, first, other, count;
    const char *other_name; /* of the tensor of the other rows; NULL: the same */
} swap;

typedef struct swapped {
    fg_weight_source inner;
    const swap *swap;
    fg_weight one, other;
} swapped;

static bool swapped_find(void *context, const char *name, fg_weight *weight) {
    swapped *s = context;
    return s->inner.find(s->inner.context, name, weight);
}

/* The element that is read in place of element `at`. */
static uint64_t swapped_element(const swapped *s, const fg_weight *weight, uint64_t at, fg_weight *from) {
    uint64_t first = s->swap->first * s->swap->columns, other = s->swap->other * s->swap->columns,
             count = s->swap->count * s->swap->columns;
    *from = *weight;
    if (weight->index == s->one.index && at >= first && at < first + count) {
        *from = s->other;
        return at - first + other;
    }
    if (weight->index == s->other.index && at >= other && at < other + count) {
        *from = s->one;
        return at - other + first;
    }
    return at;
}

static fg_status swapped_read(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                              void *out, fg_error *err) {
    swapped *s = context;
    size_t size = fg_dtype_size(weight->dtype);
    for (uint64_t i = 0; i < count; i++) {
        fg_weight from;
        uint64_t at = swapped_element(s, weight, first + i, &from);
        fg_status status = s->inner.read(s->inner.context, &from, at, 1, (char *)out + i * size, err);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}

static void swapped_close(void *context) {
    swapped *s = context;
    fg_weight_source_close(&s->inner);
    free(s);
}

static logits run_swapped(const subject *s, const swap *how) {
    fg_error err = {0};
    fg_model *model;
    swapped *context = malloc(sizeof *context);
    *context = (swapped){.swap = how};
    require_ok(fg_weight_source_from_tensors(&context->inner, &s->checkpoint.tensors, &err), &err);
    const char *other = how->other_name ? how->other_name : how->name;
    if (!context->inner.find(context->inner.context, how->name, &context->one) ||
        !context->inner.find(context->inner.context, other, &context->other))
        fail_msg("no tensor %s or %s", how->name, other);
    const fg_weight_source weights = {
        .context = context, .find = swapped_find, .read = swapped_read, .close = swapped_close};
    require_ok(fg_model_bind(&model, &fg_device_cpu, s->spec, s->checkpoint.format, s->config, weights, &err),
               &err);
    return run_model(model, s->tokens, s->count, s->count);
}

#define GDN "decoder.2.mixer."
#define KDA "decoder.3.mixer."
#define LATE "decoder.0.mixer."
#define EARLY "decoder.1.mixer."

static void swapped_weights_move_the_logits(void **state) {
    (void)state;
    static const swap swaps[] = {
        {.name = LATE "in_proj.weight", .columns = 12, .first = 16, .other = 24, .count = 8},  /* x and b */
        {.name = LATE "in_proj.weight", .columns = 12, .first = 0, .other = 32, .count = 16},  /* z and c */
        {.name = EARLY "in_proj.weight", .columns = 12, .first = 16, .other = 20, .count = 4}, /* groups */
        {.name = EARLY "A_log", .columns = 4, .first = 0, .other = 4, .count = 4},
        {.name = EARLY "D", .columns = 1, .first = 0, .other = 4, .count = 4},
        {.name = EARLY "dt_proj.bias", .columns = 1, .first = 0, .other = 1, .count = 1},
        {.name = LATE "convolution.weight", .columns = 1, .first = 0, .other = 2, .count = 1}, /* reversed */
        {.name = LATE "convolution.weight", .columns = 3, .first = 0, .other = 1, .count = 1},
        {.name = GDN "in_proj_qkvz.weight",
         .columns = 12,
         .first = 12,
         .other = 42,
         .count = 30},                                                                          /* v and z */
        {.name = GDN "in_proj_qkvz.weight", .columns = 12, .first = 0, .other = 6, .count = 6}, /* q and k */
        {.name = GDN "in_proj_qkvz.weight",
         .columns = 12,
         .first = 6,
         .other = 9,
         .count = 3}, /* key heads */
        {.name = GDN "in_proj_ba.weight", .columns = 12, .first = 0, .other = 6, .count = 6},
        {.name = GDN "convolution.weight", .columns = 1, .first = 0, .other = 1, .count = 1},
        {.name = GDN "convolution.weight", .columns = 2, .first = 0, .other = 6, .count = 6},
        {.name = GDN "dt_bias", .columns = 1, .first = 0, .other = 1, .count = 1},
        {.name = GDN "A_log", .columns = 1, .first = 0, .other = 1, .count = 1},
        {.name = KDA "q_proj.weight", .columns = 12, .count = 8, .other_name = KDA "k_proj.weight"},
        {.name = KDA "q_conv.weight", .columns = 5, .count = 8, .other_name = KDA "k_conv.weight"},
        {.name = KDA "k_proj.weight", .columns = 12, .count = 8, .other_name = KDA "v_proj.weight"},
        {.name = KDA "f_a_proj.weight", .columns = 12, .count = 4, .other_name = KDA "g_a_proj.weight"},
        {.name = KDA "f_b_proj.weight", .columns = 4, .count = 8, .other_name = KDA "g_b_proj.weight"},
        {.name = KDA "dt_bias", .columns = 1, .first = 0, .other = 4, .count = 4},
        {.name = "decoder.4.mixer.mixers.one.in_proj.weight",
         .columns = 12,
         .first = 16,
         .other = 24,
         .count = 8},
    };
    subject s = open_words();
    logits before = subject_run(&s, 1, FG_MASK_NATIVE, s.count);
    for (size_t i = 0; i < sizeof swaps / sizeof *swaps; i++) {
        logits after = run_swapped(&s, &swaps[i]);
        double apart = logits_distance(&before, &after);
        if (!(apart > 10 * TOLERANCE)) fail_msg("swap %zu of %s: %g only", i, swaps[i].name, apart);
        logits_free(&after);
    }
    /* The mixer that does not run changes nothing. */
    logits after = run_swapped(
        &s,
        &(swap){.name = "decoder.4.mixer.mixers.other.q_proj.weight", .columns = 12, .other = 1, .count = 1});
    assert_true(same_bits(&before, &after));
    logits_free(&after);
    logits_free(&before);
    subject_close(&s);
}

/* ---- settings ---- */

typedef struct change {
    const char *path, *value; /* JSON; NULL: the key is removed */
    const char *text;         /* of the refusal */
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
    assert_non_null(fg_json_at(config, c->path));
    snprintf(parent, sizeof parent, "%.*s", (int)(key - c->path), c->path);
    json_object_del(fg_json_at(config, parent), key + 1);
}

#define BLOCKS "base_model/decoder/blocks/"

static void changed_settings_move_the_logits(void **state) {
    (void)state;
    static const change changes[] = {
        {.path = BLOCKS "late/mixer/convolution_layer/activation", .value = "\"silu\""},
        {.path = BLOCKS "late/mixer/convolution_layer/activation"},
        {.path = BLOCKS "early/mixer/convolution_layer/activation", .value = "\"identity\""},
        {.path = BLOCKS "delta/mixer/convolution_layer/activation", .value = "null"},
        {.path = BLOCKS "delta/mixer/normalization/activation", .value = "\"silu\""},
        {.path = BLOCKS "delta/mixer/normalization/activation"},
        {.path = BLOCKS "delta/mixer/normalization/epsilon", .value = "0.02"},
        {.path = BLOCKS "delta/mixer/normalization"},
        {.path = BLOCKS "kimi/mixer/normalization/activation", .value = "\"sigmoid\""},
        {.path = BLOCKS "kimi/mixer/normalization/epsilon"},
        {.path = BLOCKS "kimi/mixer/convolution_layer/activation"},
        {.path = BLOCKS "first/mixer/mixers/one/normalization/epsilon", .value = "0.02"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        subject s = open_words();
        logits before = subject_run(&s, 1, FG_MASK_NATIVE, s.count);
        apply(s.config, &changes[i]);
        logits after = subject_run(&s, 1, FG_MASK_NATIVE, s.count);
        double apart = logits_distance(&before, &after);
        if (!(apart > 10 * TOLERANCE)) fail_msg("%s moves the logits by %g only", changes[i].path, apart);
        logits_free(&before);
        logits_free(&after);
        subject_close(&s);
    }
}

static void defaults_fill_what_is_left_out(void **state) {
    (void)state;
    static const change changes[] = {
        {.path = BLOCKS "late/mixer/add_linear_biases"},
        {.path = BLOCKS "late/mixer/convolution_layer/bias", .value = "{\"enabled\": null}"},
        {.path = BLOCKS "late/mixer/x_layer", .value = "{\"bias\": {\"enabled\": false}}"}, /* is not read */
        {.path = BLOCKS "early/mixer/repeat_kv_before_conv", .value = "true"},
        {.path = BLOCKS "early/mixer/convolution_layer/activation", .value = "\"silu\""},
        {.path = BLOCKS "delta/mixer/normalization/type", .value = "\"gated_rms_norm\""},
        {.path = BLOCKS "delta/mixer/normalization/zero_centered", .value = "false"},
        {.path = BLOCKS "first/mixer/main_mixer_name", .value = "\"one\""},
        {.path = BLOCKS "first/mixer/main_mixer_name", .value = "null"},
        {.path = BLOCKS "first/mixer/mixers/one/normalization/type", .value = "\"gated_rms_norm\""},
        {.path = BLOCKS "either/mixer/sampling_strategy", .value = "\"weighted\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        subject s = open_words();
        logits before = subject_run(&s, 1, FG_MASK_NATIVE, s.count);
        apply(s.config, &changes[i]);
        logits after = subject_run(&s, 1, FG_MASK_NATIVE, s.count);
        if (!same_bits(&before, &after)) fail_msg("%s moves the logits", changes[i].path);
        logits_free(&before);
        logits_free(&after);
        subject_close(&s);
    }
}

static void expect_refused(subject *s, const change *c) {
    fg_error err = {0};
    fg_model *model;
    apply(s->config, c);
    if (subject_bind(s, &fg_device_cpu, 1, &model, &err) != FG_ERR_INPUT)
        fail_msg("%s is not refused", c->path);
    if (!strstr(err.text, c->text)) fail_msg("found \"%s\", expected \"%s\" in it", err.text, c->text);
    assert_null(model);
    subject_close(s);
}

static void what_is_not_computed_is_refused(void **state) {
    (void)state;
    static const change refused[] = {
        {BLOCKS "late/mixer/d_inner", "18", "18 inner channels and 8 of x and b"},
        {BLOCKS "late/mixer/d_xb", "12", "16 inner channels and 12 of x and b"},
        {BLOCKS "late/mixer/state_size", "2", "found shape [16, 4], expected [16, 2]"},
        {BLOCKS "late/mixer/dt_rank", "4", "found shape [3, 12], expected [4, 12]"},
        {BLOCKS "late/mixer/dt_rank", "0", "an integer from 1"},
        {BLOCKS "late/mixer/repeat_kv_before_conv", "true", "found shape [8, 1, 3], expected [16, 1, 3]"},
        {BLOCKS "late/mixer/convolution_layer/kernel_size", NULL, "expected [8, 1, 4]"},
        {BLOCKS "late/mixer/convolution_layer/activation", "\"swish\"", "\"swish\", expected one of"},
        {BLOCKS "late/mixer/z_layer/bias/enabled", NULL, "no tensor decoder.0.mixer.in_proj.bias"},
        {BLOCKS "delta/mixer/key_heads", "4", "6 value heads cannot share 4 key heads"},
        {BLOCKS "delta/mixer/key_head_dim", "4", "expected [76, 12]"},
        {BLOCKS "delta/mixer/normalization/type", "\"rms_norm\"", "mixer/normalization/type"},
        {BLOCKS "delta/mixer/normalization/zero_centered", "true", "mixer/normalization/zero_centered"},
        {BLOCKS "delta/mixer/normalization/epsilon", "-1", "negative"},
        {BLOCKS "kimi/mixer/head_dim", "8", "expected [16, 12]"},
        {BLOCKS "either/mixer/mixers", "{}", "expected an object of mixers"},
        {BLOCKS "either/mixer/mixers", NULL, "expected an object of mixers"},
        {BLOCKS "either/mixer/mixers/one", "7", "mixer \"one\": found an integer, expected an object"},
        {BLOCKS "either/mixer/mixers/one/type", "\"stochastic\"",
         "mixer \"one\" is stochastic in a stochastic"},
        {BLOCKS "either/mixer/main_mixer_name", "\"two\"", "\"two\", expected the name of one of the mixers"},
        {BLOCKS "either/mixer/main_mixer_name", "1", "found 1, expected the name of one of the mixers"},
        {BLOCKS "either/mixer/mixers/other/head_dim", "8", "expected [16, 12]"},
        {BLOCKS "either/mixer/mixers/other/normalization/zero_centered", "true", "zero_centered"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        subject s = open_words();
        expect_refused(&s, &refused[i]);
    }
}

static void what_hfs_code_does_not_compute_is_refused(void **state) {
    (void)state;
    static const change refused[] = {
        {"decoder/blocks/gdn/mlp/add_linear_biases", "true",
         "no tensor model.decoder.blocks.1.mlp.gate_proj.bias"},
        {"decoder/blocks/gdn/mixer/convolution_layer/activation", "\"relu\"", "expected one of \"silu\""},
        {"decoder/blocks/attn/mixer/rotary/type", "\"pixtral_2d\"", "\"pixtral_2d\""},
        {"decoder/blocks/attn/normalization/type", "\"none\"", "\"none\", expected one of \"rms_norm\""},
        {"decoder/blocks/kda/mixer/normalization/activation", "\"gelu\"", "\"gelu\", expected one of"},
        {"decoder/blocks/mamba/mixer/d_inner", NULL, "mixer/d_inner"},
        {"head/normalization/type", "\"layer_norm\"", "head/normalization/type"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        subject s = open_case("apriel2_text/hybrid", "hf");
        expect_refused(&s, &refused[i]);
    }
    static const change layouts[] = {
        {"hybrid_block_layout", "[\"t\", \"kl\"]", "block 1 is of the kind \"kl\""},
        {"hybrid_block_layout", "[\"t\", \"m2d\"]", "block 1 is of the kind \"m2d\""},
        {"hybrid_block_layout", "[]", "models/"},
        {"hybrid_block_layout", "[\"m2\"]", "model.layers.0.mixer.in_proj.weight"},
        {"ssm_cfg/dt_proj_bias", "true", "no tensor model.layers.1.mixer.dt_proj.bias"},
        {"ssm_cfg/repeat_kv_before_conv", "false", "expected [16, 1, 4]"},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        subject s = open_case("apriel_hybrid_ssm/attention-mamba", "hf");
        expect_refused(&s, &layouts[i]);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    subject s = open_words();
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t k = 1; status != FG_OK; k = next_try(k)) {
        fg_error err = {0};
        fg_model *model = NULL;
        float hidden[3 * 12];
        fg_alloc_fail_after(k);
        status = subject_bind(&s, &fg_device_cpu, 1, &model, &err);
        if (status == FG_OK) status = fg_model_embed(model, s.tokens, 3, hidden, &err);
        for (uint64_t b = 0; status == FG_OK && b < 6; b++)
            status = fg_model_block(model, b, NULL, 0, 3, hidden, NULL, &err);
        fg_alloc_fail_after(0);
        if (status != FG_OK && status != FG_ERR_MEMORY) fail_msg("allocation %d: %s", (int)k, err.text);
        assert_true(k < 20000);
        fg_model_free(&model);
    }
    subject_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_a_prompt_continue_each_other),
        cmocka_unit_test(settings_of_no_golden_case),
        cmocka_unit_test(a_state_does_not_go_back),
        cmocka_unit_test(swapped_weights_move_the_logits),
        cmocka_unit_test(changed_settings_move_the_logits),
        cmocka_unit_test(defaults_fill_what_is_left_out),
        cmocka_unit_test(what_is_not_computed_is_refused),
        cmocka_unit_test(what_hfs_code_does_not_compute_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    fg_alloc_init();
    fg_log_silence();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
