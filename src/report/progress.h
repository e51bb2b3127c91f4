/* Progress on stderr: a bar on a terminal, plain lines elsewhere.
 *
 * Invariant: at most 10 updates a second on a terminal, one line every 10 s (and one at the end) elsewhere;
 * nothing with FG_PROGRESS_NONE.
 */
#ifndef FG_REPORT_PROGRESS_H
#define FG_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fg_progress {
    const char *what; /* "writing", "proving" */
    bool bar, lines;
    double begun, shown; /* seconds, CLOCK_MONOTONIC */
    uint64_t total;      /* bytes; 0: unknown */
} fg_progress;

typedef enum fg_progress_style {
    FG_PROGRESS_NONE = 0,
    FG_PROGRESS_AUTO, /* a bar on a terminal, lines elsewhere */
    FG_PROGRESS_BAR,
    FG_PROGRESS_LINES
} fg_progress_style;

void fg_progress_begin(fg_progress *progress, const char *what, uint64_t total, fg_progress_style style);
void fg_progress_update(fg_progress *progress, uint64_t done); /* cheap when nothing is due */
void fg_progress_end(fg_progress *progress, uint64_t done);    /* draws the last state and ends the line */

#endif
