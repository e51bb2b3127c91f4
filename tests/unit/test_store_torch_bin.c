/* Reading torch's .bin files: those of tests/data/torch_bin (made by a real torch) against what torch reads
 * back, hostile ones made here, and Forgather's own where ../shared has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "store/torch_bin.h"

#define DATA FG_TEST_DATA "/torch_bin/"

static char scratch[PATH_MAX];

/* ---- bytes ---- */

static void add(fg_text *text, const void *bytes, size_t size) {
    assert_int_equal(fg_text_add(text, bytes, size, NULL), FG_OK);
}

static void add_little(fg_text *text, uint64_t value, size_t width) {
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++) bytes[i] = (unsigned char)(value >> 8 * i);
    add(text, bytes, width);
}

static void add_string(fg_text *text, const char *string) {
    add(text, "X", 1);
    add_little(text, strlen(string), 4);
    add(text, string, strlen(string));
}

static void add_integer(fg_text *text, int64_t value) {
    add(text, "\x8a\x08", 2);
    add_little(text, (uint64_t)value, 8);
}

static void poke(fg_text *text, size_t at, uint64_t value, size_t width) {
    assert_true(at + width <= text->length);
    for (size_t i = 0; i < width; i++) text->data[at + i] = (char)(value >> 8 * i);
}

/* Where the n-th (from 0) occurrence of `bytes` begins. */
static size_t find(const fg_text *text, const char *bytes, size_t n) {
    size_t length = strlen(bytes);
    for (size_t i = 0; i + length <= text->length; i++) {
        if (memcmp(text->data + i, bytes, length) == 0 && n-- == 0) return i;
    }
    fail_msg("bytes not found");
    return 0;
}

/* ---- pickles ---- */

typedef struct tensor_spec {
    const char *name, *key;
    int64_t count, offset; /* of the storage; in elements */
    unsigned rank, stride_rank;
    int64_t shape[6], stride[6];
} tensor_spec;

static const tensor_spec plain = {"t", "0", 6, 0, 1, 1, {6}, {1}};

static void add_tuple(fg_text *text, const int64_t *values, unsigned count) {
    add(text, "(", 1);
    for (unsigned i = 0; i < count; i++) add_integer(text, values[i]);
    add(text, "t", 1);
}

static void add_tensor(fg_text *text, const tensor_spec *spec) {
    static const char rebuild[] = "ctorch._utils\n_rebuild_tensor_v2\n((",
                      storage[] = "ctorch\nFloatStorage\n";
    add(text, rebuild, sizeof rebuild - 1);
    add_string(text, "storage");
    add(text, storage, sizeof storage - 1);
    add_string(text, spec->key);
    add_string(text, "cpu");
    add_integer(text, spec->count);
    add(text, "tQ", 2);
    add_integer(text, spec->offset);
    add_tuple(text, spec->shape, spec->rank);
    add_tuple(text, spec->stride, spec->stride_rank);
    add(text, "\x89}tR", 4);
}

static void add_state_dict(fg_text *text, const tensor_spec *spec) {
    add(text, "\x80\x02}", 3);
    add_string(text, spec->name);
    add_tensor(text, spec);
    add(text, "s.", 2);
}

/* ---- a zip writer ---- */

typedef struct archive {
    fg_text bytes, directory;
    unsigned count;
    uint64_t hole; /* bytes of zeros that lie in the file before what is added next, and not in `bytes` */
} archive;

static void add_entry(archive *a, const char *name, const void *data, size_t size) {
    size_t header = a->bytes.length;
    fg_text both = {0};
    add_little(&both, 20, 2); /* version needed, flags, method, time, date, CRC */
    add_little(&both, 0, 8);
    add_little(&both, 0, 4);
    add_little(&both, size, 4);
    add_little(&both, size, 4);
    add_little(&both, strlen(name), 2);
    add_little(&both, 0, 2);
    add(&a->bytes, "PK\3\4", 4);
    add(&a->bytes, both.data, both.length);
    add(&a->bytes, name, strlen(name));
    add(&a->bytes, data, size);
    add(&a->directory, "PK\1\2\0\0", 6);
    add(&a->directory, both.data, both.length);
    add_little(&a->directory, 0, 8);
    add_little(&a->directory, 0, 2);
    add_little(&a->directory, header + a->hole, 4);
    add(&a->directory, name, strlen(name));
    a->count++;
    fg_text_free(&both);
}

/* Adds an entry that is a hole of `size` bytes, with all its numbers in the zip64 field of its record. */
static void add_hole(archive *a, const char *name, uint64_t size) {
    uint64_t header = a->bytes.length;
    size_t length = strlen(name);
    static const char zeros[22];
    add(&a->bytes, "PK\3\4", 4);
    add(&a->bytes, zeros, 22);
    add_little(&a->bytes, length, 4);
    add(&a->bytes, name, length);
    add(&a->directory, "PK\1\2", 4);
    add(&a->directory, zeros, 16);
    add_little(&a->directory, UINT64_MAX, 8);
    add_little(&a->directory, length, 2);
    add_little(&a->directory, 5 + 28, 2);
    add(&a->directory, zeros, 10);
    add_little(&a->directory, UINT32_MAX, 4);
    add(&a->directory, name, length);
    add(&a->directory, "\x99\x99\1\0z\1\0\x18\0", 9);
    add_little(&a->directory, size, 8);
    add_little(&a->directory, size, 8);
    add_little(&a->directory, header, 8);
    a->count++;
    a->hole = size;
}

/* Ends the archive; what 16 and 32 bits do not hold goes to zip64 records. */
static void finish(archive *a) {
    bool zip64 = a->count > 60000 || a->hole;
    uint64_t offset = a->bytes.length + a->hole;
    size_t size = a->directory.length;
    add(&a->bytes, a->directory.data, size);
    if (zip64) {
        uint64_t end64 = a->bytes.length + a->hole;
        add(&a->bytes, "PK\6\6", 4);
        add_little(&a->bytes, 44, 8);
        add_little(&a->bytes, 0, 8);
        add_little(&a->bytes, 0, 4);
        add_little(&a->bytes, a->count, 8);
        add_little(&a->bytes, a->count, 8);
        add_little(&a->bytes, size, 8);
        add_little(&a->bytes, offset, 8);
        add(&a->bytes, "PK\6\7\0\0\0\0", 8);
        add_little(&a->bytes, end64, 8);
        add_little(&a->bytes, 1, 4);
    }
    add(&a->bytes, "PK\5\6\0\0\0\0", 8);
    add_little(&a->bytes, zip64 ? 0xffff : a->count, 2);
    add_little(&a->bytes, zip64 ? 0xffff : a->count, 2);
    add_little(&a->bytes, size, 4);
    add_little(&a->bytes, zip64 ? 0xffffffff : offset, 4);
    add_little(&a->bytes, 0, 2);
    fg_text_free(&a->directory);
}

/* An archive of this pickle and one storage, "0", of 24 bytes. */
static void wrap(archive *a, const void *pickle, size_t size) {
    static const unsigned char storage[24];
    *a = (archive){0};
    add_entry(a, "x/data.pkl", pickle, size);
    add_entry(a, "x/byteorder", "little", 6);
    add_entry(a, "x/data/0", storage, sizeof storage);
    add_entry(a, "x/version", "3\n", 2);
    finish(a);
}

/* ---- reading ---- */

static fg_status read_bytes(const fg_text *bytes, size_t size, fg_tensors *table, fg_error *err) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/case.bin", scratch);
    unlink(path);
    assert_int_equal(fg_file_spit(path, bytes->data, size, false, NULL), FG_OK);
    return fg_torch_bin_read_header(path, table, err);
}

/* Demands that these bytes are refused with a message that holds `expected`. */
static void assert_refused(const fg_text *bytes, const char *expected) {
    fg_tensors table = {0};
    fg_error err = {0};
    assert_int_equal(read_bytes(bytes, bytes->length, &table, &err), FG_ERR_INPUT);
    if (!strstr(err.text, expected)) fail_msg("message: %s\nexpected in it: %s", err.text, expected);
    fg_tensors_free(&table);
}

static void assert_pickle_refused(const void *pickle, size_t size, const char *expected) {
    archive a;
    wrap(&a, pickle, size);
    assert_refused(&a.bytes, expected);
    fg_text_free(&a.bytes);
}

static void slurp(const char *name, fg_text *bytes) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", DATA, name);
    assert_int_equal(fg_file_slurp(path, 1 << 20, bytes, NULL), FG_OK);
}

/* ---- what torch wrote ---- */

static void check_tensor(fg_reader *reader, const fg_tensors *table, const char *file, const char *name,
                         const json_t *expected) {
    fg_error err = {0};
    char hex[4096] = "";
    unsigned char bytes[2000];
    const fg_tensor *tensor = fg_tensors_find(table, name);
    if (!tensor) fail_msg("%s: no tensor %s", file, name);
    assert_string_equal(fg_dtype_name(tensor->dtype), json_string_value(json_object_get(expected, "dtype")));
    const json_t *shape = json_object_get(expected, "shape");
    assert_int_equal(tensor->rank, json_array_size(shape));
    for (uint32_t i = 0; i < tensor->rank; i++)
        assert_int_equal(tensor->shape[i], json_integer_value(json_array_get(shape, i)));
    size_t size = (size_t)fg_tensor_bytes(tensor);
    assert_true(size <= sizeof bytes);
    assert_int_equal(fg_reader_read(reader, tensor, 0, tensor->elements, bytes, &err), FG_OK);
    for (size_t i = 0; i < size; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    const char *wanted = json_string_value(json_object_get(expected, "bytes"));
    if (strcmp(hex, wanted) != 0) fail_msg("%s: %s: bytes %s, expected %s", file, name, hex, wanted);
}

static void test_files_of_torch(void **state) {
    (void)state;
    fg_error err = {0};
    json_t *expected, *tensors, *tensor;
    const char *file, *name;
    assert_int_equal(fg_json_read(DATA "expected.json", &expected, &err), FG_OK);
    assert_int_equal(json_object_size(expected), 7);
    json_object_foreach(expected, file, tensors) {
        char path[PATH_MAX];
        fg_tensors table = {0};
        fg_reader *reader = NULL;
        snprintf(path, sizeof path, "%s%s", DATA, file);
        if (fg_torch_bin_read_header(path, &table, &err) != FG_OK) fail_msg("%s", err.text);
        assert_int_equal(table.count, json_object_size(tensors));
        assert_int_equal(table.file_count, 1);
        assert_int_equal(fg_reader_new(&reader, &table, &err), FG_OK);
        json_object_foreach(tensors, name, tensor) check_tensor(reader, &table, file, name, tensor);
        fg_reader_free(&reader);
        fg_tensors_free(&table);
    }
    json_decref(expected);
}

static void test_order_and_sharing(void **state) {
    (void)state;
    fg_tensors table = {0};
    fg_error err = {0};
    assert_int_equal(fg_torch_bin_read_header(DATA "views.bin", &table, &err), FG_OK);
    assert_string_equal(table.items[0].name, "base");
    assert_string_equal(table.items[1].name, "shared");
    assert_int_equal(table.items[0].offset, table.items[1].offset);
    const fg_tensor *offset = fg_tensors_find(&table, "offset");
    assert_int_equal(offset->offset, table.items[0].offset + 2 * 6 * 4);
    const fg_tensor *transposed = fg_tensors_find(&table, "transposed");
    assert_false(transposed->contiguous);
    assert_int_equal(transposed->stride[0], 1);
    assert_int_equal(transposed->stride[1], 6);
    const fg_tensor *expanded = fg_tensors_find(&table, "expanded");
    assert_int_equal(expanded->stride[0], 0);
    assert_int_equal(expanded->stride[1], 1);
    fg_tensors_free(&table);
}

static void test_refused_files_of_torch(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"refused_compressed.bin", "zip entry \"module/byteorder\" is compressed (method 8)"},
        {"refused_big_endian.bin", "byteorder says \"big\", expected \"little\""},
        {"refused_legacy.bin", "torch's format before 1.6 (a bare pickle)"},
        {"refused_protocol4.bin", "pickle protocol 4, expected 2"},
        {"refused_nested.bin", "key \"model\" holds a dict, expected a flat dict from names to tensors"},
        {"refused_integer.bin", "key \"step\" holds an integer"},
        {"refused_list.bin", "it holds a list, expected a flat dict"},
        {"refused_tensor.bin", "it holds a call of torch._utils._rebuild_tensor_v2"},
        {"refused_key.bin", "the state dict has an integer as a key"},
        {"refused_sparse.bin", "a sparse tensor is not supported: the pickle asks for "
                               "torch._utils._rebuild_sparse_tensor (under the key \"s\")"},
        {"refused_quantized.bin", "a quantized tensor is not supported: the pickle asks for "
                                  "torch._utils._rebuild_qtensor (under the key \"q\")"},
        {"refused_complex.bin", "a complex tensor is not supported: the pickle asks for "
                                "torch.ComplexFloatStorage (under the key \"c\")"},
        {"refused_negated.bin", "tensor \"n\": it is lazily conjugated or negated"},
        {"refused_meta.bin", "a tensor without data (device meta)"},
        {"refused_fnuz.bin", "torch.float8_e4m3fnuz (under the key \"f\")"},
        {"refused_six.bin", "tensor \"six\": 6 dimensions, at most 5"},
        {"refused_class.bin", "asks for pathlib.PurePosixPath, which is not a part of a state dict (under "
                              "the key \"path\"); nothing was executed"},
        {"refused_script.bin", "a TorchScript archive, expected a state dict"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_text bytes = {0};
        slurp(cases[i][0], &bytes);
        assert_refused(&bytes, cases[i][1]);
        fg_text_free(&bytes);
    }
}

static void test_nested_hint(void **state) {
    (void)state;
    fg_tensors table = {0};
    fg_error err = {0};
    assert_int_equal(fg_torch_bin_read_header(DATA "refused_nested.bin", &table, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.hint, "torch.load(FILE)[\"model\"]"));
    fg_tensors_free(&table);
    assert_int_equal(fg_torch_bin_read_header(DATA "refused_legacy.bin", &table, &err), FG_ERR_INPUT);
    assert_int_equal(table.count, 0);
    fg_tensors_free(&table);
}

/* ---- damage ---- */

static void test_cut_anywhere(void **state) {
    (void)state;
    fg_text bytes = {0};
    slurp("parameters.bin", &bytes);
    for (size_t size = 0; size < bytes.length; size++) {
        fg_tensors table = {0};
        fg_error err = {0};
        if (read_bytes(&bytes, size, &table, &err) != FG_ERR_INPUT) fail_msg("%zu bytes: %s", size, err.text);
        assert_string_not_equal(err.text, "");
        fg_tensors_free(&table);
    }
    fg_text_free(&bytes);
}

/* Any one byte changed: accepted (names, padding, data) or refused, nothing else. */
static void test_one_byte_changed(void **state) {
    (void)state;
    static const unsigned char values[] = {0x01, 0x80, 0xff};
    fg_text bytes = {0};
    slurp("force_zip64.bin", &bytes);
    size_t refused = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        for (size_t k = 0; k < sizeof values; k++) {
            fg_tensors table = {0};
            fg_error err = {0};
            bytes.data[i] = (char)(bytes.data[i] ^ values[k]);
            fg_status status = read_bytes(&bytes, bytes.length, &table, &err);
            if (status != FG_OK && status != FG_ERR_INPUT)
                fail_msg("byte %zu: status %d: %s", i, status, err.text);
            refused += status != FG_OK;
            bytes.data[i] = (char)(bytes.data[i] ^ values[k]);
            fg_tensors_free(&table);
        }
    }
    assert_true(refused > bytes.length / 2);
    fg_text_free(&bytes);
}

static void test_other_formats(void **state) {
    (void)state;
    fg_text bytes = {0};
    assert_refused(&bytes, "does not begin as a zip archive does");
    add(&bytes, "version https://git-lfs.github.com/spec/v1\n", 43);
    assert_refused(&bytes, "a Git LFS pointer");
    bytes.length = 0;
    add(&bytes, "\x80\x04N.", 4);
    assert_refused(&bytes, "a bare pickle, expected the zip archive");
    bytes.length = 0;
    for (int i = 0; i < 512; i++) add(&bytes, "", 1);
    memcpy(bytes.data + 257, "ustar", 5);
    assert_refused(&bytes, "torch's first format (a tar archive)");
    bytes.length = 0;
    add(&bytes, "PK\3\4", 4);
    assert_refused(&bytes, "no end of central directory");
    fg_text_free(&bytes);
}

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
        fg_text pickle = {0};
        add_state_dict(&pickle, &plain);
        wrap(&a, pickle.data, pickle.length);
        poke(&a.bytes, find(&a.bytes, cases[i].mark, cases[i].nth) + cases[i].offset, cases[i].value,
             cases[i].width);
        assert_refused(&a.bytes, cases[i].expected);
        fg_text_free(&a.bytes);
        fg_text_free(&pickle);
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
        fg_text bytes = {0};
        slurp("none.bin", &bytes);
        poke(&bytes, find(&bytes, cases[i].mark, cases[i].nth) + cases[i].offset, cases[i].value,
             cases[i].width);
        assert_refused(&bytes, cases[i].expected);
        fg_text_free(&bytes);
    }
}

/* A sparse file above 4 GiB: all sizes and offsets of zip64. */
static void test_zip64(void **state) {
    (void)state;
    const uint64_t elements = UINT64_C(1300000000);
    const tensor_spec spec = {"t", "0", (int64_t)elements, (int64_t)elements - 6, 1, 1, {6}, {1}};
    archive a = {0};
    fg_text pickle = {0};
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
    fg_text_free(&a.bytes);
    fg_text_free(&pickle);
}

static void test_duplicate_entries(void **state) {
    (void)state;
    archive a = {0};
    add_entry(&a, "x/data.pkl", "\x80\x02}.", 4);
    add_entry(&a, "x/data/0", "", 0);
    add_entry(&a, "x/data/0", "", 0);
    finish(&a);
    assert_refused(&a.bytes, "two zip entries are called \"x/data/0\"");
    fg_text_free(&a.bytes);
    a = (archive){0};
    add_entry(&a, "x/data.pkl", "\x80\x02}.", 4);
    add_entry(&a, "y/data.pkl", "\x80\x02}.", 4);
    finish(&a);
    assert_refused(&a.bytes, "two pickles: x/data.pkl and y/data.pkl");
    fg_text_free(&a.bytes);
}

/* ---- hostile tensors ---- */

static void test_hostile_tensors(void **state) {
    (void)state;
    static const struct {
        tensor_spec spec;
        const char *expected;
    } cases[] = {
        {{"t", "0", 7, 0, 1, 1, {6}, {1}}, "storage x/data/0 has 24 bytes, expected 7 elements of 4 bytes"},
        {{"t", "0", 5, 0, 1, 1, {5}, {1}}, "storage x/data/0 has 24 bytes, expected 5 elements"},
        {{"t", "0", INT64_MAX / 2 + 7, 0, 1, 1, {6}, {1}}, "has 24 bytes, expected"},
        {{"t", "0", -6, 0, 1, 1, {6}, {1}}, "not described as torch.save does"},
        {{"t", "1", 6, 0, 1, 1, {6}, {1}}, "no zip entry x/data/1 with its storage"},
        {{"t", "", 6, 0, 1, 1, {6}, {1}}, "its storage has no proper key"},
        {{"t", "0", 6, 1, 1, 1, {6}, {1}},
         "begins at element 1 and reaches beyond its storage of 6 elements"},
        {{"t", "0", 6, 6, 0, 0, {0}, {0}}, "begins at element 6 and reaches"},
        {{"t", "0", 6, -1, 1, 1, {1}, {1}}, "its storage offset is not an integer from 0"},
        {{"t", "0", 6, INT64_MAX, 1, 1, {1}, {1}}, "reaches beyond its storage"},
        {{"t", "0", 6, 0, 1, 1, {7}, {1}}, "reaches beyond its storage"},
        {{"t", "0", 6, 0, 2, 2, {2, 3}, {4, 1}}, "reaches beyond its storage"},
        {{"t", "0", 6, 5, 1, 1, {2}, {-1}}, "its shape or strides are not integers from 0"},
        {{"t", "0", 6, 0, 1, 1, {-1}, {1}}, "its shape or strides are not integers from 0"},
        {{"t", "0", 6, 0, 2, 2, {3, 2}, {INT64_MAX, 1}}, "reaches beyond its storage"},
        {{"t", "0", 6, 0, 2, 2, {INT64_MAX, INT64_MAX}, {0, 0}}, "its shape overflows 64 bits"},
        {{"t", "0", 6, 0, 3, 3, {5, 3, 1}, {INT64_MAX, 4, 1}}, "reaches beyond its storage"},
        {{"t", "0", 6, 0, 2, 1, {2, 3}, {1}}, "not two tuples of one length"},
        {{"t", "0", 6, 0, 6, 6, {1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}}, "6 dimensions, at most 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_text pickle = {0};
        add_state_dict(&pickle, &cases[i].spec);
        assert_pickle_refused(pickle.data, pickle.length, cases[i].expected);
        fg_text_free(&pickle);
    }
}

static void test_names(void **state) {
    (void)state;
    fg_text pickle = {0};
    add(&pickle, "\x80\x02}X\3\0\0\0a\0b", 11);
    add_tensor(&pickle, &plain);
    add(&pickle, "s.", 2);
    assert_pickle_refused(pickle.data, pickle.length, "its name has a NUL inside");
    pickle.length = 0;
    add(&pickle, "\x80\x02}(", 4);
    for (int i = 0; i < 2; i++) {
        add_string(&pickle, "t");
        add_tensor(&pickle, &plain);
    }
    add(&pickle, "u.", 2);
    assert_pickle_refused(pickle.data, pickle.length, "tensor \"t\" exists already");
    fg_text_free(&pickle);
}

/* ---- hostile pickles ---- */

#define PICKLE(bytes) (bytes), sizeof(bytes) - 1

/* A tensor whose storage offset is pickled as `offset`. */
#define WITH_OFFSET(offset)                                                                                  \
    PICKLE("\x80\x02}X\1\0\0\0tctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"  \
           "X\1\0\0\0"                                                                                       \
           "0X\3\0\0\0cpuK\6tQ" offset "K\1\x85K\1\x85\x89}tRs.")

static void test_hostile_pickles(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *expected;
    } cases[] = {
        {PICKLE("\x80\x02"
                "cposix\nsystem\nX\4\0\0\0true\x85R."),
         "asks for posix.system, which is not a part of a state dict; nothing was executed"},
        {PICKLE("\x80\x02}X\1\0\0\0wcbuiltins\neval\nX\1\0\0\0"
                "1\x85Rs."),
         "asks for builtins.eval, which is not a part of a state dict (under the key \"w\")"},
        {PICKLE("\x80\x02"
                "ctorch\nload\n."),
         "asks for torch.load"},
        {PICKLE("\x80\x02"
                "ctorch\nFloatStorag\n."),
         "asks for torch.FloatStorag,"},
        {PICKLE("\x80\x02"
                "ctorch\n\n."),
         "asks for torch.,"},
        {PICKLE("\x80\x02(X\4\0\0\0trueios\nsystem\n."), "opcode INST (0x69)"},
        {PICKLE("\x80\x02\x82\1."), "opcode EXT1 (0x82)"},
        {PICKLE("\x80\x02X\5\0\0\0posixX\6\0\0\0system\x93."), "opcode STACK_GLOBAL (0x93)"},
        {PICKLE("\x80\x02"
                "ccollections\nOrderedDict\n)\x81."),
         "opcode NEWOBJ (0x81)"},
        {PICKLE("\x80\x02P0\n."), "opcode PERSID"},
        {PICKLE("\x80\x02\xff"), "opcode unknown (0xff)"},
        {PICKLE("\x80\x02\x80\x02}."), "opcode unknown (0x80)"},
        {PICKLE("\x80\x03}."), "pickle protocol 3, expected 2"},
        {PICKLE("}."), "does not begin with a protocol number"},
        {PICKLE("\x80"), "ends inside an opcode"},
        {PICKLE("\x80\x02"), "ends inside an opcode"},
        {PICKLE("\x80\x02."), "ends with other than one value"},
        {PICKLE("\x80\x02}}."), "ends with other than one value"},
        {PICKLE("\x80\x02}(."), "ends with other than one value"},
        {PICKLE("\x80\x02}.}"), "bytes follow its end"},
        {PICKLE("\x80\x02X\xff\xff\xff\xffhuge"), "ends inside an opcode"},
        {PICKLE("\x80\x02\x8a\xff\1\2\3"), "ends inside an opcode"},
        {PICKLE("\x80\x02\x8a\x09\1\2\3\4\5\6\7\x08\x09."), "an integer does not fit in 64 bits"},
        {PICKLE("\x80\x02X\1\0\0\0\xff."), "a string is not UTF-8"},
        {PICKLE("\x80\x02X\2\0\0\0\xc0\x80."), "a string is not UTF-8"},
        {PICKLE("\x80\x02X\3\0\0\0\xed\xa0\x80."), "a string is not UTF-8"},
        {PICKLE("\x80\x02X\1\0\0\0\xf0."), "a string is not UTF-8"},
        {PICKLE("\x80\x02"
                "ctorch\n"
                "Float"),
         "a GLOBAL without a printable name"},
        {PICKLE("\x80\x02"
                "c\x1b[2J\nx\n."),
         "a GLOBAL without a printable name"},
        {PICKLE("\x80\x02}r\xff\xff\xff\x7f."), "a memo entry is numbered out of order"},
        {PICKLE("\x80\x02}q\1."), "a memo entry is numbered out of order"},
        {PICKLE("\x80\x02h\0."), "a memo entry is used that was never set"},
        {PICKLE("\x80\x02q\0."), "an opcode wants more values than there are"},
        {PICKLE("\x80\x02s."), "an opcode wants more values than there are"},
        {PICKLE("\x80\x02}(NNs."), "an opcode wants more values than there are"},
        {PICKLE("\x80\x02(u."), "an opcode wants more values than there are"},
        {PICKLE("\x80\x02t."), "wants a MARK"},
        {PICKLE("\x80\x02}(Nu."), "a key without a value"},
        {PICKLE("\x80\x02NNNs."), "entries are set on something that is not a dict"},
        {PICKLE("\x80\x02NNa."), "appended to something that is not a list"},
        {PICKLE("\x80\x02N)R."), "REDUCE of something"},
        {PICKLE("\x80\x02"
                "ctorch\nFloatStorage\nNR."),
         "REDUCE of something"},
        {PICKLE("\x80\x02"
                "ccollections\nOrderedDict\nN\x85R."),
         "a dict made with arguments"},
        {PICKLE("\x80\x02N}b."), "BUILD of something"},
        {PICKLE("\x80\x02}Nb."), "BUILD of something"},
        {WITH_OFFSET("J\xff\xff\xff\xff"), "its storage offset is not an integer from 0"},
        {WITH_OFFSET("\x8a\1\xff"), "its storage offset is not an integer from 0"},
        {WITH_OFFSET("\x8a\1\6"), "begins at element 6 and reaches"},
        {PICKLE("\x80\x02NQ."), "a persistent id that is not a tuple"},
        {PICKLE("\x80\x02)Q."), "it holds a bare storage"},
        {PICKLE("\x80\x02]q\0h\0a."), "it holds a list"},
        {PICKLE("\x80\x02}q\0X\1\0\0\0ah\0s."), "key \"a\" holds a dict"},
        {PICKLE("\x80\x02}X\1\0\0\0actorch\nFloatStorage\n)Rs."),
         "key \"a\" holds a call of torch.FloatStorage"},
        {PICKLE("\x80\x02}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n)Rs."),
         "tensor \"a\": a wrong number of arguments"},
        {PICKLE("\x80\x02}X\1\0\0\0actorch._utils\n_rebuild_tensor_v3\n(NNNNNNNtRs."),
         "its storage is not a persistent id of five parts"},
        {PICKLE("\x80\x02}X\1\0\0\0actorch._utils\n_rebuild_parameter\n)Rs."),
         "key \"a\" holds a call of torch._utils._rebuild_parameter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_pickle_refused(cases[i].bytes, cases[i].size, cases[i].expected);
}

static void repeat(fg_text *text, const char *bytes, size_t size, size_t count) {
    for (size_t i = 0; i < count; i++) add(text, bytes, size);
}

/* Short pickles that ask for much: memory stays below a bound that has nothing to do with what they say. */
static void test_bombs(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size, count;
        const char *expected;
    } cases[] = {
        {PICKLE("("), 101, "more than 100 levels of nesting"},
        {PICKLE("N"), 4000001, "more than 4000000 values on the stack"},
        {PICKLE("}NNs"), 2000001, "more than 2000000 entries in dicts"},
        {PICKLE("NNN\x87"), 2700000, "more than 8000000 values in tuples"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_text pickle = {0};
        add(&pickle, "\x80\x02", 2);
        repeat(&pickle, cases[i].bytes, cases[i].size, cases[i].count);
        assert_pickle_refused(pickle.data, pickle.length, cases[i].expected);
        fg_text_free(&pickle);
    }
    fg_text pickle = {0}; /* each tuple holds the one before twice: 2^64 leaves, if somebody followed them */
    add(&pickle, "\x80\x02}X\1\0\0\0a)", 10);
    for (unsigned char k = 0; k < 64; k++) add(&pickle, (unsigned char[]){'q', k, 'h', k, 0x86}, 5);
    add(&pickle, "s.", 2);
    assert_pickle_refused(pickle.data, pickle.length, "key \"a\" holds a tuple");
    fg_text_free(&pickle);
    assert_true(fg_alloc_peak() < 600 << 20);
}

static void test_large_pickle(void **state) {
    (void)state;
    archive a;
    char *large = fg_alloc((64 << 20) + 1, 1, NULL);
    assert_non_null(large);
    wrap(&a, large, (64 << 20) + 1);
    assert_refused(&a.bytes, "x/data.pkl has 67108865 bytes, at most 67108864 are read");
    fg_free(large);
    fg_text_free(&a.bytes);
}

static void test_many_tensors(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    archive a = {0};
    fg_text pickle = {0};
    char name[64], key[16];
    add(&pickle, "\x80\x02}(", 4);
    for (int i = 0; i < COUNT; i++) {
        tensor_spec spec = {name, key, 6, 0, 2, 2, {2, 3}, {3, 1}};
        snprintf(name, sizeof name, "model.layers.%d.mlp.experts.%d.up_proj.weight", i / 100, i % 100);
        snprintf(key, sizeof key, "%d", i);
        add_string(&pickle, name);
        add_tensor(&pickle, &spec);
    }
    add(&pickle, "u.", 2);
    add_entry(&a, "x/data.pkl", pickle.data, pickle.length);
    add_entry(&a, "x/version", "3\n", 2);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "x/data/%d", i);
        add_entry(&a, name, "123456781234567812345678", 24);
    }
    finish(&a);
    fg_tensors table = {0};
    fg_error err = {0};
    clock_t begin = clock();
    if (read_bytes(&a.bytes, a.bytes.length, &table, &err) != FG_OK) fail_msg("%s", err.text);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    print_message("100,000 tensors: %.2f s of CPU\n", seconds);
    assert_int_equal(table.count, COUNT);
    assert_true(seconds < 5);
    fg_tensors_free(&table);
    fg_text_free(&a.bytes);
    fg_text_free(&pickle);
}

/* ---- failures below ---- */

static void test_every_allocation_fails(void **state) {
    (void)state;
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t n = 1; status != FG_OK; n++) {
        fg_tensors table = {0};
        fg_error err = {0};
        fg_alloc_fail_after(n);
        status = fg_torch_bin_read_header(DATA "module.bin", &table, &err);
        fg_alloc_fail_after(0);
        assert_true(status == FG_OK || status == FG_ERR_MEMORY);
        assert_true(n > 20 || status == FG_ERR_MEMORY);
        fg_tensors_free(&table);
    }
}

static void test_every_file_call_fails(void **state) {
    (void)state;
    fg_status status = FG_ERR_SYSTEM;
    for (uint64_t n = 1; status != FG_OK; n++) {
        fg_tensors table = {0};
        fg_error err = {0};
        fg_file_fail_after(n);
        status = fg_torch_bin_read_header(DATA "module.bin", &table, &err);
        fg_file_fail_after(0);
        assert_true(status == FG_OK || status == FG_ERR_SYSTEM);
        assert_true(n > 5 || status == FG_ERR_SYSTEM);
        fg_tensors_free(&table);
    }
}

static void test_missing(void **state) {
    (void)state;
    fg_tensors table = {0};
    fg_error err = {0};
    assert_int_equal(fg_torch_bin_read_header(DATA "absent.bin", &table, &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "absent.bin: no such file"));
}

/* ---- Forgather's own files ---- */

/* Reads the .bin files of one directory of a case and compares with what expected.json says of it (NULL:
 * nothing). Gives the number of files. */
static size_t check_golden(const char *where, const json_t *expected) {
    fg_tensors table = {0};
    fg_error err = {0};
    fg_names names = {0};
    const char *name;
    json_t *tensor;
    size_t files = 0;
    assert_int_equal(fg_directory_list(where, &names, &err), FG_OK);
    for (size_t i = 0; i < names.count; i++) {
        if (!fg_starts_with(names.items[i], "pytorch_model") || !fg_ends_with(names.items[i], ".bin"))
            continue;
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", where, names.items[i]);
        if (fg_torch_bin_read_header(path, &table, &err) != FG_OK) fail_msg("%s", err.text);
        files++;
    }
    if (files && !expected) assert_true(table.count > 0);
    if (files && expected) {
        json_object_foreach(json_object_get(expected, "tensors"), name, tensor) {
            const fg_tensor *found = fg_tensors_find(&table, name);
            if (!found) fail_msg("%s: no tensor %s", where, name);
            assert_string_equal(fg_dtype_name(found->dtype),
                                json_string_value(json_object_get(tensor, "dtype")));
            json_t *shape = json_object_get(tensor, "shape");
            assert_int_equal(found->rank, json_array_size(shape));
            for (uint32_t i = 0; i < found->rank; i++)
                assert_int_equal(found->shape[i], json_integer_value(json_array_get(shape, i)));
        }
        assert_int_equal(table.count, json_object_size(json_object_get(expected, "tensors")));
    }
    fg_names_free(&names);
    fg_tensors_free(&table);
    return files;
}

static void test_golden(void **state) {
    (void)state;
    static const char root[] = FG_TEST_DATA "/../../../shared/golden/forgather";
    fg_names cases = {0};
    size_t files = 0;
    if (!fg_path_is_directory(root)) {
        print_message("%s is not there\n", root);
        skip();
    }
    assert_int_equal(fg_directory_list(root, &cases, NULL), FG_OK);
    for (size_t i = 0; i < cases.count; i++) {
        char path[PATH_MAX];
        json_t *expected, *what;
        const char *where;
        snprintf(path, sizeof path, "%s/%s/expected.json", root, cases.items[i]);
        if (!fg_path_is_file(path)) continue;
        assert_int_equal(fg_json_read(path, &expected, NULL), FG_OK);
        json_object_foreach(expected, where, what) {
            snprintf(path, sizeof path, "%s/%s/%s", root, cases.items[i], where);
            if (fg_path_is_directory(path)) files += check_golden(path, what);
        }
        json_decref(expected);
        snprintf(path, sizeof path, "%s/%s/hf", root, cases.items[i]);
        if (fg_path_is_directory(path)) files += check_golden(path, NULL);
    }
    fg_names_free(&cases);
    print_message("%zu files of Forgather and transformers read\n", files);
    assert_true(files >= 10);
}

static int make_scratch(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/fgconv-torch-bin-XXXXXX", base ? base : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state) {
    (void)state;
    return fg_directory_remove(scratch, NULL) == FG_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_of_torch),
        cmocka_unit_test(test_order_and_sharing),
        cmocka_unit_test(test_refused_files_of_torch),
        cmocka_unit_test(test_nested_hint),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_one_byte_changed),
        cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_hostile_archives),
        cmocka_unit_test(test_hostile_zip64),
        cmocka_unit_test(test_zip64),
        cmocka_unit_test(test_duplicate_entries),
        cmocka_unit_test(test_hostile_tensors),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hostile_pickles),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_large_pickle),
        cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_every_file_call_fails),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
