#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_fields.h"

/* Writes into err->text unless it holds a failure already: then false. */
static bool record(fg_error *err, fg_status status, const char *format, va_list arguments) {
    if (!err || err->status != FG_OK) return false;
    va_list copy;
    va_copy(copy, arguments);
    vsnprintf(err->text, sizeof err->text, format, copy);
    va_end(copy);
    err->status = (int)status;
    fg_error_fields_read(err, format, arguments);
    return true;
}

fg_status fg_error_record(fg_error *err, fg_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    record(err, status, format, arguments);
    va_end(arguments);
    return status;
}

fg_status fg_error_record_list(fg_error *err, fg_status status, const char *format, va_list arguments) {
    record(err, status, format, arguments);
    return status;
}

fg_status fg_error_record_lines(fg_error *err, fg_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (record(err, status, format, arguments)) err->text_lines = true;
    va_end(arguments);
    return status;
}

static void copy_missing(char *field, const char *other, size_t size) {
    if (!*field) memcpy(field, other, size);
}

fg_status fg_error_quote(fg_error *err, const fg_error *quoted) {
    if (!err) return FG_ERR_BUG;
    copy_missing(err->file, quoted->file, sizeof err->file);
    copy_missing(err->key, quoted->key, sizeof err->key);
    copy_missing(err->found, quoted->found, sizeof err->found);
    copy_missing(err->expected, quoted->expected, sizeof err->expected);
    return (fg_status)err->status;
}

fg_status fg_error_record_again(fg_error *err, const fg_error *other) {
    if (!err || err->status != FG_OK) return (fg_status)other->status;
    if (other->text_lines)
        fg_error_record_lines(err, (fg_status)other->status, "%s", other->text);
    else
        fg_error_record(err, (fg_status)other->status, "%s", other->text);
    fg_error_quote(err, other);
    return (fg_status)other->status;
}

fg_status fg_error_record_errno(fg_error *err, int errnum, const char *format, ...) {
    fg_status status = errnum == ENOMEM ? FG_ERR_MEMORY : FG_ERR_SYSTEM;
    va_list arguments;
    va_start(arguments, format);
    if (record(err, status, format, arguments)) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errnum));
    }
    va_end(arguments);
    return status;
}

fg_status fg_error_hint(fg_error *err, const char *format, ...) {
    if (!err) return FG_ERR_BUG;
    if (!err->hint[0]) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(err->hint, sizeof err->hint, format, arguments);
        err->hint_lines = strchr(format, '\n') != NULL;
        va_end(arguments);
    }
    return (fg_status)err->status;
}

fg_status fg_error_about_file(fg_error *err, const char *path) {
    if (!err) return FG_ERR_BUG;
    if (!err->file[0]) snprintf(err->file, sizeof err->file, "%s", path);
    return (fg_status)err->status;
}

fg_status fg_error_about_key(fg_error *err, const char *key) {
    if (!err) return FG_ERR_BUG;
    if (!err->key[0]) snprintf(err->key, sizeof err->key, "%s", key);
    return (fg_status)err->status;
}

__attribute__((format(printf, 3, 0))) static fg_status fill(fg_error *err, char *field, const char *format,
                                                            va_list arguments) {
    if (!field[0]) vsnprintf(field, FG_ERROR_VALUE, format, arguments);
    return (fg_status)err->status;
}

fg_status fg_error_about_found(fg_error *err, const char *format, ...) {
    if (!err) return FG_ERR_BUG;
    va_list arguments;
    va_start(arguments, format);
    fg_status status = fill(err, err->found, format, arguments);
    va_end(arguments);
    return status;
}

fg_status fg_error_about_expected(fg_error *err, const char *format, ...) {
    if (!err) return FG_ERR_BUG;
    va_list arguments;
    va_start(arguments, format);
    fg_status status = fill(err, err->expected, format, arguments);
    va_end(arguments);
    return status;
}

fg_status fg_error_where(fg_error *err, const char *format, ...) {
    if (!err) return FG_ERR_BUG;
    size_t used = strlen(err->where);
    if (used && used + 3 < sizeof err->where) {
        memcpy(err->where + used, "; ", 3);
        used += 2;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->where + used, sizeof err->where - used, format, arguments);
    va_end(arguments);
    return (fg_status)err->status;
}

#ifdef FG_CHECK_ERRORS
void fg_error_expect(const fg_error *err, fg_status status, const char *file, int line) {
    if (!err || err->status != FG_OK) return;
    fprintf(stderr, "%s:%d: status %d without an error\n", file, line, (int)status);
    abort();
}
#endif
