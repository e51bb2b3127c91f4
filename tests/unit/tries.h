/* How much of a test is done. With FGCONV_FEW_TRIES some of those tries are left out that are alike, what is
 * large is smaller, and limits of time are longer: in the plain suite, which is to end soon (with sanitizers
 * all are done), and under valgrind, where all takes some 50 times as long. */
#ifndef FG_TEST_TRIES_H
#define FG_TEST_TRIES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static inline bool tries_are_few(void) {
    return getenv("FGCONV_FEW_TRIES") != NULL;
}

/* The number of the try after the one with the number n. */
static inline uint64_t next_try(uint64_t n) {
    return n + 1 + (tries_are_few() ? n / 4 : 0);
}

/* Of something large, or of many. */
static inline uint64_t share_of(uint64_t whole) {
    return tries_are_few() ? whole / 16 : whole;
}

static inline double seconds_allowed(double seconds) {
    return tries_are_few() ? 60 * seconds : seconds;
}

#endif
