#include "base/clock.h"

#include <time.h>

const char *fg_clock_text(char buffer[FG_CLOCK_TEXT]) {
    time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) || !strftime(buffer, FG_CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &utc))
        buffer[0] = '\0';
    return buffer;
}

double fg_clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
