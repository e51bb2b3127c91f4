#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error_json.h"

/* Known to the thread that waits for signals, which has no arguments to get them by. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fg_stage *guarded; /* under the lock, as what follows */
static fg_journal *guarded_journal;
static const char *guarded_files[FG_GUARDED_FILES];
static unsigned guarded_file_count;
static atomic_uint delay_ms;
static atomic_int finished = -1; /* the exit code of a run that is over */
static pid_t launcher;           /* known before the thread begins; 0: none */
static FILE *document_out;       /* with --json; NULL: none */
static const bool *document_printed;

/* Between two looks at the launcher. Open MPI ends a rank a second after it lost its launcher, and then
 * nobody removes what is half written. */
static const struct timespec LAUNCHER_LOOK = {.tv_nsec = 250000000};

/* Those that end a run: from people, launchers and batch systems, and for time that is used up. */
static const struct {
    int number;
    const char *name;
} signals[] = {{SIGINT, "SIGINT"},   {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"},  {SIGUSR1, "SIGUSR1"},
               {SIGUSR2, "SIGUSR2"}, {SIGALRM, "SIGALRM"}, {SIGXCPU, "SIGXCPU"}};

enum { SIGNALS = sizeof signals / sizeof *signals };

static void wait_signals(sigset_t *set) {
    sigemptyset(set);
    for (int i = 0; i < SIGNALS; i++) sigaddset(set, signals[i].number);
}

const char *fg_interrupt_name(int signal) {
    for (int i = 0; i < SIGNALS; i++)
        if (signals[i].number == signal) return signals[i].name;
    return strsignal(signal);
}

/* 0: no signal. */
static const char *name_of(int which) {
    return which ? fg_interrupt_name(which) : "the end of its launcher";
}

/* A signal that comes after the rename stops a run whose result is there. */
static const char *what_is_left(void) {
    if (!guarded) return "";
    if (fg_stage_published(guarded)) return "; the destination is complete";
    return guarded->keeps ? "; nothing was published; --resume continues " : "; nothing was published";
}

static void say_goodbye(int which) {
    fg_error stopped = {0};
    bool keeps = guarded && !fg_stage_published(guarded) && guarded->keeps;
    fg_fail(&stopped, (fg_status)(128 + (which ? which : SIGTERM)), "stopped by %s%s%s", name_of(which),
            what_is_left(), keeps ? guarded->partial : "");
    fprintf(stderr, "\nfgconv: %s\n", stopped.text);
    if (document_out && !*document_printed) fg_error_json(&stopped, document_out);
}

static void flush_journal(void) {
    pthread_mutex_lock(&lock);
    if (guarded_journal) fg_journal_flush_last(guarded_journal);
    pthread_mutex_unlock(&lock);
}

/* A signal, or 0 when the launcher has ended: a process whose parent is gone gets another. */
static int wait_end(const sigset_t *set) {
    for (;;) {
        int which = launcher ? sigtimedwait(set, NULL, &LAUNCHER_LOOK) : sigwaitinfo(set, NULL);
        if (which > 0) return which;
        if (launcher && getppid() != launcher) return 0;
    }
}

static void *watch(void *unused) {
    (void)unused;
    sigset_t set;
    wait_signals(&set);
    int which = wait_end(&set);
    if (atomic_load(&finished) >= 0) _exit(atomic_load(&finished));
    unsigned delay = atomic_load(&delay_ms);
    if (delay) {
        flush_journal();
        nanosleep(&(struct timespec){.tv_sec = delay / 1000, .tv_nsec = (long)(delay % 1000) * 1000000},
                  NULL);
    }
    pthread_mutex_lock(&lock); /* kept: what the main thread does next waits here until the process ends */
    if (guarded) fg_stage_abandon(guarded);
    for (unsigned i = 0; i < guarded_file_count; i++) fg_file_remove(guarded_files[i]);
    if (!delay) say_goodbye(which);
    if (!delay && guarded_journal) fg_journal_flush_last(guarded_journal);
    _exit(128 + (which ? which : SIGTERM));
}

fg_status fg_interrupt_start(bool launched, fg_error *err) {
    sigset_t set;
    pthread_t thread;
    /* a closed pipe and a file above `ulimit -f` are failed writes, which clean up after themselves */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    wait_signals(&set);
    launcher = launched ? getppid() : 0;
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (!failed) failed = pthread_create(&thread, NULL, watch, NULL);
    if (!failed) failed = pthread_detach(thread);
    return failed ? fg_fail_errno(err, failed, "cannot start the thread that waits for signals") : FG_OK;
}

void fg_interrupt_document(FILE *out, const bool *printed) {
    document_printed = printed;
    document_out = out;
}

void fg_interrupt_guard(fg_stage *stage) {
    pthread_mutex_lock(&lock);
    guarded = stage;
    pthread_mutex_unlock(&lock);
}

void fg_interrupt_guard_journal(fg_journal *journal) {
    pthread_mutex_lock(&lock);
    guarded_journal = journal;
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
