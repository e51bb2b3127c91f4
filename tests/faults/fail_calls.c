/* A library for LD_PRELOAD that makes one call of the program fail, chosen by the chain of its callers. sweep.py
 * drives it by environment variables:
 *
 *   FAULT_RECORD=FILE    at the end of the process, appends to FILE.RANK a line for each block of memory and
 *                        file that is still held and, without FAULT_CALL, a line for each place: call, place,
 *                        how often, the callers.
 *   FAULT_CALL=NAME      the call that fails, such as pread,
 *   FAULT_PLACE=HASH     at this place (from a record; 0: any),
 *   FAULT_NTH=N          the N-th time, counted from 1,
 *   FAULT_ONWARD=1       and each time after that (at whatever place),
 *   FAULT_AS=E           an error number, or "short" or "zero" for a count that is smaller,
 *   FAULT_RANK=R         in this rank alone,
 *   FAULT_HIT=FILE       gets a line with the paths that are in question, each time (up to 100).
 *
 * A place is the chain of callers inside the program itself. Calls that MPI and other libraries make for
 * themselves are left alone; those of libc, jansson, libyaml and PCRE2 on behalf of the program are not.
 */
#undef _FILE_OFFSET_BITS /* pread and pread64 are two functions here */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

enum { FRAMES = 8, PLACES = 1 << 16, HELD = 1 << 20, RANGES = 8, MAX_HITS = 100, TEXT = 2 * PATH_MAX };

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

typedef struct range {
    uintptr_t begin, end;
} range;

typedef struct place {
    const char *call; /* NULL: a free slot */
    uint64_t hash, count;
    uint32_t frames[FRAMES]; /* addresses inside the program, innermost first; 0 behind the last */
} place;

typedef struct held {
    const void *what;    /* NULL: given back */
    uintptr_t requested; /* by whom; 0: a free slot */
} held;

typedef struct walk {
    uint32_t frames[FRAMES];
    int count;
    bool foreign; /* a library that acts for itself was met before the program */
} walk;

enum { SHORT = -1, ZERO = -2 };

static range program, libraries[RANGES], libc, self;
static uintptr_t program_base;
static int library_count;
static place *places;
static held *blocks;
static bool recording, failing, onward;
static const char *wanted_call, *hit_path;
static uint64_t wanted_place, wanted_nth, seen;
static int fail_as, hits;
static __thread bool inside __attribute__((tls_model("initial-exec")));
static char lock;

static void take(void) {
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {
    }
}

static void give(void) {
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* ---- who calls ---- */

static bool in(range r, uintptr_t address) {
    return address >= r.begin && address < r.end;
}

static int note_object(struct dl_phdr_info *info, size_t size, void *unused) {
    static const char *const ours[] = {"libjansson", "libyaml", "libpcre2"};
    (void)size, (void)unused;
    range r = {UINTPTR_MAX, 0};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
        uintptr_t begin = info->dlpi_addr + header->p_vaddr;
        if (begin < r.begin) r.begin = begin;
        if (begin + header->p_memsz > r.end) r.end = begin + header->p_memsz;
    }
    const char *name = info->dlpi_name ? info->dlpi_name : "";
    if (!*name && !program.end) {
        program = r;
        program_base = info->dlpi_addr;
    }
    if (strstr(name, "/libc.so")) libc = r;
    if (in(r, (uintptr_t)note_object)) self = r;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strstr(name, ours[i]) && library_count < RANGES) libraries[library_count++] = r;
    return 0;
}

static bool in_libraries(uintptr_t address) {
    for (int i = 0; i < library_count; i++)
        if (in(libraries[i], address)) return true;
    return false;
}

static bool may_be_ours(const void *caller) {
    uintptr_t address = (uintptr_t)caller;
    return in(program, address) || in_libraries(address) || in(libc, address);
}

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *data) {
    walk *w = data;
    uintptr_t address = _Unwind_GetIP(context);
    if (in(program, address)) {
        w->frames[w->count++] = (uint32_t)(address - program_base);
        return w->count == FRAMES ? _URC_END_OF_STACK : _URC_NO_REASON;
    }
    w->foreign = w->count == 0 && !in_libraries(address) && !in(libc, address) && !in(self, address);
    return w->foreign ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static uint64_t hash_of(const char *call, const walk *w) {
    uint64_t hash = 1469598103934665603u;
    for (const char *c = call; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    for (int i = 0; i < w->count; i++) hash = (hash ^ w->frames[i]) * 1099511628211u;
    return hash | 1;
}

static void count_at(const char *call, uint64_t hash, const walk *w) {
    uint32_t slot = (uint32_t)(hash >> 20) % PLACES;
    while (places[slot].call && places[slot].hash != hash) slot = (slot + 1) % PLACES;
    if (!places[slot].call) {
        places[slot].hash = hash;
        memcpy(places[slot].frames, w->frames, sizeof w->frames);
        places[slot].call = call;
    }
    places[slot].count++;
}

static void hit(const char *call, const char *paths) {
    char line[TEXT + 64];
    if (__atomic_fetch_add(&hits, 1, __ATOMIC_SEQ_CST) >= MAX_HITS || !hit_path) return;
    int length = snprintf(line, sizeof line, "%s\t%s\n", call, paths);
    int fd = (int)syscall(SYS_open, hit_path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (length > 0) syscall(SYS_write, fd, line, (size_t)length);
    syscall(SYS_close, fd);
}

/* What this call shall do: 0: what it always does; else an error number, SHORT or ZERO. */
static int judge(const char *call, const void *caller, const char *paths) {
    if (inside || !(recording || failing) || !may_be_ours(caller)) return 0;
    if (failing && strcmp(call, wanted_call) != 0) return 0;
    int answer = 0;
    walk w = {.count = 0};
    inside = true;
    _Unwind_Backtrace(step, &w);
    if (w.count && !w.foreign) {
        uint64_t hash = hash_of(call, &w);
        take();
        if (recording) {
            count_at(call, hash, &w);
        } else {
            bool here = !wanted_place || hash == wanted_place;
            if (here) seen++;
            if ((here && seen == wanted_nth) || (onward && seen >= wanted_nth)) answer = fail_as;
        }
        give();
        if (answer) hit(call, paths);
    }
    inside = false;
    return answer;
}

/* ---- what is held ---- */

static uint32_t held_at(const void *what) {
    return (uint32_t)(((uintptr_t)what >> 4) * 2654435761u) % HELD;
}

/* Notes memory or a file that the program itself, or a library for it, has got. */
static void hold(const void *what, const void *caller) {
    uintptr_t address = (uintptr_t)caller;
    if (!what || !blocks || inside || !(in(program, address) || in_libraries(address))) return;
    take();
    uint32_t at = held_at(what);
    while (blocks[at].requested && blocks[at].what && blocks[at].what != what) at = (at + 1) % HELD;
    blocks[at] = (held){what, address};
    give();
}

static void let_go(const void *what) {
    if (!what || !blocks) return;
    take();
    uint32_t at = held_at(what);
    while (blocks[at].requested && blocks[at].what != what) at = (at + 1) % HELD;
    if (blocks[at].requested) blocks[at].what = NULL; /* the slot stays taken, so that a search goes on */
    give();
}

static const void *handle(int fd) {
    return (const void *)(uintptr_t)(fd < 0 ? 0 : 16 + 16 * (uintptr_t)fd);
}

/* ---- beginning and end ---- */

static bool chosen_rank(void) {
    const char *wanted = getenv("FAULT_RANK"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    return !wanted || strcmp(wanted, rank ? rank : "0") == 0;
}

static bool is_fgconv(void) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    const char *name = strrchr(path, '/');
    return name && strcmp(name, "/fgconv") == 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *as = getenv("FAULT_AS"), *place_text = getenv("FAULT_PLACE"), *nth = getenv("FAULT_NTH");
    if (!is_fgconv()) return;
    inside = true;
    dl_iterate_phdr(note_object, NULL);
    hit_path = getenv("FAULT_HIT");
    wanted_call = getenv("FAULT_CALL");
    wanted_place = place_text ? strtoull(place_text, NULL, 16) : 0;
    wanted_nth = nth ? strtoull(nth, NULL, 10) : 1;
    onward = getenv("FAULT_ONWARD") != NULL;
    if (as) fail_as = strcmp(as, "short") == 0 ? SHORT : strcmp(as, "zero") == 0 ? ZERO : atoi(as);
    if (getenv("FAULT_RECORD") && chosen_rank()) {
        blocks = __libc_calloc(HELD, sizeof *blocks);
        if (!wanted_call) places = __libc_calloc(PLACES, sizeof *places);
    }
    inside = false;
    recording = places != NULL;
    failing = wanted_call && fail_as && chosen_rank();
}

static void print_places(FILE *out) {
    for (const place *p = places; p < places + PLACES; p++) {
        if (!p->call) continue;
        fprintf(out, "place\t%s\t%llx\t%llu\t", p->call, (unsigned long long)p->hash,
                (unsigned long long)p->count);
        for (int i = 0; i < FRAMES && p->frames[i]; i++) fprintf(out, "%s%x", i ? " " : "", p->frames[i]);
        fputc('\n', out);
    }
}

/* No call fails or is counted any longer. `print`: as at the end of a process; else nothing is recorded. */
void fg_fail_calls_stop(bool print) {
    const held *all = blocks;
    const bool counted = recording;
    recording = failing = false;
    blocks = NULL;
    if (!all || !print) return;
    char path[PATH_MAX];
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    snprintf(path, sizeof path, "%s.%s", getenv("FAULT_RECORD"), rank ? rank : "0");
    FILE *out = fopen(path, "a");
    if (!out) return;
    if (counted) print_places(out);
    for (uint32_t i = 0; i < HELD; i++)
        if (all[i].requested && all[i].what)
            fprintf(out, "held\t%s\t%llx\n", (uintptr_t)all[i].what < HELD ? "file" : "memory",
                    (unsigned long long)(all[i].requested - program_base));
    fclose(out);
}

__attribute__((destructor)) static void end(void) {
    fg_fail_calls_stop(true);
}

/* ---- memory ---- */

#define CALLER __builtin_return_address(0)

static bool no_memory(const void *caller) {
    if (!judge("malloc", caller, "")) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    if (no_memory(CALLER)) return NULL;
    void *memory = __libc_malloc(size);
    hold(memory, CALLER);
    return memory;
}

void *calloc(size_t count, size_t size) {
    if (no_memory(CALLER)) return NULL;
    void *memory = __libc_calloc(count, size);
    hold(memory, CALLER);
    return memory;
}

void *realloc(void *old, size_t size) {
    if (no_memory(CALLER)) return NULL;
    let_go(old);
    void *memory = __libc_realloc(old, size);
    hold(memory, CALLER);
    return memory;
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    if (no_memory(CALLER)) return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    hold(*memory, CALLER);
    return *memory ? 0 : ENOMEM;
}

void free(void *memory) {
    let_go(memory);
    __libc_free(memory);
}

/* ---- files ---- */

static void *next(const char *name) {
    bool before = inside;
    inside = true;
    void *found = dlsym(RTLD_NEXT, name);
    inside = before;
    return found;
}

/* Makes real_NAME the function of this name behind this library. */
#define FIND(name)                                                                                           \
    if (!real_##name) *(void **)&real_##name = next(#name)

/* A call that takes paths and gives -1. */
#define PATH_CALL(type, shown, name, parameters, arguments, first, second)                                   \
    static type(*real_##name) parameters;                                                                    \
    type name parameters {                                                                                   \
        char paths[TEXT];                                                                                    \
        snprintf(paths, sizeof paths, "%s\t%s", first, second);                                              \
        int failed = judge(shown, CALLER, paths);                                                            \
        FIND(name);                                                                                          \
        if (failed <= 0) return real_##name arguments;                                                       \
        errno = failed;                                                                                      \
        return -1;                                                                                           \
    }

static const char *path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = '\0';
    return path;
}

static int judge_fd(const char *call, const void *caller, int fd) {
    char path[PATH_MAX];
    if (inside || !(recording || failing)) return 0;
    return judge(call, caller, failing ? path_of(fd, path) : "");
}

/* A call that takes a file and gives -1. */
#define FILE_CALL(type, shown, name, parameters, arguments)                                                  \
    static type(*real_##name) parameters;                                                                    \
    type name parameters {                                                                                   \
        int failed = judge_fd(shown, CALLER, fd);                                                            \
        FIND(name);                                                                                          \
        if (failed <= 0) return real_##name arguments;                                                       \
        errno = failed;                                                                                      \
        return -1;                                                                                           \
    }

/* The same for those that move `count` bytes, of which there may be fewer. */
#define COUNT_CALL(name, shown, parameters, arguments)                                                       \
    static ssize_t(*real_##name) parameters;                                                                 \
    ssize_t name parameters {                                                                                \
        int failed = judge_fd(shown, CALLER, fd);                                                            \
        if (failed > 0) {                                                                                    \
            errno = failed;                                                                                  \
            return -1;                                                                                       \
        }                                                                                                    \
        if (failed == ZERO) return 0;                                                                        \
        if (failed == SHORT && count > 1) count /= 2;                                                        \
        FIND(name);                                                                                          \
        return real_##name arguments;                                                                        \
    }

COUNT_CALL(read, "read", (int fd, void *buffer, size_t count), (fd, buffer, count))
COUNT_CALL(write, "write", (int fd, const void *buffer, size_t count), (fd, buffer, count))
COUNT_CALL(pread, "pread", (int fd, void *buffer, size_t count, off_t offset), (fd, buffer, count, offset))
COUNT_CALL(pread64, "pread", (int fd, void *buffer, size_t count, off_t offset), (fd, buffer, count, offset))
COUNT_CALL(pwrite, "pwrite", (int fd, const void *buffer, size_t count, off_t offset),
           (fd, buffer, count, offset))
COUNT_CALL(pwrite64, "pwrite", (int fd, const void *buffer, size_t count, off_t offset),
           (fd, buffer, count, offset))

FILE_CALL(int, "fsync", fsync, (int fd), (fd))
FILE_CALL(int, "fdatasync", fdatasync, (int fd), (fd))
FILE_CALL(int, "ftruncate", ftruncate, (int fd, off_t size), (fd, size))
FILE_CALL(int, "ftruncate", ftruncate64, (int fd, off_t size), (fd, size))
FILE_CALL(off_t, "lseek", lseek, (int fd, off_t at, int from), (fd, at, from))
FILE_CALL(off_t, "lseek", lseek64, (int fd, off_t at, int from), (fd, at, from))
FILE_CALL(int, "fstat", fstat, (int fd, struct stat *info), (fd, info))
FILE_CALL(int, "fstat", fstat64, (int fd, struct stat64 *info), (fd, info))
FILE_CALL(int, "statvfs", fstatvfs, (int fd, struct statvfs *info), (fd, info))

PATH_CALL(int, "stat", stat, (const char *path, struct stat *info), (path, info), path, "")
PATH_CALL(int, "stat", stat64, (const char *path, struct stat64 *info), (path, info), path, "")
PATH_CALL(int, "stat", lstat, (const char *path, struct stat *info), (path, info), path, "")
PATH_CALL(int, "stat", lstat64, (const char *path, struct stat64 *info), (path, info), path, "")
PATH_CALL(int, "statvfs", statvfs, (const char *path, struct statvfs *info), (path, info), path, "")
PATH_CALL(int, "statvfs", statvfs64, (const char *path, struct statvfs64 *info), (path, info), path, "")
PATH_CALL(int, "access", access, (const char *path, int mode), (path, mode), path, "")
PATH_CALL(int, "rename", rename, (const char *from, const char *to), (from, to), from, to)
PATH_CALL(int, "rename", renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
          (a, from, b, to, flags), from, to)
PATH_CALL(int, "mkdir", mkdir, (const char *path, mode_t mode), (path, mode), path, "")
PATH_CALL(int, "unlink", unlink, (const char *path), (path), path, "")
PATH_CALL(int, "unlink", remove, (const char *path), (path), path, "")
PATH_CALL(int, "unlink", rmdir, (const char *path), (path), path, "")
PATH_CALL(int, "symlink", symlink, (const char *target, const char *path), (target, path), path, "")
PATH_CALL(ssize_t, "readlink", readlink, (const char *path, char *buffer, size_t size), (path, buffer, size),
          path, "")
PATH_CALL(int, "nftw", nftw, (const char *path, __nftw_func_t f, int open, int flags), (path, f, open, flags),
          path, "")
PATH_CALL(int, "nftw", nftw64, (const char *path, __nftw64_func_t f, int open, int flags),
          (path, f, open, flags), path, "")

static char *(*real_realpath)(const char *, char *);
char *realpath(const char *path, char *resolved) {
    int failed = judge("realpath", CALLER, path);
    FIND(realpath);
    if (failed <= 0) return real_realpath(path, resolved);
    errno = failed;
    return NULL;
}

static int opened(const char *path, int flags, mode_t mode, const void *caller) {
    int failed = judge("open", caller, path);
    if (failed > 0) {
        errno = failed;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    hold(handle(fd), caller);
    return fd;
}

#define OPEN(name)                                                                                           \
    int name(const char *path, int flags, ...) {                                                             \
        va_list arguments;                                                                                   \
        va_start(arguments, flags);                                                                          \
        mode_t mode = flags & O_CREAT ? (mode_t)va_arg(arguments, int) : 0;                                  \
        va_end(arguments);                                                                                   \
        return opened(path, flags, mode, CALLER);                                                            \
    }
OPEN(open)
OPEN(open64)

/* The file is closed whatever close() says, as Linux does it. */
int close(int fd) {
    char path[PATH_MAX + 16] = "";
    if (failing) {
        bool read_only = (syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
        path_of(fd, path);
        if (read_only) strcat(path, "\tread only");
    }
    int failed = judge("close", CALLER, path);
    let_go(handle(fd));
    int result = (int)syscall(SYS_close, fd);
    if (failed <= 0) return result;
    errno = failed;
    return -1;
}

int posix_fallocate(int fd, off_t offset, off_t size) {
    static int (*real_posix_fallocate)(int, off_t, off_t);
    int failed = judge_fd("posix_fallocate", CALLER, fd);
    FIND(posix_fallocate);
    return failed > 0 ? failed : real_posix_fallocate(fd, offset, size);
}

int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    static int (*real_posix_fallocate64)(int, off64_t, off64_t);
    int failed = judge_fd("posix_fallocate", CALLER, fd);
    FIND(posix_fallocate64);
    return failed > 0 ? failed : real_posix_fallocate64(fd, offset, size);
}

static DIR *(*real_opendir)(const char *);
DIR *opendir(const char *path) {
    int failed = judge("opendir", CALLER, path);
    if (failed > 0) {
        errno = failed;
        return NULL;
    }
    FIND(opendir);
    return real_opendir(path);
}

static struct dirent64 *(*real_readdir64)(DIR *);
struct dirent64 *readdir64(DIR *directory) {
    int failed = judge_fd("readdir", CALLER, dirfd(directory));
    FIND(readdir64);
    if (failed <= 0) return real_readdir64(directory);
    errno = failed;
    return NULL;
}
