/* What the program says while it runs. The only global state of the library.
 *
 * Invariant: the library says things through here and nowhere else; errors are not said but returned.
 * Warnings are kept, so that the report can hold them. Ranks other than 0 keep silent (fg_log_silence), their
 * warnings are dropped.
 */
#ifndef FG_BASE_LOG_H
#define FG_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

typedef enum fg_log_level {
    FG_LOG_QUIET = 0,  /* nothing but warnings */
    FG_LOG_NORMAL = 1, /* what users need */
    FG_LOG_VERBOSE = 2,
} fg_log_level;

void fg_log_level_set(fg_log_level level);
void fg_log_silence(void);

void fg_warn(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* stderr: "fgconv: warning: ..." */
void fg_inform(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* stderr, FG_LOG_NORMAL */
void fg_verbose(const char *format, ...) __attribute__((format(printf, 1, 2))); /* stderr, FG_LOG_VERBOSE */

/* The warnings so far, in order, each without prefix; equal ones are kept once. Borrowed. */
size_t fg_log_warning_count(void);
const char *fg_log_warning(size_t index);
/* Between the two nothing is said or kept: what is only tried may warn of what never happens. `first` gets
 * the first warning that was held back, "" if there was none. */
void fg_log_trial_begin(void);
enum { FG_LOG_LINE = 1024 };
void fg_log_trial_end(char first[FG_LOG_LINE]);
/* Warnings between the two wait: they are said at the end, or forgotten. What is refused has nothing else to
 * warn of. */
void fg_log_hold_begin(void);
void fg_log_hold_end(bool say);
void fg_log_reset(void); /* forgets the warnings (tests, end of main) */

#endif
