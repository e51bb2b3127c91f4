/* Files: the one layer through which fgconv touches the disk. Short reads and writes, EINTR and errors are
 * dealt with here, and tests inject faults here.
 *
 * Invariant: an fg_file is owned by whoever opened it and closed once with fg_file_close. Data is read with
 * pread, never mapped. Thread-safe except that one fg_file must not be closed while it is used.
 */
#ifndef FG_BASE_FILE_H
#define FG_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

typedef struct fg_file {
    int fd;     /* -1: not open */
    char *path; /* owned; for messages */
    bool solid; /* when it was opened, its blocks covered its size: it has no holes */
} fg_file;

#define FG_FILE_NONE ((fg_file){.fd = -1, .path = NULL})

typedef enum fg_open_mode {
    FG_OPEN_READ,
    FG_OPEN_CREATE, /* must not exist; O_EXCL, mode 0666 & ~umask */
    FG_OPEN_WRITE,  /* must exist; nothing is truncated */
} fg_open_mode;

/* For FG_OPEN_READ a missing file and a link to one are FG_ERR_INPUT; only regular files are opened (links
 * are followed). */
fg_status fg_file_open(fg_file *file, const char *path, fg_open_mode mode, fg_error *err);
/* For files that were read, and for clean-up after a failure: what close() says is passed over. */
void fg_file_close(fg_file *file);
/* Closes a file that was written: FG_ERR_SYSTEM if the system says now that the bytes did not arrive, as
 * network file systems do for a full disk or quota. Closed in each case. */
fg_status fg_file_finish(fg_file *file, fg_error *err);

/* All `size` bytes at `offset`, or an error: a file that ends too early is FG_ERR_INPUT, one that gives no
 * bytes before its end FG_ERR_SYSTEM. */
fg_status fg_file_read(const fg_file *file, void *buffer, size_t size, uint64_t offset, fg_error *err);
fg_status fg_file_write(const fg_file *file, const void *buffer, size_t size, uint64_t offset, fg_error *err);
fg_status fg_file_size(const fg_file *file, uint64_t *size, fg_error *err);
fg_status fg_file_resize(const fg_file *file, uint64_t size, fg_error *err);
fg_status fg_file_sync(const fg_file *file, fg_error *err);
typedef enum fg_lock_answer { FG_LOCK_HELD, FG_LOCK_BUSY, FG_LOCK_UNSUPPORTED } fg_lock_answer;
/* Tries, without waiting, to hold the lock of an open file (flock), `alone` or together with others that hold
 * it so. It is held until the file is closed or the process ends. A file system may have no locks. */
fg_status fg_file_lock(const fg_file *file, bool alone, fg_lock_answer *answer, fg_error *err);
/* Takes room on the disk for this many bytes from the beginning on. 0, or the errno of what went wrong. */
int fg_file_allocate(const fg_file *file, uint64_t size);
/* Removes a file or link, if it is there. False: something prevents that. */
bool fg_file_remove(const char *path);

/* Where the next run of data at or after `offset` begins (`limit` if only a hole follows before it). Always
 * succeeds: a file system that cannot tell has no holes. Asks the system only for a file that can have
 * holes. */
uint64_t fg_file_next_data(const fg_file *file, uint64_t offset, uint64_t limit);
/* Where the run of data that holds `offset` ends (`limit` at most). */
uint64_t fg_file_next_hole(const fg_file *file, uint64_t offset, uint64_t limit);

/* What identifies a file's contents for noticing that it changed while it was read. */
typedef struct fg_file_stamp {
    uint64_t size, device, inode;
    int64_t mtime_s, mtime_ns;
    int64_t ctime_s, ctime_ns; /* of the last change of its contents or its attributes: cannot be set back */
} fg_file_stamp;
fg_status fg_file_stamp_of(const char *path, fg_file_stamp *stamp, fg_error *err);

/* A whole file into `text` (terminated; may hold NUL inside). More than `limit` bytes is FG_ERR_INPUT, and so
 * is a Git LFS pointer in place of the file. */
fg_status fg_file_read_all(const char *path, uint64_t limit, fg_buffer *text, fg_error *err);

/* FG_ERR_INPUT if the file is a Git LFS pointer. For one that is not read otherwise. */
fg_status fg_file_refuse_pointer(const char *path, fg_error *err);

/* FG_ERR_INPUT: the file is empty, as after a program or a download was interrupted. */
fg_status fg_file_refuse_empty(const char *path, fg_error *err);

/* Creates `path` (which must not exist) with these bytes. */
fg_status fg_file_write_all(const char *path, const void *bytes, size_t size, fg_error *err);

/* "directory/name", newly allocated. An absolute name is returned as it is. */
char *fg_path_join(const char *directory, const char *name, fg_error *err);
/* The last part of a path, inside it; "" for a path that ends in a slash. */
const char *fg_path_name(const char *path);
/* The directory that it lies in, newly allocated; "." for a name alone. The path does not end in a slash. */
char *fg_path_parent(const char *path, fg_error *err);
/* From the root, newly allocated; as it is where the working directory is gone. */
char *fg_path_absolute(const char *path, fg_error *err);
/* From the root and without links, newly allocated. FG_ERR_SYSTEM if there is no such path. */
fg_status fg_path_real(const char *path, char **real, fg_error *err);

typedef enum fg_path_kind { FG_PATH_ABSENT, FG_PATH_FILE, FG_PATH_DIRECTORY, FG_PATH_OTHER } fg_path_kind;
/* What lies at `path`, links followed. FG_PATH_ABSENT only if the path itself is not there (ENOENT, ENOTDIR).
 * A link whose target is not there is FG_ERR_INPUT, what cannot be looked at (EIO, EACCES) FG_ERR_SYSTEM:
 * neither may be taken for "not there". */
fg_status fg_path_look(const char *path, fg_path_kind *kind, fg_error *err);
/* Whether there is a file. FG_ERR_INPUT if a directory, a FIFO, a socket or a device has its name: a file
 * that would have been used is missing. */
fg_status fg_path_is_file(const char *path, bool *is, fg_error *err);
/* Whether there is a directory; what else may be there is no error. */
fg_status fg_path_is_directory(const char *path, bool *is, fg_error *err);
/* Anything that has this name, a link to nothing too: what must not be there before it is made. A failure
 * leaves its reason in errno, too. */
fg_status fg_path_exists(const char *path, bool *exists, fg_error *err);

/* Whether two paths lead to the same file or directory, links followed. FG_ERR_SYSTEM if one is not there. */
fg_status fg_path_same(const char *a, const char *b, bool *same, fg_error *err);

/* The names in a directory, sorted bytewise, without "." and "..". Free with fg_names_free. */
typedef struct fg_names {
    char **items; /* owned */
    size_t count, capacity;
} fg_names;
fg_status fg_directory_list(const char *path, fg_names *names, fg_error *err);
/* Appends a name, allocated (NULL: there was no memory for it); the list owns it, whatever comes back. */
fg_status fg_names_add(fg_names *names, char *name, fg_error *err);
void fg_names_free(fg_names *names);

/* 0 if files can be made in the directory, else the errno that says why not. */
int fg_directory_refuses(const char *path);
fg_status fg_directory_create(const char *path, fg_error *err);
fg_status fg_directory_sync(const char *path, fg_error *err);
/* Removes a directory (or a file) and what is in it, links themselves and not what they point to. A missing
 * one is no error. Needs no memory; what cannot be removed does not keep the rest. */
fg_status fg_directory_remove(const char *path, fg_error *err);
fg_status fg_path_rename(const char *from, const char *to, fg_error *err);
/* The same, and nothing is replaced. File systems that cannot promise that get a look beforehand. */
fg_status fg_path_rename_new(const char *from, const char *to, fg_error *err);
/* Each gets the place of the other, in one step. `supported` is false where the file system cannot. */
fg_status fg_path_exchange(const char *a, const char *b, bool *supported, fg_error *err);
/* A symbolic link `path` that says `target`. */
fg_status fg_path_link(const char *target, const char *path, fg_error *err);
/* What the link `path` says, cut to fit; false (and "") if it is no link. */
bool fg_path_link_target(const char *path, char *target, size_t size);
/* Bytes that an unprivileged user may still write on the file system of `path`. */
fg_status fg_disk_free(const char *path, uint64_t *bytes, fg_error *err);

/* Tests: the N-th call to the file system from now fails with EIO; 0 switches that off. Also set by the
 * environment variable FGCONV_FAIL_IO=N. */
void fg_file_fail_after(uint64_t n);

#endif
