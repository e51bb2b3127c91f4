#define _GNU_SOURCE /* SEEK_DATA, renameat2 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lfs_pointer.h"

/* One system call moves at most this much; Linux itself stops at 2 GiB. */
enum { MAX_TRANSFER = 1 << 30, OPEN_DIRECTORIES = 32 };

static atomic_uint_fast64_t io_calls, fail_at;

static void read_environment(void) {
    const char *fail = getenv("FGCONV_FAIL_IO");
    if (fail) fg_file_fail_after(strtoull(fail, NULL, 10));
}

/* Counts a call; true when a test wants it to fail. */
static bool fault(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_environment);
    uint64_t call = atomic_fetch_add(&io_calls, 1) + 1;
    if (call != atomic_load(&fail_at)) return false;
    errno = EIO;
    return true;
}

void fg_file_fail_after(uint64_t n) {
    atomic_store(&fail_at, n ? atomic_load(&io_calls) + n : 0);
}

bool fg_path_link_target(const char *path, char *target, size_t size) {
    ssize_t length = readlink(path, target, size - 1);
    target[length < 0 ? 0 : length] = '\0';
    return length >= 0;
}

static fg_status dangling(const char *path, const char *target, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: a link to %s, which does not exist: the download is not complete", path,
            target);
    return fg_hint(err, "download the model again, or copy it with what its links point to (cp -rL)");
}

static fg_status not_there(const char *path, fg_error *err) {
    char target[PATH_MAX];
    if (fg_path_link_target(path, target, sizeof target)) return dangling(path, target, err);
    return fg_fail(err, FG_ERR_INPUT, "%s: no such file", path);
}

enum { STAT_BLOCK = 512 }; /* the unit of st_blocks */

fg_status fg_file_open(fg_file *file, const char *path, fg_open_mode mode, fg_error *err) {
    static const int flags[] = {O_RDONLY, O_RDWR | O_CREAT | O_EXCL, O_RDWR};
    fg_status status = FG_OK;
    struct stat info;
    *file = FG_FILE_NONE;
    FG_TRY_NEW(file->path, fg_strdup(path, err));
    file->fd = fault() ? -1 : open(path, flags[mode] | O_CLOEXEC | O_NONBLOCK, 0666);
    if (file->fd < 0) {
        bool missing = mode == FG_OPEN_READ && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
        const char *verb = mode == FG_OPEN_CREATE ? "create" : "open";
        FG_TRY(missing ? not_there(path, err) : fg_fail_errno(err, errno, "%s: cannot %s", path, verb));
    }
    if (fstat(file->fd, &info)) FG_TRY(fg_fail_errno(err, errno, "%s: cannot stat the file", path));
    if (!S_ISREG(info.st_mode)) FG_FAIL(err, FG_ERR_INPUT, "%s: not a regular file", path);
    file->solid = (uint64_t)info.st_blocks * STAT_BLOCK >= (uint64_t)info.st_size;
done:
    if (status != FG_OK) fg_file_close(file);
    return status;
}

void fg_file_close(fg_file *file) {
    if (file->fd >= 0) close(file->fd);
    fg_free(file->path);
    *file = FG_FILE_NONE;
}

fg_status fg_file_read(const fg_file *file, void *buffer, size_t size, uint64_t offset, fg_error *err) {
    char *at = buffer;
    while (size) {
        ssize_t got =
            fault() ? -1 : pread(file->fd, at, size < MAX_TRANSFER ? size : MAX_TRANSFER, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return fg_fail_errno(err, errno, "%s: cannot read %zu bytes at byte %llu", file->path, size,
                                 (unsigned long long)offset);
        if (got == 0) {
            fg_fail(err, FG_ERR_INPUT, "%s: the file ends at byte %llu, %zu bytes too early", file->path,
                    (unsigned long long)offset, size);
            fg_hint(err, "copy the file again: it is truncated, or was truncated while it was read");
            return FG_ERR_INPUT;
        }
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return FG_OK;
}

fg_status fg_file_write(const fg_file *file, const void *buffer, size_t size, uint64_t offset,
                        fg_error *err) {
    const char *at = buffer;
    while (size) {
        ssize_t put =
            fault() ? -1 : pwrite(file->fd, at, size < MAX_TRANSFER ? size : MAX_TRANSFER, (off_t)offset);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0)
            return fg_fail_errno(err, errno, "%s: cannot write %zu bytes at byte %llu", file->path, size,
                                 (unsigned long long)offset);
        at += put;
        size -= (size_t)put;
        offset += (uint64_t)put;
    }
    return FG_OK;
}

fg_status fg_file_size(const fg_file *file, uint64_t *size, fg_error *err) {
    struct stat info;
    if (fstat(file->fd, &info)) return fg_fail_errno(err, errno, "%s: cannot stat the file", file->path);
    *size = (uint64_t)info.st_size;
    return FG_OK;
}

fg_status fg_file_resize(const fg_file *file, uint64_t size, fg_error *err) {
    if (fault() || ftruncate(file->fd, (off_t)size))
        return fg_fail_errno(err, errno, "%s: cannot resize the file to %llu bytes", file->path,
                             (unsigned long long)size);
    return FG_OK;
}

fg_status fg_file_sync(const fg_file *file, fg_error *err) {
    if (fault() || fsync(file->fd)) return fg_fail_errno(err, errno, "%s: fsync failed", file->path);
    return FG_OK;
}

int fg_file_allocate(const fg_file *file, uint64_t size) {
    return posix_fallocate(file->fd, 0, (off_t)size);
}

void fg_file_remove(const char *path) {
    unlink(path);
}

uint64_t fg_file_next_data(const fg_file *file, uint64_t offset, uint64_t limit) {
    if (file->solid) return offset;
    off_t at = lseek(file->fd, (off_t)offset, SEEK_DATA);
    if (at < 0) return errno == ENXIO ? limit : offset;
    return (uint64_t)at < limit ? (uint64_t)at : limit;
}

uint64_t fg_file_next_hole(const fg_file *file, uint64_t offset, uint64_t limit) {
    if (file->solid) return limit;
    off_t at = lseek(file->fd, (off_t)offset, SEEK_HOLE);
    return at < 0 || (uint64_t)at > limit ? limit : (uint64_t)at;
}

fg_status fg_file_stamp_of(const char *path, fg_file_stamp *stamp, fg_error *err) {
    struct stat info;
    if (stat(path, &info)) return fg_fail_errno(err, errno, "%s: cannot stat the file", path);
    *stamp = (fg_file_stamp){.size = (uint64_t)info.st_size,
                             .device = (uint64_t)info.st_dev,
                             .inode = (uint64_t)info.st_ino,
                             .mtime_s = info.st_mtim.tv_sec,
                             .mtime_ns = info.st_mtim.tv_nsec};
    return FG_OK;
}

fg_status fg_file_read_all(const char *path, uint64_t limit, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file;
    uint64_t size;
    char *bytes = NULL;
    FG_TRY(fg_file_open(&file, path, FG_OPEN_READ, err));
    FG_TRY(fg_file_size(&file, &size, err));
    if (size > limit) {
        FG_FAIL(err, FG_ERR_INPUT, "%s: %llu bytes, more than the %llu that such a file may have", path,
                (unsigned long long)size, (unsigned long long)limit);
    }
    FG_NEW(bytes, size + 1);
    FG_TRY(fg_file_read(&file, bytes, size, 0, err));
    FG_TRY(fg_lfs_check(path, bytes, size, err));
    fg_buffer_free(text);
    *text = (fg_buffer){.data = bytes, .length = size, .capacity = size + 1};
    bytes = NULL;
done:
    fg_free(bytes);
    fg_file_close(&file);
    return status;
}

fg_status fg_file_refuse_pointer(const char *path, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file;
    uint64_t size;
    char head[FG_LFS_HEAD];
    FG_TRY(fg_file_open(&file, path, FG_OPEN_READ, err));
    FG_TRY(fg_file_size(&file, &size, err));
    if (size < FG_LFS_HEAD || size >= FG_LFS_LIMIT) goto done;
    FG_TRY(fg_file_read(&file, head, FG_LFS_HEAD, 0, err));
    FG_TRY(fg_lfs_check(path, head, FG_LFS_HEAD, err));
done:
    fg_file_close(&file);
    return status;
}

fg_status fg_file_refuse_empty(const char *path, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: the file is empty", path);
    return fg_hint(err, "copy or download it again");
}

fg_status fg_file_write_all(const char *path, const void *bytes, size_t size, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file;
    FG_TRY(fg_file_open(&file, path, FG_OPEN_CREATE, err));
    FG_TRY(fg_file_write(&file, bytes, size, 0, err));
done:
    fg_file_close(&file);
    return status;
}

char *fg_path_join(const char *directory, const char *name, fg_error *err) {
    if (name[0] == '/' || !directory[0]) return fg_strdup(name, err);
    return fg_strformat(err, "%s%s%s", directory, fg_ends_with(directory, "/") ? "" : "/", name);
}

const char *fg_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *fg_path_parent(const char *path, fg_error *err) {
    const char *name = fg_path_name(path);
    if (name == path) return fg_strdup(".", err);
    if (name == path + 1) return fg_strdup("/", err);
    return fg_strndup(path, (size_t)(name - path) - 1, err);
}

char *fg_path_absolute(const char *path, fg_error *err) {
    char here[PATH_MAX];
    return *path == '/' || !getcwd(here, sizeof here) ? fg_strdup(path, err) : fg_path_join(here, path, err);
}

fg_status fg_path_real(const char *path, char **real, fg_error *err) {
    char buffer[PATH_MAX];
    if (realpath(path, buffer)) {
        *real = fg_strdup(buffer, err);
        return *real ? FG_OK : FG_ERR_MEMORY;
    }
    fg_fail_errno(err, errno, "%s: cannot resolve the path", path);
    if (path[0] != '/' && !getcwd(buffer, sizeof buffer))
        fg_hint(err, "the working directory was removed; change to one that exists");
    return FG_ERR_SYSTEM;
}

fg_status fg_path_look(const char *path, fg_path_kind *kind, fg_error *err) {
    struct stat info;
    char target[PATH_MAX];
    *kind = FG_PATH_ABSENT;
    if (!fault() && stat(path, &info) == 0) {
        *kind = S_ISREG(info.st_mode)   ? FG_PATH_FILE
                : S_ISDIR(info.st_mode) ? FG_PATH_DIRECTORY
                                        : FG_PATH_OTHER;
        return FG_OK;
    }
    int failed = errno;
    if (failed != ENOENT && failed != ENOTDIR && failed != ELOOP)
        return fg_fail_errno(err, failed, "%s: cannot stat it", path);
    return fg_path_link_target(path, target, sizeof target) ? dangling(path, target, err) : FG_OK;
}

static fg_status is_kind(const char *path, fg_path_kind wanted, bool *is, fg_error *err) {
    fg_path_kind kind;
    fg_status status = fg_path_look(path, &kind, err);
    *is = status == FG_OK && kind == wanted;
    return status;
}

fg_status fg_path_is_file(const char *path, bool *is, fg_error *err) {
    return is_kind(path, FG_PATH_FILE, is, err);
}

fg_status fg_path_is_directory(const char *path, bool *is, fg_error *err) {
    return is_kind(path, FG_PATH_DIRECTORY, is, err);
}

fg_status fg_path_exists(const char *path, bool *exists, fg_error *err) {
    struct stat info;
    *exists = !fault() && lstat(path, &info) == 0;
    if (*exists || errno == ENOENT || errno == ENOTDIR) return FG_OK;
    return fg_fail_errno(err, errno, "%s: cannot stat it", path);
}

fg_status fg_directory_list(const char *path, fg_names *names, fg_error *err) {
    fg_status status = FG_OK;
    *names = (fg_names){0};
    DIR *directory = fault() ? NULL : opendir(path);
    if (!directory) return fg_fail_errno(err, errno, "%s: cannot list the directory", path);
    for (struct dirent *entry; (errno = 0, entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        FG_TRY(fg_names_add(names, fg_strdup(entry->d_name, err), err));
    }
    if (errno) FG_TRY(fg_fail_errno(err, errno, "%s: cannot list the directory", path));
    if (names->count) qsort(names->items, names->count, sizeof *names->items, fg_by_name);
done:
    closedir(directory);
    if (status != FG_OK) fg_names_free(names);
    return status;
}

fg_status fg_names_add(fg_names *names, char *name, fg_error *err) {
    fg_status status = FG_ERR_MEMORY; /* recorded by whoever made the name */
    if (name) status = fg_grow(&names->items, names->count, &names->capacity, sizeof *names->items, err);
    if (status == FG_OK)
        names->items[names->count++] = name;
    else
        fg_free(name);
    return status;
}

void fg_names_free(fg_names *names) {
    for (size_t i = 0; i < names->count; i++) fg_free(names->items[i]);
    fg_free(names->items);
    *names = (fg_names){0};
}

int fg_directory_refuses(const char *path) {
    return access(path, W_OK | X_OK) ? errno : 0;
}

fg_status fg_directory_create(const char *path, fg_error *err) {
    if (mkdir(path, 0777)) return fg_fail_errno(err, errno, "%s: cannot create the directory", path);
    return FG_OK;
}

fg_status fg_directory_sync(const char *path, fg_error *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fg_fail_errno(err, errno, "%s: cannot open the directory", path);
    int failed = fault() || fsync(fd) ? errno : 0;
    close(fd);
    return failed ? fg_fail_errno(err, failed, "%s: fsync failed", path) : FG_OK;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path) && errno != ENOENT ? -1 : 0;
}

fg_status fg_directory_remove(const char *path, fg_error *err) {
    bool exists;
    fg_status status = fg_path_exists(path, &exists, err);
    if (status != FG_OK || !exists) return status;
    if (nftw(path, remove_entry, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS))
        return fg_fail_errno(err, errno, "%s: cannot remove it", path);
    return FG_OK;
}

fg_status fg_path_rename(const char *from, const char *to, fg_error *err) {
    if (fault() || rename(from, to)) return fg_fail_errno(err, errno, "%s: cannot rename it to %s", from, to);
    return FG_OK;
}

fg_status fg_path_rename_new(const char *from, const char *to, fg_error *err) {
    if (!fault() && renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return FG_OK;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return fg_fail_errno(err, errno, "%s: cannot rename it to %s", from, to);
    bool exists;
    FG_CALL(fg_path_exists(to, &exists, err));
    if (exists) return fg_fail_errno(err, EEXIST, "%s: cannot rename it to %s", from, to);
    return fg_path_rename(from, to, err);
}

fg_status fg_path_exchange(const char *a, const char *b, bool *supported, fg_error *err) {
    bool done = !fault() && renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
    *supported = done || (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP);
    if (done || !*supported) return FG_OK;
    return fg_fail_errno(err, errno, "%s: cannot be exchanged with %s", a, b);
}

fg_status fg_path_link(const char *target, const char *path, fg_error *err) {
    if (fault() || symlink(target, path))
        return fg_fail_errno(err, errno, "%s: cannot make it a link to %s", path, target);
    return FG_OK;
}

fg_status fg_disk_free(const char *path, uint64_t *bytes, fg_error *err) {
    struct statvfs info;
    if (statvfs(path, &info)) return fg_fail_errno(err, errno, "%s: cannot determine the free space", path);
    *bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return FG_OK;
}
