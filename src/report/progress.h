/* Progress on stderr: a bar for terminals, plain lines for logs, JSON for programs.
 *
 * Invariant: at most 10 updates a second of a bar, one line every 10 s (and one at the end), one JSON object
 * at the beginning, every second and at the end; nothing with FG_PROGRESS_NONE.
 */
#ifndef FG_REPORT_PROGRESS_H
#define FG_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum fg_progress_style {
    FG_PROGRESS_NONE = 0,
    FG_PROGRESS_AUTO, /* one of the others, which the program chooses before it begins */
    FG_PROGRESS_BAR,
    FG_PROGRESS_LINES,
    FG_PROGRESS_JSON
} fg_progress_style;

typedef struct fg_progress {
    const char *what; /* "writing", "proving" */
    fg_progress_style style;
    double begun, shown; /* seconds, CLOCK_MONOTONIC */
    uint64_t total;      /* bytes; 0: unknown */
} fg_progress;

void fg_progress_begin(fg_progress *progress, const char *what, uint64_t total, fg_progress_style style);
void fg_progress_update(fg_progress *progress, uint64_t done); /* cheap when nothing is due */
void fg_progress_end(fg_progress *progress, uint64_t done);    /* draws the last state and ends the line */

#endif
