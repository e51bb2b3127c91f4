#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include "base/alloc.h"

#include <jansson.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_uint_fast64_t total_calls, fail_at, bytes_now, bytes_peak, failures, json_failures;
static atomic_bool fail_single;
static atomic_size_t json_too_large =
    SIZE_MAX; /* a size that there was no room for since something was freed */

static bool refused(void) {
    uint64_t call = atomic_fetch_add(&total_calls, 1) + 1;
    uint64_t limit = atomic_load(&fail_at);
    return limit && (call == limit || (call > limit && !atomic_load(&fail_single)));
}

static void *counted(void *memory) {
    if (!memory) return NULL;
    uint64_t now = atomic_fetch_add(&bytes_now, malloc_usable_size(memory)) + malloc_usable_size(memory);
    uint64_t peak = atomic_load(&bytes_peak);
    while (now > peak && !atomic_compare_exchange_weak(&bytes_peak, &peak, now)) {
    }
    return memory;
}

/* jansson goes on reading a string for which it has found no room, and asks again with each character: each
 * time to look for room would take minutes. */
static void *json_alloc(size_t bytes) {
    bool none = refused();
    void *memory = NULL;
    if (!none && bytes < atomic_load(&json_too_large)) {
        memory = counted(malloc(bytes ? bytes : 1));
        if (!memory) atomic_store(&json_too_large, bytes);
    }
    if (!memory) {
        atomic_fetch_add(&failures, 1);
        atomic_fetch_add(&json_failures, 1);
    }
    return memory;
}

static void *no_room(fg_error *err, size_t count, size_t size) {
    atomic_fetch_add(&failures, 1);
    fg_fail(err, FG_ERR_MEMORY, "out of memory: cannot get %zu x %zu bytes", count, size);
    return NULL;
}

void *fg_alloc(size_t count, size_t size, fg_error *err) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX) return no_room(err, count, size);
    void *memory = refused() ? NULL : counted(calloc(bytes ? bytes : 1, 1));
    return memory ? memory : no_room(err, count, size);
}

void *fg_alloc_scattered(size_t count, size_t size, fg_error *err) {
    const uintptr_t page = 2 << 20;
    void *memory = fg_alloc(count, size, err);
    if (!memory || count * size < 2 * page) return memory;
    uintptr_t begin = ((uintptr_t)memory + page - 1) / page * page,
              end = ((uintptr_t)memory + count * size) / page * page;
    madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* where there are none it stays as it is */
    return memory;
}

void *fg_alloc_buffer(size_t bytes, fg_error *err) {
    void *memory = NULL;
    if (bytes > PTRDIFF_MAX || refused() || posix_memalign(&memory, 64, bytes ? bytes : 64))
        return no_room(err, 1, bytes);
    return counted(memory);
}

fg_status fg_grow(void *array, size_t count, size_t *capacity, size_t size, fg_error *err) {
    if (count < *capacity) return FG_OK;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted <= count) {
        if (__builtin_mul_overflow(wanted, 2, &wanted)) return fg_fail(err, FG_ERR_MEMORY, "array too large");
    }
    void *larger = fg_alloc(wanted, size, err);
    if (!larger) return FG_ERR_MEMORY;
    void *old;
    memcpy(&old, array, sizeof old);
    if (count) memcpy(larger, old, count * size);
    fg_free(old);
    memcpy(array, &larger, sizeof larger);
    *capacity = wanted;
    return FG_OK;
}

char *fg_strdup(const char *text, fg_error *err) {
    return fg_strndup(text, strlen(text), err);
}

char *fg_strndup(const char *text, size_t length, fg_error *err) {
    char *copy = fg_alloc(length + 1, 1, err);
    if (copy) memcpy(copy, text, length);
    return copy;
}

char *fg_strformat(fg_error *err, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : fg_alloc((size_t)length + 1, 1, err);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void fg_free(void *memory) {
    if (!memory) return;
    atomic_fetch_sub(&bytes_now, malloc_usable_size(memory));
    atomic_store(&json_too_large, SIZE_MAX);
    free(memory);
}

void fg_alloc_trim(void) {
    malloc_trim(0);
}

bool fg_alloc_fits(size_t bytes) {
    if (bytes == 0) return true;
    /* not malloc: sanitizers write to what stands for each of its bytes */
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED && munmap(memory, bytes) == 0;
}

static void fail(uint64_t n, bool single) {
    atomic_store(&fail_single, single);
    atomic_store(&fail_at, n ? atomic_load(&total_calls) + n : 0);
}

void fg_alloc_fail_after(uint64_t n) {
    fail(n, false);
}

void fg_alloc_fail_once(uint64_t n) {
    fail(n, true);
}

fg_status fg_alloc_check(fg_error *err) {
    if (!atomic_load(&failures)) return FG_OK;
    return fg_fail(err, FG_ERR_MEMORY,
                   "out of memory: an allocation failed, so the result may be incomplete");
}

uint64_t fg_alloc_count(void) {
    return atomic_load(&total_calls);
}

uint64_t fg_alloc_live(void) {
    return atomic_load(&bytes_now);
}

uint64_t fg_alloc_json_failures(void) {
    return atomic_load(&json_failures);
}

uint64_t fg_alloc_peak(void) {
    return atomic_load(&bytes_peak);
}

void fg_alloc_init(void) {
    json_set_alloc_funcs(json_alloc, fg_free);
    const char *after = getenv("FGCONV_FAIL_ALLOC"), *once = getenv("FGCONV_FAIL_ONE_ALLOC");
    if (after) fg_alloc_fail_after(strtoull(after, NULL, 10));
    if (once) fg_alloc_fail_once(strtoull(once, NULL, 10));
}
