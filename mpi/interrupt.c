#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Known to the thread that waits for signals, which has no arguments to get them by. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fg_stage *guarded; /* under the lock, as what follows */
static const char *guarded_files[FG_GUARDED_FILES];
static unsigned guarded_file_count;
static atomic_uint delay_ms;
static atomic_int finished = -1; /* the exit code of a run that is over */

static void wait_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP); /* the terminal went away */
}

/* A signal that comes after the rename stops a run whose result is there. */
static void say_goodbye(int which) {
    const char *outcome = !guarded                      ? ""
                          : fg_stage_published(guarded) ? "; the destination is complete"
                                                        : "; nothing was published";
    fprintf(stderr, "\nfgconv: stopped by %s%s\n",
            which == SIGINT   ? "SIGINT"
            : which == SIGHUP ? "SIGHUP"
                              : "SIGTERM",
            outcome);
}

static void *watch(void *unused) {
    (void)unused;
    sigset_t set;
    int which = 0;
    wait_signals(&set);
    while (sigwait(&set, &which)) {
    }
    if (atomic_load(&finished) >= 0) _exit(atomic_load(&finished));
    unsigned delay = atomic_load(&delay_ms);
    if (delay)
        nanosleep(&(struct timespec){.tv_sec = delay / 1000, .tv_nsec = (long)(delay % 1000) * 1000000},
                  NULL);
    pthread_mutex_lock(&lock); /* kept: what the main thread does next waits here until the process ends */
    if (guarded) fg_stage_abandon(guarded);
    for (unsigned i = 0; i < guarded_file_count; i++) fg_file_remove(guarded_files[i]);
    if (!delay) say_goodbye(which);
    _exit(which == SIGINT ? FG_STOPPED_INT : FG_STOPPED_TERM);
}

fg_status fg_interrupt_start(fg_error *err) {
    sigset_t set;
    pthread_t thread;
    /* a closed pipe and a file above `ulimit -f` are failed writes, which clean up after themselves */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    wait_signals(&set);
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (!failed) failed = pthread_create(&thread, NULL, watch, NULL);
    if (!failed) failed = pthread_detach(thread);
    return failed ? fg_fail_errno(err, failed, "cannot start the thread that waits for signals") : FG_OK;
}

void fg_interrupt_guard(fg_stage *stage) {
    pthread_mutex_lock(&lock);
    guarded = stage;
    pthread_mutex_unlock(&lock);
}

void fg_interrupt_hold(void) {
    pthread_mutex_lock(&lock);
}

void fg_interrupt_release(void) {
    pthread_mutex_unlock(&lock);
}

void fg_interrupt_guard_file(const char *path) {
    if (guarded_file_count < FG_GUARDED_FILES) guarded_files[guarded_file_count++] = path;
}

void fg_interrupt_forget_files(void) {
    guarded_file_count = 0;
}

void fg_interrupt_delay(unsigned milliseconds) {
    atomic_store(&delay_ms, milliseconds);
}

void fg_interrupt_finish(fg_status status) {
    atomic_store(&finished, (int)status);
}
