/* Threads that take part in large reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/read_threads.h"

enum { SIZE = 5000123, BEFORE = 1237 };

static char path[] = "/tmp/fgconv-read-threads-XXXXXX";
static char *written, *seen;
static fg_file file;

static int begin(void **state) {
    fg_error err = {0};
    int fd = mkstemp(path);
    (void)state;
    written = malloc(SIZE);
    seen = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) written[i] = (char)(i * 2654435761u >> 13);
    bool good = fd >= 0 && write(fd, written, SIZE) == SIZE && close(fd) == 0;
    return good && fg_file_open(&file, path, FG_OPEN_READ, &err) == FG_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    fg_read_threads_set(0);
    fg_file_close(&file);
    free(written);
    free(seen);
    return unlink(path);
}

static void read_and_compare(size_t size, uint64_t offset) {
    fg_error err = {0};
    memset(seen, 0, SIZE);
    assert_int_equal(fg_file_read(&file, seen, size, offset, &err), FG_OK);
    assert_memory_equal(seen, written + offset, size);
}

static void any_number_reads_the_same(void **state) {
    (void)state;
    for (unsigned threads = 0; threads <= FG_READ_THREADS_MOST + 2; threads++) {
        fg_read_threads_set(threads);
        for (int again = 0; again < 20; again++) read_and_compare(SIZE - BEFORE, BEFORE);
        read_and_compare(SIZE, 0);
        read_and_compare(100, SIZE - 100);
        read_and_compare((512 << 10) + 1, 4096);
    }
}

static void only_large_reads_are_cut(void **state) {
    fg_read_part parts[FG_READ_THREADS_MOST];
    (void)state;
    fg_read_threads_set(3);
    assert_int_equal(fg_read_threads_read(file.fd, seen, 300 << 10, 0, parts), 0);
    size_t count = fg_read_threads_read(file.fd, seen, SIZE, 0, parts), sum = 0;
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(parts[i].offset, sum);
        sum += parts[i].got;
    }
    assert_int_equal(sum, SIZE);
    fg_read_threads_set(1);
    assert_int_equal(fg_read_threads_read(file.fd, seen, SIZE, 0, parts), 0);
}

/* The error is that of one thread. */
static void a_file_that_ends_early_is_said(void **state) {
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        fg_error err = {0};
        fg_read_threads_set(threads);
        assert_int_equal(fg_file_read(&file, seen, SIZE, 4000000, &err), FG_ERR_INPUT);
        assert_non_null(strstr(err.text, "the file ends at byte 5000123"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_number_reads_the_same),
                                       cmocka_unit_test(only_large_reads_are_cut),
                                       cmocka_unit_test(a_file_that_ends_early_is_said)};
    fg_alloc_init();
    return cmocka_run_group_tests(tests, begin, end);
}
