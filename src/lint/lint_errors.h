/* Lint errors: what is wrong with one file, "; " between, and the line of a report that they
 * become. */
#ifndef FG_LINT_LINT_ERRORS_H
#define FG_LINT_LINT_ERRORS_H

#include "base/buffer.h"
#include "base/error.h"

fg_status fg_lint_errors_add(fg_buffer *wrong, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What a call said: an error in the input is a lint error, any other ends the lint (it becomes `err`). */
fg_status fg_lint_errors_catch(fg_buffer *wrong, fg_status status, const fg_error *what, fg_error *err);
/* The same with what was being done and the hint. */
fg_status fg_lint_errors_catch_whole(fg_buffer *wrong, fg_status status, const fg_error *what, fg_error *err);
/* "ok  PATH: FINE", or "bad PATH: ..." with the lint errors, which counts as a problem. */
fg_status fg_lint_errors_report(const fg_buffer *wrong, const char *path, const char *fine, fg_buffer *report,
                                size_t *problems, fg_error *err);

#endif
