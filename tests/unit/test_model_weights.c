/* Where numbers come from: files, plans, and files rounded as a plan rounds them; and the golden checkpoints
 * next to the repository. */
#include <sys/stat.h>
#include <unistd.h>

#include "model_fixture.h"
#include "store/cast.h"
#include "tries.h"

static void open_case(fg_checkpoint *checkpoint, const char *family) {
    fg_error err = {0};
    char path[512];
    fg_checkpoint_options options = {.format = &fg_format_hf};
    snprintf(path, sizeof path, "%s/model/%s/hf", FG_TEST_DATA, family);
    require_ok(fg_checkpoint_open(checkpoint, path, &options, &err), &err);
}

/* A plan that renames every tensor to "new." and casts it. Takes the checkpoint's table. */
static void make_plan(fg_plan *plan, fg_checkpoint *checkpoint, fg_dtype dtype) {
    fg_error err = {0};
    memset(plan, 0, sizeof *plan);
    plan->source = checkpoint->tensors;
    checkpoint->tensors = (fg_tensors){0};
    for (size_t i = 0; i < plan->source.count; i++) {
        const fg_tensor *tensor = &plan->source.items[i];
        char name[NAME];
        snprintf(name, sizeof name, "new.%s", tensor->name);
        require_ok(fg_plan_add_output(plan, name, dtype, tensor->rank, tensor->shape, &err), &err);
        require_ok(fg_plan_add_whole(plan, (uint32_t)i, &err), &err);
    }
}

/* All elements of a weight; to be freed. */
static float *read_all(fg_weight_source *weights, const char *name, fg_weight *weight) {
    fg_error err = {0};
    if (!weights->find(weights->context, name, weight)) fail_msg("no %s", name);
    float *values = malloc(weight->elements * sizeof *values);
    require_ok(fg_weight_source_read_f32(weights, weight, 0, weight->elements, values, &err), &err);
    return values;
}

static void parts_are_parts_of_the_whole(void **state) {
    (void)state;
    fg_error err = {0};
    fg_checkpoint checkpoint = {0};
    fg_weight_source weights;
    fg_weight weight;
    float part[1000];
    open_case(&checkpoint, "qwen3");
    require_ok(fg_weight_source_from_tensors(&weights, &checkpoint.tensors, &err), &err);
    float *whole = read_all(&weights, "model.embed_tokens.weight", &weight);
    assert_int_equal(weight.dtype, FG_BF16);
    assert_int_equal(weight.elements, 384 * 128);
    for (uint64_t first = 0; first < weight.elements; first += 9973) {
        uint64_t count = weight.elements - first < 1000 ? weight.elements - first : 1000;
        require_ok(fg_weight_source_read_f32(&weights, &weight, first, count, part, &err), &err);
        assert_memory_equal(part, whole + first, count * sizeof *part);
    }
    assert_false(weights.find(weights.context, "model.embed_tokens", &weight));
    free(whole);
    fg_weight_source_close(&weights);
    fg_checkpoint_close(&checkpoint);
}

/* What a plan would write and the source rounded as it rounds are equal to the bit, and both are what fg_cast
 * gives. */
static void planned_and_rounded_agree(void **state) {
    (void)state;
    static const fg_dtype types[] = {FG_F32, FG_BF16, FG_F16};
    for (size_t i = 0; i < 3; i++) {
        fg_error err = {0};
        fg_checkpoint checkpoint = {0};
        fg_plan plan;
        fg_weight_source source, planned, rounded;
        open_case(&checkpoint, "mistral");
        make_plan(&plan, &checkpoint, types[i]);
        require_ok(fg_weight_source_from_tensors(&source, &plan.source, &err), &err);
        require_ok(fg_weight_source_from_plan(&planned, &plan, &err), &err);
        require_ok(fg_weight_source_rounded(&rounded, &plan, &err), &err);
        for (size_t t = 0; t < plan.source.count; t++) {
            fg_weight weight;
            float *a = read_all(&source, plan.source.items[t].name, &weight),
                  *b = read_all(&rounded, plan.source.items[t].name, &weight);
            float *c = read_all(&planned, plan.outputs[t].name, &weight);
            assert_int_equal(weight.dtype, types[i]);
            void *cast = malloc(weight.elements * 4);
            fg_cast(FG_F32, a, types[i], cast, weight.elements);
            fg_cast_to_f32(types[i], cast, a, weight.elements);
            assert_memory_equal(a, b, weight.elements * sizeof *a);
            assert_memory_equal(b, c, weight.elements * sizeof *a);
            free(a), free(b), free(c), free(cast);
        }
        fg_weight_source_close(&source);
        fg_weight_source_close(&planned);
        fg_weight_source_close(&rounded);
        fg_plan_free(&plan);
        fg_checkpoint_close(&checkpoint);
    }
}

/* A tensor that the plan drops is read as the others are: a tied head is compared with the embedding. */
static void dropped_tensors_are_rounded_like_the_others(void **state) {
    (void)state;
    fg_error err = {0};
    fg_checkpoint checkpoint = {0};
    fg_plan plan = {0};
    fg_weight_source rounded;
    fg_weight weight;
    open_case(&checkpoint, "mistral");
    plan.source = checkpoint.tensors;
    checkpoint.tensors = (fg_tensors){0};
    const fg_tensor *first = &plan.source.items[0];
    require_ok(fg_plan_add_output(&plan, "new", FG_F16, first->rank, first->shape, &err), &err);
    require_ok(fg_plan_add_whole(&plan, 0, &err), &err);
    require_ok(fg_plan_drop(&plan, 1, "tied", &err), &err);
    require_ok(fg_weight_source_rounded(&rounded, &plan, &err), &err);
    float *values = read_all(&rounded, plan.source.items[1].name, &weight);
    assert_int_equal(weight.dtype, FG_F16);
    free(values);
    values = read_all(&rounded, plan.source.items[2].name, &weight);
    assert_int_equal(weight.dtype, plan.source.items[2].dtype);
    free(values);
    fg_weight_source_close(&rounded);
    require_ok(fg_plan_add_output(&plan, "other", FG_BF16, first->rank, plan.source.items[2].shape, &err),
               &err);
    require_ok(fg_weight_source_rounded(&rounded, &plan, &err), &err);
    free(read_all(&rounded, plan.source.items[1].name, &weight));
    assert_int_equal(weight.dtype, plan.source.items[1].dtype); /* no type is that of all outputs */
    fg_weight_source_close(&rounded);
    fg_plan_free(&plan);
    fg_checkpoint_close(&checkpoint);
}

static void rounding_two_ways_is_refused(void **state) {
    (void)state;
    fg_error err = {0};
    fg_checkpoint checkpoint = {0};
    fg_plan plan;
    fg_weight_source rounded;
    open_case(&checkpoint, "mistral");
    make_plan(&plan, &checkpoint, FG_F16);
    require_ok(fg_plan_add_output(&plan, "again", FG_BF16, plan.source.items[0].rank,
                                  plan.source.items[0].shape, &err),
               &err);
    require_ok(fg_plan_add_whole(&plan, 0, &err), &err);
    assert_int_equal(fg_weight_source_rounded(&rounded, &plan, &err), FG_ERR_BUG);
    assert_null(rounded.context);
    fg_plan_free(&plan);
    fg_checkpoint_close(&checkpoint);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    fg_checkpoint checkpoint = {0};
    fg_plan plan;
    open_case(&checkpoint, "mistral");
    make_plan(&plan, &checkpoint, FG_F16);
    for (int which = 0; which < 3; which++) {
        fg_status status = FG_ERR_MEMORY;
        for (uint64_t k = 1; status != FG_OK; k = next_try(k)) {
            fg_error err = {0};
            fg_weight_source weights;
            fg_alloc_fail_after(k);
            status = which == 0   ? fg_weight_source_from_tensors(&weights, &plan.source, &err)
                     : which == 1 ? fg_weight_source_from_plan(&weights, &plan, &err)
                                  : fg_weight_source_rounded(&weights, &plan, &err);
            fg_alloc_fail_after(0);
            assert_true(status == FG_OK || status == FG_ERR_MEMORY);
            assert_true(k < 1000);
            fg_weight_source_close(&weights);
        }
    }
    fg_plan_free(&plan);
    fg_checkpoint_close(&checkpoint);
}

/* ---- golden checkpoints ---- */

static double golden_distance(const char *directory, const fg_format *format, const char *family,
                              const uint32_t *tokens, const float *reference) {
    static float logits[TOKENS * (VOCAB + 64)], columns[TOKENS * VOCAB];
    fg_error err = {0};
    fg_checkpoint checkpoint = {0};
    fg_checkpoint_options options = {.format = format};
    fg_weight_source weights;
    fg_model *model;
    run_options whole = {.batch = TOKENS};
    json_t *spec = load_spec(family);
    require_ok(fg_checkpoint_open(&checkpoint, directory, &options, &err), &err);
    require_ok(fg_weight_source_from_tensors(&weights, &checkpoint.tensors, &err), &err);
    require_ok(fg_model_bind(&model, &fg_device_cpu, spec, format, checkpoint.config, weights, &err), &err);
    uint64_t vocab = fg_model_shape_of(model).vocab;
    assert_true(vocab >= VOCAB && vocab <= VOCAB + 64);
    require_ok(run_model(model, tokens, &whole, logits, &err), &err);
    for (uint64_t t = 0; t < TOKENS; t++)
        memcpy(columns + t * VOCAB, logits + t * vocab, VOCAB * sizeof *logits);
    json_decref(spec);
    fg_checkpoint_close(&checkpoint);
    return distance(reference, columns, TOKENS * VOCAB);
}

static void golden_directories_agree(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"llama", "llama_tied_rope3_bf16_sharded"},
        {"llama", "llama_untied_fp32"},
        {"mistral", "mistral_window_to_fp32"},
        {"mistral", "mistral_nowindow_bin_skipdefault"},
        {"qwen3", "qwen3_tied_bf16"},
        {"qwen3", "qwen3_add_tokens_fp32"},
    };
    static uint32_t tokens[TOKENS];
    static float reference[TOKENS * VOCAB];
    char folder[400], npy[480], json[480], path[480];
    struct stat there;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(folder, sizeof folder, "%s/../../../shared/golden/forgather/%s", FG_TEST_DATA, cases[i][1]);
        if (stat(folder, &there) != 0) {
            print_message("no %s: skipped\n", folder);
            skip();
        }
        snprintf(npy, sizeof npy, "%s/logits.npy", folder);
        snprintf(json, sizeof json, "%s/logits.json", folder);
        load_reference(npy, json, tokens, reference);
        for (size_t at = 0; at < 2; at++) {
            const fg_format *format = at ? &fg_format_forgather : &fg_format_hf;
            snprintf(path, sizeof path, "%s/%s", folder, format->name);
            double found = golden_distance(path, format, cases[i][0], tokens, reference);
            if (!(found <= 1e-5)) fail_msg("%s: differs by %g", path, found);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_parts_of_the_whole),
        cmocka_unit_test(planned_and_rounded_agree),
        cmocka_unit_test(dropped_tensors_are_rounded_like_the_others),
        cmocka_unit_test(rounding_two_ways_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(golden_directories_agree),
    };
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
