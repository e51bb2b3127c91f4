#include "store/stamped_files.h"

#include <inttypes.h>

#include "base/alloc.h"

static fg_status add_file(fg_stamped_files *files, const char *path, fg_error *err) {
    fg_stamped_file made = {0};
    fg_error unsaid = {0};
    bool regular;
    fg_status status = fg_path_is_file(path, &regular, &unsaid);
    if (status == FG_ERR_INPUT || (status == FG_OK && !regular)) return FG_OK;
    if (status != FG_OK) return fg_fail_again(err, &unsaid);
    FG_CALL(fg_file_stamp_of(path, &made.stamp, err));
    FG_CALL(fg_grow(&files->items, files->count, &files->capacity, sizeof *files->items, err));
    FG_CALL_NEW(made.path, fg_strdup(path, err));
    files->items[files->count++] = made;
    return FG_OK;
}

fg_status fg_stamped_files_add(fg_stamped_files *files, const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL;
    bool is_directory;
    FG_TRY(fg_path_is_directory(directory, &is_directory, err));
    if (!is_directory) goto done;
    FG_TRY(fg_directory_list(directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        FG_TRY_RENEW(path, fg_path_join(directory, names.items[i], err));
        FG_TRY(add_file(files, path, err));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

static bool is_same(const fg_file_stamp *a, const fg_file_stamp *b, bool same_node) {
    if (a->size != b->size || a->mtime_s != b->mtime_s || a->mtime_ns != b->mtime_ns) return false;
    return !same_node || (a->inode == b->inode && a->device == b->device && a->ctime_s == b->ctime_s &&
                          a->ctime_ns == b->ctime_ns);
}

fg_status fg_file_check_unchanged(const char *path, const fg_file_stamp *then, bool same_node,
                                  fg_error *err) {
    fg_file_stamp now;
    bool is_file;
    fg_status status = fg_path_is_file(path, &is_file, err);
    if (status == FG_OK && !is_file)
        return fg_fail(err, FG_ERR_INPUT, "%s: the file was there when it was first read and is gone", path);
    if (status == FG_OK) status = fg_file_stamp_of(path, &now, err);
    if (status != FG_OK || is_same(then, &now, same_node)) return status;
    fg_fail(err, FG_ERR_INPUT,
            "%s: the file changed after it was first read (%" PRIu64 " bytes then, %" PRIu64 " now)", path,
            then->size, now.size);
    fg_about_found(err, "%" PRIu64 " bytes", now.size);
    fg_about_expected(err, "%" PRIu64 " bytes", then->size);
    return fg_hint(err, "wait until nothing writes to the checkpoint and run again");
}

void fg_stamped_files_free(fg_stamped_files *files) {
    for (size_t i = 0; i < files->count; i++) fg_free(files->items[i].path);
    fg_free(files->items);
    *files = (fg_stamped_files){0};
}
