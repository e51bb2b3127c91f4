/* plan/plan: random plans and their mutations, sending, plans that are large. */
#include <time.h>

#include "plan/plan_check.h"
#include "plan_fixture.h"
#include "tries.h"

/* ---- random plans ---- */

static unsigned seed;

static uint64_t draw(uint64_t from, uint64_t to) {
    seed = seed * 1664525u + 1013904223u;
    return from + (seed >> 8) % (to - from + 1);
}

static void random_name(fg_plan *plan, char *name, const char *what) {
    snprintf(name, 64, "%s.%zu.%zu", what, plan->output_count, plan->source.count);
}

static void add_rename(fg_plan *plan) {
    char name[64];
    uint64_t shape[] = {draw(1, 5), draw(1, 9)};
    random_name(plan, name, "rename");
    uint32_t source = add_source(plan, name, FG_BF16, 2, shape);
    add_output(plan, name, 2, shape);
    assert_int_equal(fg_plan_add_whole(plan, source, NULL), FG_OK);
}

/* Parts of different widths, one source each, along `axis`. */
static void add_concat(fg_plan *plan, unsigned axis) {
    char name[64];
    uint64_t width[5], total = 0, other = draw(1, 6), at = 0;
    size_t parts = draw(2, 5);
    for (size_t i = 0; i < parts; i++) total += width[i] = draw(1, 7);
    uint64_t whole[] = {axis ? other : total, axis ? total : other};
    random_name(plan, name, "concat");
    add_output(plan, name, 2, whole);
    for (size_t i = 0; i < parts; at += width[i++]) {
        uint64_t shape[] = {axis ? other : width[i], axis ? width[i] : other};
        snprintf(name, sizeof name, "part.%zu.%zu", plan->output_count, i);
        uint32_t source = add_source(plan, name, FG_F16, 2, shape);
        fg_piece piece = {.dims = 2,
                          .source = source,
                          .extent = {shape[0], shape[1]},
                          .from_stride = {shape[1], 1},
                          .to = axis ? at : at * other,
                          .to_stride = {whole[1], 1}};
        add_piece(plan, &piece);
    }
}

static void add_split(fg_plan *plan) {
    char name[64];
    uint64_t rows = draw(1, 6), columns = draw(2, 12), at = 0;
    uint64_t shape[] = {rows, columns};
    random_name(plan, name, "fused");
    uint32_t source = add_source(plan, name, FG_F32, 2, shape);
    while (at < columns) {
        uint64_t width = draw(1, columns - at), part[] = {rows, width};
        random_name(plan, name, "split");
        add_output(plan, name, 2, part);
        fg_piece piece = {.dims = 2,
                          .source = source,
                          .extent = {rows, width},
                          .from = at,
                          .from_stride = {columns, 1},
                          .to_stride = {width, 1}};
        add_piece(plan, &piece);
        at += width;
    }
}

static void add_transpose(fg_plan *plan) {
    char name[64];
    uint64_t shape[] = {draw(1, 8), draw(1, 8)}, turned[] = {shape[1], shape[0]};
    random_name(plan, name, "transpose");
    uint32_t source = add_source(plan, name, FG_F32, 2, shape);
    add_output(plan, name, 2, turned);
    fg_piece piece = {.dims = 2,
                      .source = source,
                      .extent = {shape[1], shape[0]},
                      .from_stride = {1, shape[1]},
                      .to_stride = {shape[0], 1}};
    add_piece(plan, &piece);
}

/* Query, key and value of each head lie next to each other in the output: [heads, 3 widths, hidden]. */
static void add_permute(fg_plan *plan) {
    char name[64];
    uint64_t heads = draw(1, 5), hidden = draw(1, 6), width[3], all = 0, at = 0;
    for (unsigned i = 0; i < 3; i++) all += width[i] = draw(1, 4);
    uint64_t shape[] = {heads * all, hidden};
    random_name(plan, name, "permute");
    add_output(plan, name, 2, shape);
    for (unsigned i = 0; i < 3; at += width[i++]) {
        uint64_t part[] = {heads * width[i], hidden};
        snprintf(name, sizeof name, "qkv.%zu.%u", plan->output_count, i);
        uint32_t source = add_source(plan, name, FG_F32, 2, part);
        fg_piece piece = {.dims = 3,
                          .source = source,
                          .extent = {heads, width[i], hidden},
                          .from_stride = {width[i] * hidden, hidden, 1},
                          .to = at * hidden,
                          .to_stride = {all * hidden, hidden, 1}};
        add_piece(plan, &piece);
    }
}

/* Rows of a tall matrix copied in random pieces of random length: runs, head to tail. */
static void add_runs(fg_plan *plan) {
    char name[64];
    uint64_t elements = draw(2, 60), at = 0;
    random_name(plan, name, "runs");
    uint32_t source = add_source(plan, name, FG_F32, 1, &elements);
    add_output(plan, name, 1, &elements);
    while (at < elements) {
        uint64_t length = draw(1, elements - at);
        fg_piece piece = {.dims = 1,
                          .source = source,
                          .extent = {length},
                          .from = at,
                          .from_stride = {1},
                          .to = at,
                          .to_stride = {1}};
        add_piece(plan, &piece);
        at += length;
    }
}

static void random_plan(fg_plan *plan) {
    *plan = (fg_plan){0};
    for (uint64_t left = draw(1, 6); left; left--) {
        switch (draw(0, 6)) {
        case 0:
            add_rename(plan);
            break;
        case 1:
            add_concat(plan, 0);
            break;
        case 2:
            add_concat(plan, 1);
            break;
        case 3:
            add_split(plan);
            break;
        case 4:
            add_transpose(plan);
            break;
        case 5:
            add_permute(plan);
            break;
        default:
            add_runs(plan);
        }
    }
}

static fg_output *owner(fg_plan *plan, size_t piece) {
    fg_output *output = plan->outputs;
    while (piece >= output->first_piece + output->piece_count) output++;
    return output;
}

static void resize_pieces(fg_plan *plan, fg_output *output, int by) {
    output->piece_count += by;
    plan->piece_count += by;
    for (fg_output *o = output + 1; o < plan->outputs + plan->output_count; o++) o->first_piece += by;
}

/* One random change that always breaks the tiling or leaves the source; false if it cannot be made on this
 * piece. */
static bool mutate(fg_plan *plan) {
    size_t at = draw(0, plan->piece_count - 1);
    fg_piece *piece = &plan->pieces[at];
    unsigned d = (unsigned)draw(0, piece->dims - 1);
    switch (draw(0, 7)) {
    case 0:
        piece->to++;
        return true;
    case 1:
        return piece->to-- > 0;
    case 2:
        piece->extent[d]++;
        return true;
    case 3:
        return --piece->extent[d] > 0 || true;
    case 4:
        memmove(piece, piece + 1, (plan->piece_count - at - 1) * sizeof *piece);
        resize_pieces(plan, owner(plan, at), -1);
        return true;
    case 5: {
        fg_piece copy = *piece;
        fg_output *output = owner(plan, at);
        if (plan->piece_count == plan->piece_capacity) return false;
        memmove(piece + 1, piece, (plan->piece_count - at) * sizeof *piece);
        *piece = copy;
        resize_pieces(plan, output, 1);
        return true;
    }
    case 6:
        piece->from += plan->source.items[piece->source].elements;
        return true;
    default:
        if (piece->extent[d] == 1) return false;
        piece->to_stride[d]++;
        return true;
    }
}

static void random_plans_pass_and_their_mutations_do_not(void **state) {
    (void)state;
    unsigned caught = 0;
    for (seed = 1; seed && caught < share_of(40000);) {
        fg_plan plan;
        unsigned begin = seed;
        random_plan(&plan);
        check(&plan, NULL);
        if (mutate(&plan)) {
            fg_error err = {0};
            if (fg_plan_check(&plan, &err) == FG_OK) fail_msg("seed %u: the mutation was not seen", begin);
            caught++;
        }
        fg_plan_free(&plan);
    }
}

/* The same verdict as counting each element, on random sets of boxes most of which do not tile. */
static void the_proof_agrees_with_counting(void **state) {
    (void)state;
    unsigned good = 0, bad = 0;
    seed = 99;
    for (unsigned n = 0; n < share_of(300000); n++) {
        static const uint64_t strides[] = {1, 2, 3, 4, 6, 12};
        fg_plan plan;
        unsigned char count[24] = {0};
        uint64_t left = 24;
        bool fine = true;
        one_output(&plan, 24);
        while (left && fine) {
            uint64_t outer = strides[draw(0, 5)], inner = strides[draw(0, 2)], a = draw(1, 4), b = draw(1, 4),
                     to = 0;
            while (to < 23 && count[to] && draw(0, 19)) to++;
            fg_piece piece = {.dims = 2, .extent = {a, b}, .to = to, .to_stride = {outer, inner}};
            if (a * b > left || to + (a - 1) * outer + (b - 1) * inner > 23 ||
                (a > 1 && outer <= (b - 1) * inner))
                continue;
            left -= a * b;
            add_piece(&plan, &piece);
            for (uint64_t i = 0; i < a; i++) {
                for (uint64_t j = 0; j < b; j++) fine = ++count[to + i * outer + j * inner] == 1 && fine;
            }
        }
        fg_error err = {0};
        bool passed = fg_plan_check(&plan, &err) == FG_OK;
        bool tiles = fine && !left;
        if (passed != tiles)
            fail_msg("round %u: the proof says %d (%s), counting %d", n, passed, err.text, tiles);
        *(tiles ? &good : &bad) += 1;
        fg_plan_free(&plan);
    }
    print_message("%u tilings, %u others\n", good, bad);
    assert_true(good > share_of(160) && bad > share_of(1000));
}

static void large_layouts_are_proved_without_counting(void **state) {
    (void)state;
    fg_plan plan = {0};
    const uint64_t rows = 1 << 16, columns = 1 << 16, whole[] = {rows, 2 * columns}, half[] = {rows, columns};
    add_source(&plan, "left", FG_BF16, 2, half);
    add_source(&plan, "right", FG_BF16, 2, half);
    add_output(&plan, "both", 2, whole);
    for (uint32_t i = 0; i < 2; i++) {
        fg_piece piece = {.dims = 2,
                          .source = i,
                          .extent = {rows, columns},
                          .from_stride = {columns, 1},
                          .to = i * columns,
                          .to_stride = {2 * columns, 1}};
        add_piece(&plan, &piece);
    }
    check(&plan, NULL);
    plan.pieces[1].to--;
    check(&plan, "element 65535 is covered 2 times");
    fg_plan_free(&plan);
}

/* ---- sending ---- */

static void expect_equal_plans(const fg_plan *a, const fg_plan *b) {
    assert_int_equal(a->output_count, b->output_count);
    assert_int_equal(a->piece_count, b->piece_count);
    assert_int_equal(a->dropped_count, b->dropped_count);
    assert_int_equal(a->shard_count, b->shard_count);
    assert_int_equal(a->source.count, b->source.count);
    for (size_t i = 0; i < a->output_count; i++) {
        const fg_output *x = &a->outputs[i], *y = &b->outputs[i];
        assert_string_equal(x->name, y->name);
        assert_true(x->dtype == y->dtype && x->rank == y->rank && x->elements == y->elements &&
                    x->shard == y->shard && x->offset == y->offset && x->first_piece == y->first_piece &&
                    x->piece_count == y->piece_count);
        assert_memory_equal(x->shape, y->shape, sizeof x->shape);
    }
    for (size_t i = 0; i < a->piece_count; i++) {
        const fg_piece *x = &a->pieces[i], *y = &b->pieces[i];
        assert_true(x->kind == y->kind && x->dims == y->dims && x->source == y->source &&
                    x->from == y->from && x->to == y->to);
        assert_memory_equal(x->extent, y->extent, sizeof x->extent);
        assert_memory_equal(x->from_stride, y->from_stride, sizeof x->from_stride);
        assert_memory_equal(x->to_stride, y->to_stride, sizeof x->to_stride);
    }
    for (size_t i = 0; i < a->dropped_count; i++)
        assert_string_equal(a->dropped[i].reason, b->dropped[i].reason);
    for (size_t i = 0; i < a->shard_count; i++) {
        assert_string_equal(a->shard_files[i], b->shard_files[i]);
        assert_int_equal(a->shard_bytes[i], b->shard_bytes[i]);
    }
}

static void encode_sample(fg_plan *plan, fg_buffer *bytes) {
    fg_error err = {0};
    const uint64_t shape[] = {3};
    seed = 12345;
    *plan = (fg_plan){0};
    add_concat(plan, 1);
    add_permute(plan);
    add_split(plan);
    add_rename(plan);
    assert_int_equal(fg_plan_drop(plan, add_source(plan, "gone", FG_I64, 1, shape), "a reason", &err), FG_OK);
    plan->shard_files = fg_alloc(2, sizeof(char *), &err);
    plan->shard_bytes = fg_alloc(2, sizeof(uint64_t), &err);
    plan->shard_count = 2;
    plan->shard_files[0] = fg_strdup("model-00001-of-00002.safetensors", &err);
    plan->shard_files[1] = fg_strdup("model-00002-of-00002.safetensors", &err);
    plan->shard_bytes[1] = UINT64_MAX;
    plan->outputs[0].shard = 1;
    plan->outputs[0].offset = 1ull << 63;
    assert_int_equal(fg_plan_encode(plan, bytes, &err), FG_OK);
}

static void plans_survive_sending(void **state) {
    (void)state;
    fg_error err = {0};
    fg_plan plan, copy;
    fg_buffer bytes = {0};
    encode_sample(&plan, &bytes);
    if (fg_plan_decode(bytes.data, bytes.length, &copy, &err) != FG_OK) fail_msg("%s", err.text);
    expect_equal_plans(&plan, &copy);
    check(&copy, NULL);
    fg_plan_free(&plan);
    fg_plan_free(&copy);
    fg_buffer_free(&bytes);
}

static void damaged_bytes_are_refused_or_harmless(void **state) {
    (void)state;
    fg_plan plan, copy;
    fg_buffer bytes = {0};
    unsigned refused = 0;
    encode_sample(&plan, &bytes);
    for (size_t length = 0; length < bytes.length; length++) {
        fg_error err = {0};
        char *cut = fg_alloc_buffer(length, &err); /* its own block, so that reading on is seen */
        memcpy(cut, bytes.data, length);
        assert_int_not_equal(fg_plan_decode(cut, length, &copy, &err), FG_OK);
        assert_int_equal(copy.output_count, 0);
        fg_free(cut);
    }
    seed = 5;
    for (unsigned n = 0; n < share_of(40000); n++) {
        fg_error err = {0};
        size_t at = draw(0, bytes.length - 1);
        char old = bytes.data[at];
        bytes.data[at] = (char)draw(0, 255);
        if (fg_plan_decode(bytes.data, bytes.length, &copy, &err) != FG_OK) refused++;
        fg_plan_free(&copy);
        bytes.data[at] = old;
    }
    assert_true(refused > share_of(10000));
    fg_plan_free(&plan);
    fg_buffer_free(&bytes);
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    fg_plan plan, copy;
    fg_buffer bytes = {0};
    encode_sample(&plan, &bytes);
    for (uint64_t n = 1;; n = next_try(n)) {
        fg_error err = {0};
        fg_buffer again = {0};
        fg_alloc_fail_after(n);
        fg_status status = fg_plan_decode(bytes.data, bytes.length, &copy, &err);
        if (status == FG_OK) status = fg_plan_check(&copy, &err);
        if (status == FG_OK) status = fg_plan_encode(&copy, &again, &err);
        fg_alloc_fail_after(0);
        fg_plan_free(&copy);
        fg_buffer_free(&again);
        if (status == FG_OK) break;
        assert_int_equal(status, FG_ERR_MEMORY);
    }
    fg_plan_free(&plan);
    fg_buffer_free(&bytes);
}

static void a_hundred_thousand_renames_are_checked_fast(void **state) {
    (void)state;
    fg_plan plan = {0};
    fg_buffer bytes = {0};
    fg_error err = {0};
    const uint64_t shape[] = {4, 4};
    for (unsigned i = 0; i < share_of(100000); i++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.%u.self_attn.q_proj.weight", i);
        uint32_t source = add_source(&plan, name, FG_BF16, 2, shape);
        add_output(&plan, name, 2, shape);
        assert_int_equal(fg_plan_add_whole(&plan, source, &err), FG_OK);
    }
    clock_t start = clock();
    check(&plan, NULL);
    assert_int_equal(fg_plan_encode(&plan, &bytes, &err), FG_OK);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    print_message("100,000 renames: checked and encoded in %.3f s, %zu bytes each\n", seconds,
                  bytes.length / 100000);
    assert_true(seconds < seconds_allowed(5));
    fg_plan_free(&plan);
    fg_buffer_free(&bytes);
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_plans_pass_and_their_mutations_do_not),
        cmocka_unit_test(the_proof_agrees_with_counting),
        cmocka_unit_test(large_layouts_are_proved_without_counting),
        cmocka_unit_test(plans_survive_sending),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(a_hundred_thousand_renames_are_checked_fast),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
