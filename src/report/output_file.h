/* A file that the command line names and that a run makes next to its destination: --report, --dump.
 *
 * The name is reserved before the run writes anything: PATH.partial is created, empty, filled later and
 * renamed at the end. So what is wrong with the path is said first, two runs cannot have the same file, and
 * what a killed run leaves is not taken for a report or a dump.
 *
 * Invariant: nothing is overwritten but an older report of fgconv by a newer one, and that in one step, when
 * the new one is complete. What the run made and did not fill is removed again.
 */
#ifndef FG_REPORT_OUTPUT_FILE_H
#define FG_REPORT_OUTPUT_FILE_H

#include "base/json.h"

typedef struct fg_output_file {
    const char *option; /* borrowed; "--report", for messages */
    char *path;         /* owned; NULL: none is wanted */
    char *partial;      /* owned; the file that is filled; NULL: not created yet */
    bool replaces;      /* there is an older report at `path` */
    bool filled;
} fg_output_file;

/* The name of the file that is filled, on any rank; owned by the caller. */
char *fg_output_file_partial(const char *path, fg_error *err);
/* Reserves `path` for a new file; NULL: none is wanted. FG_ERR_USAGE: something is there already, or nothing
 * can be made there. */
fg_status fg_output_file_reserve(fg_output_file *file, const char *option, const char *path, fg_error *err);
/* The same for a report, which may take the place of an older one. */
fg_status fg_output_file_reserve_report(fg_output_file *file, const char *option, const char *path,
                                        fg_error *err);
/* Fills a reserved report; does nothing if none is wanted. */
fg_status fg_output_file_write_report(fg_output_file *file, const json_t *report, fg_error *err);
/* Frees it. What was filled and is to be kept gets its name; else it is removed. */
fg_status fg_output_file_close(fg_output_file *file, bool keep, fg_error *err);

/* Whether `path` is `directory` or lies in it, links followed; both may be missing. */
fg_status fg_output_file_is_inside(const char *path, const char *directory, bool *inside, fg_error *err);

#endif
