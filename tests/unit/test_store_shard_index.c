/* store/shard_index: the result is the same whether its map is passed over as text or made values of, and so
 * does what is wrong with it. */
#include "store_fixture.h"

#include "store/shard_index.h"

#define INDEX "model.safetensors.index.json"
#define TWO_SHARDS "\"one\": \"model-1.safetensors\", \"two\": \"model-2.safetensors\""

static fg_status read_text(const char *text, size_t length, fg_shard_index *index, fg_error *err) {
    *err = (fg_error){0};
    put_bytes(INDEX, text, length);
    return fg_shard_index_read(at(INDEX), index, err);
}

static void put_shards(void) {
    put_text("model-1.safetensors", "");
    put_text("model-2.safetensors", "");
    put_text("\xc3\xa9.bin", "");
}

/* Compares an index with the values of the same text. */
static void expect_values(const fg_shard_index *index, const json_t *document) {
    const char *tensor;
    json_t *file;
    size_t count = 0;
    json_object_foreach(json_object_get(document, "weight_map"), tensor, file) {
        assert_string_equal(index->entries[count].tensor, tensor);
        assert_string_equal(index->entries[count].file, json_string_value(file));
        assert_string_equal(fg_shard_index_find(index, tensor, NULL)->file, json_string_value(file));
        count++;
    }
    assert_int_equal(index->count, count);
    const json_t *metadata = json_object_get(document, "metadata");
    assert_true(metadata ? fg_json_equal(index->metadata, metadata) : !index->metadata);
}

static void an_index_is_read(void **state) {
    (void)state;
    fg_shard_index index;
    fg_error err = {0};
    put_shards();
    put_text(INDEX, "{\"metadata\": {\"total_size\": 5}, \"weight_map\": {" TWO_SHARDS "}}");
    assert_int_equal(fg_shard_index_read(at(INDEX), &index, &err), FG_OK);
    assert_int_equal(index.files.count, 2);
    assert_string_equal(index.files.items[1], "model-2.safetensors");
    assert_string_equal(fg_shard_index_find(&index, "one", NULL)->file, "model-1.safetensors");
    assert_null(fg_shard_index_find(&index, "three", NULL));
    for (size_t i = 0; i <= index.count; i++) /* whatever is guessed, the end too */
        assert_string_equal(fg_shard_index_find(&index, "one", index.entries + i)->tensor, "one");
    assert_int_equal(json_integer_value(json_object_get(index.metadata, "total_size")), 5);
    fg_shard_index_free(&index);
    fg_status status = fg_shard_index_read(at("absent.json"), &index, &err);
    expect_error(&err, status, FG_ERR_INPUT, "no such file");
}

/* The system refuses to look for a file with such a name; it is missing like any other. */
static void a_name_that_no_file_has_is_missing(void **state) {
    (void)state;
    char text[400];
    fg_shard_index index;
    fg_error err;
    int length = snprintf(text, sizeof text, "{\"weight_map\": {\"one\": \"%0300d\"}}", 0);
    fg_status status = read_text(text, (size_t)length, &index, &err);
    expect_error(&err, status, FG_ERR_INPUT, "which is missing");
}

/* What writers write is read without a value for each tensor, the rest as values. */
static void only_unusual_maps_are_made_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool usual;
    } cases[] = {
        {"{\"weight_map\": {" TWO_SHARDS "}}", true},
        {"{\"metadata\": {\"total_size\": 5, \"param_sharing\": [[\"one\", \"two\"]]}, \"weight_map\":\n  "
         "{" TWO_SHARDS "\n}\n}\n",
         true},
        {"{\"weight_map\":{" TWO_SHARDS "},\"metadata\":null}", true},
        {"{\"weight_map\": {\"two\": \"model-2.safetensors\", \"one\": \"model-2.safetensors\"}, \"x\": "
         "{\"weight_map\": {}}}",
         true},
        {"{\"x\": {\"weight_map\": {}}, \"y\": [\"}\\\"\", 1.5e3], \"weight_map\": {" TWO_SHARDS "}}", true},
        {"{\"metadata\": {\"total_size\": 123456789012345678901234567890}, \"weight\\u005fmap\": {" TWO_SHARDS
         "}}",
         true},
        {"{\"weight_map\": {\"\": \"model-1.safetensors\"}}", true},
        {"\xef\xbb\xbf{\"weight_map\": {" TWO_SHARDS "}}", false},
        {"{\"weight_map\": {\"\xc3\xa9\": \"model-1.safetensors\"}}", false},
        {"{\"weight_map\": {\"one\": \"\xc3\xa9.bin\"}}", false},
        {"{\"weight_map\": {\"one\": \"model-1\\u002esafetensors\", \"o\\nne\": \"model-2.safetensors\"}}",
         false},
    };
    put_shards();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_shard_index index;
        fg_error err;
        json_t *document;
        if (read_text(cases[i].text, strlen(cases[i].text), &index, &err) != FG_OK) fail_msg("%s", err.text);
        assert_int_equal(fg_json_read(at(INDEX), &document, &err), FG_OK);
        expect_values(&index, document);
        if (!index.weight_map != cases[i].usual) fail_msg("not read as expected: %s", cases[i].text);
        fg_shard_index_free(&index);
        json_decref(document);
    }
}

static void what_is_no_json_is_refused_with_its_place(void **state) {
    (void)state;
#define CASE(text)                                                                                           \
    { text, sizeof text - 1 }
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {
        CASE(""),
        CASE("{\"weight_map\": {" TWO_SHARDS "}} x"),
        CASE("{\"weight_map\": {" TWO_SHARDS "}"),
        CASE("{\"weight_map\": {" TWO_SHARDS ",}}"),
        CASE("{\"weight_map\": {" TWO_SHARDS "},}"),
        CASE("{\"weight_map\": {" TWO_SHARDS "}]"),
        CASE("{\"weight_map\": {, " TWO_SHARDS "}}"),
        CASE("{\"weight_map\": {\"one\" \"model-1.safetensors\"}}"),
        CASE("{\"weight_map\": {\"one\": \"model-1.safetensors}}"),
        CASE("{\"weight_map\": {\n\"o\ne\": \"model-1.safetensors\"}}"),
        CASE("{\"weight_map\": {\"o\\xe\": \"model-1.safetensors\"}}"),
        CASE("{\"weight_map\": {\"o\\u0000e\": \"model-1.safetensors\"}}"),
        CASE("{\"weight_map\": {\"o\xff\": \"model-1.safetensors\"}}"),
        CASE("{\"weight_map\": {\"one\0\": \"model-1.safetensors\"}}"),
        CASE("{\"weight_map\": {" TWO_SHARDS "}}\0"),
        CASE("{\"weight_map\0\": {" TWO_SHARDS "}}"),
        CASE("{\"weight_map\\u0000\": {" TWO_SHARDS "}}"),
        CASE("{\"weight_map\": {" TWO_SHARDS ",\n\"one\": \"model-1.safetensors\"}}"),
        CASE("{\"weight_map\": {" TWO_SHARDS "},\n\"weight_map\": {" TWO_SHARDS "}}"),
        CASE("{\"weight_map\": {" TWO_SHARDS "},\n\"weight\\u005fmap\": []}"),
        CASE("{\"a\": 1, \"a\": 1, \"weight_map\": {" TWO_SHARDS "}}"),
        CASE("{\"metadata\": {\"total_size\": 5,\n\"total_size\": 5}, \"weight_map\": {" TWO_SHARDS "}}"),
        CASE("{\"metadata\": {\"total_size\": 05}, \"weight_map\": {" TWO_SHARDS "}}"),
        CASE("{\"metadata\": nothing, \"weight_map\": {" TWO_SHARDS "}}"),
        CASE("{\"metadata\": [1, 2}, \"weight_map\": {" TWO_SHARDS "}}"),
        CASE("{\"metadata\": \"\xff\", \"weight_map\": {" TWO_SHARDS "}}"),
        CASE("{1: 2, \"weight_map\": {" TWO_SHARDS "}}"),
    };
#undef CASE
    put_shards();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_shard_index index;
        fg_error err, plain = {0};
        json_t *document;
        fg_status status = read_text(cases[i].text, cases[i].length, &index, &err);
        assert_int_equal(fg_json_parse(at(INDEX), cases[i].text, cases[i].length, &document, &plain),
                         FG_ERR_INPUT);
        expect_error(&err, status, FG_ERR_INPUT, plain.text);
        assert_null(index.entries);
    }
}

static void nesting_is_bounded(void **state) {
    (void)state;
    enum { FINE = 100, DEEP = 5000 };
    static char text[2 * DEEP + 200];
    fg_shard_index index;
    fg_error err;
    put_shards();
    for (int depth = FINE; depth <= DEEP; depth += DEEP - FINE) {
        int length = sprintf(text, "{\"metadata\": ");
        for (int i = 0; i < 2 * depth; i++) text[length++] = i < depth ? '[' : ']';
        length += sprintf(text + length, ", \"weight_map\": {" TWO_SHARDS "}}");
        fg_status status = read_text(text, (size_t)length, &index, &err);
        if (depth == FINE)
            assert_int_equal(status, FG_OK);
        else
            expect_error(&err, status, FG_ERR_INPUT, "maximum parsing depth reached");
        fg_shard_index_free(&index);
    }
}

static void failing_allocations_are_errors(void **state) {
    (void)state;
    static const char *const texts[] = {"{\"metadata\": {\"total_size\": 5}, \"weight_map\": {" TWO_SHARDS
                                        "}}",
                                        "{\"weight_map\": {\"one\": \"\xc3\xa9.bin\"}}"};
    put_shards();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fg_status status = FG_ERR_MEMORY;
        put_text(INDEX, texts[i]);
        for (uint64_t n = 1; status != FG_OK; n++) {
            char path[PATH_SIZE * 2];
            fg_shard_index index;
            fg_error err = {0};
            uint64_t live = fg_alloc_live();
            snprintf(path, sizeof path, "%s", at(INDEX));
            fg_alloc_fail_after(n);
            status = fg_shard_index_read(path, &index, &err);
            fg_alloc_fail_after(0);
            if (status != FG_OK) expect_error(&err, status, FG_ERR_MEMORY, "memory");
            fg_shard_index_free(&index);
            assert_int_equal(fg_alloc_live(), live);
            assert_true(n < 1000);
        }
    }
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_index_is_read),
        TEST(a_name_that_no_file_has_is_missing),
        TEST(only_unusual_maps_are_made_values),
        TEST(what_is_no_json_is_refused_with_its_place),
        TEST(nesting_is_bounded),
        TEST(failing_allocations_are_errors),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
