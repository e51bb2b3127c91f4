/* A file that the command line names and that a run makes next to its destination: --report, --html, --dump.
 *
 * The name is reserved before the run writes anything: PATH.partial is created, empty, filled later and
 * renamed at the end. So what is wrong with the path is said first, two runs cannot have the same file, and
 * what a killed run leaves is not taken for a report or a dump.
 *
 * Invariant: nothing is overwritten but an older report or page of fgconv by a newer one, and that in one
 * step, when the new one is complete. What the run made and did not fill is removed again.
 */
#ifndef FG_REPORT_OUTPUT_FILE_H
#define FG_REPORT_OUTPUT_FILE_H

#include "base/json.h"

/* Whether a file is an older one of a kind; a file that cannot be read is not. */
typedef fg_status fg_output_is_older(const char *path, bool *is, fg_error *err);

typedef struct fg_output_file {
    const char *option;           /* borrowed; "--report", for messages */
    char *path;                   /* owned; NULL: none is wanted */
    char *partial;                /* owned; the file that is filled; NULL: not created yet */
    fg_output_is_older *is_older; /* what it may replace; NULL: nothing */
    bool replaces;                /* there is an older one at `path` */
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
/* The same for a page (report/page.h). */
fg_status fg_output_file_reserve_page(fg_output_file *file, const char *option, const char *path,
                                      fg_error *err);
/* Fills a reserved file; does nothing if none is wanted. */
fg_status fg_output_file_write(fg_output_file *file, const fg_buffer *text, fg_error *err);
fg_status fg_output_file_write_report(fg_output_file *file, const json_t *report, fg_error *err);
/* Frees it. What was filled and is to be kept gets its name; else it is removed. */
fg_status fg_output_file_close(fg_output_file *file, bool keep, fg_error *err);

/* Whether a document is a report of fgconv. */
bool fg_report_is(const json_t *document);

/* Whether `path` is `directory` or lies in it, links followed; both may be missing. */
fg_status fg_output_file_is_inside(const char *path, const char *directory, bool *inside, fg_error *err);

#endif
