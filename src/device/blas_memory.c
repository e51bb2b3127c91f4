#include "device/blas_memory.h"

#include <unistd.h>

#include "base/alloc.h"

/* BUFFER_SIZE of OpenBLAS on x86-64, of other processors at most as much. */
static const size_t BUFFER = 128 << 20;

fg_status fg_blas_memory_refuse(fg_error *err) {
    fg_fail(err, FG_ERR_MEMORY, "out of memory: BLAS needs %zu MiB of address space", BUFFER >> 20);
    return fg_hint(err, "raise the limit of virtual memory (ulimit -v)");
}

bool fg_blas_memory_fits(unsigned threads) {
    return fg_alloc_fits(threads * BUFFER);
}

unsigned fg_blas_memory_threads(void) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 0 ? (unsigned)processors : 1;
}
