/* Threads that take part in large reads. One thread copies some 7 GB/s out of the page cache; who has nothing
 * to do but read, as a rank that feeds a GPU, is several times as fast with some others.
 *
 * They read ahead of their caller and decide nothing: whatever they did not get, for whatever reason, the
 * caller reads itself, and so finds what is wrong. One pool of threads for a process, used by one thread.
 */
#ifndef FG_BASE_READ_THREADS_H
#define FG_BASE_READ_THREADS_H

#include <stddef.h>
#include <stdint.h>

enum { FG_READ_THREADS_MOST = 8 };

/* Bytes [offset, offset + size) of the open file are to be at `to`; the first `got` of them are. */
typedef struct fg_read_part {
    int fd;
    char *to;
    size_t size, got;
    uint64_t offset;
} fg_read_part;

/* From now on large reads are shared by so many threads, the caller among them, or by as many as can be
 * started; 0 or 1: none. */
void fg_read_threads_set(unsigned threads);
/* Cuts a read into parts, and reads them. Returns their number; 0: the caller reads alone. */
size_t fg_read_threads_read(int fd, void *to, size_t size, uint64_t offset,
                            fg_read_part parts[FG_READ_THREADS_MOST]);

#endif
