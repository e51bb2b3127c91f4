/* Arrays in .npy files: what numpy writes is read, everything else is refused with its reason. */
#include "store/npy.h"
#include "store_fixture.h"

enum { LIMIT = 1 << 20 };

/* A file of version `major`.0 with this header and `size` bytes behind it. */
static const char *put_npy(unsigned major, const char *header, const void *bytes, size_t size) {
    static unsigned char file[4096];
    size_t length = strlen(header), end = 8;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (unsigned char)major;
    file[7] = 0;
    for (size_t i = 0; i < (major == 1 ? 2 : 4); i++) file[end++] = (unsigned char)(length >> 8 * i);
    memcpy(file + end, header, length);
    memcpy(file + end + length, bytes, size);
    put_bytes("a.npy", file, end + length + size);
    return at("a.npy");
}

static const float six[6] = {1, 2, 3, 4, 5, 6.5f};

static void arrays_are_read(void **state) {
    (void)state;
    static const struct {
        unsigned major;
        const char *header;
        uint32_t dims;
        uint64_t shape[3];
    } cases[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }    \n", 3, {1, 2, 3}},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n", 1, {6}},
        {3, "{\"shape\": (3,2), \"fortran_order\": False, \"descr\": \"<f4\"}", 2, {3, 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_npy array;
        fg_error err = {0};
        const char *path = put_npy(cases[i].major, cases[i].header, six, sizeof six);
        assert_int_equal(fg_npy_read(&array, path, LIMIT, &err), FG_OK);
        assert_int_equal(array.dims, cases[i].dims);
        assert_memory_equal(array.shape, cases[i].shape, cases[i].dims * sizeof *array.shape);
        assert_memory_equal(array.values, six, sizeof six);
        fg_npy_free(&array);
    }
}

static void assert_refused(const char *path, uint64_t limit, const char *expected) {
    fg_npy array;
    fg_error err = {0};
    assert_int_equal(fg_npy_read(&array, path, limit, &err), FG_ERR_INPUT);
    if (!strstr(err.text, expected)) fail_msg("found \"%s\", expected \"%s\"", err.text, expected);
    assert_null(array.values);
}

static void headers_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *header, *expected;
    } cases[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (6,), }", "type \"<f8\", expected \"<f4\""},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", "type \">f4\""},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }", "Fortran order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }", "24 bytes follow the header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", "24 bytes follow the header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "24 bytes follow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "broken near"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,), }", "broken near"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 6), }", "broken near"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,", "broken near"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 6}", "broken near"},
        {"{'descr': '<f4', 'fortran_order': False}", "broken near"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", "broken near"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}", "broken near"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", "broken near"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': '1'}", "broken near"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x", "broken near \"x\""},
        {"{'descr", "broken near"},
        {"", "broken near \"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(put_npy(1, cases[i].header, six, sizeof six), LIMIT, cases[i].expected);
}

static void files_are_checked(void **state) {
    (void)state;
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n";
    assert_refused(at("none.npy"), LIMIT, "none.npy");
    assert_refused(put_npy(4, header, six, sizeof six), LIMIT, "version 4.0");
    assert_refused(put_npy(1, header, six, sizeof six), sizeof six - 1, "more than the 23 allowed");
    put_bytes("a.npy", "\x93NUMPY\1\0\xff\xff{}", 12);
    assert_refused(at("a.npy"), LIMIT, "a .npy header of 65535 bytes in a file of 12");
    put_bytes("a.npy", "\x93NUMPY\2\0\xff\xff\xff\xff", 12);
    assert_refused(at("a.npy"), LIMIT, "a .npy header of 4294967295 bytes");
    put_text("a.npy", "P6 12 12 255 no array at all");
    assert_refused(at("a.npy"), LIMIT, "this is not a .npy file");
    put_text("a.npy", "short");
    assert_refused(at("a.npy"), LIMIT, "this is not a .npy file");
    put_bytes("a.npy", "\x93NUMPY\1\0\2\0\0}", 12);
    assert_refused(at("a.npy"), LIMIT, "broken near");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arrays_are_read, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(headers_are_checked, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(files_are_checked, fixture_set_up, fixture_tear_down),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
