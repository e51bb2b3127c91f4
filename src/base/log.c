#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static fg_log_level current = FG_LOG_NORMAL;
static bool silent, trying;
static char trial_warning[FG_LOG_LINE];
static char **warnings;
static size_t warning_count, warning_capacity;

void fg_log_level_set(fg_log_level level) {
    current = level;
}

void fg_log_silence(void) {
    silent = true;
}

static bool keep(const char *line) {
    for (size_t i = 0; i < warning_count; i++) {
        if (strcmp(warnings[i], line) == 0) return false;
    }
    char *copy = fg_strdup(line, NULL);
    if (copy && fg_grow(&warnings, warning_count, &warning_capacity, sizeof *warnings, NULL) == FG_OK) {
        warnings[warning_count++] = copy;
    } else {
        fg_free(copy); /* a warning that cannot be kept is still said */
    }
    return true;
}

void fg_warn(const char *format, ...) {
    char line[FG_LOG_LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (trying && !*trial_warning) memcpy(trial_warning, line, sizeof line);
    if (!silent && !trying && keep(line)) fprintf(stderr, "fgconv: warning: %s\n", line);
}

static void say(fg_log_level level, const char *format, va_list arguments) {
    if (silent || trying || current < level) return;
    char line[FG_LOG_LINE];
    vsnprintf(line, sizeof line, format, arguments);
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

void fg_log_trial_begin(void) {
    trying = true;
    *trial_warning = '\0';
}

void fg_log_trial_end(char first[FG_LOG_LINE]) {
    trying = false;
    memcpy(first, trial_warning, sizeof trial_warning);
}

size_t fg_log_warning_count(void) {
    return warning_count;
}

const char *fg_log_warning(size_t index) {
    return index < warning_count ? warnings[index] : "";
}

void fg_log_reset(void) {
    for (size_t i = 0; i < warning_count; i++) fg_free(warnings[i]);
    fg_free(warnings);
    warnings = NULL;
    warning_count = warning_capacity = 0;
}
