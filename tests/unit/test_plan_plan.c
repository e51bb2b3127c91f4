/* plan/plan: building, and the proof of tiling on plans written by hand. */
#include "plan/plan_check.h"
#include "plan_fixture.h"

/* ---- by hand ---- */

static void renames_of_any_shape_pass(void **state) {
    (void)state;
    fg_error err = {0};
    fg_plan plan = {0};
    const uint64_t shape[] = {4, 8}, empty[] = {0, 8};
    add_source(&plan, "a", FG_F32, 2, shape);
    add_source(&plan, "e", FG_F32, 2, empty);
    add_source(&plan, "d", FG_I64, 2, shape);
    add_source(&plan, "scalar", FG_BF16, 0, NULL);
    add_output(&plan, "b", 2, shape);
    assert_int_equal(fg_plan_add_whole(&plan, 0, &err), FG_OK);
    add_output(&plan, "f", 2, empty);
    assert_int_equal(fg_plan_add_whole(&plan, 1, &err), FG_OK);
    add_output(&plan, "t", 0, NULL);
    assert_int_equal(fg_plan_add_whole(&plan, 3, &err), FG_OK);
    assert_int_equal(fg_plan_drop(&plan, 2, "a buffer", &err), FG_OK);
    check(&plan, NULL);
    assert_int_equal(fg_plan_bytes(&plan), 4 * 33);
    assert_int_equal(fg_output_bytes(&plan.outputs[0]), 128);
    assert_int_equal(fg_plan_add_whole(&plan, 0, &err), FG_ERR_BUG);
    fg_plan_free(&plan);
}

typedef struct tiling_case {
    uint64_t elements;
    size_t count;
    fg_piece pieces[5];
    const char *expected; /* NULL: passes */
} tiling_case;

static void tilings_are_judged_exactly(void **state) {
    (void)state;
    static const tiling_case cases[] = {
        /* Runs. */
        {6,
         2,
         {{.dims = 1, .extent = {2}, .to_stride = {1}},
          {.dims = 1, .to = 2, .extent = {4}, .to_stride = {1}}},
         NULL},
        {6,
         2,
         {{.dims = 1, .extent = {2}, .to_stride = {1}},
          {.dims = 1, .to = 3, .extent = {3}, .to_stride = {1}}},
         "element 2 is covered 0 times"},
        {6,
         2,
         {{.dims = 1, .extent = {3}, .to_stride = {1}},
          {.dims = 1, .to = 2, .extent = {4}, .to_stride = {1}}},
         "element 2 is covered 2 times"},
        {6, 1, {{.dims = 1, .extent = {5}, .to_stride = {1}}}, "have 5 elements, expected 6"},
        {6, 0, {{0}}, "have 0 elements, expected 6"},
        {6, 1, {{.dims = 1, .extent = {7}, .to_stride = {1}}}, "reaches beyond the output"},
        {6, 1, {{.dims = 1, .extent = {0}, .to_stride = {1}}}, "is empty"},
        {6, 1, {{.dims = 2, .extent = {2, 3}, .to_stride = {1, 2}}}, "does not go through it in order"},
        {6, 1, {{.dims = 2, .extent = {2, 3}, .to_stride = {2, 1}}}, "does not go through it in order"},
        {1, 1, {{.dims = 0}}, NULL},
        {1, 1, {{.dims = 5, .extent = {1, 1, 1, 1, 1}}}, NULL},
        {1, 1, {{.dims = 1, .extent = {UINT64_MAX}, .to_stride = {UINT64_MAX}}}, "reaches beyond"},
        /* Columns: 2 rows of 3 + 7. */
        {20,
         2,
         {{.dims = 2, .extent = {2, 3}, .to_stride = {10, 1}},
          {.dims = 2, .to = 3, .extent = {2, 7}, .to_stride = {10, 1}}},
         NULL},
        {20,
         2,
         {{.dims = 2, .extent = {2, 3}, .to_stride = {10, 1}},
          {.dims = 2, .to = 2, .extent = {2, 7}, .to_stride = {10, 1}}},
         "element 2 is covered 2 times"},
        {20,
         2,
         {{.dims = 2, .extent = {2, 5}, .to_stride = {10, 1}},
          {.dims = 2, .to = 6, .extent = {2, 5}, .to_stride = {9, 1}}},
         "covered"},
        /* Interleaved: even and odd elements. */
        {8,
         2,
         {{.dims = 1, .extent = {4}, .to_stride = {2}},
          {.dims = 1, .to = 1, .extent = {4}, .to_stride = {2}}},
         NULL},
        {8,
         2,
         {{.dims = 1, .extent = {4}, .to_stride = {2}},
          {.dims = 1, .to = 0, .extent = {4}, .to_stride = {2}}},
         "element 0 is covered 2 times"},
        /* A run over two and a half rows, and columns for the rest. */
        {16,
         3,
         {{.dims = 1, .extent = {10}, .to_stride = {1}},
          {.dims = 2, .to = 10, .extent = {2, 1}, .to_stride = {4, 1}},
          {.dims = 1, .to = 11, .extent = {3}, .to_stride = {1}}},
         "expected 16"},
        {16,
         4,
         {{.dims = 1, .extent = {10}, .to_stride = {1}},
          {.dims = 1, .to = 10, .extent = {2}, .to_stride = {4}},
          {.dims = 1, .to = 11, .extent = {3}, .to_stride = {1}},
          {.dims = 1, .to = 15, .extent = {1}, .to_stride = {1}}},
         NULL},
        {16,
         4,
         {{.dims = 1, .extent = {10}, .to_stride = {1}},
          {.dims = 1, .to = 9, .extent = {2}, .to_stride = {4}},
          {.dims = 1, .to = 11, .extent = {3}, .to_stride = {1}},
          {.dims = 1, .to = 15, .extent = {1}, .to_stride = {1}}},
         "element 9 is covered 2 times"},
        /* Strides that do not divide each other: 2 and 3 on 6 elements. */
        {6,
         3,
         {{.dims = 1, .extent = {3}, .to_stride = {2}},
          {.dims = 1, .to = 1, .extent = {1}, .to_stride = {3}},
          {.dims = 1, .to = 3, .extent = {2}, .to_stride = {2}}},
         NULL},
        {6,
         3,
         {{.dims = 1, .extent = {2}, .to_stride = {3}},
          {.dims = 1, .to = 1, .extent = {2}, .to_stride = {4}},
          {.dims = 1, .to = 2, .extent = {2}, .to_stride = {2}}},
         NULL},
        {6,
         3,
         {{.dims = 1, .extent = {2}, .to_stride = {3}},
          {.dims = 1, .to = 1, .extent = {2}, .to_stride = {2}},
          {.dims = 1, .to = 2, .extent = {2}, .to_stride = {2}}},
         "element 3 is covered 2 times"},
        /* Three dimensions. */
        {24,
         2,
         {{.dims = 3, .extent = {2, 3, 2}, .to_stride = {12, 4, 1}},
          {.dims = 3, .to = 2, .extent = {2, 3, 2}, .to_stride = {12, 4, 1}}},
         NULL},
        {24,
         2,
         {{.dims = 3, .extent = {2, 3, 2}, .to_stride = {12, 4, 1}},
          {.dims = 3, .to = 2, .extent = {3, 2, 2}, .to_stride = {8, 4, 1}}},
         NULL},
        {24,
         2,
         {{.dims = 3, .extent = {2, 3, 2}, .to_stride = {12, 4, 1}},
          {.dims = 3, .to = 1, .extent = {2, 3, 2}, .to_stride = {12, 4, 1}}},
         "covered 2 times"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_plan plan;
        one_output(&plan, cases[i].elements);
        for (size_t p = 0; p < cases[i].count; p++) {
            fg_piece piece = cases[i].pieces[p];
            memset(piece.from_stride, 0, sizeof piece.from_stride);
            add_piece(&plan, &piece);
        }
        if (!cases[i].count) assert_int_equal(fg_plan_drop(&plan, 0, "r", NULL), FG_OK);
        fg_error err = {0};
        fg_status status = fg_plan_check(&plan, &err);
        if (cases[i].expected ? !strstr(err.text, cases[i].expected) : status != FG_OK)
            fail_msg("case %zu: said \"%s\", expected \"%s\"", i, err.text,
                     cases[i].expected ? cases[i].expected : "nothing");
        fg_plan_free(&plan);
    }
}

static void sources_are_accounted_for(void **state) {
    (void)state;
    fg_error err = {0};
    const uint64_t shape[] = {4};
    fg_plan plan = {0};
    add_source(&plan, "a", FG_F32, 1, shape);
    add_source(&plan, "left.over", FG_F32, 1, shape);
    add_source(&plan, "integers", FG_I32, 1, shape);
    add_output(&plan, "a", 1, shape);
    assert_int_equal(fg_plan_add_whole(&plan, 0, &err), FG_OK);
    assert_int_equal(fg_plan_drop(&plan, 2, "counter", &err), FG_OK);
    assert_int_equal(check(&plan, "tensor \"left.over\" is neither used nor dropped"), FG_ERR_INPUT);
    add_output(&plan, "a", 1, shape);
    assert_int_equal(fg_plan_add_whole(&plan, 1, &err), FG_OK);
    assert_int_equal(check(&plan, "two output tensors have the name \"a\""), FG_ERR_INPUT);
    plan.outputs[1].name = "b";
    check(&plan, NULL);
    plan.pieces[1].source = 2;
    check(&plan, "tensor \"integers\" of dtype int32 cannot become float32");
    plan.pieces[1].source = 9;
    check(&plan, "has no source tensor");
    plan.pieces[1].source = 0;
    check(&plan, "left.over");
    plan.pieces[1].source = 1;
    plan.pieces[1].from = 1;
    check(&plan, "reaches beyond its source tensor \"left.over\"");
    plan.pieces[1].from = 0;
    plan.pieces[1].kind = 3;
    check(&plan, "has no known kind");
    plan.pieces[1].kind = FG_PIECE_COPY;
    plan.outputs[1].elements = 5;
    check(&plan, "is not consistent");
    plan.outputs[1].elements = 4;
    assert_int_equal(fg_plan_drop(&plan, 0, "used, too", &err), FG_OK);
    check(&plan, "dropped tensor 0");
    assert_int_equal(fg_plan_drop(&plan, 3, "", &err), FG_ERR_BUG);
    fg_plan_free(&plan);
}

static void fills_need_no_whole_source(void **state) {
    (void)state;
    fg_plan plan = {0};
    const uint64_t old[] = {6, 4}, new[] = {9, 4}, integers[] = {4};
    add_source(&plan, "e", FG_BF16, 2, old);
    add_output(&plan, "e", 2, new);
    fg_piece rows = {.dims = 1, .extent = {24}, .from_stride = {1}, .to_stride = {1}};
    fg_piece zero = {
        .kind = FG_PIECE_ZERO, .dims = 1, .to = 24, .extent = {4}, .to_stride = {1}, .source = 77};
    fg_piece mean = {.kind = FG_PIECE_MEAN,
                     .dims = 2,
                     .to = 28,
                     .extent = {2, 4},
                     .from_stride = {0, 1},
                     .to_stride = {4, 1}};
    add_piece(&plan, &mean);
    add_piece(&plan, &rows);
    add_piece(&plan, &zero);
    assert_int_equal(plan.pieces[0].to, 0); /* sorted */
    assert_int_equal(plan.pieces[2].to, 28);
    check(&plan, NULL);
    plan.pieces[2].from = 1;
    check(&plan, "reaches beyond its source tensor \"e\" (4 elements)");
    plan.pieces[2].from = 0;
    plan.pieces[2].source = add_source(&plan, "i", FG_I32, 1, integers);
    check(&plan, "reaches beyond its source tensor \"i\" (1 elements)");
    fg_plan_free(&plan);
}

static void outputs_that_cannot_be_are_refused(void **state) {
    (void)state;
    fg_plan plan = {0};
    fg_piece piece = {0};
    const uint64_t huge[] = {1ull << 40, 1ull << 40}, hidden[] = {0, 1ull << 40, 1ull << 40};
    fg_error err[5] = {0};
    assert_int_equal(fg_plan_add_piece(&plan, &piece, &err[0]), FG_ERR_BUG);
    assert_int_equal(fg_plan_add_output(&plan, "x", FG_F32, 2, huge, &err[1]), FG_ERR_INPUT);
    assert_int_equal(fg_plan_add_output(&plan, "x", FG_F32, 3, hidden, &err[2]), FG_ERR_INPUT);
    assert_int_equal(fg_plan_add_output(&plan, "x", FG_F32, 6, hidden, &err[3]), FG_ERR_BUG);
    assert_int_equal(fg_plan_add_output(&plan, "x", FG_DTYPE_NONE, 1, hidden, &err[4]), FG_ERR_BUG);
    assert_int_equal(plan.output_count, 0);
    fg_plan_free(&plan);
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renames_of_any_shape_pass),          cmocka_unit_test(tilings_are_judged_exactly),
        cmocka_unit_test(sources_are_accounted_for),          cmocka_unit_test(fills_need_no_whole_source),
        cmocka_unit_test(outputs_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
