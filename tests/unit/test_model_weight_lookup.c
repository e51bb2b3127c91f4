/* Which numbers of a tensor a role gets, for each way in which "weights" can say it. Elements of a tensor
 * are numbered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/weight_lookup.h"

/* ---- a store of one tensor "x" ---- */

typedef struct store {
    uint32_t rank;
    uint64_t shape[FG_MAX_DIMS], elements;
} store;

static bool find(void *context, const char *name, fg_weight *weight) {
    const store *s = context;
    if (strcmp(name, "x") != 0) return false;
    *weight = (fg_weight){.dtype = FG_F32, .rank = s->rank, .elements = s->elements};
    memcpy(weight->shape, s->shape, sizeof s->shape);
    return true;
}

static fg_status read_numbers(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                              void *out, fg_error *err) {
    const store *s = context;
    float *values = out;
    (void)weight;
    if (first + count > s->elements) return fg_fail(err, FG_ERR_BUG, "read beyond the tensor");
    for (uint64_t i = 0; i < count; i++) values[i] = (float)(first + i);
    return FG_OK;
}

static const char *name_of(void *context, uint32_t index) {
    (void)context;
    return index ? NULL : "x";
}

static store make_store(const char *shape) {
    store s = {.elements = 1};
    char *end;
    for (; *shape; shape = end) {
        s.shape[s.rank] = strtoull(shape, &end, 10);
        s.elements *= s.shape[s.rank++];
    }
    return s;
}

/* ---- binding one role ---- */

typedef struct subject {
    store s;
    json_t *side, *config;
    fg_read_ranges read;
    fg_workspace work;
    fg_binder binder;
    fg_error err;
} subject;

/* `entry` holds a role's weight in a tensor of `shape`; expert `expert` of 3. */
static void begin(subject *t, const char *shape, const char *entry, uint64_t expert) {
    json_error_t where;
    json_t *stored = json_loads(entry, JSON_DECODE_ANY, &where);
    *t = (subject){.s = make_store(shape)};
    if (!stored) fail_msg("%s: %s", entry, where.text);
    t->side = json_pack("{s:{s:o}}", "weights", "role", stored);
    t->config = json_pack("{s:i}", "a", 2);
    const fg_weight_source weights = {
        .context = &t->s, .find = find, .read = read_numbers, .name_of = name_of};
    assert_int_equal(fg_workspace_open(&t->work, &fg_device_cpu, weights, &t->err), FG_OK);
    t->binder = (fg_binder){.weights = &t->work.weights,
                            .side = t->side,
                            .format = "hf",
                            .config = t->config,
                            .expert = expert,
                            .experts = 3,
                            .read = &t->read};
}

static void end(subject *t) {
    fg_read_ranges_free(&t->read);
    json_decref(t->side);
    json_decref(t->config);
    fg_workspace_close(&t->work);
}

static uint64_t count_read(const subject *t) {
    uint64_t count = 0;
    for (size_t i = 0; i < t->read.count; i++) count += t->read.items[i].end - t->read.items[i].first;
    return count;
}

/* ---- matrices: element [r, c] is number first + r * row + c * column of the tensor ---- */

typedef struct matrix_case {
    const char *shape, *entry;
    uint64_t expert, rows, columns, first, row, column;
} matrix_case;

static void expect_matrix(const matrix_case *c) {
    subject t;
    fg_matrix matrix = {0};
    float values[64];
    begin(&t, c->shape, c->entry, c->expert);
    if (fg_bind_matrix(&t.binder, "role", c->rows, c->columns, &matrix, &t.err) != FG_OK)
        fail_msg("%s of %s: %s", c->entry, c->shape, t.err.text);
    for (uint64_t from = 0; from < c->rows; from++) { /* all rows, and each slice to the last */
        uint64_t rows = c->rows - from;
        assert_int_equal(fg_matrix_read(&t.work, &matrix, from, rows, (fg_real *)values, &t.err), FG_OK);
        for (uint64_t i = 0; i < rows * c->columns; i++) {
            uint64_t r = from + i / c->columns, column = i % c->columns;
            uint64_t expected = c->first + r * c->row + column * c->column;
            if (values[i] != (float)expected)
                fail_msg("%s of %s: [%d, %d] is %g, expected %d", c->entry, c->shape, (int)r, (int)column,
                         (double)values[i], (int)expected);
        }
    }
    assert_int_equal(count_read(&t), c->rows * c->columns);
    fg_matrix_free(&t.work, &matrix);
    end(&t);
}

static void matrices(void **state) {
    static const matrix_case cases[] = {
        {"3 4", "\"x\"", 0, 3, 4, 0, 4, 1},
        {"4 3", "{\"name\": \"x\", \"transposed\": true}", 0, 3, 4, 0, 1, 3},
        {"6 4", "{\"name\": \"x\", \"part\": 1, \"of\": 2}", 0, 3, 4, 12, 4, 1},
        {"8 3", "{\"name\": \"x\", \"part\": 1, \"of\": 2, \"transposed\": true}", 0, 3, 4, 12, 1, 3},
        /* unequal parts: 2, 3 and 4 rows */
        {"9 5", "{\"name\": \"x\", \"part\": 0, \"rows\": [\"= a\", 3, \"= a * 2\"]}", 0, 2, 5, 0, 5, 1},
        {"9 5", "{\"name\": \"x\", \"part\": 1, \"rows\": [\"= a\", 3, \"= a * 2\"]}", 0, 3, 5, 10, 5, 1},
        {"9 5", "{\"name\": \"x\", \"part\": 2, \"rows\": [\"= a\", 3, \"= a * 2\"]}", 0, 4, 5, 25, 5, 1},
        {"9 5", "{\"name\": \"x\", \"part\": 2, \"rows\": [2, 3, 4], \"transposed\": true}", 0, 5, 4, 25, 1,
         5},
        /* parts along the second dimension */
        {"3 8", "{\"name\": \"x\", \"part\": 1, \"of\": 2, \"dim\": 1}", 0, 3, 4, 4, 8, 1},
        {"4 6", "{\"name\": \"x\", \"part\": 1, \"of\": 2, \"dim\": 1, \"transposed\": true}", 0, 3, 4, 3, 1,
         6},
        {"3 9", "{\"name\": \"x\", \"part\": 1, \"rows\": [2, 3, 4], \"dim\": 1}", 0, 3, 3, 2, 9, 1},
        /* a convolution's [channels, 1, kernel] */
        {"6 1 4", "{\"name\": \"x\", \"unsqueezed\": 1}", 0, 6, 4, 0, 4, 1},
        {"6 4 1", "{\"name\": \"x\", \"unsqueezed\": 2}", 0, 6, 4, 0, 4, 1},
        {"6 1 4", "{\"name\": \"x\", \"unsqueezed\": 1, \"part\": 1, \"of\": 2}", 0, 3, 4, 12, 4, 1},
        /* patches: [hidden, channels, height, width] */
        {"4 3 2 2", "{\"name\": \"x\", \"columns\": [3, \"= a\", 2]}", 0, 4, 12, 0, 12, 1},
        /* experts: one behind the other, and along a dimension of their own */
        {"9 4", "{\"name\": \"x\", \"experts\": true}", 1, 3, 4, 12, 4, 1},
        {"18 2", "{\"name\": \"x\", \"experts\": true, \"part\": 1, \"of\": 2}", 2, 3, 2, 30, 2, 1},
        {"15 2", "{\"name\": \"x\", \"experts\": true, \"part\": 1, \"rows\": [2, 3]}", 1, 3, 2, 14, 2, 1},
        {"3 3 4", "{\"name\": \"x\", \"experts\": \"stacked\"}", 2, 3, 4, 24, 4, 1},
        {"3 4 3", "{\"name\": \"x\", \"experts\": \"stacked\", \"transposed\": true}", 1, 3, 4, 12, 1, 3},
        {"3 6 4", "{\"name\": \"x\", \"experts\": \"stacked\", \"part\": 1, \"of\": 2}", 1, 3, 4, 36, 4, 1},
        {"3 4 6", "{\"name\": \"x\", \"experts\": \"stacked\", \"part\": 1, \"of\": 2, \"dim\": 1}", 2, 4, 3,
         51, 6, 1},
        {"3 4 6",
         "{\"name\": \"x\", \"experts\": \"stacked\", \"part\": 1, \"of\": 2, \"dim\": 1, \"transposed\": "
         "true}",
         1, 3, 4, 27, 1, 6},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_matrix(&cases[i]);
}

static void vectors(void **state) {
    static const struct {
        const char *shape, *entry;
        uint64_t expert, size, first;
    } cases[] = {
        {"5", "\"x\"", 0, 5, 0},
        {"6", "{\"name\": \"x\", \"part\": 1, \"of\": 2}", 0, 3, 3},
        {"9", "{\"name\": \"x\", \"part\": 2, \"rows\": [\"= a\", 3, 4]}", 0, 4, 5},
        {"1 5", "{\"name\": \"x\", \"unsqueezed\": 0}", 0, 5, 0},
        {"3 4", "{\"name\": \"x\", \"experts\": \"stacked\", \"part\": 1, \"of\": 2}", 2, 2, 10},
        {"15", "{\"name\": \"x\", \"experts\": true, \"part\": 1, \"rows\": [2, 3]}", 2, 3, 12},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        subject t;
        fg_vector vector = {0};
        const fg_real *values;
        begin(&t, cases[i].shape, cases[i].entry, cases[i].expert);
        if (fg_bind_vector(&t.binder, "role", cases[i].size, &vector, &t.err) != FG_OK)
            fail_msg("%s: %s", cases[i].entry, t.err.text);
        assert_int_equal(fg_vector_read(&t.work, &vector, cases[i].size, &values, &t.err), FG_OK);
        for (uint64_t k = 0; k < cases[i].size; k++)
            assert_int_equal((int)values[k].value, (int)(cases[i].first + k));
        assert_int_equal(count_read(&t), cases[i].size);
        fg_free(vector.name);
        end(&t);
    }
}

/* As a matrix [3, 4]. */
static void what_does_not_fit_is_refused(void **state) {
    static const struct {
        const char *shape, *entry, *text;
    } cases[] = {
        {"9 4", "{\"name\": \"x\", \"part\": 1, \"rows\": [2, 2, 5]}", "its part 1 has 2 rows, expected 3"},
        {"9 4", "{\"name\": \"x\", \"part\": 1, \"rows\": [2, 3]}", "found shape [9, 4], expected [5, 4]"},
        {"9 4", "{\"name\": \"x\", \"part\": 3, \"rows\": [2, 3, 4]}", "no name for the weight \"role\""},
        {"9 4", "{\"name\": \"x\", \"rows\": []}", "no name for the weight \"role\""},
        {"9 4", "{\"name\": \"x\", \"rows\": [1073741825]}", "too large"},
        {"9 4", "{\"name\": \"x\", \"rows\": [-3]}", "models/: rows"},
        {"9 4", "{\"name\": \"x\", \"rows\": [\"= b * 2\"]}", "models/: rows"},
        {"9 4", "{\"name\": \"x\", \"rows\": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}",
         "too many"},
        {"3 8", "{\"name\": \"x\", \"part\": 1, \"of\": 2, \"dim\": 2}", "no name for the weight \"role\""},
        {"3 8", "{\"name\": \"x\", \"part\": 1, \"of\": 3, \"dim\": 1}",
         "found shape [3, 8], expected [3, 12]"},
        {"3 4", "{\"name\": \"x\", \"unsqueezed\": 1}", "found shape [3, 4], expected [3, 1, 4]"},
        {"3 1 4", "\"x\"", "found shape [3, 1, 4], expected [3, 4]"},
        {"3 2 2", "{\"name\": \"x\", \"columns\": [1, 4]}", "found shape [3, 2, 2], expected [3, 1, 4]"},
        {"3 2 3", "{\"name\": \"x\", \"columns\": [2, 3]}", "\"columns\" of models/ come to 6, expected 4"},
        {"3 4", "{\"name\": \"x\", \"columns\": [1, 1, 1, 1, 4]}", "too many"},
        {"2 3 4", "{\"name\": \"x\", \"experts\": \"stacked\"}", "found shape [2, 3, 4], expected [3, 3, 4]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        subject t;
        fg_matrix matrix = {0};
        begin(&t, cases[i].shape, cases[i].entry, 0);
        if (fg_bind_matrix(&t.binder, "role", 3, 4, &matrix, &t.err) != FG_ERR_INPUT ||
            !strstr(t.err.text, cases[i].text))
            fail_msg("%s: found \"%s\", expected \"%s\"", cases[i].entry, t.err.text, cases[i].text);
        assert_null(matrix.name);
        end(&t);
    }
}

/* Parts that are bound cover their tensor; where one is missing, that is said. */
static void parts_cover_their_tensor(void **state) {
    (void)state;
    for (int bound = 1; bound <= 2; bound++) {
        subject t;
        begin(&t, "3 7", "{\"name\": \"x\", \"part\": 0, \"rows\": [3, 4], \"dim\": 1}", 0);
        for (int part = 0; part < bound; part++) {
            fg_matrix matrix = {0};
            json_object_set_new(json_object_get(json_object_get(t.side, "weights"), "role"), "part",
                                json_integer(part));
            assert_int_equal(fg_bind_matrix(&t.binder, "role", 3, part ? 4 : 3, &matrix, &t.err), FG_OK);
            fg_matrix_free(&t.work, &matrix);
        }
        fg_status status = fg_read_ranges_check(&t.read, &t.work.weights, NULL, &t.err);
        assert_int_equal(status, bound == 2 ? FG_OK : FG_ERR_INPUT);
        if (bound == 1) assert_non_null(strstr(t.err.text, "only 9 of its 21 numbers"));
        end(&t);
    }
}

/* A name may begin otherwise, but there must be one tensor. */
static void names_have_other_prefixes(void **state) {
    static const struct {
        const char *member, *name, *text; /* NULL: it is found */
    } cases[] = {
        {"{\"other_prefixes\": {\"old.\": \"\"}}", "old.x", NULL},
        {"{\"other_prefixes\": {\"a.\": \"b\", \"model.y\": \"x\"}}", "model.y", NULL},
        {"{\"base_model_prefix\": \"model.\"}", "model.x", NULL},
        {"{\"other_prefixes\": {\"new.\": \"\"}}", "old.x", "no tensor old.x"},
        {"{\"other_prefixes\": {\"x\": \"x\"}}", "x", "two names of one tensor"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        subject t;
        fg_matrix matrix = {0};
        char entry[40];
        snprintf(entry, sizeof entry, "\"%s\"", cases[i].name);
        begin(&t, "3 4", entry, 0);
        json_t *member = json_loads(cases[i].member, 0, NULL);
        json_object_update(t.side, member);
        json_decref(member);
        fg_status status = fg_bind_matrix(&t.binder, "role", 3, 4, &matrix, &t.err);
        assert_int_equal(status, cases[i].text ? FG_ERR_INPUT : FG_OK);
        if (cases[i].text) assert_non_null(strstr(t.err.text, cases[i].text));
        fg_matrix_free(&t.work, &matrix);
        end(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices), cmocka_unit_test(vectors), cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(parts_cover_their_tensor), cmocka_unit_test(names_have_other_prefixes)};
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
