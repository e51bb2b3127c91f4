#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static fg_status reserve(fg_buffer *text, size_t more, fg_error *err) {
    size_t needed = text->length + more + 1;
    if (text->limit && needed > text->limit + 1)
        return fg_fail(err, FG_ERR_INPUT, "a text grows to more than %zu bytes", text->limit);
    if (needed <= text->capacity) return FG_OK;
    size_t wanted = text->capacity * 2 > needed ? text->capacity * 2 : needed + 64;
    char *larger = fg_alloc(wanted, 1, err);
    if (!larger) return FG_ERR_MEMORY;
    if (text->length) memcpy(larger, text->data, text->length);
    fg_free(text->data);
    text->data = larger;
    text->capacity = wanted;
    return FG_OK;
}

fg_status fg_buffer_add(fg_buffer *text, const void *bytes, size_t length, fg_error *err) {
    FG_CALL(reserve(text, length, err));
    if (length) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
    return FG_OK;
}

fg_status fg_buffer_printf(fg_buffer *text, fg_error *err, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    fg_status status = length < 0 ? fg_fail(err, FG_ERR_BUG, "cannot format '%s'", format)
                                  : reserve(text, (size_t)length, err);
    if (status == FG_OK) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    return status;
}

fg_status fg_buffer_put(fg_buffer *text, const char *more, fg_error *err) {
    return fg_buffer_add(text, more, strlen(more), err);
}

fg_status fg_buffer_put_u64(fg_buffer *text, uint64_t number, fg_error *err) {
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return fg_buffer_add(text, digits + at, sizeof digits - at, err);
}

void fg_buffer_clear(fg_buffer *text) {
    text->length = 0;
    if (text->data) text->data[0] = '\0';
}

void fg_buffer_free(fg_buffer *text) {
    fg_free(text->data);
    *text = (fg_buffer){0};
}

const char *fg_bytes_text(uint64_t bytes, char *buffer) {
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes;
    size_t u = 0;
    while (value >= 999.5 && u + 1 < sizeof unit / sizeof *unit) {
        value /= 1000;
        u++;
    }
    snprintf(buffer, 24, u && value < 9.95 ? "%.1f %s" : "%.0f %s", value, unit[u]);
    return buffer;
}

const char *fg_real_text(double value, char buffer[FG_REAL_TEXT]) {
    int precision = 0;
    do snprintf(buffer, FG_REAL_TEXT, "%.*e", precision, value);
    while (strtod(buffer, NULL) != value && ++precision < 17);
    long exponent = strtol(strchr(buffer, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) return buffer;
    int decimals = precision - (int)exponent;
    snprintf(buffer, FG_REAL_TEXT, "%.*f", decimals > 1 ? decimals : 1, value);
    return buffer;
}

int fg_by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool fg_ends_with(const char *name, const char *end) {
    size_t n = strlen(name), e = strlen(end);
    return n >= e && memcmp(name + n - e, end, e) == 0;
}

bool fg_starts_with(const char *name, const char *start) {
    return strncmp(name, start, strlen(start)) == 0;
}
