#define _GNU_SOURCE /* SEEK_DATA, renameat2 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lfs_pointer.h"
#include "base/read_threads.h"

/* One system call moves at most this much; Linux itself stops at 2 GiB. */
enum { MAX_TRANSFER = 1 << 30, INTERRUPTIONS = 1000, DIRECTORY_BYTES = 4096 };

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

/* Stores what a system call gives. One that a signal interrupts is made again: network and user-space file
 * systems interrupt calls that never are on a local disk. Not for ever: where each call is interrupted, that
 * is the failure. */
#define CALL_AGAIN(result, call)                                                                             \
    do {                                                                                                     \
        unsigned left = INTERRUPTIONS;                                                                       \
        do (result) = (call);                                                                                \
        while ((result) < 0 && errno == EINTR && left-- > 0);                                                \
    } while (0)

/* The same for a call whose failure matters: tests make it fail. */
#define CALL_SYSTEM(result, call) CALL_AGAIN(result, fault() ? -1 : (call))

void fg_file_fail_after(uint64_t n) {
    atomic_store(&fail_at, n ? atomic_load(&io_calls) + n : 0);
}

/* What the link `path` says, cut to fit; 0 if it says something, else why not: EINVAL if it is no link. */
static int read_link(const char *path, char *target, size_t size) {
    ssize_t length;
    CALL_AGAIN(length, readlink(path, target, size - 1));
    target[length < 0 ? 0 : length] = '\0';
    return length < 0 ? errno : 0;
}

static bool means_absent(int failed) {
    return failed == ENOENT || failed == ENOTDIR;
}

bool fg_path_link_target(const char *path, char *target, size_t size) {
    return read_link(path, target, size) == 0;
}

static fg_status dangling(const char *path, const char *target, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: a link to %s, which does not exist: the download is not complete", path,
            target);
    return fg_hint(err, "download the model again, or copy it with what its links point to (cp -rL)");
}

/* What it means that a path leads nowhere (`failed`: ENOENT, ENOTDIR or ELOOP): a link to nothing, a loop, a
 * link that cannot be read; else FG_OK: nothing has this name. */
static fg_status leads_nowhere(const char *path, int failed, fg_error *err) {
    char target[PATH_MAX];
    int why = fault() ? errno : read_link(path, target, sizeof target);
    if (why == 0 && failed == ELOOP)
        return fg_fail(err, FG_ERR_INPUT, "%s: a link to %s, which leads back to it", path, target);
    if (why == 0) return dangling(path, target, err);
    if (means_absent(why) || (why == EINVAL && failed != ELOOP)) return FG_OK;
    return fg_fail_errno(err, why == EINVAL ? failed : why, "%s: cannot be looked at", path);
}

static fg_status not_regular(const char *path, fg_error *err) {
    return fg_fail(err, FG_ERR_INPUT, "%s: not a regular file", path);
}

static fg_status not_there(const char *path, int failed, fg_error *err) {
    FG_CALL(leads_nowhere(path, failed, err));
    return fg_fail(err, FG_ERR_INPUT, "%s: no such file", path);
}

enum { STAT_BLOCK = 512 }; /* the unit of st_blocks */

static fg_status stat_open(const fg_file *file, struct stat *info, fg_error *err) {
    int result;
    CALL_SYSTEM(result, fstat(file->fd, info));
    return result ? fg_fail_errno(err, errno, "%s: cannot stat the file", file->path) : FG_OK;
}

fg_status fg_file_open(fg_file *file, const char *path, fg_open_mode mode, fg_error *err) {
    static const int flags[] = {O_RDONLY, O_RDWR | O_CREAT | O_EXCL, O_RDWR};
    fg_status status = FG_OK;
    struct stat info;
    *file = FG_FILE_NONE;
    FG_TRY_NEW(file->path, fg_strdup(path, err));
    CALL_SYSTEM(file->fd, open(path, flags[mode] | O_CLOEXEC | O_NONBLOCK, 0666));
    if (file->fd < 0) {
        int failed = errno;
        bool missing = mode == FG_OPEN_READ && (means_absent(failed) || failed == ELOOP);
        const char *verb = mode == FG_OPEN_CREATE ? "create" : "open";
        if (failed == ENXIO) FG_TRY(not_regular(path, err)); /* a socket, or a FIFO that nobody reads */
        FG_TRY(missing ? not_there(path, failed, err)
                       : fg_fail_errno(err, failed, "%s: cannot %s", path, verb));
    }
    FG_TRY(stat_open(file, &info, err));
    if (!S_ISREG(info.st_mode)) FG_TRY(not_regular(path, err));
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

fg_status fg_file_finish(fg_file *file, fg_error *err) {
    fg_status status = FG_OK;
    int fd = file->fd;
    file->fd = -1;
    /* Never closed again: whatever close() says, the number may be that of another file by now. */
    if (fd >= 0 && (fault() || close(fd)) && errno != EINTR)
        status =
            fg_fail_errno(err, errno, "%s: closing it failed, so what was written may be lost", file->path);
    fg_file_close(file);
    return status;
}

/* A read that gives nothing: at the end of the file, or where the disk or network lost something. */
static fg_status nothing_read(const fg_file *file, size_t size, uint64_t offset, fg_error *err) {
    uint64_t whole;
    FG_CALL(fg_file_size(file, &whole, err));
    if (offset < whole)
        return fg_fail(err, FG_ERR_SYSTEM, "%s: cannot read %zu bytes at byte %llu: the system gives none",
                       file->path, size, (unsigned long long)offset);
    fg_fail(err, FG_ERR_INPUT, "%s: the file ends at byte %llu, %zu bytes too early", file->path,
            (unsigned long long)offset, size);
    fg_about_found(err, "%llu bytes", (unsigned long long)whole);
    fg_about_expected(err, "%llu bytes or more", (unsigned long long)offset + size);
    return fg_hint(err, "copy the file again: it is truncated, or was truncated while it was read");
}

static fg_status read_alone(const fg_file *file, void *buffer, size_t size, uint64_t offset, fg_error *err) {
    char *at = buffer;
    while (size) {
        ssize_t got;
        CALL_SYSTEM(got, pread(file->fd, at, size < MAX_TRANSFER ? size : MAX_TRANSFER, (off_t)offset));
        if (got < 0)
            return fg_fail_errno(err, errno, "%s: cannot read %zu bytes at byte %llu", file->path, size,
                                 (unsigned long long)offset);
        if (got == 0) return nothing_read(file, size, offset, err);
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return FG_OK;
}

fg_status fg_file_read(const fg_file *file, void *buffer, size_t size, uint64_t offset, fg_error *err) {
    fg_read_part parts[FG_READ_THREADS_MOST];
    size_t count = fg_read_threads_read(file->fd, buffer, size, offset, parts);
    if (!count) return read_alone(file, buffer, size, offset, err);
    for (size_t i = 0; i < count; i++) { /* what the others have not got */
        const fg_read_part *part = &parts[i];
        FG_CALL(
            read_alone(file, part->to + part->got, part->size - part->got, part->offset + part->got, err));
    }
    return FG_OK;
}

fg_status fg_file_write(const fg_file *file, const void *buffer, size_t size, uint64_t offset,
                        fg_error *err) {
    const char *at = buffer;
    while (size) {
        ssize_t put;
        CALL_SYSTEM(put, pwrite(file->fd, at, size < MAX_TRANSFER ? size : MAX_TRANSFER, (off_t)offset));
        if (put == 0) errno = EIO; /* POSIX has no such answer: without an end it would be asked again */
        if (put <= 0)
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
    FG_CALL(stat_open(file, &info, err));
    *size = (uint64_t)info.st_size;
    return FG_OK;
}

fg_status fg_file_resize(const fg_file *file, uint64_t size, fg_error *err) {
    int result;
    CALL_SYSTEM(result, ftruncate(file->fd, (off_t)size));
    if (result == 0) return FG_OK;
    return fg_fail_errno(err, errno, "%s: cannot resize the file to %llu bytes", file->path,
                         (unsigned long long)size);
}

fg_status fg_file_sync(const fg_file *file, fg_error *err) {
    int result;
    CALL_SYSTEM(result, fsync(file->fd));
    return result ? fg_fail_errno(err, errno, "%s: fsync failed", file->path) : FG_OK;
}

/* posix_fallocate says what went wrong by its result. */
static int allocate(int fd, uint64_t size) {
    errno = posix_fallocate(fd, 0, (off_t)size);
    return errno ? -1 : 0;
}

fg_status fg_file_lock(const fg_file *file, bool alone, fg_lock_answer *answer, fg_error *err) {
    int result;
    CALL_SYSTEM(result, flock(file->fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB));
    int failed = result ? errno : 0;
    *answer = !failed ? FG_LOCK_HELD : failed == EWOULDBLOCK ? FG_LOCK_BUSY : FG_LOCK_UNSUPPORTED;
    if (*answer != FG_LOCK_UNSUPPORTED || failed == ENOLCK || failed == ENOSYS || failed == EOPNOTSUPP)
        return FG_OK;
    return fg_fail_errno(err, failed, "%s: cannot lock the file", file->path);
}

int fg_file_allocate(const fg_file *file, uint64_t size) {
    int result;
    CALL_SYSTEM(result, allocate(file->fd, size));
    return result ? errno : 0;
}

bool fg_file_remove(const char *path) {
    int result;
    CALL_AGAIN(result, unlink(path));
    return result == 0 || errno == ENOENT;
}

uint64_t fg_file_next_data(const fg_file *file, uint64_t offset, uint64_t limit) {
    if (file->solid) return offset;
    off_t at;
    CALL_AGAIN(at, lseek(file->fd, (off_t)offset, SEEK_DATA));
    if (at < 0) return errno == ENXIO ? limit : offset;
    return (uint64_t)at < limit ? (uint64_t)at : limit;
}

uint64_t fg_file_next_hole(const fg_file *file, uint64_t offset, uint64_t limit) {
    if (file->solid) return limit;
    off_t at;
    CALL_AGAIN(at, lseek(file->fd, (off_t)offset, SEEK_HOLE));
    return at < 0 || (uint64_t)at > limit ? limit : (uint64_t)at;
}

fg_status fg_file_stamp_of(const char *path, fg_file_stamp *stamp, fg_error *err) {
    struct stat info;
    int result;
    CALL_SYSTEM(result, stat(path, &info));
    if (result) return fg_fail_errno(err, errno, "%s: cannot stat the file", path);
    *stamp = (fg_file_stamp){.size = (uint64_t)info.st_size,
                             .device = (uint64_t)info.st_dev,
                             .inode = (uint64_t)info.st_ino,
                             .mtime_s = info.st_mtim.tv_sec,
                             .mtime_ns = info.st_mtim.tv_nsec,
                             .ctime_s = info.st_ctim.tv_sec,
                             .ctime_ns = info.st_ctim.tv_nsec};
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
        fg_fail(err, FG_ERR_INPUT, "%s: %llu bytes, more than the %llu that such a file may have", path,
                (unsigned long long)size, (unsigned long long)limit);
        fg_about_found(err, "%llu bytes", (unsigned long long)size);
        FG_TRY(fg_about_expected(err, "%llu bytes or less", (unsigned long long)limit));
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
    FG_TRY(fg_file_finish(&file, err));
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
    int result;
    CALL_SYSTEM(result, realpath(path, buffer) ? 0 : -1);
    if (result == 0) {
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
    int result;
    *kind = FG_PATH_ABSENT;
    CALL_SYSTEM(result, stat(path, &info));
    if (result == 0) {
        *kind = S_ISREG(info.st_mode)   ? FG_PATH_FILE
                : S_ISDIR(info.st_mode) ? FG_PATH_DIRECTORY
                                        : FG_PATH_OTHER;
        return FG_OK;
    }
    int failed = errno;
    if (!means_absent(failed) && failed != ELOOP)
        return fg_fail_errno(err, failed, "%s: cannot stat it", path);
    return leads_nowhere(path, failed, err);
}

fg_status fg_path_is_file(const char *path, bool *is, fg_error *err) {
    fg_path_kind kind;
    *is = false;
    FG_CALL(fg_path_look(path, &kind, err));
    *is = kind == FG_PATH_FILE;
    return *is || kind == FG_PATH_ABSENT ? FG_OK : not_regular(path, err);
}

fg_status fg_path_is_directory(const char *path, bool *is, fg_error *err) {
    fg_path_kind kind;
    fg_status status = fg_path_look(path, &kind, err);
    *is = status == FG_OK && kind == FG_PATH_DIRECTORY;
    return status;
}

fg_status fg_path_exists(const char *path, bool *exists, fg_error *err) {
    struct stat info;
    int result;
    CALL_SYSTEM(result, lstat(path, &info));
    *exists = result == 0;
    if (*exists || means_absent(errno)) return FG_OK;
    return fg_fail_errno(err, errno, "%s: cannot stat it", path);
}

fg_status fg_path_same(const char *a, const char *b, bool *same, fg_error *err) {
    fg_file_stamp first, second;
    *same = false;
    FG_CALL(fg_file_stamp_of(a, &first, err));
    FG_CALL(fg_file_stamp_of(b, &second, err));
    *same = first.device == second.device && first.inode == second.inode;
    return FG_OK;
}

/* The next entry in *entry, NULL behind the last; -1 if reading fails. */
static int next_entry(DIR *directory, struct dirent **entry) {
    errno = 0;
    *entry = readdir(directory);
    return *entry || !errno ? 0 : -1;
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

fg_status fg_directory_list(const char *path, fg_names *names, fg_error *err) {
    fg_status status = FG_OK;
    struct dirent *entry = NULL;
    DIR *directory = NULL;
    int result;
    *names = (fg_names){0};
    CALL_SYSTEM(result, (directory = opendir(path)) ? 0 : -1);
    if (result) return fg_fail_errno(err, errno, "%s: cannot list the directory", path);
    for (;;) {
        CALL_SYSTEM(result, next_entry(directory, &entry));
        if (result) FG_TRY(fg_fail_errno(err, errno, "%s: cannot list the directory", path));
        if (!entry) break;
        if (!is_dots(entry->d_name)) FG_TRY(fg_names_add(names, fg_strdup(entry->d_name, err), err));
    }
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
    int result;
    CALL_SYSTEM(result, access(path, W_OK | X_OK));
    return result ? errno : 0;
}

fg_status fg_directory_create(const char *path, fg_error *err) {
    int result;
    CALL_SYSTEM(result, mkdir(path, 0777));
    return result ? fg_fail_errno(err, errno, "%s: cannot create the directory", path) : FG_OK;
}

fg_status fg_directory_sync(const char *path, fg_error *err) {
    int fd, result;
    CALL_SYSTEM(fd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0) return fg_fail_errno(err, errno, "%s: cannot open the directory", path);
    CALL_SYSTEM(result, fsync(fd));
    int failed = result ? errno : 0;
    close(fd);
    return failed ? fg_fail_errno(err, failed, "%s: fsync failed", path) : FG_OK;
}

/* ---- removing: without memory, which may be what has run out ---- */

typedef struct entry_path {
    char text[PATH_MAX];
    size_t length;
} entry_path;

static int remove_directory(entry_path *path);

/* 0, also if it is not there; else errno says why not. */
static int remove_entry(entry_path *path) {
    int result;
    CALL_AGAIN(result, unlink(path->text));
    if (result == 0 || errno == ENOENT) return 0;
    return errno == EISDIR || errno == EPERM ? remove_directory(path) : -1; /* POSIX has EPERM */
}

/* Removes what the directory holds; what cannot be removed does not keep the rest. */
static int empty_directory(int fd, entry_path *path) {
    char buffer[DIRECTORY_BYTES] __attribute__((aligned(8)));
    size_t length = path->length;
    ssize_t got;
    int failed = 0;
    for (;;) {
        CALL_AGAIN(got, getdents64(fd, buffer, sizeof buffer));
        if (got <= 0) break;
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            at += entry->d_reclen;
            if (is_dots(entry->d_name)) continue;
            int added = snprintf(path->text + length, sizeof path->text - length, "/%s", entry->d_name);
            path->length = length + (size_t)added;
            if (path->length >= sizeof path->text) errno = ENAMETOOLONG;
            if (path->length >= sizeof path->text || remove_entry(path)) failed = errno;
            path->text[path->length = length] = '\0';
        }
    }
    if (got == 0) errno = failed;
    return got || failed ? -1 : 0;
}

static int remove_directory(entry_path *path) {
    int fd, result;
    CALL_AGAIN(fd, open(path->text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    int emptied = empty_directory(fd, path), why = errno;
    close(fd);
    errno = why;
    if (emptied) return -1;
    CALL_AGAIN(result, rmdir(path->text));
    return result && errno != ENOENT ? -1 : 0;
}

fg_status fg_directory_remove(const char *path, fg_error *err) {
    entry_path at = {.length = strlen(path)};
    if (at.length >= sizeof at.text) return fg_fail_errno(err, ENAMETOOLONG, "%s: cannot remove it", path);
    memcpy(at.text, path, at.length + 1);
    return remove_entry(&at) ? fg_fail_errno(err, errno, "%s: cannot remove it", path) : FG_OK;
}

fg_status fg_path_rename(const char *from, const char *to, fg_error *err) {
    int result;
    CALL_SYSTEM(result, rename(from, to));
    return result ? fg_fail_errno(err, errno, "%s: cannot rename it to %s", from, to) : FG_OK;
}

/* Whether a failed renameat2 was asked for what this file system does not have. */
static bool without_flag(void) {
    return errno == EINVAL || errno == ENOSYS || errno == ENOTSUP;
}

fg_status fg_path_rename_new(const char *from, const char *to, fg_error *err) {
    bool exists;
    int result;
    CALL_SYSTEM(result, renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
    if (result == 0) return FG_OK;
    if (!without_flag()) return fg_fail_errno(err, errno, "%s: cannot rename it to %s", from, to);
    FG_CALL(fg_path_exists(to, &exists, err));
    if (exists) return fg_fail_errno(err, EEXIST, "%s: cannot rename it to %s", from, to);
    return fg_path_rename(from, to, err);
}

fg_status fg_path_exchange(const char *a, const char *b, bool *supported, fg_error *err) {
    int result;
    CALL_SYSTEM(result, renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
    *supported = result == 0 || !without_flag();
    if (result == 0 || !*supported) return FG_OK;
    return fg_fail_errno(err, errno, "%s: cannot be exchanged with %s", a, b);
}

fg_status fg_path_link(const char *target, const char *path, fg_error *err) {
    int result;
    CALL_SYSTEM(result, symlink(target, path));
    return result ? fg_fail_errno(err, errno, "%s: cannot make it a link to %s", path, target) : FG_OK;
}

fg_status fg_disk_free(const char *path, uint64_t *bytes, fg_error *err) {
    struct statvfs info;
    int result;
    CALL_SYSTEM(result, statvfs(path, &info));
    if (result) return fg_fail_errno(err, errno, "%s: cannot determine the free space", path);
    *bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return FG_OK;
}
