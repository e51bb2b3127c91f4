/* The time of day as text, and seconds that pass. */
#ifndef FG_BASE_CLOCK_H
#define FG_BASE_CLOCK_H

enum { FG_CLOCK_TEXT = 32 };

/* Now, as ISO 8601 in UTC with seconds; "" if it cannot be told. `buffer` is returned. */
const char *fg_clock_text(char buffer[FG_CLOCK_TEXT]);

/* Seconds of a clock that is never set (CLOCK_MONOTONIC). */
double fg_clock_seconds(void);

#endif
