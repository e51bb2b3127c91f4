/* Pickles of .bin files that ask for what is not a state dict, that do not add up, or that are large. */
#include <time.h>

#include "torch_bin_fixture.h"
#include "tries.h"

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
        fg_buffer pickle = {0};
        add_state_dict(&pickle, &cases[i].spec);
        assert_pickle_refused(pickle.data, pickle.length, cases[i].expected);
        fg_buffer_free(&pickle);
    }
}

static void test_names(void **state) {
    (void)state;
    fg_buffer pickle = {0};
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
    fg_buffer_free(&pickle);
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
        {PICKLE("\x80\x02q\0."), "an opcode takes more values than there are"},
        {PICKLE("\x80\x02s."), "an opcode takes more values than there are"},
        {PICKLE("\x80\x02}(NNs."), "an opcode takes more values than there are"},
        {PICKLE("\x80\x02(u."), "an opcode takes more values than there are"},
        {PICKLE("\x80\x02t."), "needs a MARK"},
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

static void repeat(fg_buffer *text, const char *bytes, size_t size, size_t count) {
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
        fg_buffer pickle = {0};
        add(&pickle, "\x80\x02", 2);
        repeat(&pickle, cases[i].bytes, cases[i].size, cases[i].count);
        assert_pickle_refused(pickle.data, pickle.length, cases[i].expected);
        fg_buffer_free(&pickle);
    }
    fg_buffer pickle = {
        0}; /* each tuple holds the one before twice: 2^64 leaves, if somebody followed them */
    add(&pickle, "\x80\x02}X\1\0\0\0a)", 10);
    for (unsigned char k = 0; k < 64; k++) add(&pickle, (unsigned char[]){'q', k, 'h', k, 0x86}, 5);
    add(&pickle, "s.", 2);
    assert_pickle_refused(pickle.data, pickle.length, "key \"a\" holds a tuple");
    fg_buffer_free(&pickle);
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
    fg_buffer_free(&a.bytes);
}

static void test_many_tensors(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    archive a = {0};
    fg_buffer pickle = {0};
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
    assert_true(seconds < seconds_allowed(5));
    fg_tensors_free(&table);
    fg_buffer_free(&a.bytes);
    fg_buffer_free(&pickle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_tensors), cmocka_unit_test(test_names),
        cmocka_unit_test(test_hostile_pickles), cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_large_pickle),    cmocka_unit_test(test_many_tensors),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
