/* A library for LD_PRELOAD that stops the process (SIGSTOP) before it reads a file once more, so that changed.py can
 * change files at that moment.
 *
 *   HALT_FILE=NAME   the end of the path of the file
 *   HALT_NTH=N       the N-th pread of it, counted from 1
 *   HALT_RANK=R      in this rank alone
 */
#undef _FILE_OFFSET_BITS /* pread and pread64 are two functions here */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t reading(int, void *, size_t, off64_t);

static bool is_meant(int fd) {
    const char *name = getenv("HALT_FILE"), *rank = getenv("HALT_RANK"),
               *mine = getenv("OMPI_COMM_WORLD_RANK");
    char link[64], path[PATH_MAX];
    if (!name || (rank && strcmp(rank, mine ? mine : "0") != 0)) return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return false;
    path[length] = '\0';
    size_t end = strlen(name);
    return (size_t)length >= end && strcmp(path + length - end, name) == 0;
}

ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset) {
    static int calls;
    const char *nth = getenv("HALT_NTH");
    reading *next = NULL;
    *(void **)&next = dlsym(RTLD_NEXT, "pread64");
    if (is_meant(fd) && ++calls == (nth ? atoi(nth) : 1)) kill(getpid(), SIGSTOP);
    return next(fd, buffer, size, offset);
}
