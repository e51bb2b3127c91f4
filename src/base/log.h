/* What the program says while it runs. The only global state of the library.
 *
 * Invariant: the library says things through here and nowhere else; errors are not said but returned.
 * What is said fits a terminal whatever file it quotes (base/visible_text.h). Warnings are kept, so that the
 * report can hold them; of a kind the first ones are said and kept, and the others counted (base/warnings.h).
 * Ranks other than 0 keep silent (fg_log_silence), their warnings are dropped.
 */
#ifndef FG_BASE_LOG_H
#define FG_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/warnings.h"

/* What switches a terminal. */
#define FG_BOLD "\033[1m"
#define FG_BOLD_RED "\033[1;31m"
#define FG_PLAIN "\033[0m"

typedef enum fg_log_level {
    FG_LOG_QUIET = 0,  /* nothing but warnings */
    FG_LOG_NORMAL = 1, /* what users need */
    FG_LOG_VERBOSE = 2,
} fg_log_level;

void fg_log_level_set(fg_log_level level);
void fg_log_silence(void);
/* Whether stderr shows colours: of FG_BOLD_RED and its kin, else of nothing. */
void fg_log_colours_set(bool colours);
/* stderr: "fgconv: error: ...", whatever the level and on every rank. Only for main's side. */
void fg_log_error(const char *message);

void fg_warn(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* stderr: "fgconv: warning: ..." */
/* Each of a list. */
void fg_warn_all(const fg_warnings *warnings);
void fg_inform(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* stderr, FG_LOG_NORMAL */
void fg_verbose(const char *format, ...) __attribute__((format(printf, 1, 2))); /* stderr, FG_LOG_VERBOSE */

/* The warnings so far, in order, each without prefix; behind them a line for each kind that has more than
 * were kept. Borrowed until the next call. */
size_t fg_log_warning_count(void);
const char *fg_log_warning(size_t index);

/* Says how many warnings of each kind were not said, and forgets them all: the end of main, tests. */
void fg_log_end(void);

#endif
