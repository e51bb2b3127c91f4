/* Memory: every allocation of fgconv goes through here, so that tests can make the N-th one fail and the peak
 * is known.
 *
 * Invariant: memory from these functions is given back with fg_free and nothing else. Thread-safe.
 */
#ifndef FG_BASE_ALLOC_H
#define FG_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* `count * size` zeroed bytes; NULL with FG_ERR_MEMORY recorded when there is no room or the product
 * overflows. A count of 0 gives a pointer that can be freed. */
void *fg_alloc(size_t count, size_t size, fg_error *err);

/* The same for what is read and written here and there, as a table of hashes is: the system is asked for
 * large pages, of which fewer must be looked up. */
void *fg_alloc_scattered(size_t count, size_t size, fg_error *err);

/* Memory for buffers that are overwritten anyway: not zeroed, aligned to 64 bytes. */
void *fg_alloc_buffer(size_t bytes, fg_error *err);

/* Makes room for at least `count + 1` elements (doubling). `array` is the address of the pointer. Old
 * contents stay; new ones are zero. On failure nothing changes. */
fg_status fg_grow(void *array, size_t count, size_t *capacity, size_t size, fg_error *err);

char *fg_strdup(const char *text, fg_error *err);
char *fg_strndup(const char *text, size_t length, fg_error *err);
char *fg_strformat(fg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees and accepts NULL. */
void fg_free(void *memory);

/* Allocates `count` zeroed elements of what `pointer` points to, or goes to `done`. */
#define FG_NEW(pointer, count)                                                                               \
    do {                                                                                                     \
        (pointer) = fg_alloc((count), sizeof *(pointer), err);                                               \
        if (!(pointer)) {                                                                                    \
            status = FG_ERR_MEMORY;                                                                          \
            goto done;                                                                                       \
        }                                                                                                    \
    } while (0)

/* Stores the pointer that `call` gives, or goes to `done` with FG_ERR_MEMORY when it is NULL. Calls of
 * jansson, which record nothing, may be in it too. */
#define FG_TRY_NEW(pointer, call)                                                                            \
    do {                                                                                                     \
        (pointer) = (call);                                                                                  \
        if (!(pointer)) {                                                                                    \
            status = fg_fail(err, FG_ERR_MEMORY, "out of memory");                                           \
            goto done;                                                                                       \
        }                                                                                                    \
    } while (0)

/* The same for a variable of a loop, in place of what it holds, which is freed. */
#define FG_TRY_RENEW(pointer, call)                                                                          \
    do {                                                                                                     \
        fg_free(pointer);                                                                                    \
        FG_TRY_NEW(pointer, call);                                                                           \
    } while (0)

/* FG_TRY_NEW for functions that have nothing to clean up. */
#define FG_CALL_NEW(pointer, call)                                                                           \
    do {                                                                                                     \
        (pointer) = (call);                                                                                  \
        if (!(pointer)) return fg_fail(err, FG_ERR_MEMORY, "out of memory");                                 \
    } while (0)

/* FG_ERR_MEMORY if any allocation has failed since fg_alloc_init, whoever saw it: nothing that was built
 * since may be published. */
fg_status fg_alloc_check(fg_error *err);

/* Gives back to the system what was freed, before much else is taken: freed names lie among others, where the
 * C library keeps them for what is smaller. */
void fg_alloc_trim(void);

/* Whether so many bytes can be had now. They are given back, and count as no allocation. */
bool fg_alloc_fits(size_t bytes);

/* Tests: the N-th allocation from now (1 is the next) and all after it fail, or only that one; 0 switches
 * that off. Also set by the environment variables FGCONV_FAIL_ALLOC=N and FGCONV_FAIL_ONE_ALLOC=N. */
void fg_alloc_fail_after(uint64_t n);
void fg_alloc_fail_once(uint64_t n);
uint64_t fg_alloc_count(void); /* allocations so far */
uint64_t fg_alloc_live(void);  /* bytes held now */
uint64_t fg_alloc_peak(void);  /* most bytes held at once through this layer */
/* Allocations of jansson that failed so far: it passes over some of them, and takes others for broken
 * JSON. */
uint64_t fg_alloc_json_failures(void);

/* jansson allocates through this layer too. Call once, first thing in main. */
void fg_alloc_init(void);

#endif
