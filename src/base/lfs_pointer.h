/* Git LFS pointers: the small text files that a clone without git-lfs has in place of large ones. */
#ifndef FG_BASE_LFS_POINTER_H
#define FG_BASE_LFS_POINTER_H

#include <stddef.h>

#include "base/error.h"

/* A pointer has at least FG_LFS_HEAD and less than FG_LFS_LIMIT bytes. */
enum { FG_LFS_HEAD = 64, FG_LFS_LIMIT = 1024 };

/* FG_ERR_INPUT if the file's first bytes are those of a pointer. */
fg_status fg_lfs_check(const char *path, const void *head, size_t length, fg_error *err);

#endif
