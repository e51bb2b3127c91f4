/* A device with memory of its own, which the host cannot reach: models ask nothing of it but what device.h
 * lists, and compute the same bits. */
#include "checkpoint_fixture.h"
#include "store/cast.h"

/* ---- the CPU behind addresses that end whoever follows them ---- */

static const uintptr_t FAR = (uintptr_t)1 << 62;

static fg_real *far_from(fg_real *near) {
    return near ? (fg_real *)((uintptr_t)near | FAR) : NULL;
}

static fg_real *near_to(const fg_real *far) {
    if (far && !((uintptr_t)far & FAR)) fail_msg("memory of the host was given to the device");
    return (fg_real *)((uintptr_t)far & ~FAR);
}

static size_t allocated, stored_panels;

static fg_status open_far(void **state, fg_error *err) {
    return fg_device_cpu.open(state, err);
}

static void close_far(void *state) {
    fg_device_cpu.close(state);
}

static fg_status far_allocate(void *s, uint64_t count, fg_real **memory, fg_error *err) {
    fg_status status = fg_device_cpu.allocate(s, count, memory, err);
    if (status == FG_OK) *memory = far_from(*memory);
    allocated += status == FG_OK;
    return status;
}

static void far_release(void *s, fg_real *memory) {
    allocated -= memory != NULL;
    fg_device_cpu.release(s, near_to(memory));
}

static uint64_t room_left; /* bytes, whatever is allocated */

static uint64_t far_room(void *s) {
    (void)s;
    return room_left;
}

static fg_status far_put(void *s, const float *from, uint64_t count, fg_real *to, fg_error *err) {
    return fg_device_cpu.put(s, from, count, near_to(to), err);
}

static fg_status far_get(void *s, const fg_real *from, uint64_t count, float *to, fg_error *err) {
    return fg_device_cpu.get(s, near_to(from), count, to, err);
}

static fg_status far_load(void *s, fg_dtype dtype, const void *from, uint64_t count, fg_dtype as, fg_real *to,
                          fg_error *err) {
    if (as == FG_F32) return fg_device_cpu.load(s, dtype, from, count, as, near_to(to), err);
    memcpy(near_to(to), from, count * fg_dtype_size(dtype));
    return FG_OK;
}

/* As a GPU does: half the memory. */
static bool far_takes_stored(fg_dtype dtype) {
    return dtype == FG_BF16;
}

static fg_status far_linear(void *s, fg_panel panel, uint64_t rows, uint64_t columns, const fg_real *input,
                            uint64_t count, fg_real *output, uint64_t stride, fg_error *err) {
    fg_real *values = malloc(rows * columns * sizeof *values);
    assert_true(panel.dtype == FG_F32 || far_takes_stored(panel.dtype));
    stored_panels += panel.dtype != FG_F32;
    fg_cast_to_f32(panel.dtype, near_to(panel.values), &values->value, rows * columns);
    fg_status status = fg_device_cpu.linear(s, (fg_panel){values, FG_F32}, rows, columns, near_to(input),
                                            count, near_to(output), stride, err);
    free(values);
    return status;
}

static void far_attend(void *s, const fg_attention_tile *tile) {
    fg_attention_tile near = *tile;
    near.queries = near_to(near.queries);
    near.key = near_to(near.key);
    near.value = near_to(near.value);
    near.scores = near_to(near.scores);
    fg_device_cpu.attend(s, &near);
}

static void far_softmax(void *s, fg_real *scores, uint64_t rows, uint64_t columns, const fg_band *band) {
    fg_device_cpu.softmax(s, near_to(scores), rows, columns, band);
}

static void far_rms_norm(void *s, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                         float epsilon, fg_real *to) {
    fg_device_cpu.rms_norm(s, near_to(from), shape, near_to(weight), epsilon, near_to(to));
}

static void far_rotate(void *s, fg_real *values, const fg_heads *shape, const fg_rotation *rotation) {
    const fg_rotation near = {near_to(rotation->angles), rotation->pairs, rotation->interleaved};
    fg_device_cpu.rotate(s, near_to(values), shape, &near);
}

static void far_activate(void *s, fg_activation activation, fg_real *values, uint64_t count) {
    fg_device_cpu.activate(s, activation, near_to(values), count);
}

static void far_multiply(void *s, fg_real *values, const fg_real *by, uint64_t count) {
    fg_device_cpu.multiply(s, near_to(values), near_to(by), count);
}

static void far_add(void *s, fg_real *values, uint64_t stride, const fg_real *added, uint64_t added_stride,
                    uint64_t rows, uint64_t columns) {
    fg_device_cpu.add(s, near_to(values), stride, near_to(added), added_stride, rows, columns);
}

static void far_layer_norm(void *s, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                           float epsilon, fg_real *to) {
    fg_device_cpu.layer_norm(s, near_to(from), shape, near_to(weight), epsilon, near_to(to));
}

static void far_shift(void *s, fg_real *values, uint64_t count, float by) {
    fg_device_cpu.shift(s, near_to(values), count, by);
}

static void far_scale(void *s, fg_real *values, uint64_t count, float by) {
    fg_device_cpu.scale(s, near_to(values), count, by);
}

static void far_cap(void *s, fg_real *values, uint64_t count, float most) {
    fg_device_cpu.cap(s, near_to(values), count, most);
}

static void far_clear(void *s, fg_real *values, uint64_t count) {
    fg_device_cpu.clear(s, near_to(values), count);
}

static void far_gather(void *s, const fg_real *from, uint64_t size, const uint64_t *rows, uint64_t count,
                       fg_real *to) {
    fg_device_cpu.gather(s, near_to(from), size, rows, count, near_to(to));
}

static void far_scatter(void *s, const fg_real *from, uint64_t size, const uint64_t *rows,
                        const float *weights, uint64_t count, fg_real *to) {
    fg_device_cpu.scatter(s, near_to(from), size, rows, weights, count, near_to(to));
}

static void far_convolve(void *s, const fg_convolution *given) {
    fg_convolution near = *given;
    near.from = near_to(near.from);
    near.weight = near_to(near.weight);
    near.window = near_to(near.window);
    near.to = near_to(near.to);
    fg_device_cpu.convolve(s, &near);
}

static void far_repeat_heads(void *s, const fg_real *from, const fg_heads *shape, uint64_t times,
                             fg_real *to) {
    fg_device_cpu.repeat_heads(s, near_to(from), shape, times, near_to(to));
}

static void far_selective_scan(void *s, const fg_selective_scan *given) {
    fg_selective_scan near = *given;
    near.x = near_to(near.x);
    near.step = near_to(near.step);
    near.in = near_to(near.in);
    near.out = near_to(near.out);
    near.rate = near_to(near.rate);
    near.skip = near_to(near.skip);
    near.states = near_to(near.states);
    near.to = near_to(near.to);
    fg_device_cpu.selective_scan(s, &near);
}

static void far_delta_rule(void *s, const fg_delta_rule *given) {
    fg_delta_rule near = *given;
    near.query = near_to(near.query);
    near.key = near_to(near.key);
    near.value = near_to(near.value);
    near.beta = near_to(near.beta);
    near.step = near_to(near.step);
    near.rate = near_to(near.rate);
    near.states = near_to(near.states);
    near.to = near_to(near.to);
    fg_device_cpu.delta_rule(s, &near);
}

static const fg_device far_device = {
    .name = "far",
    .heads_at_once = true,
    .panel_bytes = 1 << 20,
    .load_bytes = 4000,
    .tokens_at_once = 64,
    .open = open_far,
    .close = close_far,
    .allocate = far_allocate,
    .release = far_release,
    .room = far_room,
    .put = far_put,
    .get = far_get,
    .load = far_load,
    .takes_stored = far_takes_stored,
    .linear = far_linear,
    .attend = far_attend,
    .softmax = far_softmax,
    .rms_norm = far_rms_norm,
    .layer_norm = far_layer_norm,
    .rotate = far_rotate,
    .activate = far_activate,
    .multiply = far_multiply,
    .add = far_add,
    .scale = far_scale,
    .shift = far_shift,
    .cap = far_cap,
    .clear = far_clear,
    .gather = far_gather,
    .scatter = far_scatter,
    .convolve = far_convolve,
    .repeat_heads = far_repeat_heads,
    .selective_scan = far_selective_scan,
    .delta_rule = far_delta_rule,
};

/* ---- models on both ---- */

typedef struct seen {
    float sum; /* of what sublayers add */
} seen;

static void look(void *context, uint64_t block, fg_sublayer sublayer, uint64_t position, uint64_t count,
                 const float *values) {
    seen *s = context;
    (void)block, (void)sublayer, (void)position;
    s->sum += values[count - 1];
}

/* Logits of the first head, by batches of `batch` tokens. */
static float *run_on(const fg_device *device, const subject *s, float factor, uint64_t batch, uint64_t keep,
                     seen *sums, uint64_t *count) {
    fg_error err = {0};
    fg_model *model;
    fg_cache *cache = NULL;
    const fg_probe probe = {look, sums};
    require_ok(subject_bind(s, device, factor, &model, &err), &err);
    fg_model_cache_weights(model, keep);
    room_left = keep;
    fg_model_set_mask(model, FG_MASK_CAUSAL);
    fg_model_shape shape = fg_model_shape_of(model);
    require_ok(fg_cache_new(&cache, model, 0, 1, s->count, &err), &err);
    float *hidden = malloc(s->count * shape.hidden * sizeof *hidden),
          *normed = malloc(s->count * shape.hidden * sizeof *normed),
          *result = malloc(s->count * shape.vocab * sizeof *result);
    for (uint64_t at = 0, n; at < s->count; at += n) {
        n = s->count - at < batch ? s->count - at : batch;
        require_ok(fg_model_embed(model, s->tokens + at, n, hidden, &err), &err);
        for (uint64_t b = 0; b <= shape.trunk && b < shape.blocks; b++)
            require_ok(fg_model_block(model, b, cache, at, n, hidden, &probe, &err), &err);
        require_ok(fg_model_final_norm(model, 0, hidden, n, normed, &err), &err);
        require_ok(fg_model_logits(model, normed, n, 0, shape.vocab, result + at * shape.vocab, &err), &err);
    }
    *count = s->count * shape.vocab;
    fg_cache_free(&cache);
    fg_model_free(&model);
    free(hidden);
    free(normed);
    return result;
}

static void expect_same_bits(const char *directory, const char *tokens) {
    subject s = subject_open(directory, tokens);
    for (int how = 0; how < 8; how++) {
        uint64_t batch = how & 1 ? 5 : s.count, keep = how & 2 ? 1 << 30 : 0, count, far_count;
        float factor = how & 4 ? 4 : 1; /* 4: float32 */
        seen sums = {0}, far_sums = {0};
        float *near = run_on(&fg_device_cpu, &s, factor, batch, keep, &sums, &count),
              *far = run_on(&far_device, &s, factor, batch, keep, &far_sums, &far_count);
        assert_int_equal(count, far_count);
        if (memcmp(near, far, count * sizeof *near) != 0 || sums.sum != far_sums.sum)
            fail_msg("%s: another device gives other numbers", directory);
        assert_int_equal(allocated, 0);
        free(near);
        free(far);
    }
    subject_close(&s);
}

static void the_host_does_not_touch_a_devices_memory(void **state) {
    static const char *const cases[] = {"llama/llama3-tied-bias",
                                        "llama/pattern",
                                        "mistral/window",
                                        "mixtral/experts4",
                                        "mtp_llama/heads3",
                                        "apriel2_text/hybrid",
                                        "apriel_hybrid_ssm/attention-mamba"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char directory[100], tokens[100];
        for (int hf = 0; hf < 2; hf++) {
            snprintf(directory, sizeof directory, "golden_fast_llm/%s/%s", cases[i], hf ? "hf" : "fast_llm");
            snprintf(tokens, sizeof tokens, "golden_fast_llm/%s/logits.json", cases[i]);
            expect_same_bits(directory, tokens);
        }
    }
    expect_same_bits("fast_llm/gemma4/moe/hf", "fast_llm/gemma4/moe/logits.json");
    expect_same_bits("fast_llm/gemma4/shared/fast_llm", "fast_llm/gemma4/shared/logits.json");
    expect_same_bits("families/gemma2/caps", "families/gemma2/caps/tokens.json");
    expect_same_bits("model_words/kinds", "model_words/kinds/tokens.json");
    expect_same_bits("model_words/recurrent", "model_words/recurrent/tokens.json");
    assert_true(stored_panels > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_host_does_not_touch_a_devices_memory)};
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
