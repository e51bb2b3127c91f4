#include "base/read_team.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

/* Below, waking the others takes longer than it saves. */
enum { LEAST_PART = 256 << 10, PAGE = 4096 };

static struct {
    pthread_t threads[FG_READ_TEAM_MOST - 1];
    unsigned count; /* without the caller */
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
    /* under the lock: */
    fg_read_part *parts;
    size_t left, busy; /* parts that nobody has taken, that somebody reads */
    bool ends;
} team = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static void read_part(fg_read_part *part) {
    while (part->got < part->size) {
        ssize_t got =
            pread(part->fd, part->to + part->got, part->size - part->got, (off_t)(part->offset + part->got));
        if (got <= 0) return;
        part->got += (size_t)got;
    }
}

/* Reads parts as long as there are some; called and left with the lock. */
static void read_parts(void) {
    while (team.left) {
        fg_read_part *part = &team.parts[--team.left];
        team.busy++;
        pthread_mutex_unlock(&team.lock);
        read_part(part);
        pthread_mutex_lock(&team.lock);
        if (--team.busy == 0 && !team.left) pthread_cond_signal(&team.done);
    }
}

static void *helper(void *unused) {
    (void)unused;
    pthread_mutex_lock(&team.lock);
    while (!team.ends) {
        read_parts();
        if (!team.ends) pthread_cond_wait(&team.wanted, &team.lock);
    }
    pthread_mutex_unlock(&team.lock);
    return NULL;
}

static void dismiss(void) {
    pthread_mutex_lock(&team.lock);
    team.ends = true;
    pthread_cond_broadcast(&team.wanted);
    pthread_mutex_unlock(&team.lock);
    while (team.count) pthread_join(team.threads[--team.count], NULL);
    team.ends = false;
}

/* Signals are for the threads that know what to do with them. */
static void start_helpers(unsigned count) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (team.count < count && pthread_create(&team.threads[team.count], NULL, helper, NULL) == 0)
        team.count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fg_read_team_set(unsigned threads) {
    dismiss();
    if (threads > FG_READ_TEAM_MOST) threads = FG_READ_TEAM_MOST;
    if (threads > 1) start_helpers(threads - 1);
}

size_t fg_read_team_read(int fd, void *to, size_t size, uint64_t offset,
                         fg_read_part parts[FG_READ_TEAM_MOST]) {
    size_t count = size / LEAST_PART, most = team.count + 1;
    if (count > most) count = most;
    if (count < 2) return 0;
    size_t each = (size / count + PAGE - 1) / PAGE * PAGE;
    for (size_t i = 0; i < count; i++) {
        size_t first = i * each, end = i + 1 < count ? first + each : size;
        parts[i] =
            (fg_read_part){.fd = fd, .to = (char *)to + first, .size = end - first, .offset = offset + first};
    }
    pthread_mutex_lock(&team.lock);
    team.parts = parts;
    team.left = count;
    pthread_cond_broadcast(&team.wanted);
    read_parts();
    while (team.left || team.busy) pthread_cond_wait(&team.done, &team.lock);
    pthread_mutex_unlock(&team.lock);
    return count;
}
