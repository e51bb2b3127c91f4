/* store/safetensors: headers that are right, every kind of wrong one, and writing. */
#include "store_fixture.h"

#include "store/safetensors.h"

#define ENTRY(dtype, shape, begin, end)                                                                      \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void a_right_file_is_read(void **state) {
    (void)state;
    fg_tensors table = {0};
    json_t *metadata;
    fg_reader *reader = NULL;
    unsigned char bytes[24];
    put_safetensors(
        "m.safetensors",
        "{\"b\":" ENTRY("BF16", "[2,3]", 16, 28) ",\"__metadata__\":{\"format\":\"pt\"},\"scalar\":" ENTRY(
            "F32", "[]", 28,
            32) ",\"a\":" ENTRY("I64", "[2]", 0,
                                16) ",\"empty\":" ENTRY("F16", "[4,0]", 16,
                                                        16) ",\"\\u00e9\":" ENTRY("BOOL", "[1,1,1,1,1]", 32,
                                                                                  33) "}   ",
        33);
    assert_int_equal(fg_safetensors_read_header(at("m.safetensors"), &table, &metadata, NULL), FG_OK);
    assert_string_equal(json_string_value(json_object_get(metadata, "format")), "pt");
    json_decref(metadata);
    assert_int_equal(table.count, 5);
    assert_string_equal(table.items[0].name, "b"); /* in the order of the file */
    const fg_tensor *b = fg_tensors_find(&table, "b");
    assert_int_equal(b->dtype, FG_BF16);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->stride[0], 3);
    assert_true(b->contiguous);
    assert_int_equal(fg_tensors_find(&table, "empty")->elements, 0);
    assert_int_equal(fg_tensors_find(&table, "scalar")->elements, 1);
    assert_int_equal(fg_tensors_find(&table, "\xc3\xa9")->rank, 5);
    assert_int_equal(fg_reader_new(&reader, &table, NULL), FG_OK);
    assert_int_equal(fg_reader_read(reader, b, 1, 5, bytes, NULL), FG_OK);
    for (int i = 0; i < 10; i++) assert_int_equal(bytes[i], 18 + i);
    fg_reader_free(&reader);
    fg_tensors_free(&table);
}

static void files_without_metadata_or_tensors_are_read(void **state) {
    (void)state;
    fg_tensors table = {0};
    json_t *metadata;
    put_safetensors("m", "{}", 0);
    assert_int_equal(fg_safetensors_read_header(at("m"), &table, &metadata, NULL), FG_OK);
    assert_null(metadata);
    assert_int_equal(table.count, 0);
    assert_int_equal(table.file_count, 1);
    fg_tensors_free(&table);
}

static void expect_refused(const char *file, const char *part) {
    fg_tensors table = {0};
    fg_error err = {0};
    json_t *metadata;
    fg_status status = fg_safetensors_read_header(at(file), &table, &metadata, &err);
    expect_error(&err, status, FG_ERR_INPUT, part);
    assert_non_null(strstr(err.text, at(file)));
    assert_null(metadata);
    fg_tensors_free(&table);
}

static void wrong_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } cases[] = {
        {"", 0, "does not begin with '{'"},
        {" {}", 0, "does not begin with '{'"},
        {"[]", 0, "does not begin with '{'"},
        {"{", 0, "not valid JSON"},
        {"{} x", 0, "not valid JSON"},
        {"{\"a\":" ENTRY("U8", "[1]", 0, 1) "} x", 1, "not valid JSON"},
        {"{\"a\":" ENTRY("U8", "[1]", 0, 1) "}}", 1, "not valid JSON"},
        {"{\"a\":" ENTRY("U8", "[01]", 0, 1) "}", 1, "not valid JSON"},
        {"{\"a\":" ENTRY("U8", "[1]", 0, 1) ",}", 1, "not valid JSON"},
        {"{\"a\":" ENTRY("U8", "[1]", 0, 1) ",\"a\":" ENTRY("U8", "[1]", 1, 2) "}", 2,
         "tensor \"a\" exists already"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
         "duplicate object key"},
        {"{\"a\\u0000b\":" ENTRY("U8", "[1]", 0, 1) "}", 1, "not valid JSON"},
        {"{\"__metadata__\":[]}", 0, "__metadata__: found an array, expected an object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "__metadata__: key \"k\": found an integer, expected a string"},
        {"{\"a\":3}", 0, "tensor \"a\": found an integer, expected an object"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "tensor \"a\": no \"dtype\""},
        {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "tensor \"a\": no \"shape\""},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "tensor \"a\": no \"data_offsets\""},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"strides\":[1]}}", 1,
         "tensor \"a\": unknown key \"strides\""},
        {"{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
         "\"dtype\": found 8, expected a string"},
        {"{\"a\":" ENTRY("F4", "[2]", 0, 1) "}", 1,
         "\"dtype\": found \"F4\", expected a dtype that fgconv knows"},
        {"{\"a\":" ENTRY("U8", "1", 0, 1) "}", 1, "\"shape\": found 1, expected an array"},
        {"{\"a\":" ENTRY("U8", "[1,1,1,1,1,1]", 0, 1) "}", 1, "6 dimensions, at most 5 are supported"},
        {"{\"a\":" ENTRY("U8", "[-1]", 0, 1) "}", 1, "\"shape\": found [-1], expected integers"},
        {"{\"a\":" ENTRY("U8", "[1.0]", 0, 1) "}", 1, "\"shape\": found [1.0], expected integers"},
        {"{\"a\":" ENTRY("U8", "[99999999999999999999]", 0, 1) "}", 1, "expected integers"},
        {"{\"a\":" ENTRY("U8", "[4294967296,4294967296]", 0, 0) "}", 0,
         "fewer elements than 64 bits can count"},
        {"{\"a\":" ENTRY("F64", "[400000000,6000000000]", 0, 0) "}", 0, "fewer elements"},
        {"{\"a\":" ENTRY("U8", "[0,4294967296,4294967296]", 0, 0) "}", 0, "fewer elements"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1,
         "\"data_offsets\": found [0], expected [begin, end]"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "expected [begin, end]"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":{}}}", 1, "expected [begin, end]"},
        {"{\"a\":" ENTRY("U8", "[1]", -1, 0) "}", 1, "expected [begin, end]"},
        {"{\"a\":" ENTRY("U8", "[1]", 1, 0) "}", 1, "expected [begin, end]"},
        {"{\"a\":" ENTRY("U8", "[1]", 0, 1.0) "}", 1, "expected [begin, end]"},
        {"{\"a\":" ENTRY("U8", "[2]", 0, 2) "}", 1,
         "tensor \"a\": its data ends at byte 2, the file has only 1 bytes of data"},
        {"{\"a\":" ENTRY("U8", "[1]", 900000000000000000, 900000000000000001) "}", 1,
         "the file has only 1 bytes"},
        {"{\"a\":" ENTRY("F32", "[2]", 0, 4) "}", 4, "float32 [2] takes 8 bytes, its data_offsets hold 4"},
        {"{\"a\":" ENTRY("F32", "[0]", 0, 4) "}", 4, "float32 [0] takes 0 bytes, its data_offsets hold 4"},
        {"{\"a\":" ENTRY("U8", "[2]", 0, 2) ",\"b\":" ENTRY("U8", "[2]", 1, 3) "}", 3,
         "tensors \"a\" and \"b\" overlap at byte 1"},
        {"{\"a\":" ENTRY("U8", "[2]", 0, 2) ",\"b\":" ENTRY("U8", "[2]", 0, 2) "}", 2, "overlap at byte 0"},
        {"{\"a\":" ENTRY("U8", "[4]", 0, 4) ",\"b\":" ENTRY("U8", "[0]", 2, 2) "}", 4, "overlap at byte 2"},
        {"{\"a\":" ENTRY("U8", "[1]", 0, 1) ",\"b\":" ENTRY("U8", "[1]", 2, 3) "}", 3,
         "tensor \"b\": bytes 1 to 2 of the data before it belong to no tensor"},
        {"{\"a\":" ENTRY("U8", "[1]", 1, 2) "}", 2, "bytes 0 to 1 of the data before it"},
        {"{\"a\":" ENTRY("U8", "[1]", 0, 1) "}", 3, "2 bytes after the last tensor belong to no tensor"},
        {"{}", 1, "1 bytes after the last tensor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_safetensors("bad.safetensors", cases[i].header, cases[i].data);
        expect_refused("bad.safetensors", cases[i].part);
    }
}

static void wrong_lengths_are_refused(void **state) {
    (void)state;
    unsigned char bytes[16] = {0};
    for (size_t size = 0; size < 8; size++) {
        put_bytes("short", bytes, size);
        expect_refused("short", size ? "bytes are too few for a safetensors file" : "the file is empty");
    }
    static const uint64_t huge[] = {100000001, UINT64_MAX, UINT64_MAX - 7, 1ULL << 63};
    for (size_t i = 0; i < 4; i++) {
        memcpy(bytes, &huge[i], 8);
        put_bytes("huge", bytes, 16);
        expect_refused("huge", "more than the 100000000 allowed");
    }
    static const uint64_t large[] = {9, 100000000};
    for (size_t i = 0; i < 2; i++) {
        memcpy(bytes, &large[i], 8);
        put_bytes("large", bytes, 16);
        expect_refused("large", "does not fit into a file of 16");
    }
    expect_refused("absent", "no such file");
    put_directory("directory");
    expect_refused("directory", "not a regular file");
}

static void every_truncation_is_noticed(void **state) {
    (void)state;
    fg_buffer whole = {0};
    put_safetensors("m", "{\"a\":" ENTRY("U8", "[9]", 0, 9) ",\"b\":" ENTRY("F32", "[2,2]", 9, 25) "}", 25);
    assert_int_equal(fg_file_read_all(at("m"), 1000, &whole, NULL), FG_OK);
    for (size_t size = 0; size < whole.length; size++) {
        put_bytes("cut", whole.data, size);
        expect_refused("cut", "");
    }
    fg_buffer_free(&whole);
}

static void deep_headers_are_refused(void **state) {
    (void)state;
    enum { DEPTH = 1000000 };
    char *header = malloc(DEPTH + 6);
    memcpy(header, "{\"a\":", 5);
    memset(header + 5, '[', DEPTH);
    header[DEPTH + 5] = '\0';
    put_safetensors("deep", header, 0);
    free(header);
    expect_refused("deep", "maximum parsing depth");
}

/* Any byte of the header changed: either still right, or an error; never a crash (which a sanitizer would
 * notice). */
static void changed_bytes_do_no_harm(void **state) {
    (void)state;
    static const char replacements[] = "\0\"{}[],:09-e.\\ \x80\xff";
    static const char text[] = "{\"a\":" ENTRY("U8", "[9]", 0, 9) ",\"b\":" ENTRY("F32", "[2,2]", 9, 25) "}";
    unsigned char bytes[8 + sizeof text + 25] = {sizeof text - 1};
    memcpy(bytes + 8, text, sizeof text - 1);
    size_t refused = 0, size = 8 + sizeof text - 1 + 25;
    for (size_t i = 0; i < 8 + sizeof text - 1; i++) {
        for (size_t r = 0; r < sizeof replacements - 1; r++) {
            fg_tensors table = {0};
            fg_error err = {0};
            unsigned char before = bytes[i];
            bytes[i] = (unsigned char)replacements[r];
            put_bytes("changed", bytes, size);
            bytes[i] = before;
            fg_status status = fg_safetensors_read_header(at("changed"), &table, NULL, &err);
            assert_true(status == FG_OK || status == FG_ERR_INPUT);
            refused += status != FG_OK;
            fg_tensors_free(&table);
        }
    }
    assert_true(refused > sizeof text * 10);
}

/* A header with an escape is read by the JSON library, one without by the scanner: the tables must be the
 * same. */
static void both_ways_of_reading_agree(void **state) {
    (void)state;
    static const char *const first[] = {"{\"a\":", "{\"\\u0061\":"};
    static const char rest[] =
        "{ \"shape\" : [ 2 , 3 ] , \"data_offsets\" : [ 4,10 ],\"dtype\":\"I8\" } , \"\":" ENTRY(
            "F32", "[]", 0, 4) ",\"__metadata__\":{\"k\":\"{v}\",\"l\":\"\"}}  ";
    fg_tensors table[2] = {{0}};
    json_t *metadata[2];
    char header[600];
    for (int i = 0; i < 2; i++) {
        snprintf(header, sizeof header, "%s%s", first[i], rest);
        put_safetensors("m", header, 10);
        assert_int_equal(fg_safetensors_read_header(at("m"), &table[i], &metadata[i], NULL), FG_OK);
        assert_int_equal(table[i].count, 2);
    }
    for (size_t i = 0; i < 2; i++) {
        fg_tensor x = table[0].items[i], y = table[1].items[i];
        assert_string_equal(x.name, y.name);
        x.name = y.name = NULL;
        y.offset -= 5; /* the escape is five bytes longer than the letter */
        assert_memory_equal(&x, &y, sizeof x);
    }
    assert_true(json_equal(metadata[0], metadata[1]));
    assert_string_equal(json_string_value(json_object_get(metadata[0], "k")), "{v}");
    for (int i = 0; i < 2; i++) {
        json_decref(metadata[i]);
        fg_tensors_free(&table[i]);
    }
}

static void a_written_header_is_read_again(void **state) {
    (void)state;
    fg_buffer out = {0};
    fg_tensors table = {0};
    const uint64_t shape[] = {2, 3}, none[] = {0};
    const fg_safetensors_entry entries[] = {
        {.name = "w.\xc3\xa9\"", .dtype = FG_BF16, .rank = 2, .shape = shape, .begin = 0, .end = 12},
        {.name = "scalar", .dtype = FG_F64, .rank = 0, .begin = 12, .end = 20},
        {.name = "empty", .dtype = FG_F32, .rank = 1, .shape = none, .begin = 20, .end = 20},
    };
    json_t *read;
    assert_int_equal(fg_buffer_add(&out, "before", 6, NULL), FG_OK);
    assert_int_equal(fg_safetensors_write_header(entries, 3, &out, NULL), FG_OK);
    size_t size = out.length - 6;
    assert_int_equal(size % 8, 0);
    static const char expected[] =
        "{\"__metadata__\":{\"format\": \"pt\"},"
        "\"w.\xc3\xa9\\\"\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
        "\"scalar\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[12,20]},"
        "\"empty\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[20,20]}}";
    assert_memory_equal(out.data + 6 + 8, expected, sizeof expected - 1);
    assert_int_equal(fg_buffer_add(&out, "12345678901234567890", 20, NULL), FG_OK);
    put_bytes("w", out.data + 6, out.length - 6);
    assert_int_equal(fg_safetensors_read_header(at("w"), &table, &read, NULL), FG_OK);
    assert_int_equal(table.count, 3);
    assert_int_equal(table.items[0].offset, size);
    assert_string_equal(json_string_value(json_object_get(read, "format")), "pt");
    json_decref(read);
    fg_tensors_free(&table);
    fg_buffer_free(&out);
}

static void names_that_are_not_text_are_not_written(void **state) {
    (void)state;
    fg_buffer out = {0};
    fg_error err = {0};
    const fg_safetensors_entry entry = {.name = "\xff", .dtype = FG_U8, .rank = 0, .begin = 0, .end = 1};
    fg_status status = fg_safetensors_write_header(&entry, 1, &out, &err);
    expect_error(&err, status, FG_ERR_INPUT, "its name is not UTF-8");
    fg_buffer_free(&out);
}

/* 100,000 tensors are part of what planning may take 2 s and 300 MiB for. */
static void many_tensors_take_little_memory(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    fg_safetensors_entry *entries = calloc(COUNT, sizeof *entries);
    char(*names)[64] = calloc(COUNT, sizeof *names);
    const uint64_t shape[] = {2, 2};
    fg_buffer out = {0};
    fg_tensors table = {0};
    for (uint64_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof *names, "model.layers.%llu.mlp.experts.%llu.gate_proj.weight",
                 (unsigned long long)i / 1000, (unsigned long long)i % 1000);
        entries[i] = (fg_safetensors_entry){
            .name = names[i], .dtype = FG_BF16, .rank = 2, .shape = shape, .begin = i * 8, .end = i * 8 + 8};
    }
    assert_int_equal(fg_safetensors_write_header(entries, COUNT, &out, NULL), FG_OK);
    put_bytes("many", out.data, out.length);
    assert_int_equal(truncate(at("many"), (off_t)(out.length + COUNT * 8)), 0);
    fg_buffer_free(&out);
    assert_int_equal(fg_safetensors_read_header(at("many"), &table, NULL, NULL), FG_OK);
    assert_int_equal(table.count, COUNT);
    assert_true(fg_alloc_peak() < 200 << 20);
    fg_tensors_free(&table);
    free(names);
    free(entries);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_right_file_is_read),
        TEST(files_without_metadata_or_tensors_are_read),
        TEST(wrong_headers_are_refused),
        TEST(wrong_lengths_are_refused),
        TEST(every_truncation_is_noticed),
        TEST(deep_headers_are_refused),
        TEST(changed_bytes_do_no_harm),
        TEST(both_ways_of_reading_agree),
        TEST(a_written_header_is_read_again),
        TEST(names_that_are_not_text_are_not_written),
        TEST(many_tensors_take_little_memory),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
