#define _GNU_SOURCE /* environ */
#include "commands/start.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "commands/failure.h"
#include "device/blas_core.h"
#include "device/blas_memory.h"
#include "dump.h"
#include "interrupt.h"

/* ---- before main ---- */

/* What nested files and patterns may take of the stack, and what it usually has. */
static const rlim_t LEAST_STACK = 512 << 10, USUAL_STACK = 8 << 20;

/* The stack grows up to the limit of the moment, which a process may raise as far as its hard limit. */
static fg_status raise_stack_limit(fg_error *err) {
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) || stack.rlim_cur >= USUAL_STACK) return FG_OK;
    stack.rlim_cur = fg_min(stack.rlim_max, USUAL_STACK);
    if (stack.rlim_cur >= LEAST_STACK && setrlimit(RLIMIT_STACK, &stack) == 0) return FG_OK;
    fg_fail(err, FG_ERR_MEMORY, "out of memory: the stack is limited to %llu KiB, and fgconv needs %llu KiB",
            (unsigned long long)stack.rlim_cur >> 10, (unsigned long long)LEAST_STACK >> 10);
    return fg_hint(err, "raise the limit of the stack (ulimit -s)");
}

/* Environment and streams are all that is there yet. */
static void before_libraries(int argc, char **argv, char **variables) {
    (void)argc;
    environ = variables;
    fg_error err = {0};
    if (raise_stack_limit(&err) != FG_OK) fg_failure_exit(&err, fg_launch_read().rank);
    /* one more for the first product, and as much for everything else */
    if (fg_blas_memory_fits(fg_blas_memory_threads() + 2)) return;
    const char *threads = getenv(FG_BLAS_THREADS_VARIABLE);
    bool one = threads && strcmp(threads, "1") == 0;
    if (!one && setenv(FG_BLAS_THREADS_VARIABLE, "1", 1) == 0) execv("/proc/self/exe", argv);
    if (fg_blas_memory_fits(1)) return;
    fg_blas_memory_refuse(&err);
    fg_failure_exit(&err, fg_launch_read().rank);
}
__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **,
                                                                            char **) = before_libraries;

/* ---- in main ---- */

/* A stream that the caller closed would lend its number to the next file, and what is printed would go there.
 * It stays a failure to use it: what is printed to stands open for reading, and the other way about. */
static void keep_streams_apart(void) {
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void fg_start_process(void) {
    keep_streams_apart();
    const char *core = fg_blas_core_advice();
    if (core) fg_blas_core_take(core); /* if it cannot, the run is slower */
}

void fg_start_alone(bool writes) {
    signal(SIGXFSZ, SIG_IGN);
    if (writes) signal(SIGPIPE, SIG_IGN);
}

/* ---- MPI ---- */

/* The rank of a process that is inside of MPI_Init, which has no arguments for those it calls; else -1. */
static int starting = -1;

/* Measured: MPI takes 200 to 400 MB of address space, and a file of 4 MiB for memory that ranks share. One of
 * its ways to end a process that has less leaves no time for a message. */
static const size_t MPI_BYTES = 384 << 20, MPI_FILE = (4 << 20) + (64 << 10);

static fg_status check_limits(fg_error *err) {
    struct rlimit files;
    if (!fg_alloc_fits(MPI_BYTES)) {
        fg_fail(err, FG_ERR_MEMORY, "out of memory: MPI needs %zu MiB of address space", MPI_BYTES >> 20);
        return fg_hint(err, "raise the limit of virtual memory (ulimit -v)");
    }
    if (getrlimit(RLIMIT_FSIZE, &files) || files.rlim_cur >= MPI_FILE) return FG_OK;
    fg_fail(err, FG_ERR_SYSTEM, "files can have %llu bytes at most, and MPI needs one of %zu",
            (unsigned long long)files.rlim_cur, MPI_FILE);
    return fg_hint(err, "raise the limit of file sizes (ulimit -f)");
}

/* MPI_Init ends the process where it fails. */
static void at_exit(void) {
    if (starting < 0) return;
    fg_error err = {0};
    fg_fail(&err, FG_ERR_SYSTEM, "MPI cannot start");
    fg_hint(&err, "look at what it says above: memory (ulimit -v), open files (ulimit -n), TMPDIR");
    fg_failure_exit(&err, starting);
}

fg_status fg_start_ranks(fg_ranks *ranks, const fg_launch *launch, const char *dump, int *argc, char ***argv,
                         fg_error *err) {
    FG_CALL(fg_interrupt_start(launch->size != 1 || launch->watched, err));
    if (dump) FG_CALL(fg_dump_prepare(err));
    if (launch->size != 1) FG_CALL(check_limits(err));
    if (atexit(at_exit) == 0) starting = launch->rank;
    fg_status status = fg_ranks_start(ranks, launch, argc, argv, err);
    starting = -1;
    return status;
}
