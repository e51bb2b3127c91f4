/* Lint errors: what is wrong with one file, "; " between, and the row of a report that they become. */
#ifndef FG_LINT_LINT_ERRORS_H
#define FG_LINT_LINT_ERRORS_H

#include "base/json.h"

fg_status fg_lint_errors_add(fg_buffer *wrong, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What a call said: an error in the input is a lint error, any other ends the lint (it becomes `err`). */
fg_status fg_lint_errors_catch(fg_buffer *wrong, fg_status status, const fg_error *what, fg_error *err);
/* The same with what was being done and the hint. */
fg_status fg_lint_errors_catch_whole(fg_buffer *wrong, fg_status status, const fg_error *what, fg_error *err);
/* Adds a row to a report: {"file", "status": "ok" | "bad", "text": `fine` or the lint errors}. A bad one
 * counts as a problem. */
fg_status fg_lint_errors_report(const fg_buffer *wrong, const char *path, const char *fine, json_t *report,
                                size_t *problems, fg_error *err);
/* A report as text: a line a file, "ok  FILE: TEXT" or "bad FILE: TEXT". */
fg_status fg_lint_errors_text(const json_t *report, fg_buffer *text, fg_error *err);

#endif
