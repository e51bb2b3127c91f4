/* Files as they were when a run began, so that a change while it reads them is noticed, whatever made it: a
 * write, a file of the same name that took the place of the first, also one whose times were set back
 * (ctime).
 *
 * Invariant: an entry is a regular file, stamped before anything reads it.
 */
#ifndef FG_STORE_STAMPED_FILES_H
#define FG_STORE_STAMPED_FILES_H

#include "base/file.h"

typedef struct fg_stamped_file {
    char *path; /* owned */
    fg_file_stamp stamp;
} fg_stamped_file;

typedef struct fg_stamped_files {
    fg_stamped_file *items; /* owned */
    size_t count, capacity;
} fg_stamped_files;

/* Every regular file of a directory, links followed, without those of its directories. What is not there, or
 * a link to nothing, is passed over. */
fg_status fg_stamped_files_add(fg_stamped_files *files, const char *directory, fg_error *err);
/* FG_ERR_INPUT that names the file if it changed or is gone. Device and inode numbers, and the time of the
 * last change of attributes, may differ between the nodes of a cluster that look at the same file:
 * `same_node` says that they count. */
fg_status fg_file_check_unchanged(const char *path, const fg_file_stamp *then, bool same_node, fg_error *err);
void fg_stamped_files_free(fg_stamped_files *files);

#endif
