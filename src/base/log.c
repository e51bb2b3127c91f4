#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static fg_log_level current = FG_LOG_NORMAL;
static bool silent, trying, holding;
static char trial_warning[FG_LOG_LINE];
static char **warnings;
static size_t warning_count, warning_capacity, held_from;

void fg_log_level_set(fg_log_level level) {
    current = level;
}

void fg_log_silence(void) {
    silent = true;
}

static bool is_kept(const char *line) {
    for (size_t i = 0; i < warning_count; i++) {
        if (strcmp(warnings[i], line) == 0) return true;
    }
    return false;
}

static bool keep(const char *line) {
    char *copy = fg_strdup(line, NULL);
    if (copy && fg_grow(&warnings, warning_count, &warning_capacity, sizeof *warnings, NULL) == FG_OK) {
        warnings[warning_count++] = copy;
        return true;
    }
    fg_free(copy);
    return false;
}

static void print_warning(const char *line) {
    fprintf(stderr, "fgconv: warning: %s\n", line);
}

void fg_warn(const char *format, ...) {
    char line[FG_LOG_LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (trying && !*trial_warning) memcpy(trial_warning, line, sizeof line);
    if (silent || trying || is_kept(line)) return;
    bool kept = keep(line);
    if (!holding || !kept) print_warning(line); /* one that cannot be kept is still said */
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

void fg_log_hold_begin(void) {
    holding = true;
    held_from = warning_count;
}

void fg_log_hold_end(bool say) {
    holding = false;
    for (size_t i = held_from; i < warning_count; i++) {
        if (say)
            print_warning(warnings[i]);
        else
            fg_free(warnings[i]);
    }
    if (!say) warning_count = held_from;
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
