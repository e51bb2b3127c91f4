#include "base/read_threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

/* Below, waking the others takes longer than it saves. */
enum { LEAST_PART = 256 << 10, PAGE = 4096 };

static struct {
    pthread_t threads[FG_READ_THREADS_MOST - 1];
    unsigned count; /* without the caller */
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
    /* under the lock: */
    fg_read_part *parts;
    size_t left, busy; /* parts that nobody has taken, that somebody reads */
    bool ends;
} pool = {
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
    while (pool.left) {
        fg_read_part *part = &pool.parts[--pool.left];
        pool.busy++;
        pthread_mutex_unlock(&pool.lock);
        read_part(part);
        pthread_mutex_lock(&pool.lock);
        if (--pool.busy == 0 && !pool.left) pthread_cond_signal(&pool.done);
    }
}

static void *helper(void *unused) {
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    while (!pool.ends) {
        read_parts();
        if (!pool.ends) pthread_cond_wait(&pool.wanted, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

static void dismiss(void) {
    pthread_mutex_lock(&pool.lock);
    pool.ends = true;
    pthread_cond_broadcast(&pool.wanted);
    pthread_mutex_unlock(&pool.lock);
    while (pool.count) pthread_join(pool.threads[--pool.count], NULL);
    pool.ends = false;
}

/* Signals are for the threads that know what to do with them. */
static void start_helpers(unsigned count) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (pool.count < count && pthread_create(&pool.threads[pool.count], NULL, helper, NULL) == 0)
        pool.count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fg_read_threads_set(unsigned threads) {
    dismiss();
    if (threads > FG_READ_THREADS_MOST) threads = FG_READ_THREADS_MOST;
    if (threads > 1) start_helpers(threads - 1);
}

size_t fg_read_threads_read(int fd, void *to, size_t size, uint64_t offset,
                            fg_read_part parts[FG_READ_THREADS_MOST]) {
    size_t count = size / LEAST_PART, most = pool.count + 1;
    if (count > most) count = most;
    if (count < 2) return 0;
    size_t each = (size / count + PAGE - 1) / PAGE * PAGE;
    for (size_t i = 0; i < count; i++) {
        size_t first = i * each, end = i + 1 < count ? first + each : size;
        parts[i] =
            (fg_read_part){.fd = fd, .to = (char *)to + first, .size = end - first, .offset = offset + first};
    }
    pthread_mutex_lock(&pool.lock);
    pool.parts = parts;
    pool.left = count;
    pthread_cond_broadcast(&pool.wanted);
    read_parts();
    while (pool.left || pool.busy) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    return count;
}
