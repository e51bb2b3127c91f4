/* Questions about paths in tests, where one that cannot be answered is a failure of the test. Needs cmocka.h
 * before it. */
#ifndef FG_TEST_PATH_QUESTIONS_H
#define FG_TEST_PATH_QUESTIONS_H

#include "base/file.h"

static inline bool path_exists(const char *path) {
    bool exists;
    assert_int_equal(fg_path_exists(path, &exists, NULL), FG_OK);
    return exists;
}

static inline bool path_is_file(const char *path) {
    fg_path_kind kind;
    assert_int_equal(fg_path_look(path, &kind, NULL), FG_OK);
    return kind == FG_PATH_FILE;
}

static inline bool path_is_directory(const char *path) {
    bool is;
    assert_int_equal(fg_path_is_directory(path, &is, NULL), FG_OK);
    return is;
}

#endif
