/* What tests with files share: a temporary directory, files in it, safetensors files made from a header's
 * text. */
#ifndef FG_TESTS_STORE_FIXTURE_H
#define FG_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"

enum { PATH_SIZE = 512 };

static char fixture_directory[PATH_SIZE];

/* An empty directory for a test. */
static inline int fixture_set_up(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(fixture_directory, sizeof fixture_directory, "%s/fgconv-test-XXXXXX", base ? base : "/tmp");
    return mkdtemp(fixture_directory) ? 0 : -1;
}

static inline int fixture_tear_down(void **state) {
    (void)state;
    return fg_directory_remove(fixture_directory, NULL) == FG_OK ? 0 : -1;
}

/* A path in the directory; good until the fourth call from now. */
static inline const char *at(const char *name) {
    static char paths[4][PATH_SIZE * 2];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s%s%s", fixture_directory, name[0] ? "/" : "", name);
    return path;
}

static inline void put_bytes(const char *name, const void *bytes, size_t size) {
    unlink(at(name));
    assert_int_equal(fg_file_write_all(at(name), bytes, size, NULL), FG_OK);
}

static inline void put_text(const char *name, const char *text) {
    put_bytes(name, text, strlen(text));
}

static inline void put_directory(const char *name) {
    assert_int_equal(mkdir(at(name), 0777), 0);
}

static inline void put_link(const char *target, const char *name) {
    assert_int_equal(symlink(target, at(name)), 0);
}

/* Header length, header, and data whose byte i is i mod 251. */
static inline void put_safetensors(const char *name, const char *header, size_t data) {
    uint64_t length = strlen(header);
    unsigned char *bytes = malloc(8 + length + data);
    assert_non_null(bytes);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data; i++) bytes[8 + length + i] = (unsigned char)(i % 251);
    put_bytes(name, bytes, 8 + length + data);
    free(bytes);
}

/* The message and status of a failure. */
static inline void expect_error(const fg_error *err, fg_status status, fg_status expected, const char *part) {
    if (status != expected || err->status != (int)expected)
        fail_msg("status %d, expected %d: %s", (int)status, (int)expected, err->text);
    if (!strstr(err->text, part)) fail_msg("message \"%s\" does not contain \"%s\"", err->text, part);
}

#endif
