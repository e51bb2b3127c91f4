/* Linked into the program of a coverage build: counts what is left by _exit and MPI_Abort, too.
 *
 * gcov writes its counters when a process ends by exit. The thread that waits for signals, and errors before MPI
 * is there, end by _exit; a failed run on several ranks by MPI_Abort. The linker leads both here (--wrap).
 *
 * gcov's own lock does not cover exit: a signal that arrives while the main thread returns from main (a launcher
 * sends one as soon as another rank has failed) would write the counters a second time at the same moment, with the
 * same buffers, and damage the files ("Merge mismatch"). The first thread that ends the process is the only one.
 *
 * What makes single calls fail (tests/faults/fail_calls.c) stops before gcov opens its files: these are not the
 * program's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

#include <mpi.h>

extern void __gcov_dump(void);
extern void __real__exit(int code) __attribute__((noreturn));
extern int __real_MPI_Abort(MPI_Comm communicator, int code);
void __wrap__exit(int code) __attribute__((noreturn));
int __wrap_MPI_Abort(MPI_Comm communicator, int code);

/* Recursive: MPI_Abort calls exit. Never unlocked: another thread waits here until the process ends. */
static pthread_mutex_t ending = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static void stop_faults(bool print) {
    void *found = dlsym(RTLD_DEFAULT, "fg_fail_calls_stop");
    void (*stop)(bool);
    *(void **)&stop = found;
    if (found) stop(print);
}

void __wrap__exit(int code) {
    pthread_mutex_lock(&ending);
    stop_faults(false);
    __gcov_dump();
    __real__exit(code);
}

int __wrap_MPI_Abort(MPI_Comm communicator, int code) {
    pthread_mutex_lock(&ending);
    stop_faults(false);
    __gcov_dump();
    return __real_MPI_Abort(communicator, code);
}

/* Before gcov's own destructor, which has the priority 100. */
__attribute__((destructor)) static void end(void) {
    pthread_mutex_lock(&ending);
    stop_faults(true);
}
