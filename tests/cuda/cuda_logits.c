/* Logits of checkpoints on a GPU against those on the CPU: for tests/cuda/run.
 *
 *     cuda_logits DIRECTORY TOKENS.json [DIRECTORY TOKENS.json ...]
 *
 * Paths are below tests/data. Each checkpoint runs with its weights as they are
 * and, where there are real logits of that (logits_x8.npy), times 8, all tokens at once and five at a time. Prints a line for each, with the largest difference
 * relative to the largest logit, and fails if one is above the tolerance or two runs on the GPU differ in a
 * bit.
 */
#include "../unit/checkpoint_fixture.h"
#include "device/cuda.h"

static const double TOLERANCE = 1e-5;

static logits run_on(const fg_device *device, const subject *s, float factor, uint64_t batch) {
    fg_error err = {0};
    fg_model *model;
    require_ok(subject_bind(s, device, factor, &model, &err), &err);
    if (batch < s->count) fg_model_set_mask(model, FG_MASK_CAUSAL);
    return run_model(model, s->tokens, s->count, batch);
}

static bool same_bits(const logits *a, const logits *b) {
    return memcmp(a->values, b->values, a->heads * a->tokens * a->vocab * sizeof *a->values) == 0;
}

/* Whether the two devices agree. */
static bool compare(const fg_device *cuda, const char *directory, const subject *s, float factor,
                    uint64_t batch) {
    logits near = run_on(&fg_device_cpu, s, factor, batch), far = run_on(cuda, s, factor, batch),
           again = run_on(cuda, s, factor, batch);
    double apart = logits_distance(&near, &far);
    bool same = same_bits(&far, &again), good = apart <= TOLERANCE && same;
    printf("%-60s x%g by %llu: %.2e%s%s\n", directory, (double)factor, (unsigned long long)batch, apart,
           same ? "" : ", other bits when run again", good ? "" : "  FAILED");
    logits_free(&near);
    logits_free(&far);
    logits_free(&again);
    return good;
}

static bool has_larger(const char *tokens) {
    fg_error err = {0};
    char path[TEXT];
    bool there = false;
    const char *slash = strrchr(tokens, '/');
    snprintf(path, sizeof path, FG_TEST_DATA "/%.*s/logits_x8.npy", (int)(slash - tokens), tokens);
    require_ok(fg_path_is_file(path, &there, &err), &err);
    return there;
}

static bool compare_all(const fg_device *cuda, const char *directory, const char *tokens) {
    subject s = subject_open(directory, tokens);
    bool good = true;
    const float factors[] = {1, 8};
    for (int i = 0; i < (has_larger(tokens) ? 2 : 1); i++) {
        good = compare(cuda, directory, &s, factors[i], s.count) && good;
        good = compare(cuda, directory, &s, factors[i], 5) && good;
    }
    subject_close(&s);
    return good;
}

int main(int argc, char **argv) {
    const fg_device *cuda;
    fg_error err = {0};
    int bad = 0;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* what was compared before a failure */
    fg_alloc_init();
    fg_device_cpu_threads(1);
    if (fg_device_cuda_load(0, &cuda, &err) != FG_OK) {
        printf("%s\nhint: %s\n", err.text, err.hint);
        return err.status;
    }
    for (int i = 1; i + 1 < argc; i += 2) bad += !compare_all(cuda, argv[i], argv[i + 1]);
    printf("%d of %d checkpoints differ from the CPU\n", bad, argc / 2);
    return bad ? 10 : 0;
}
