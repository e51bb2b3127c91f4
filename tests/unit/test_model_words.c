/* Words of the tables in combinations that no published family has, against logits that
 * tests/data/model_words/make.py computed in float64 from their definitions. */
#include "checkpoint_fixture.h"

#define TOLERANCE 5e-6

static double distance_of(const char *name, uint64_t batch) {
    char directory[100], tokens[100], path[TEXT];
    snprintf(directory, sizeof directory, "model_words/%s", name);
    snprintf(tokens, sizeof tokens, "model_words/%s/tokens.json", name);
    snprintf(path, sizeof path, FG_TEST_DATA "/model_words/%s/logits.npy", name);
    subject s = subject_open(directory, tokens);
    logits reference = logits_read(path), found = subject_run(&s, 1, FG_MASK_NATIVE, batch ? batch : s.count);
    double apart = logits_distance(&reference, &found);
    logits_free(&reference);
    logits_free(&found);
    subject_close(&s);
    return apart;
}

static void expect_reference(const char *name, uint64_t batch) {
    double apart = distance_of(name, batch);
    if (!(apart <= TOLERANCE)) fail_msg("%s by %d tokens: %g", name, (int)batch, apart);
}

static void mlps_without_a_gate(void **state) {
    (void)state;
    expect_reference("ungated", 0);
    expect_reference("ungated", 3);
}

static void blocks_of_several_kinds(void **state) {
    (void)state;
    expect_reference("kinds", 0);
}

static void experts_behind_several_heads(void **state) {
    (void)state;
    expect_reference("heads", 0);
    expect_reference("heads", 1);
}

static void no_rotary_and_no_activation(void **state) {
    (void)state;
    expect_reference("identity", 0);
    expect_reference("identity", 5);
}

static void the_exact_gelu_of_hf(void **state) {
    (void)state;
    expect_reference("hf_gelu", 0);
    expect_reference("hf_gelu", 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mlps_without_a_gate),          cmocka_unit_test(blocks_of_several_kinds),
        cmocka_unit_test(experts_behind_several_heads), cmocka_unit_test(no_rotary_and_no_activation),
        cmocka_unit_test(the_exact_gelu_of_hf),
    };
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
