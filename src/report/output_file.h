/* A file that the command line names and that a run makes next to its destination: --report, --dump.
 *
 * The name is reserved before the run writes anything: the file is created, empty, and filled at the end. So what is wrong with the
 * path is said first, and two runs cannot have the same file.
 *
 * Invariant: nothing is overwritten but an older report of fgconv by a newer one, and that in one step, when the new one is whole. What
 * the run made and did not fill is removed again.
 */
#ifndef FG_REPORT_OUTPUT_FILE_H
#define FG_REPORT_OUTPUT_FILE_H

#include "base/json.h"

typedef struct fg_output_file {
    const char *option; /* borrowed; "--report", for messages */
    char *path;         /* owned; NULL: none is wanted */
    char *
        created; /* owned; what is filled: `path`, or "PATH.partial" next to an older report; NULL: nothing yet */
    bool filled;
} fg_output_file;

/* Reserves `path` for a new file; NULL: none is wanted. FG_ERR_USAGE: something is there already, or nothing can be made there. */
fg_status fg_output_file_reserve(fg_output_file *file, const char *option, const char *path, fg_error *err);
/* The same for a report, which may take the place of an older one. */
fg_status fg_output_file_reserve_report(fg_output_file *file, const char *option, const char *path,
                                        fg_error *err);
/* Fills a reserved report; does nothing if none is wanted. */
fg_status fg_output_file_write_report(fg_output_file *file, const json_t *report, fg_error *err);
/* Frees it. What was made and not filled, or is not to be kept, is removed. */
void fg_output_file_close(fg_output_file *file, bool keep);

/* Whether `path` is `directory` or lies in it, links followed; both may be missing. */
fg_status fg_output_file_is_inside(const char *path, const char *directory, bool *inside, fg_error *err);

#endif
