#include "commands/failure.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/error_message.h"
#include "base/log.h"
#include "launcher_text.h"

/* Milliseconds in which a launcher has ended all other ranks; of many ranks the last ones do not wait for all
 * others. */
enum { ENDED_BY = 2000, WAITS_FOR = 10 };

static void sleep_ms(long milliseconds) {
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000},
              NULL);
}

fg_status fg_failure_said(fg_status status, fg_error *err) {
    if (status == FG_OK || err->status != FG_OK) return status;
    return fg_fail(err, FG_ERR_BUG, "the command failed with status %d, and no reason was recorded",
                   (int)status);
}

void fg_failure_print(const fg_error *err) {
    char message[FG_ERROR_MESSAGE];
    fg_error_message(err, message);
    fg_log_error(message);
    if (err->status == FG_ERR_BUG)
        fprintf(stderr,
                "fgconv: this is a defect of fgconv itself; please report it with the command line\n");
}

void fg_failure_close(void) {
    fprintf(stderr, "fgconv: what the launcher prints next is about this error\n");
}

void fg_failure_send(fg_status status) {
    fprintf(stderr, FG_EXIT_LINE "%d\n", (int)status);
}

void fg_failure_exit(const fg_error *err, int rank) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none,
                NULL); /* the launcher's: the thread that waits for signals may be missing */
    sleep_ms((rank < WAITS_FOR ? rank : WAITS_FOR) * ENDED_BY);
    fg_failure_print(err);
    _exit(err->status);
}
