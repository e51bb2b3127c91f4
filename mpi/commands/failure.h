/* How a run that failed ends: one message, from rank 0 where it can, before the launcher ends the others.
 */
#ifndef FG_MPI_COMMANDS_FAILURE_H
#define FG_MPI_COMMANDS_FAILURE_H

#include "base/error.h"

/* Milliseconds that rank 0 has for cleaning up before another rank ends and the launcher ends them all. */
enum { FG_OTHERS_DELAY = 400 };

/* `status`; FG_ERR_BUG for a failure that no error explains, which agreeing ranks would take for success. */
fg_status fg_failure_said(fg_status status, fg_error *err);
/* The error, on stderr. */
void fg_failure_print(const fg_error *err);
/* The last line of a run on several ranks, whose launcher then prints some lines of its own. */
void fg_failure_close(void);
/* Rank 0 of a run that --ranks started and that failed in order: tells the fgconv that started it the exit
 * code. All ranks then return 0: of one that does not, Open MPI's daemons wait for the end for seconds,
 * though it has ended (two nodes: 7.7 s). */
void fg_failure_send(fg_status status);
/* Ends a process that cannot go on and has started nothing. Of several with the same trouble the one with the
 * lowest rank prints it: each waits for those below it, and is ended by the launcher meanwhile. */
void fg_failure_exit(const fg_error *err, int rank) __attribute__((noreturn));

#endif
