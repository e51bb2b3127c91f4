/* plan/compose: chains of random plans give the same elements as one after the other, and what is dropped on
 * the way. */
#include "plan/compose.h"
#include "plan_fixture.h"

static unsigned seed;

static uint64_t draw(uint64_t from, uint64_t to) {
    seed = seed * 1664525u + 1013904223u;
    return from + (seed >> 8) % (to - from + 1);
}

/* ---- carrying out a plan on numbers ---- */

typedef struct values {
    uint64_t *items[64];
    size_t count;
} values;

static void free_values(values *v) {
    for (size_t i = 0; i < v->count; i++) free(v->items[i]);
    *v = (values){0};
}

static void carry_piece(const fg_piece *piece, const uint64_t *from, uint64_t *to) {
    uint64_t index[FG_MAX_DIMS] = {0};
    for (bool more = true; more;) {
        uint64_t source = piece->from, target = piece->to;
        for (uint32_t d = 0; d < piece->dims; d++) {
            source += index[d] * piece->from_stride[d];
            target += index[d] * piece->to_stride[d];
        }
        to[target] =
            piece->kind == FG_PIECE_ZERO ? 0 : from[source] + (piece->kind == FG_PIECE_MEAN) * 1000000;
        more = false;
        for (uint32_t d = piece->dims; d-- > 0 && !more; index[d] = more ? index[d] : 0)
            more = ++index[d] < piece->extent[d];
    }
}

static values carry_out(const fg_plan *plan, const values *sources) {
    values result = {.count = plan->output_count};
    for (size_t o = 0; o < plan->output_count; o++) {
        const fg_output *output = &plan->outputs[o];
        result.items[o] = calloc(output->elements, sizeof(uint64_t));
        for (size_t p = output->first_piece; p < output->first_piece + output->piece_count; p++)
            carry_piece(&plan->pieces[p], sources->items[plan->pieces[p].source], result.items[o]);
    }
    return result;
}

/* ---- random steps ---- */

static void add_named(fg_plan *plan, uint64_t rows, uint64_t columns) {
    char name[64];
    const uint64_t shape[] = {rows, columns};
    snprintf(name, sizeof name, "t%zu", plan->output_count);
    add_output(plan, name, 2, shape);
}

static void add_box(fg_plan *plan, uint32_t source, const uint64_t extent[3], uint64_t from,
                    const uint64_t from_stride[3], uint64_t to, const uint64_t to_stride[3]) {
    fg_piece piece = {.dims = 3, .source = source, .from = from, .to = to};
    memcpy(piece.extent, extent, 3 * sizeof *extent);
    memcpy(piece.from_stride, from_stride, 3 * sizeof *extent);
    memcpy(piece.to_stride, to_stride, 3 * sizeof *extent);
    add_piece(plan, &piece);
}

static uint64_t divisor(uint64_t n) {
    uint64_t d = draw(1, n);
    while (n % d) d--;
    return d;
}

static void cut_rows(fg_plan *plan, uint32_t source, uint64_t rows, uint64_t columns) {
    uint64_t at = draw(1, rows - 1), parts[] = {at, rows - at};
    for (int i = 0; i < 2; i++) {
        add_named(plan, parts[i], columns);
        add_box(plan, source, (uint64_t[]){1, parts[i], columns}, i * at * columns,
                (uint64_t[]){0, columns, 1}, 0, (uint64_t[]){0, columns, 1});
    }
}

static void cut_columns(fg_plan *plan, uint32_t source, uint64_t rows, uint64_t columns) {
    uint64_t at = draw(1, columns - 1), parts[] = {at, columns - at};
    for (int i = 0; i < 2; i++) {
        add_named(plan, rows, parts[i]);
        add_box(plan, source, (uint64_t[]){1, rows, parts[i]}, i * at, (uint64_t[]){0, columns, 1}, 0,
                (uint64_t[]){0, parts[i], 1});
    }
}

/* The same rows of several heads, or every other row: [a, b, columns] becomes [b, a, columns]. */
static void permute_rows(fg_plan *plan, uint32_t source, uint64_t rows, uint64_t columns) {
    uint64_t a = divisor(rows), b = rows / a;
    add_named(plan, rows, columns);
    add_box(plan, source, (uint64_t[]){b, a, columns}, 0, (uint64_t[]){columns, b * columns, 1}, 0,
            (uint64_t[]){a * columns, columns, 1});
}

static void turn(fg_plan *plan, uint32_t source, uint64_t rows, uint64_t columns) {
    add_named(plan, columns, rows);
    add_box(plan, source, (uint64_t[]){1, columns, rows}, 0, (uint64_t[]){0, 1, columns}, 0,
            (uint64_t[]){0, rows, 1});
}

static void reshape(fg_plan *plan, uint32_t source, uint64_t rows, uint64_t columns) {
    uint64_t width = divisor(rows * columns);
    add_named(plan, rows * columns / width, width);
    assert_int_equal(fg_plan_add_whole(plan, source, NULL), FG_OK);
}

/* `source` and the next one, side by side or one below the other, if they fit. */
static bool unite(fg_plan *plan, uint32_t source, bool beside) {
    if (source + 1 >= plan->source.count) return false;
    const uint64_t *a = plan->source.items[source].shape, *b = plan->source.items[source + 1].shape;
    if (beside ? a[0] != b[0] : a[1] != b[1]) return false;
    uint64_t rows = beside ? a[0] : a[0] + b[0], columns = beside ? a[1] + b[1] : a[1];
    add_named(plan, rows, columns);
    for (uint32_t i = 0; i < 2; i++) {
        const uint64_t *shape = plan->source.items[source + i].shape;
        add_box(plan, source + i, (uint64_t[]){1, shape[0], shape[1]}, 0, (uint64_t[]){0, shape[1], 1},
                i * (beside ? a[1] : a[0] * a[1]), (uint64_t[]){0, columns, 1});
    }
    return true;
}

/* Consumes one or two source tensors; how many is returned. */
static uint32_t random_step(fg_plan *plan, uint32_t source) {
    uint64_t rows = plan->source.items[source].shape[0], columns = plan->source.items[source].shape[1];
    uint64_t what = draw(0, 6);
    if (what < 2 && unite(plan, source, what)) return 2;
    if (what == 2 && rows > 1)
        cut_rows(plan, source, rows, columns);
    else if (what == 3 && columns > 1)
        cut_columns(plan, source, rows, columns);
    else if (what == 4)
        permute_rows(plan, source, rows, columns);
    else if (what == 5)
        turn(plan, source, rows, columns);
    else
        reshape(plan, source, rows, columns);
    return 1;
}

static void random_plan(fg_plan *plan) {
    for (uint32_t s = 0; s < plan->source.count;) s += random_step(plan, s);
    check(plan, NULL);
}

static void begin_chain(fg_plan *plan, values *sources) {
    *plan = (fg_plan){0};
    *sources = (values){.count = draw(1, 4)};
    uint64_t number = 1;
    for (size_t i = 0; i < sources->count; i++) {
        static const uint64_t sizes[] = {1, 2, 4, 6, 8, 12};
        char name[32];
        uint64_t shape[] = {sizes[draw(0, 5)], sizes[draw(0, 5)]}, count = shape[0] * shape[1];
        snprintf(name, sizeof name, "s%zu", i);
        add_source(plan, name, FG_F32, 2, shape);
        sources->items[i] = calloc(count, sizeof(uint64_t));
        for (uint64_t e = 0; e < count; e++) sources->items[i][e] = number++;
    }
    random_plan(plan);
}

/* ---- tests ---- */

static void chains_do_what_their_steps_do(void **state) {
    (void)state;
    unsigned joined = 0, refused = 0;
    for (seed = 7; joined < 20000;) {
        fg_error err = {0};
        fg_plan chain;
        values sources, expected, found;
        unsigned begin = seed, steps = (unsigned)draw(1, 3);
        begin_chain(&chain, &sources);
        expected = carry_out(&chain, &sources);
        fg_status status = FG_OK;
        while (steps-- && status == FG_OK) {
            fg_plan next = {0};
            assert_int_equal(fg_plan_outputs(&chain, "between", &next.source, &err), FG_OK);
            random_plan(&next);
            values after = carry_out(&next, &expected);
            free_values(&expected);
            expected = after;
            status = fg_plan_compose(&chain, &next, &err);
            chain = next;
        }
        if (status == FG_OK) {
            found = carry_out(&chain, &sources);
            assert_int_equal(found.count, expected.count);
            for (size_t o = 0; o < found.count; o++) {
                if (memcmp(found.items[o], expected.items[o], chain.outputs[o].elements * sizeof(uint64_t)) !=
                    0)
                    fail_msg("seed %u: output %zu is another", begin, o);
            }
            free_values(&found);
            joined++;
        } else {
            assert_int_equal(status, FG_ERR_INPUT); /* what does not nest */
            refused++;
        }
        free_values(&expected);
        free_values(&sources);
        fg_plan_free(&chain);
    }
    print_message("%u chains joined, %u refused\n", joined, refused);
    assert_true(refused < joined / 3);
}

/* Rows that are set again in the second step: zero, mean of the whole, a copy. */
static void new_rows_come_through(void **state) {
    (void)state;
    fg_error err = {0};
    fg_plan first = {0}, second = {0};
    const uint64_t shape[] = {4, 3}, grown[] = {6, 3};
    add_source(&first, "embedding", FG_F32, 2, shape);
    add_output(&first, "between", 2, shape);
    assert_int_equal(fg_plan_add_whole(&first, 0, &err), FG_OK);
    assert_int_equal(fg_plan_outputs(&first, "between", &second.source, &err), FG_OK);
    add_output(&second, "grown", 2, grown);
    assert_int_equal(fg_plan_add_whole(&second, 0, &err), FG_ERR_BUG);
    err = (fg_error){0};
    fg_piece old = {.dims = 1, .extent = {12}, .from_stride = {1}, .to_stride = {1}};
    fg_piece mean = {.kind = FG_PIECE_MEAN,
                     .dims = 2,
                     .extent = {1, 3},
                     .from_stride = {0, 1},
                     .to = 12,
                     .to_stride = {3, 1}};
    fg_piece zero = {
        .kind = FG_PIECE_ZERO, .dims = 1, .extent = {3}, .from_stride = {1}, .to = 15, .to_stride = {1}};
    add_piece(&second, &old);
    add_piece(&second, &mean);
    add_piece(&second, &zero);
    if (fg_plan_compose(&first, &second, &err) != FG_OK) fail_msg("%s", err.text);
    assert_string_equal(second.source.items[0].name, "embedding");
    assert_int_equal(second.piece_count, 3);
    assert_int_equal(second.pieces[1].kind, FG_PIECE_MEAN);
    assert_int_equal(second.pieces[2].kind, FG_PIECE_ZERO);
    fg_plan_free(&second);
}

/* A matrix of two halves of the source in each other's place, or of zeros below, and a second step that adds
 * the mean of its rows. */
static void plan_mean_of_parts(fg_plan *first, fg_plan *second, bool zeros) {
    fg_error err = {0};
    const uint64_t shape[] = {4, 3}, grown[] = {6, 3};
    add_source(first, "vector", FG_F32, 2, shape);
    add_output(first, "matrix", 2, shape);
    for (uint64_t i = 0; i < 2; i++) {
        fg_piece piece = {.kind = i && zeros ? FG_PIECE_ZERO : FG_PIECE_COPY,
                          .dims = 1,
                          .extent = {6},
                          .from = 6 - 6 * i,
                          .from_stride = {1},
                          .to = 6 * i,
                          .to_stride = {1}};
        add_piece(first, &piece);
    }
    assert_int_equal(fg_plan_outputs(first, "between", &second->source, &err), FG_OK);
    add_output(second, "grown", 2, grown);
    fg_piece old = {.dims = 1, .extent = {12}, .from_stride = {1}, .to_stride = {1}};
    fg_piece mean = {.kind = FG_PIECE_MEAN,
                     .dims = 2,
                     .extent = {2, 3},
                     .from_stride = {0, 1},
                     .to = 12,
                     .to_stride = {3, 1}};
    add_piece(second, &old);
    add_piece(second, &mean);
}

/* It is taken of the matrix, not of the source tensor: the plan says how that is made. */
static void the_mean_of_parts_comes_through(void **state) {
    (void)state;
    fg_error err = {0};
    fg_plan first = {0}, second = {0}, sent = {0};
    fg_buffer bytes = {0};
    plan_mean_of_parts(&first, &second, false);
    if (fg_plan_compose(&first, &second, &err) != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(fg_plan_encode(&second, &bytes, &err), FG_OK);
    assert_int_equal(fg_plan_decode(bytes.data, bytes.length, &sent, &err), FG_OK);
    const fg_piece *mean = &sent.pieces[sent.piece_count - 1];
    assert_int_equal(mean->kind, FG_PIECE_MEAN);
    const fg_output *matrix = fg_piece_matrix(&sent, mean);
    assert_non_null(matrix);
    assert_string_equal(matrix->name, "matrix");
    assert_int_equal(matrix->piece_count, 2);
    assert_int_equal(sent.matrices->pieces[0].from, 6);
    sent.pieces[sent.piece_count - 1].matrix = 2;
    assert_int_equal(fg_plan_check(&sent, &err), FG_ERR_BUG);
    fg_buffer_free(&bytes);
    fg_plan_free(&sent);
    fg_plan_free(&second);
}

static void the_mean_of_computed_rows_is_refused(void **state) {
    (void)state;
    fg_error err = {0};
    fg_plan first = {0}, second = {0};
    plan_mean_of_parts(&first, &second, true);
    assert_int_equal(fg_plan_compose(&first, &second, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "mean"));
    fg_plan_free(&second);
}

static void what_the_second_step_drops_is_dropped(void **state) {
    (void)state;
    fg_error err = {0};
    fg_plan first = {0}, second = {0};
    const uint64_t shape[] = {2, 2};
    const char *names[] = {"kept", "left", "gone"};
    for (uint32_t i = 0; i < 3; i++) add_source(&first, names[i], FG_F32, 2, shape);
    for (uint32_t i = 0; i < 2; i++) {
        add_output(&first, names[i], 2, shape);
        assert_int_equal(fg_plan_add_whole(&first, i, &err), FG_OK);
    }
    assert_int_equal(fg_plan_drop(&first, 2, "early", &err), FG_OK);
    assert_int_equal(fg_plan_outputs(&first, "between", &second.source, &err), FG_OK);
    add_output(&second, "kept", 2, shape);
    assert_int_equal(fg_plan_add_whole(&second, 0, &err), FG_OK);
    assert_int_equal(fg_plan_drop(&second, 1, "late", &err), FG_OK);
    if (fg_plan_compose(&first, &second, &err) != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(second.dropped_count, 2);
    assert_string_equal(second.dropped[0].reason, "early");
    assert_int_equal(second.dropped[0].source, 2);
    assert_string_equal(second.dropped[1].reason, "late");
    assert_int_equal(second.dropped[1].source, 1);
    fg_plan_free(&second);
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        fg_error err = {0};
        fg_plan first, second = {0};
        values sources;
        seed = 4242;
        begin_chain(&first, &sources);
        free_values(&sources);
        assert_int_equal(fg_plan_outputs(&first, "between", &second.source, &err), FG_OK);
        random_plan(&second);
        fg_alloc_fail_after(n);
        fg_status status = fg_plan_compose(&first, &second, &err);
        fg_alloc_fail_after(0);
        fg_plan_free(&second);
        if (status == FG_OK) break;
        assert_int_equal(status, FG_ERR_MEMORY);
    }
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_do_what_their_steps_do),
        cmocka_unit_test(new_rows_come_through),
        cmocka_unit_test(the_mean_of_parts_comes_through),
        cmocka_unit_test(the_mean_of_computed_rows_is_refused),
        cmocka_unit_test(what_the_second_step_drops_is_dropped),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
