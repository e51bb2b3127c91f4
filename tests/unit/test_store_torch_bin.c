/* Reading torch's .bin files: those of tests/data/torch_bin (made by a real torch) against what torch reads
 * back, damaged ones, and Forgather's own where ../shared has them. */
#include "torch_bin_fixture.h"

#include "base/json.h"
#include "path_questions.h"

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
        fg_buffer bytes = {0};
        slurp(cases[i][0], &bytes);
        assert_refused(&bytes, cases[i][1]);
        fg_buffer_free(&bytes);
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
    fg_buffer bytes = {0};
    slurp("parameters.bin", &bytes);
    for (size_t size = 0; size < bytes.length; size++) {
        fg_tensors table = {0};
        fg_error err = {0};
        if (read_bytes(&bytes, size, &table, &err) != FG_ERR_INPUT) fail_msg("%zu bytes: %s", size, err.text);
        assert_string_not_equal(err.text, "");
        fg_tensors_free(&table);
    }
    fg_buffer_free(&bytes);
}

/* Any one byte changed: accepted (names, padding, data) or refused, nothing else. */
static void test_one_byte_changed(void **state) {
    (void)state;
    static const unsigned char values[] = {0x01, 0x80, 0xff};
    fg_buffer bytes = {0};
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
    fg_buffer_free(&bytes);
}

static void test_other_formats(void **state) {
    (void)state;
    fg_buffer bytes = {0};
    assert_refused(&bytes, "the file is empty");
    add(&bytes, "x", 1);
    assert_refused(&bytes, "does not begin as a zip archive does");
    bytes.length = 0;
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
    fg_buffer_free(&bytes);
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
    if (!path_is_directory(root)) {
        print_message("%s is not there\n", root);
        skip();
    }
    assert_int_equal(fg_directory_list(root, &cases, NULL), FG_OK);
    for (size_t i = 0; i < cases.count; i++) {
        char path[PATH_MAX];
        json_t *expected, *what;
        const char *where;
        snprintf(path, sizeof path, "%s/%s/expected.json", root, cases.items[i]);
        if (!path_is_file(path)) continue;
        assert_int_equal(fg_json_read(path, &expected, NULL), FG_OK);
        json_object_foreach(expected, where, what) {
            snprintf(path, sizeof path, "%s/%s/%s", root, cases.items[i], where);
            if (path_is_directory(path)) files += check_golden(path, what);
        }
        json_decref(expected);
        snprintf(path, sizeof path, "%s/%s/hf", root, cases.items[i]);
        if (path_is_directory(path)) files += check_golden(path, NULL);
    }
    fg_names_free(&cases);
    print_message("%zu files of Forgather and transformers read\n", files);
    assert_true(files >= 10);
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
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_every_file_call_fails),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
