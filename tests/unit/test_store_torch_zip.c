/* Archives of .bin files that do not add up. */
#include "torch_bin_fixture.h"

/* ---- hostile archives ---- */

typedef struct zip_case {
    const char *mark; /* bytes that are looked for */
    size_t nth;       /* which occurrence */
    size_t offset;    /* from there */
    uint64_t value;
    size_t width;
    const char *expected;
} zip_case;

static void test_hostile_archives(void **state) {
    (void)state;
    /* Records of data.pkl, byteorder, data/0, version: 0 to 3. */
    static const zip_case cases[] = {
        {"PK\1\2", 2, 10, 8, 2, "\"x/data/0\" is compressed (method 8)"},
        {"PK\1\2", 2, 8, 1, 2, "\"x/data/0\" is encrypted"},
        {"PK\1\2", 1, 42, 0, 4, "what follows begins at byte"},
        {"PK\1\2", 2, 20, 25, 4, "\"x/data/0\" has 25 bytes"},
        {"PK\1\2", 2, 24, 25, 4, "takes 24 bytes for 25"},
        {"PK\1\2", 2, 24, 0xffffffff, 4, "\"x/data/0\": its zip64 field is malformed"},
        {"PK\1\2", 3, 42, 0xfffffffe, 4, "\"x/version\" has 2 bytes at byte 4294967294"},
        {"PK\1\2", 3, 28, 2000, 2, "its central directory ends inside a record"},
        {"PK\1\2", 3, 30, 1, 2, "its central directory ends inside a record"},
        {"PK\1\2", 3, 0, 0, 4, "a record without signature"},
        {"PK\3\4", 2, 0, 0, 4, "no local header of that name"},
        {"PK\3\4", 2, 30, 'y', 1, "no local header of that name"},
        {"PK\3\4", 2, 26, 5, 2, "no local header of that name"},
        {"PK\3\4", 2, 28, 1, 2, "\"x/data/0\" reaches beyond byte"},
        {"PK\5\6", 0, 8, 3, 4, "split archive"},
        {"PK\5\6", 0, 8, 0x30003, 4, "has more bytes than entries"},
        {"PK\5\6", 0, 8, 0x50005, 4, "too small for the number of entries"},
        {"PK\5\6", 0, 12, 0x7fffffff, 4, "lies outside the file"},
        {"PK\5\6", 0, 16, 0xffffffff, 4, "lies outside the file"},
        {"PK\5\6", 0, 4, 1, 2, "split archive"},
        {"PK\5\6", 0, 20, 1, 2, "no end of central directory"},
        {"x/version", 1, 2, 0, 1, "a NUL inside"},
        {"x/version", 1, 0, 'z', 1, "no zip entry x/version"},
        {"x/data.pkl", 1, 1, '_', 1, "without */data.pkl"},
        {"3\n", 0, 0, 'x', 1, "version says \"x\""},
        {"3\n", 0, 0, 0x3939, 2, "version says \"99\", expected 1 to 10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        archive a;
        fg_buffer pickle = {0};
        add_state_dict(&pickle, &plain);
        wrap(&a, pickle.data, pickle.length);
        poke(&a.bytes, find(&a.bytes, cases[i].mark, cases[i].nth) + cases[i].offset, cases[i].value,
             cases[i].width);
        assert_refused(&a.bytes, cases[i].expected);
        fg_buffer_free(&a.bytes);
        fg_buffer_free(&pickle);
    }
}

static void test_hostile_zip64(void **state) {
    (void)state;
    static const zip_case cases[] = {
        {"PK\6\7", 0, 8, 0xffffffff, 4, "the zip64 locator points outside the file"},
        {"PK\6\7", 0, 8, UINT64_MAX, 8, "the zip64 locator points outside the file"},
        {"PK\6\7", 0, 8, 0, 4, "the zip64 locator does not point to a zip64 end record"},
        {"PK\6\6", 0, 16, 1, 4, "split archive"},
        {"PK\6\6", 0, 24, 1, 8, "split archive"},
        {"PK\6\6", 0, 40, 1, 8, "its end record and its zip64 end record disagree"},
        {"PK\6\6", 0, 48, 1, 8, "its end record and its zip64 end record disagree"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_buffer bytes = {0};
        slurp("none.bin", &bytes);
        poke(&bytes, find(&bytes, cases[i].mark, cases[i].nth) + cases[i].offset, cases[i].value,
             cases[i].width);
        assert_refused(&bytes, cases[i].expected);
        fg_buffer_free(&bytes);
    }
}

/* A sparse file above 4 GiB: all sizes and offsets of zip64. */
static void test_zip64(void **state) {
    (void)state;
    const uint64_t elements = UINT64_C(1300000000);
    const tensor_spec spec = {"t", "0", (int64_t)elements, (int64_t)elements - 6, 1, 1, {6}, {1}};
    archive a = {0};
    fg_buffer pickle = {0};
    add_state_dict(&pickle, &spec);
    add_entry(&a, "x/version", "3\n", 2);
    add_entry(&a, "x/data.pkl", pickle.data, pickle.length);
    add_hole(&a, "x/data/0", elements * 4);
    size_t before = a.bytes.length;
    finish(&a);
    char path[PATH_MAX + 16];
    fg_file file;
    fg_tensors table = {0};
    fg_error err = {0};
    snprintf(path, sizeof path, "%s/large.bin", scratch);
    assert_int_equal(fg_file_open(&file, path, FG_OPEN_CREATE, &err), FG_OK);
    assert_int_equal(fg_file_write(&file, a.bytes.data, before, 0, &err), FG_OK);
    assert_int_equal(
        fg_file_write(&file, a.bytes.data + before, a.bytes.length - before, before + a.hole, &err), FG_OK);
    fg_file_close(&file);
    if (fg_torch_bin_read_header(path, &table, &err) != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(table.count, 1);
    assert_true(table.items[0].offset == before + (elements - 6) * 4);
    assert_int_equal(unlink(path), 0);
    fg_tensors_free(&table);
    fg_buffer_free(&a.bytes);
    fg_buffer_free(&pickle);
}

static void test_duplicate_entries(void **state) {
    (void)state;
    archive a = {0};
    add_entry(&a, "x/data.pkl", "\x80\x02}.", 4);
    add_entry(&a, "x/data/0", "", 0);
    add_entry(&a, "x/data/0", "", 0);
    finish(&a);
    assert_refused(&a.bytes, "two zip entries are called \"x/data/0\"");
    fg_buffer_free(&a.bytes);
    a = (archive){0};
    add_entry(&a, "x/data.pkl", "\x80\x02}.", 4);
    add_entry(&a, "y/data.pkl", "\x80\x02}.", 4);
    finish(&a);
    assert_refused(&a.bytes, "two pickles: x/data.pkl and y/data.pkl");
    fg_buffer_free(&a.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_archives),
        cmocka_unit_test(test_hostile_zip64),
        cmocka_unit_test(test_zip64),
        cmocka_unit_test(test_duplicate_entries),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
