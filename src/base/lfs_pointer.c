#include "base/lfs_pointer.h"

#include <string.h>

#include "base/file.h"

/* The first line of a pointer (git-lfs, docs/spec.md); older clients wrote the other address. A pointer has
 * less than 1024 bytes. */
static const char *const first_lines[] = {"version https://git-lfs.github.com/spec/",
                                          "version https://hawser.github.com/spec/"};
enum { POINTER_LIMIT = 1024, HEAD = 64 };

fg_status fg_lfs_check(const char *path, const void *head, size_t length, fg_error *err) {
    for (size_t i = 0; i < sizeof first_lines / sizeof *first_lines; i++) {
        size_t size = strlen(first_lines[i]);
        if (length < size || memcmp(head, first_lines[i], size) != 0) continue;
        fg_fail(err, FG_ERR_INPUT, "%s: a Git LFS pointer, not the file itself", path);
        return fg_hint(
            err, "run `git lfs install` and `git lfs pull` in the model's directory, or download the file");
    }
    return FG_OK;
}

fg_status fg_lfs_check_file(const char *path, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file;
    uint64_t size;
    char head[HEAD];
    FG_TRY(fg_file_open(&file, path, FG_OPEN_READ, err));
    FG_TRY(fg_file_size(&file, &size, err));
    if (size < HEAD || size >= POINTER_LIMIT) goto done;
    FG_TRY(fg_file_read(&file, head, HEAD, 0, err));
    FG_TRY(fg_lfs_check(path, head, HEAD, err));
done:
    fg_file_close(&file);
    return status;
}
