/* Stopping by a signal: SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM and SIGXCPU end the run at once,
 * on every rank, and leave nothing half-written but what --resume continues.
 *
 * A thread of its own waits for the signals, so that it makes no difference what the main thread is doing (a
 * long fsync, a matrix product, waiting for another rank). On rank 0 it removes DST.partial, or keeps it with
 * its journal; then the process ends with 128 + the number of the signal. mpirun and Slurm send the signal to
 * every rank; a signal that reaches one rank alone ends the others through the launcher. The end of the
 * launcher itself (mpirun, or its daemon on this node) is taken for SIGTERM.
 */
#ifndef FG_MPI_INTERRUPT_H
#define FG_MPI_INTERRUPT_H

#include <stdio.h>

#include "copy/journal.h"
#include "copy/publish.h"

/* Blocks the signals in this thread (and those it starts) and starts the thread that waits for them. Signals
 * that stand for a failed write (SIGPIPE, SIGXFSZ) are ignored from here on. Before MPI_Init.
 * `launched`: by a launcher, whose end ends this process, too. */
fg_status fg_interrupt_start(bool launched, fg_error *err);
/* With --json: where a signal prints what it did as an error (base/error_json.h), unless `printed` says that
 * a document was printed. Borrowed; before the thread starts. */
void fg_interrupt_document(FILE *out, const bool *printed);
/* The stage that a signal has to abandon; NULL: none. Set on rank 0 while DST.partial exists. */
void fg_interrupt_guard(fg_stage *stage);
/* The journal that a signal has to flush; NULL: none. Set on every rank while it is open. */
void fg_interrupt_guard_journal(fg_journal *journal);
/* Files that this run makes and a signal has to remove, on rank 0. A file is made, or kept, and put on the
 * list, or taken off it, between hold and release: a signal that comes meanwhile waits. Paths are
 * borrowed. */
enum { FG_GUARDED_FILES = 3 };
void fg_interrupt_hold(void);
void fg_interrupt_release(void);
void fg_interrupt_guard_file(const char *path); /* held */
void fg_interrupt_forget_files(void);           /* held */
/* Ranks other than 0 wait this long before they end, so that rank 0 has removed DST.partial before the
 * launcher kills it; they say nothing. */
void fg_interrupt_delay(unsigned milliseconds);
/* The run is over and has said what there is to say. A signal that comes later (a launcher sends one as soon
 * as another rank has ended with an error) ends the process with `status` and says nothing. */
void fg_interrupt_finish(fg_status status);
/* "SIGTERM"; of other signals than those above what libc calls them. */
const char *fg_interrupt_name(int signal);

#endif
