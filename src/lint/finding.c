#include "lint/finding.h"

#include <stdarg.h>
#include <stdio.h>

enum { FINDING = FG_ERROR_TEXT + FG_ERROR_WHERE + FG_ERROR_HINT };

fg_status fg_finding_add(fg_buffer *wrong, fg_error *err, const char *format, ...) {
    char finding[FINDING];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding, sizeof finding, format, arguments);
    va_end(arguments);
    return fg_buffer_printf(wrong, err, "%s%s", wrong->length ? "; " : "", finding);
}

fg_status fg_finding_catch(fg_buffer *wrong, fg_status status, const fg_error *what, fg_error *err) {
    if (status == FG_ERR_INPUT) return fg_finding_add(wrong, err, "%s", what->text);
    return status == FG_OK ? FG_OK : fg_fail(err, status, "%s", what->text);
}

fg_status fg_finding_catch_whole(fg_buffer *wrong, fg_status status, const fg_error *what, fg_error *err) {
    if (status != FG_ERR_INPUT) return fg_finding_catch(wrong, status, what, err);
    return fg_finding_add(wrong, err, "%s%s%s%s%s", what->where, *what->where ? ": " : "", what->text,
                          *what->hint ? ": " : "", what->hint);
}

fg_status fg_finding_report(const fg_buffer *wrong, const char *path, const char *fine, fg_buffer *report,
                            size_t *problems, fg_error *err) {
    if (!wrong->length) return fg_buffer_printf(report, err, "ok  %s: %s\n", path, fine);
    ++*problems;
    return fg_buffer_printf(report, err, "bad %s: %s\n", path, wrong->data);
}
