#include "lint/lint_errors.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT = FG_ERROR_TEXT + FG_ERROR_WHERE + FG_ERROR_HINT };

fg_status fg_lint_errors_add(fg_buffer *wrong, fg_error *err, const char *format, ...) {
    char text[TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fg_buffer_printf(wrong, err, "%s%s", wrong->length ? "; " : "", text);
}

fg_status fg_lint_errors_catch(fg_buffer *wrong, fg_status status, const fg_error *what, fg_error *err) {
    if (status == FG_ERR_INPUT) return fg_lint_errors_add(wrong, err, "%s", what->text);
    return status == FG_OK ? FG_OK : fg_fail_again(err, what);
}

fg_status fg_lint_errors_catch_whole(fg_buffer *wrong, fg_status status, const fg_error *what,
                                     fg_error *err) {
    if (status != FG_ERR_INPUT) return fg_lint_errors_catch(wrong, status, what, err);
    return fg_lint_errors_add(wrong, err, "%s%s%s%s%s", what->where, *what->where ? ": " : "", what->text,
                              *what->hint ? ": " : "", what->hint);
}

fg_status fg_lint_errors_report(const fg_buffer *wrong, const char *path, const char *fine, fg_buffer *report,
                                size_t *problems, fg_error *err) {
    if (!wrong->length) return fg_buffer_printf(report, err, "ok  %s: %s\n", path, fine);
    ++*problems;
    return fg_buffer_printf(report, err, "bad %s: %s\n", path, wrong->data);
}
