/* Norms of every kind against their definitions, computed in float64. */
#include "model_fixture.h"

#include "model/norm.h"

enum { SIZE = 11, HEADS = 2, STRIDE = SIZE * HEADS + 3, COUNT = 3 };

static const double EPSILON = 0.01;

static float made_up(uint64_t i) {
    return (float)((i * 37 + 11) % 29) / 7 - 1.5f;
}

static void fill(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = made_up(i);
}

typedef struct definition {
    const char *word;
    bool centred, weight, bias;
    double shift;
} definition;

static const definition definitions[] = {
    {"rms", false, true, false, 0},          {"rms_plus_one", false, true, false, 1},
    {"fixed_rms", false, false, false, 0},   {"layer", true, true, true, 0},
    {"layer_plus_one", true, true, true, 1},
};
enum { DEFINITIONS = sizeof definitions / sizeof *definitions };

static double defined(const definition *d, const float *x, const float *weight, const float *bias, int i) {
    double mean = 0, squares = 0;
    for (int k = 0; k < SIZE && d->centred; k++) mean += (double)x[k] / SIZE;
    for (int k = 0; k < SIZE; k++) squares += (x[k] - mean) * (x[k] - mean) / SIZE;
    double normed = (x[i] - mean) / sqrt(squares + EPSILON);
    return normed * (d->weight ? weight[i] + d->shift : 1) + (d->bias ? (double)bias[i] : 0);
}

static fixture *make_fixture(void) {
    fixture *f = calloc(1, sizeof *f);
    fill(fixture_add(f, "n.weight", 1, SIZE, 0)->values, SIZE);
    fill(fixture_add(f, "n.bias", 1, SIZE, 0)->values, SIZE);
    f->arrays[1].values[3] = 5;
    return f;
}

static fg_status bind(fg_workspace *w, const json_t *side, const char *word, fg_norm *norm, fg_error *err) {
    fg_read_ranges read = {0};
    const fg_norm_settings settings = {fg_norm_find(word), EPSILON};
    const fg_binder binder = {.weights = &w->weights, .side = side, .format = "hf", .read = &read};
    assert_non_null(settings.kind);
    fg_status status = fg_norm_bind(&binder, "norm", &settings, SIZE, norm, err);
    fg_read_ranges_free(&read);
    return status;
}

/* Each head of each token, and nothing between them. */
static void each_kind_is_what_it_says(void **state) {
    (void)state;
    const fg_heads shape = {COUNT, HEADS, SIZE, STRIDE};
    for (size_t k = 0; k < DEFINITIONS; k++) {
        const definition *d = &definitions[k];
        fg_error err = {0};
        fg_workspace w;
        fg_norm norm = {0};
        float from[COUNT * STRIDE], to[COUNT * STRIDE];
        fixture *f = make_fixture();
        json_t *side = json_pack("{s:{s:s, s:s}}", "weights", "norm", "n.weight", "norm.bias", "n.bias");
        fill(from, COUNT * STRIDE);
        memcpy(to, from, sizeof to);
        require_ok(fg_workspace_open(&w, &fg_device_cpu, fixture_weights(f, &fg_format_hf), &err), &err);
        require_ok(bind(&w, side, d->word, &norm, &err), &err);
        require_ok(fg_norm_run(&w, &norm, (fg_real *)to, &shape, (fg_real *)to, &err), &err);
        for (int i = 0; i < COUNT * STRIDE; i++) {
            int token = i / STRIDE, inside = i % STRIDE, head = inside / SIZE, at = inside % SIZE;
            double expected = inside >= HEADS * SIZE ? (double)from[i]
                                                     : defined(d, from + token * STRIDE + head * SIZE,
                                                               f->arrays[0].values, f->arrays[1].values, at);
            if (!(fabs(to[i] - expected) < 1e-5))
                fail_msg("%s: found %g, expected %g", d->word, to[i], expected);
        }
        fg_norm_free(&norm);
        fg_workspace_close(&w);
        json_decref(side);
        fixture_free(f);
    }
}

static void weights_of_a_norm_must_be_there(void **state) {
    (void)state;
    static const struct { const char *word, *missing; } rows[] = {{"rms", "n.weight"}, {"layer", "n.bias"}};
    for (size_t i = 0; i < 2; i++) {
        fg_error err = {0};
        fg_workspace w;
        fg_norm norm = {0};
        fixture *f = make_fixture();
        json_t *side = json_pack("{s:{s:s, s:s}}", "weights", "norm", "n.weight", "norm.bias", "n.bias");
        strcpy(fixture_array(f, rows[i].missing)->name, "gone");
        require_ok(fg_workspace_open(&w, &fg_device_cpu, fixture_weights(f, &fg_format_hf), &err), &err);
        assert_int_equal(bind(&w, side, rows[i].word, &norm, &err), FG_ERR_INPUT);
        assert_non_null(strstr(err.text, rows[i].missing));
        fg_norm_free(&norm);
        require_ok(bind(&w, side, "fixed_rms", &norm, &(fg_error){0}), &err);
        fg_workspace_close(&w);
        json_decref(side);
        fixture_free(f);
    }
    assert_null(fg_norm_find("batch"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_what_it_says),
        cmocka_unit_test(weights_of_a_norm_must_be_there),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
