/* A list of warnings that does not grow with what it is about: of a kind the first FG_WARNINGS_OF_A_KIND are
 * kept and the others counted; equal ones are kept once. A kind is a format.
 *
 * The log (base/log.h) keeps what was said in one. Others wait until what they are about has succeeded: what
 * is refused, or only tried, warns of nothing.
 *
 * Invariant: the lines are in the order in which they were added, and fit a terminal (base/visible_text.h).
 */
#ifndef FG_BASE_WARNINGS_H
#define FG_BASE_WARNINGS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { FG_WARNINGS_OF_A_KIND = 10, FG_WARNING_LINE = 1024 /* bytes */ };

typedef struct fg_warning {
    const char *format; /* a literal */
    char *line;         /* owned */
} fg_warning;

typedef struct fg_warning_kind {
    const char *format;
    size_t first, kept; /* its first line among the items; how many it has there */
    uint64_t more;      /* that were not kept */
} fg_warning_kind;

/* Start from zeros. */
typedef struct fg_warnings {
    fg_warning *items; /* owned */
    size_t count, capacity;
    fg_warning_kind *kinds; /* owned; in the order of their first lines */
    size_t kind_count, kind_capacity;
} fg_warnings;

/* `warnings` NULL: nobody wants them. The format must be a literal. */
fg_status fg_warnings_add(fg_warnings *warnings, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A line that was made with `format` (NULL: none), and `more` of its kind that were not kept. *added: it is
 * kept, and was not yet. */
fg_status fg_warnings_add_line(fg_warnings *warnings, const char *format, const char *line, uint64_t more,
                               bool *added, fg_error *err);
/* Makes a line of a format, cut to fit. */
void fg_warnings_format(char line[FG_WARNING_LINE], const char *format, va_list arguments);
/* Says in a line how many of a kind were not kept; false: all were. */
bool fg_warnings_more(const fg_warnings *warnings, size_t kind, char line[FG_WARNING_LINE]);
void fg_warnings_free(fg_warnings *warnings);

#endif
