#include "patience.h"

#include <sched.h>
#include <time.h>

#include "base/clock.h"

/* Seconds. What comes within the first is met without the delay of a sleep, which takes some 60 microseconds
 * longer than it is told. MPI gets on with a message only while somebody looks: so no sleep is long. */
static const double AT_ONCE = 60e-6, LONGEST_SLEEP = 1e-3;
enum { SLEEPS_IN_A_WAIT = 8 };

void fg_patience_wait(fg_patience *p) {
    double now = fg_clock_seconds();
    if (p->begun == 0) p->begun = now;
    double waited = now - p->begun, sleep = waited / SLEEPS_IN_A_WAIT,
           longest = p->longest_sleep > 0 ? p->longest_sleep : LONGEST_SLEEP;
    if (waited < AT_ONCE) {
        sched_yield();
        return;
    }
    if (sleep > longest) sleep = longest;
    nanosleep(&(struct timespec){.tv_nsec = (long)(sleep * 1e9)}, NULL);
}
