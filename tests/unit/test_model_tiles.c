/* Long prompts: cut at tiles they give the same bits as at once, and memory grows with the number of tokens,
 * not with its square. */
#include "base/alloc.h"
#include "checkpoint_fixture.h"
#include "model/vision.h"

enum { SHORT = 5 * FG_TILE + 7, LONG = 24 * FG_TILE, SOME_IDS = 37 };

static subject open_with(const char *directory, uint64_t count) {
    subject s = subject_open(directory, "model/llama/tokens.json");
    free(s.tokens);
    s.count = count;
    s.tokens = malloc(count * sizeof *s.tokens);
    for (uint64_t i = 0; i < count; i++) s.tokens[i] = (uint32_t)(7 * i % SOME_IDS);
    return s;
}

/* ---- the same bits ---- */

static void expect_same_bits(const char *directory) {
    static const uint64_t batches[] = {FG_TILE, 2 * FG_TILE, 4 * FG_TILE};
    subject s = open_with(directory, SHORT);
    logits whole = subject_run(&s, 2, FG_MASK_CAUSAL, SHORT);
    size_t bytes = whole.heads * whole.tokens * whole.vocab * sizeof *whole.values;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        logits found = subject_run(&s, 2, FG_MASK_CAUSAL, batches[i]);
        if (memcmp(whole.values, found.values, bytes) != 0)
            fail_msg("%s: %d tokens at once give other logits", directory, (int)batches[i]);
        logits_free(&found);
    }
    logits_free(&whole);
    subject_close(&s);
}

static void a_prompt_cut_at_tiles_gives_the_same_bits(void **state) {
    static const char *const cases[] = {
        "model/llama/hf",
        "families/gemma2/caps",
        "fast_llm/mistral/window/hf",
        "fast_llm/mixtral/experts4/hf",
        "fast_llm/gemma4/moe/hf",
        "fast_llm/mtp_llama/heads3/fast_llm",
        "fast_llm/apriel2_text/hybrid/fast_llm",
        "fast_llm/apriel2_text/stochastic/fast_llm",
        "fast_llm/apriel_hybrid_ssm/attention-mamba/hf",
        "fast_llm/apriel_hybrid_ssm/gdn/hf",
        "fast_llm/diffusion_llama/yarn/hf",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_same_bits(cases[i]);
}

/* ---- memory ---- */

/* A square of so many float32 takes 9 MiB. */
static const uint64_t MOST_BYTES = 5 << 20;

static void expect_little_memory(const char *directory, fg_mask mask) {
    fg_error err = {0};
    fg_model *model;
    subject s = open_with(directory, LONG);
    require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
    fg_model_set_mask(model, mask);
    float *hidden = malloc(LONG * fg_model_shape_of(model).hidden * sizeof *hidden);
    uint64_t before = fg_alloc_live();
    require_ok(fg_model_embed(model, s.tokens, LONG, hidden, &err), &err);
    require_ok(fg_model_block(model, 0, NULL, 0, LONG, hidden, NULL, &err), &err);
    if (fg_alloc_peak() > before + MOST_BYTES)
        fail_msg("%s: %d tokens take %d MiB", directory, LONG, (int)((fg_alloc_peak() - before) >> 20));
    if (fg_model_scratch_bytes(model, LONG) > MOST_BYTES) fail_msg("%s: more is expected", directory);
    free(hidden);
    fg_model_free(&model);
    subject_close(&s);
}

static void memory_grows_with_the_number_of_tokens(void **state) {
    (void)state;
    expect_little_memory("model/llama/hf", FG_MASK_CAUSAL);
    expect_little_memory("model/llama/hf", FG_MASK_NONE);
    expect_little_memory("fast_llm/apriel2_text/hybrid/fast_llm", FG_MASK_NATIVE);
    expect_little_memory("fast_llm/mixtral/experts4/hf", FG_MASK_CAUSAL);
}

static void memory_grows_with_the_number_of_patches(void **state) {
    fg_error err = {0};
    fg_model *model;
    fg_vision_shape shape;
    fg_image image;
    uint64_t patches, side = LONG / FG_TILE;
    (void)state;
    subject s = open_with("fast_llm/apriel2/vision/hf", 1);
    require_ok(subject_bind(&s, &fg_device_cpu, 1, &model, &err), &err);
    assert_true(fg_vision_shape_of(model, &shape));
    require_ok(
        fg_image_make(&image, shape.channels, side * shape.patch_height, FG_TILE * shape.patch_width, &err),
        &err);
    require_ok(fg_vision_count_patches(&shape, &image, &patches, &err), &err);
    assert_int_equal(patches, LONG);
    uint64_t width = fg_model_shape_of(model).hidden;
    float *hidden = malloc(patches * shape.hidden * sizeof *hidden),
          *rows = malloc(patches * width * sizeof *rows);
    uint64_t before = fg_alloc_live();
    require_ok(fg_vision_embed(model, &image, hidden, &err), &err);
    require_ok(fg_vision_block(model, &image, 0, hidden, NULL, &err), &err);
    require_ok(fg_vision_adapt(model, hidden, patches, rows, &err), &err);
    if (fg_alloc_peak() > before + MOST_BYTES)
        fail_msg("%d patches take %d MiB", LONG, (int)((fg_alloc_peak() - before) >> 20));
    assert_true(fg_vision_scratch_bytes(model, patches) < MOST_BYTES);
    free(hidden);
    free(rows);
    fg_image_free(&image);
    fg_model_free(&model);
    subject_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_cut_at_tiles_gives_the_same_bits),
        cmocka_unit_test(memory_grows_with_the_number_of_tokens),
        cmocka_unit_test(memory_grows_with_the_number_of_patches),
    };
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
