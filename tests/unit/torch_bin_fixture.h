/* Pickles and zip archives made byte by byte, and reading them as .bin files. */
#ifndef FG_TEST_TORCH_BIN_FIXTURE_H
#define FG_TEST_TORCH_BIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/torch_bin.h"

#define DATA FG_TEST_DATA "/torch_bin/"

static char scratch[PATH_MAX];

/* ---- bytes ---- */

static inline void add(fg_buffer *text, const void *bytes, size_t size) {
    assert_int_equal(fg_buffer_add(text, bytes, size, NULL), FG_OK);
}

static inline void add_little(fg_buffer *text, uint64_t value, size_t width) {
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++) bytes[i] = (unsigned char)(value >> 8 * i);
    add(text, bytes, width);
}

static inline void add_string(fg_buffer *text, const char *string) {
    add(text, "X", 1);
    add_little(text, strlen(string), 4);
    add(text, string, strlen(string));
}

static inline void add_integer(fg_buffer *text, int64_t value) {
    add(text, "\x8a\x08", 2);
    add_little(text, (uint64_t)value, 8);
}

static inline void poke(fg_buffer *text, size_t at, uint64_t value, size_t width) {
    assert_true(at + width <= text->length);
    for (size_t i = 0; i < width; i++) text->data[at + i] = (char)(value >> 8 * i);
}

/* Where the n-th (from 0) occurrence of `bytes` begins. */
static inline size_t find(const fg_buffer *text, const char *bytes, size_t n) {
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

static inline void add_tuple(fg_buffer *text, const int64_t *values, unsigned count) {
    add(text, "(", 1);
    for (unsigned i = 0; i < count; i++) add_integer(text, values[i]);
    add(text, "t", 1);
}

static inline void add_tensor(fg_buffer *text, const tensor_spec *spec) {
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

static inline void add_state_dict(fg_buffer *text, const tensor_spec *spec) {
    add(text, "\x80\x02}", 3);
    add_string(text, spec->name);
    add_tensor(text, spec);
    add(text, "s.", 2);
}

/* ---- a zip writer ---- */

typedef struct archive {
    fg_buffer bytes, directory;
    unsigned count;
    uint64_t hole; /* bytes of zeros that lie in the file before what is added next, and not in `bytes` */
} archive;

static inline void add_entry(archive *a, const char *name, const void *data, size_t size) {
    size_t header = a->bytes.length;
    fg_buffer both = {0};
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
    fg_buffer_free(&both);
}

/* Adds an entry that is a hole of `size` bytes, with all its numbers in the zip64 field of its record. */
static inline void add_hole(archive *a, const char *name, uint64_t size) {
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
static inline void finish(archive *a) {
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
    fg_buffer_free(&a->directory);
}

/* An archive of this pickle and one storage, "0", of 24 bytes. */
static inline void wrap(archive *a, const void *pickle, size_t size) {
    static const unsigned char storage[24];
    *a = (archive){0};
    add_entry(a, "x/data.pkl", pickle, size);
    add_entry(a, "x/byteorder", "little", 6);
    add_entry(a, "x/data/0", storage, sizeof storage);
    add_entry(a, "x/version", "3\n", 2);
    finish(a);
}

/* ---- reading ---- */

static inline fg_status read_bytes(const fg_buffer *bytes, size_t size, fg_tensors *table, fg_error *err) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/case.bin", scratch);
    unlink(path);
    assert_int_equal(fg_file_write_all(path, bytes->data, size, NULL), FG_OK);
    return fg_torch_bin_read_header(path, table, err);
}

/* Demands that these bytes are refused with a message that holds `expected`. */
static inline void assert_refused(const fg_buffer *bytes, const char *expected) {
    fg_tensors table = {0};
    fg_error err = {0};
    assert_int_equal(read_bytes(bytes, bytes->length, &table, &err), FG_ERR_INPUT);
    if (!strstr(err.text, expected)) fail_msg("message: %s\nexpected in it: %s", err.text, expected);
    fg_tensors_free(&table);
}

static inline void assert_pickle_refused(const void *pickle, size_t size, const char *expected) {
    archive a;
    wrap(&a, pickle, size);
    assert_refused(&a.bytes, expected);
    fg_buffer_free(&a.bytes);
}

static inline void slurp(const char *name, fg_buffer *bytes) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", DATA, name);
    assert_int_equal(fg_file_read_all(path, 1 << 20, bytes, NULL), FG_OK);
}

static inline int make_scratch(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/fgconv-torch-bin-XXXXXX", base ? base : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int remove_scratch(void **state) {
    (void)state;
    return fg_directory_remove(scratch, NULL) == FG_OK ? 0 : -1;
}

#endif
