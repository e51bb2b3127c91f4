#include "lint/lint_errors.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

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

fg_status fg_lint_errors_report(const fg_buffer *wrong, const char *path, const char *fine, json_t *report,
                                size_t *problems, fg_error *err) {
    bool bad = wrong->length > 0;
    json_t *row;
    FG_CALL_NEW(row, fg_json_push_object(report, err));
    FG_CALL(fg_json_put_text(row, "file", path, err));
    FG_CALL(fg_json_put_text(row, "status", bad ? "bad" : "ok", err));
    FG_CALL(fg_json_put_text(row, "text", bad ? wrong->data : fine, err));
    if (bad) ++*problems;
    return FG_OK;
}

fg_status fg_lint_errors_text(const json_t *report, fg_buffer *text, fg_error *err) {
    json_t *row;
    FG_JSON_EACH(report, i, row)
        FG_CALL(fg_buffer_printf(text, err, "%-3s %s: %s\n",
                                 json_string_value(json_object_get(row, "status")),
                                 json_string_value(json_object_get(row, "file")),
                                 json_string_value(json_object_get(row, "text"))));
    return FG_OK;
}
