#include "base/log.h"

#include <stdio.h>

static fg_log_level current = FG_LOG_NORMAL;
static bool silent, colours;
static fg_warnings warnings;

void fg_log_level_set(fg_log_level level) {
    current = level;
}

void fg_log_silence(void) {
    silent = true;
}

void fg_log_colours_set(bool shown) {
    colours = shown;
}

void fg_log_error(const char *message) {
    fprintf(stderr, "%sfgconv: error:%s %s\n", colours ? FG_BOLD_RED : "", colours ? FG_PLAIN : "", message);
}

static void print_warning(const char *line) {
    fprintf(stderr, "fgconv: warning: %s\n", line);
}

/* A warning for which there is no memory is said and not kept. */
static void warn_line(const char *format, const char *line, uint64_t more) {
    bool added = false;
    if (silent) return;
    fg_status status = fg_warnings_add_line(&warnings, format, line, more, &added, NULL);
    if (line && (added || status != FG_OK)) print_warning(line);
}

void fg_warn(const char *format, ...) {
    char line[FG_WARNING_LINE];
    va_list arguments;
    va_start(arguments, format);
    fg_warnings_format(line, format, arguments);
    va_end(arguments);
    warn_line(format, line, 0);
}

void fg_warn_all(const fg_warnings *list) {
    for (size_t i = 0; i < list->count; i++) warn_line(list->items[i].format, list->items[i].line, 0);
    for (size_t i = 0; i < list->kind_count; i++) warn_line(list->kinds[i].format, NULL, list->kinds[i].more);
}

static void say(fg_log_level level, const char *format, va_list arguments) {
    char line[FG_WARNING_LINE];
    if (silent || current < level) return;
    fg_warnings_format(line, format, arguments);
    fprintf(stderr, "%s\n", line);
}

void fg_inform(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(FG_LOG_NORMAL, format, arguments);
    va_end(arguments);
}

void fg_verbose(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(FG_LOG_VERBOSE, format, arguments);
    va_end(arguments);
}

size_t fg_log_warning_count(void) {
    size_t count = warnings.count;
    for (size_t i = 0; i < warnings.kind_count; i++) count += warnings.kinds[i].more > 0;
    return count;
}

const char *fg_log_warning(size_t index) {
    static char line[FG_WARNING_LINE];
    if (index < warnings.count) return warnings.items[index].line;
    index -= warnings.count;
    for (size_t i = 0; i < warnings.kind_count; i++) {
        if (fg_warnings_more(&warnings, i, line) && index-- == 0) return line;
    }
    return "";
}

void fg_log_end(void) {
    for (size_t i = warnings.count; i < fg_log_warning_count(); i++) print_warning(fg_log_warning(i));
    fg_warnings_free(&warnings);
}
