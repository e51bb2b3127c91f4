/* Git LFS pointers: the small text files that a clone without git-lfs has in place of large ones. */
#ifndef FG_BASE_LFS_POINTER_H
#define FG_BASE_LFS_POINTER_H

#include <stddef.h>

#include "base/error.h"

/* FG_ERR_INPUT if the file's first bytes are those of a pointer. */
fg_status fg_lfs_check(const char *path, const void *head, size_t length, fg_error *err);
/* The same for a file that is not read otherwise: looks into it if it is as small as a pointer. */
fg_status fg_lfs_check_file(const char *path, fg_error *err);

#endif
