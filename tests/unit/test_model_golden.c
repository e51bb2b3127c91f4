/* The forward pass against reference logits. */
#include "model_fixture.h"

#define TOLERANCE 1e-5

static const char *const families[] = {"llama", "mistral", "qwen3"};
enum { FAMILIES = sizeof families / sizeof *families };

static void logits_agree_with_the_reference(void **state) {
    (void)state;
    static const uint64_t batches[] = {TOKENS, 1, 5, 7};
    static float logits[TOKENS * VOCAB];
    for (size_t i = 0; i < FAMILIES; i++) {
        fixture *f = fixture_load(families[i]);
        for (size_t at = 0; at < 2; at++) {
            const fg_format *format = at ? &fg_format_forgather : &fg_format_hf;
            for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
                fg_error err = {0};
                run_options options = {.batch = batches[b]};
                require_ok(fixture_run(f, format, &options, logits, &err), &err);
                double found = distance(f->logits, logits, TOKENS * VOCAB);
                if (!(found <= TOLERANCE))
                    fail_msg("%s as %s, batches of %d: differs by %g", families[i], format->name,
                             (int)batches[b], found);
            }
        }
        fixture_free(f);
    }
}

static void runs_and_stores_agree_to_the_bit(void **state) {
    (void)state;
    static float first[TOKENS * VOCAB], again[TOKENS * VOCAB];
    for (size_t i = 0; i < FAMILIES; i++) {
        fixture *f = fixture_load(families[i]);
        fg_error err = {0};
        run_options plain = {.batch = 7}, keeping = {.batch = 7, .keep = 1 << 30},
                    some = {.batch = 7, .keep = 100000};
        require_ok(fixture_run(f, &fg_format_hf, &plain, first, &err), &err);
        require_ok(fixture_run(f, &fg_format_forgather, &plain, again, &err), &err);
        assert_memory_equal(first, again, sizeof first);
        require_ok(fixture_run(f, &fg_format_hf, &keeping, again, &err), &err);
        assert_memory_equal(first, again, sizeof first);
        require_ok(fixture_run(f, &fg_format_hf, &some, again, &err), &err);
        assert_memory_equal(first, again, sizeof first);
        fixture_free(f);
    }
}

/* Slices of the vocabulary, whichever, hold the columns of the whole. */
static void slices_of_the_head_fit_the_whole(void **state) {
    (void)state;
    fixture *f = fixture_load("qwen3");
    fg_error err = {0};
    fg_model *model;
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                             fixture_weights(f, &fg_format_hf), &err),
               &err);
    float normed[3 * 128], whole[3 * VOCAB], slice[3 * VOCAB];
    for (int i = 0; i < 3 * 128; i++) normed[i] = (float)(i % 17) - 8.5f;
    require_ok(fg_model_logits(model, normed, 3, 0, VOCAB, whole, &err), &err);
    for (uint64_t row = 0, rows; row < VOCAB; row += rows) {
        rows = row + 101 < VOCAB ? 101 : VOCAB - row;
        require_ok(fg_model_logits(model, normed, 3, row, rows, slice, &err), &err);
        for (uint64_t t = 0; t < 3; t++) {
            for (uint64_t r = 0; r < rows; r++)
                assert_float_equal(slice[t * rows + r], whole[t * VOCAB + row + r], 1e-5f);
        }
    }
    assert_int_equal(fg_model_logits(model, normed, 3, VOCAB - 1, 2, slice, &err), FG_ERR_BUG);
    fg_model_free(&model);
    fixture_free(f);
}

typedef struct seen {
    int calls;
    float hidden[TOKENS * 64];
} seen;

static void add_up(void *context, uint64_t block, fg_sublayer sublayer, uint64_t position, uint64_t count,
                   const float *values) {
    seen *s = context;
    assert_int_equal(position, 0);
    assert_int_equal(s->calls++, 2 * (int)block + (int)sublayer);
    for (uint64_t i = 0; i < count * 64; i++) s->hidden[i] += values[i];
}

/* What the probe is shown adds up to what the blocks make of the embedding. */
static void the_probe_sees_what_is_added(void **state) {
    (void)state;
    static float hidden[TOKENS * 64];
    static seen s;
    fixture *f = fixture_load("mistral");
    fg_error err = {0};
    fg_model *model;
    fg_probe probe = {add_up, &s};
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                             fixture_weights(f, &fg_format_hf), &err),
               &err);
    require_ok(fg_model_embed(model, f->tokens, TOKENS, hidden, &err), &err);
    memcpy(s.hidden, hidden, sizeof hidden);
    for (uint64_t b = 0; b < 2; b++)
        require_ok(fg_model_block(model, b, NULL, 0, TOKENS, hidden, &probe, &err), &err);
    assert_int_equal(s.calls, 4);
    assert_memory_equal(s.hidden, hidden, sizeof hidden);
    fg_model_free(&model);
    fixture_free(f);
}

static void misuse_is_refused(void **state) {
    (void)state;
    static float hidden[TOKENS * 64];
    fixture *f = fixture_load("mistral");
    fg_error err = {0};
    fg_model *model;
    fg_cache *cache;
    uint32_t beyond = VOCAB;
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                             fixture_weights(f, &fg_format_hf), &err),
               &err);
    assert_int_equal(fg_model_embed(model, &beyond, 1, hidden, &err), FG_ERR_USAGE);
    assert_string_equal(err.text, "token id 384 at position 0: the model's vocabulary has 384 tokens");
    err = (fg_error){0};
    assert_int_equal(fg_model_block(model, 0, NULL, 3, 1, hidden, NULL, &err), FG_ERR_BUG);
    require_ok(fg_cache_new(&cache, model, 1, 1, 8, &err), &(fg_error){0});
    err = (fg_error){0};
    assert_int_equal(fg_model_block(model, 0, cache, 0, 1, hidden, NULL, &err), FG_ERR_BUG);
    assert_int_equal(fg_model_block(model, 1, cache, 2, 1, hidden, NULL, &err), FG_ERR_BUG);
    assert_int_equal(fg_model_block(model, 1, cache, 0, 9, hidden, NULL, &err), FG_ERR_BUG);
    assert_int_equal(fg_model_final_norm(model, 1, hidden, 1, hidden, &err), FG_ERR_BUG);
    fg_cache_free(&cache);
    fg_model_free(&model);
    fixture_free(f);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static float logits[TOKENS * VOCAB];
    fixture *f = fixture_load("qwen3");
    run_options options = {.batch = 7, .keep = 500000};
    fg_status status = FG_ERR_MEMORY;
    uint64_t k = 0;
    while (status != FG_OK) {
        fg_error err = {0};
        fg_alloc_fail_after(++k);
        status = fixture_run(f, &fg_format_forgather, &options, logits, &err);
        fg_alloc_fail_after(0);
        assert_true(status == FG_OK || status == FG_ERR_MEMORY);
        assert_int_equal(err.status, status);
        assert_true(k < 10000);
    }
    assert_true(k > 50);
    assert_true(distance(f->logits, logits, TOKENS * VOCAB) <= TOLERANCE);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_agree_with_the_reference),
        cmocka_unit_test(runs_and_stores_agree_to_the_bit),
        cmocka_unit_test(slices_of_the_head_fit_the_whole),
        cmocka_unit_test(the_probe_sees_what_is_added),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
