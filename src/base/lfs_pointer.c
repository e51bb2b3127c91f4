#include "base/lfs_pointer.h"

#include <string.h>

/* The first line of a pointer (git-lfs, docs/spec.md); older clients wrote the other address. */
static const char *const first_lines[] = {"version https://git-lfs.github.com/spec/",
                                          "version https://hawser.github.com/spec/"};

fg_status fg_lfs_check(const char *path, const void *head, size_t length, fg_error *err) {
    for (size_t i = 0; i < sizeof first_lines / sizeof *first_lines; i++) {
        size_t size = strlen(first_lines[i]);
        if (length < size || memcmp(head, first_lines[i], size) != 0) continue;
        fg_fail(err, FG_ERR_INPUT, "%s: a Git LFS pointer, not the file itself", path);
        fg_about_found(err, "a Git LFS pointer");
        return fg_hint(
            err, "run `git lfs install` and `git lfs pull` in the model's directory, or download the file");
    }
    return FG_OK;
}
