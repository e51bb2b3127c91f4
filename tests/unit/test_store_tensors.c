/* store/tensors and its reader: the table, sending it, strided reading. */
#include <time.h>

#include "store_fixture.h"

#include <fcntl.h>

#include "store/tensors.h"

enum { FILE_ELEMENTS = 1 << 20 };

/* A file of 16-bit elements in which element i has the value i mod 65536; returns its number in the table. */
static uint32_t counting_file(fg_tensors *table, const char *name, size_t elements) {
    uint16_t *values = malloc(elements * sizeof *values);
    uint32_t file;
    assert_non_null(values);
    for (size_t i = 0; i < elements; i++) values[i] = (uint16_t)i;
    put_bytes(name, values, elements * sizeof *values);
    free(values);
    assert_int_equal(fg_tensors_add_file(table, at(name), &file, NULL), FG_OK);
    return file;
}

static const fg_tensor *add(fg_tensors *table, fg_tensor tensor) {
    fg_error err = {0};
    assert_int_equal(fg_tensors_add(table, &tensor, &err), FG_OK);
    return fg_tensors_find(table, tensor.name);
}

static void entries_are_measured(void **state) {
    (void)state;
    fg_tensors table = {0};
    char text[80];
    uint32_t file = counting_file(&table, "a", 1000);
    const fg_tensor *t = add(
        &table,
        (fg_tensor){
            .name = "m", .dtype = FG_BF16, .rank = 2, .shape = {10, 20}, .stride = {20, 1}, .file = file});
    assert_true(t->contiguous);
    assert_int_equal(t->elements, 200);
    assert_int_equal(fg_tensor_bytes(t), 400);
    assert_string_equal(fg_tensor_text(t, text, sizeof text), "bfloat16 [10, 20]");
    t = add(&table, (fg_tensor){.name = "transposed",
                                .dtype = FG_BF16,
                                .rank = 2,
                                .shape = {20, 10},
                                .stride = {1, 20},
                                .file = file});
    assert_false(t->contiguous);
    t = add(&table, (fg_tensor){.name = "ones",
                                .dtype = FG_F16,
                                .rank = 3,
                                .shape = {1, 7, 1},
                                .stride = {99999, 1, 5},
                                .file = file});
    assert_true(t->contiguous); /* strides of dimensions of 1 mean nothing */
    assert_int_equal(t->stride[0], 7);
    t = add(&table, (fg_tensor){.name = "scalar", .dtype = FG_I64, .file = file, .offset = 1992});
    assert_int_equal(t->elements, 1);
    assert_string_equal(fg_tensor_text(t, text, sizeof text), "int64 []");
    t = add(&table, (fg_tensor){.name = "empty",
                                .dtype = FG_F32,
                                .rank = 2,
                                .shape = {0, 5},
                                .stride = {5, 1},
                                .file = file,
                                .offset = 2000});
    assert_int_equal(t->elements, 0);
    assert_true(t->contiguous);
    assert_null(fg_tensors_find(&table, "absent"));
    fg_tensors_free(&table);
}

static void wrong_entries_are_refused(void **state) {
    (void)state;
    const struct {
        fg_tensor tensor;
        const char *part;
    } cases[] = {
        {{.name = "x", .dtype = FG_F32, .rank = 1, .shape = {3}, .stride = {1}},
         "tensor \"x\" exists already (in "},
        {{.name = "y", .dtype = FG_F32, .rank = 1, .shape = {501}, .stride = {1}},
         "tensor \"y\": its elements reach beyond the end of the file (2000 bytes)"},
        {{.name = "y", .dtype = FG_F32, .rank = 1, .shape = {2}, .stride = {500}}, "beyond the end"},
        {{.name = "y", .dtype = FG_F32, .rank = 1, .shape = {1}, .stride = {1}, .offset = 1997},
         "beyond the end"},
        {{.name = "y", .dtype = FG_F32, .rank = 1, .shape = {1}, .stride = {1}, .offset = UINT64_MAX - 2},
         "beyond the end"},
        {{.name = "y", .dtype = FG_F32, .rank = 1, .shape = {3}, .stride = {UINT64_MAX / 2}},
         "beyond the end"},
        {{.name = "y", .dtype = FG_U8, .rank = 2, .shape = {1ULL << 32, 1ULL << 32}}, "its shape overflows"},
        {{.name = "y", .dtype = FG_U8, .rank = 3, .shape = {1ULL << 40, 0, 1ULL << 40}},
         "its shape overflows"},
        {{.name = "y", .dtype = FG_F64, .rank = 1, .shape = {1ULL << 62}}, "its shape overflows"},
        {{.name = "y", .dtype = FG_F64, .rank = 6}, "6 dimensions, at most 5"},
        {{.name = "y"}, "it has no dtype"},
    };
    fg_tensors table = {0};
    uint32_t file = counting_file(&table, "a", 1000);
    assert_int_equal(file, 0);
    add(&table, (fg_tensor){.name = "x", .dtype = FG_F32, .rank = 1, .shape = {2}, .stride = {1}});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        fg_status status = fg_tensors_add(&table, &cases[i].tensor, &err);
        expect_error(&err, status, FG_ERR_INPUT, cases[i].part);
        assert_non_null(strstr(err.text, at("a")));
    }
    assert_int_equal(table.count, 1);
    fg_tensors_free(&table);
}

static void a_table_can_be_sent(void **state) {
    (void)state;
    fg_tensors table = {0}, copy;
    fg_buffer bytes = {0};
    fg_error err = {0};
    uint32_t a = counting_file(&table, "a", 1000), b = counting_file(&table, "b", 10);
    add(&table, (fg_tensor){.name = "t",
                            .dtype = FG_BF16,
                            .rank = 2,
                            .shape = {20, 10},
                            .stride = {1, 20},
                            .file = a,
                            .offset = 4});
    add(&table, (fg_tensor){.name = "long name with \xc3\xa9",
                            .dtype = FG_F64,
                            .rank = 1,
                            .shape = {2},
                            .stride = {1},
                            .file = b});
    assert_int_equal(fg_tensors_encode(&table, &bytes, &err), FG_OK);
    assert_int_equal(fg_tensors_decode(bytes.data, bytes.length, &copy, &err), FG_OK);
    assert_int_equal(copy.count, 2);
    assert_int_equal(copy.file_count, 2);
    assert_string_equal(copy.files[1], table.files[1]);
    assert_memory_equal(copy.stamps, table.stamps, 2 * sizeof *copy.stamps);
    for (size_t i = 0; i < 2; i++) {
        fg_tensor x = table.items[i], y = copy.items[i];
        assert_string_equal(x.name, y.name);
        assert_ptr_equal(fg_tensors_find(&copy, x.name), &copy.items[i]);
        x.name = y.name = NULL;
        assert_memory_equal(&x, &y, sizeof x);
    }
    fg_tensors_free(&copy);
    for (size_t cut = 0; cut < bytes.length; cut++) { /* every length is noticed */
        fg_error cut_err = {0};
        char *part = malloc(cut + 1); /* of its own, so that a sanitizer sees each byte too many */
        memcpy(part, bytes.data, cut);
        assert_int_not_equal(fg_tensors_decode(part, cut, &copy, &cut_err), FG_OK);
        assert_int_equal(copy.count, 0);
        free(part);
    }
    fg_buffer_add(&bytes, "x", 1, NULL);
    fg_status status = fg_tensors_decode(bytes.data, bytes.length, &copy, &err);
    expect_error(&err, status, FG_ERR_BUG, "1 bytes too many");
    fg_buffer_free(&bytes);
    fg_tensors_free(&table);
}

static void changed_files_are_noticed(void **state) {
    (void)state;
    fg_tensors table = {0};
    fg_reader *reader = NULL;
    fg_error err = {0};
    uint16_t value;
    uint32_t file = counting_file(&table, "a", 10);
    const fg_tensor *t =
        add(&table,
            (fg_tensor){.name = "t", .dtype = FG_U16, .rank = 1, .shape = {4}, .stride = {1}, .file = file});
    assert_int_equal(fg_tensors_check_unchanged(&table, &err), FG_OK);
    put_text("a", "something that is longer");
    fg_status status = fg_tensors_check_unchanged(&table, &err);
    expect_error(&err, status, FG_ERR_INPUT,
                 "/a: the file changed after it was first read (20 bytes then, 24 now)");
    assert_int_equal(fg_reader_new(&reader, &table, NULL), FG_OK);
    err = (fg_error){0};
    status = fg_reader_read(reader, t, 0, 1, &value, &err);
    expect_error(&err, status, FG_ERR_INPUT, "the file changed");
    assert_string_equal(err.where, "reading tensor \"t\"");
    fg_reader_free(&reader);
    unlink(at("a"));
    err = (fg_error){0};
    status = fg_tensors_check_unchanged(&table, &err);
    expect_error(&err, status, FG_ERR_INPUT, "is gone");
    fg_tensors_free(&table);
}

static void a_change_of_size_or_of_time_is_enough(void **state) {
    (void)state;
    fg_tensors table = {0};
    fg_error err = {0};
    struct stat info;
    counting_file(&table, "a", 10);
    assert_int_equal(stat(at("a"), &info), 0);
    struct timespec times[2] = {info.st_atim, info.st_mtim};
    assert_int_equal(truncate(at("a"), 19), 0);
    assert_int_equal(utimensat(AT_FDCWD, at("a"), times, 0), 0);
    assert_int_equal(fg_tensors_check_unchanged(&table, &err), FG_ERR_INPUT);
    assert_int_equal(truncate(at("a"), 20), 0);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* clocks of file systems are coarse */
    assert_int_equal(utimensat(AT_FDCWD, at("a"), times, 0), 0);
    assert_int_equal(fg_tensors_check_file(&table, 0, &err), FG_OK);
    assert_int_equal(fg_tensors_check_unchanged(&table, &err), FG_ERR_INPUT); /* by ctime alone */
    times[1].tv_sec++;
    assert_int_equal(utimensat(AT_FDCWD, at("a"), times, 0), 0);
    assert_int_equal(fg_tensors_check_unchanged(&table, &err), FG_ERR_INPUT);
    fg_tensors_free(&table);
}

/* Reads ranges of a tensor and compares each element with its place in the file. */
static void check_reads(fg_reader *reader, const fg_tensor *t, uint64_t step) {
    uint64_t lengths[] = {t->elements, 1, 7, t->shape[t->rank - 1], t->elements / 2 + 1};
    uint16_t *got = malloc(t->elements * sizeof *got + 2);
    for (size_t l = 0; l < 5; l++) {
        for (uint64_t first = 0; first < t->elements; first += l == 0 ? t->elements : step) {
            fg_error err = {0};
            uint64_t count = lengths[l] < t->elements - first ? lengths[l] : t->elements - first;
            got[count] = 0xabcd;
            assert_int_equal(fg_reader_read(reader, t, first, count, got, &err), FG_OK);
            assert_int_equal(got[count], 0xabcd);
            for (uint64_t i = 0; i < count; i++) {
                uint64_t rest = first + i, place = t->offset / 2;
                for (uint32_t d = t->rank; d-- > 0; rest /= t->shape[d])
                    place += rest % t->shape[d] * t->stride[d];
                if (got[i] != (uint16_t)place)
                    fail_msg("%s: element %d from %d: %d, expected %d", t->name, (int)i, (int)first, got[i],
                             (uint16_t)place);
            }
        }
    }
    free(got);
}

static void strided_tensors_are_read_in_row_major_order(void **state) {
    (void)state;
    const struct {
        fg_tensor tensor;
        uint64_t step;
    } cases[] = {
        {{.name = "plain", .rank = 2, .shape = {30, 40}, .stride = {40, 1}}, 13},
        {{.name = "transposed", .rank = 2, .shape = {30, 41}, .stride = {1, 30}, .offset = 6}, 17},
        {{.name = "rows of a wider one", .rank = 2, .shape = {33, 20}, .stride = {100, 1}}, 19},
        {{.name = "columns far apart", .rank = 2, .shape = {5, 3}, .stride = {1, 9000}}, 1},
        {{.name = "every third", .rank = 1, .shape = {1000}, .stride = {3}}, 97},
        {{.name = "far apart", .rank = 1, .shape = {100}, .stride = {5000}}, 11},
        {{.name = "broadcast", .rank = 3, .shape = {4, 50, 3}, .stride = {0, 3, 0}}, 23},
        {{.name = "one value", .rank = 2, .shape = {20, 20}, .stride = {0, 0}, .offset = 10}, 31},
        {{.name = "overlapping", .rank = 2, .shape = {30, 30}, .stride = {1, 1}}, 37},
        {{.name = "permuted", .rank = 4, .shape = {3, 4, 5, 6}, .stride = {1, 3, 72, 12}, .offset = 2}, 7},
        {{.name = "five", .rank = 5, .shape = {2, 3, 1, 4, 5}, .stride = {60, 20, 7, 1, 4}}, 11},
        {{.name = "large transposed", .rank = 2, .shape = {1024, 1000}, .stride = {1, 1024}}, 399999},
        {{.name = "large span", .rank = 2, .shape = {7, 149000}, .stride = {1, 7}}, 600001},
        {{.name = "large middle", .rank = 3, .shape = {2, 500, 1000}, .stride = {1000, 2000, 1}}, 450001},
    };
    fg_tensors table = {0};
    fg_reader *reader = NULL;
    fg_error err = {0};
    uint32_t file = counting_file(&table, "a", FILE_ELEMENTS);
    assert_int_equal(fg_reader_new(&reader, &table, &err), FG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_tensor tensor = cases[i].tensor;
        tensor.dtype = FG_U16;
        tensor.file = file;
        check_reads(reader, add(&table, tensor), cases[i].step);
    }
    uint16_t value;
    fg_status status = fg_reader_read(reader, fg_tensors_find(&table, "plain"), 1200, 1, &value, &err);
    expect_error(&err, status, FG_ERR_BUG, "elements 1200 to 1201 of 1200");
    assert_int_equal(fg_reader_read(reader, fg_tensors_find(&table, "plain"), 1200, 0, &value, NULL), FG_OK);
    fg_reader_free(&reader);
    fg_tensors_free(&table);
}

static void other_element_sizes_are_gathered(void **state) {
    (void)state;
    static const fg_dtype types[] = {FG_U8, FG_F32, FG_F64};
    unsigned char bytes[600], got[400];
    fg_tensors table = {0};
    fg_reader *reader = NULL;
    uint32_t file;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7);
    put_bytes("a", bytes, sizeof bytes);
    assert_int_equal(fg_tensors_add_file(&table, at("a"), &file, NULL), FG_OK);
    assert_int_equal(fg_reader_new(&reader, &table, NULL), FG_OK);
    for (size_t k = 0; k < 3; k++) {
        size_t size = fg_dtype_size(types[k]);
        const char *name = fg_dtype_name(types[k]);
        const fg_tensor *t = add(&table, (fg_tensor){.name = (char *)(uintptr_t)name,
                                                     .dtype = types[k],
                                                     .rank = 2,
                                                     .shape = {6, 8},
                                                     .stride = {1, 7},
                                                     .file = file,
                                                     .offset = 5});
        assert_int_equal(fg_reader_read(reader, t, 0, 48, got, NULL), FG_OK);
        for (size_t i = 0; i < 48; i++)
            assert_memory_equal(got + i * size, bytes + 5 + (i / 8 + i % 8 * 7) * size, size);
    }
    fg_reader_free(&reader);
    fg_tensors_free(&table);
}

static void more_files_than_may_be_open_are_read(void **state) {
    (void)state;
    enum { FILES = 150 };
    fg_tensors table = {0};
    fg_reader *reader = NULL;
    char name[16];
    for (int i = 0; i < FILES; i++) {
        uint32_t file;
        snprintf(name, sizeof name, "f%d", i);
        put_bytes(name, &i, sizeof i);
        assert_int_equal(fg_tensors_add_file(&table, at(name), &file, NULL), FG_OK);
        add(&table, (fg_tensor){.name = name, .dtype = FG_I32, .file = file});
    }
    assert_int_equal(fg_reader_new(&reader, &table, NULL), FG_OK);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < FILES; i++) {
            int value = -1, which = round == 1 ? FILES - 1 - i : i;
            assert_int_equal(fg_reader_read(reader, &table.items[which], 0, 1, &value, NULL), FG_OK);
            assert_int_equal(value, which);
        }
    }
    fg_names open = {0};
    assert_int_equal(fg_directory_list("/proc/self/fd", &open, NULL), FG_OK);
    assert_true(open.count < 64 + 16);
    fg_names_free(&open);
    fg_reader_free(&reader);
    fg_reader_free(&reader);
    fg_tensors_free(&table);
}

static void failed_allocations_leave_the_table_whole(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        fg_tensors table = {0};
        fg_error err = {0};
        fg_status status = FG_OK;
        uint32_t file;
        put_text("a", "12345678");
        fg_alloc_fail_after(n);
        status = fg_tensors_add_file(&table, at("a"), &file, &err);
        for (int i = 0; i < 20 && status == FG_OK; i++) {
            char name[] = {(char)('a' + i), '\0'};
            status = fg_tensors_add(&table, &(fg_tensor){.name = name, .dtype = FG_I32, .file = file}, &err);
        }
        fg_alloc_fail_after(0);
        for (size_t i = 0; i < table.count; i++)
            assert_ptr_equal(fg_tensors_find(&table, table.items[i].name), &table.items[i]);
        fg_tensors_free(&table);
        if (status == FG_OK) {
            assert_true(n > 10);
            return;
        }
        assert_int_equal(status, FG_ERR_MEMORY);
        assert_int_equal(err.status, FG_ERR_MEMORY);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(entries_are_measured),
        TEST(wrong_entries_are_refused),
        TEST(a_table_can_be_sent),
        TEST(changed_files_are_noticed),
        TEST(a_change_of_size_or_of_time_is_enough),
        TEST(strided_tensors_are_read_in_row_major_order),
        TEST(other_element_sizes_are_gathered),
        TEST(more_files_than_may_be_open_are_read),
        TEST(failed_allocations_leave_the_table_whole),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
