/* A GPU as one process uses it: two streams, pinned memory through which bytes go there and back, and the
 * first error of what was started and not waited for. One GPU a process, shared by all its models.
 *
 * Invariant: all kernels run on the stream `work`, in the order of the calls. Uploads of many bytes run on
 * the stream `copy`, beside the kernels; a slot's events order the two.
 */
#ifndef FG_CUDA_CARD_CUH
#define FG_CUDA_CARD_CUH

#include <cuda_runtime.h>

extern "C" {
#include "device/cuda/module.h"
}

/* One large slot holds what is staged; numbers of one byte become float32 in four others. */
enum { LARGE_SLOTS = 6, SMALL_SLOTS = 32 };
enum { LARGE_BYTES = 16 << 20, SMALL_BYTES = 64 << 10, BACK_BYTES = 4 << 20 };

/* Bytes on their way to the GPU. */
struct slot {
    char *pinned, *there; /* the host's memory and the GPU's */
    cudaEvent_t copied;   /* `pinned` may be written again */
    cudaEvent_t used;     /* `there` may be written again */
};

struct gpu {
    cudaStream_t work, copy;
    int users;   /* states that are open */
    bool opened; /* the streams and what follows exist */
    char *pinned, *there, *back;
    slot large[LARGE_SLOTS], small[SMALL_SLOTS];
    unsigned next_large, next_small;
    slot *staged;        /* the slot that `stage` gave */
    float *partial;      /* of products: see products.cu */
    size_t partial_count;
    cudaError_t failed; /* the first error of a kernel or copy that nobody waited for */
    const fg_cuda_host *host;
};

/* The GPU of this process. */
gpu *this_gpu(void);

/* Fails with what was being done; out of memory is FG_ERR_MEMORY, all else FG_ERR_SYSTEM. */
fg_status raise_error(const gpu *c, cudaError_t error, const char *doing, fg_error *err);
/* Keeps the first error for the next `get`. After each launch: note_error(c, cudaGetLastError()). */
void note_error(gpu *c, cudaError_t error);
/* Space for `count` partial sums; NULL: there is no memory, which is noted. */
float *fit_partial(gpu *c, size_t count);
/* The GPU's copy of at most SMALL_BYTES, for kernels that are started next. */
const void *send_small(gpu *c, const void *bytes, size_t size);

/* Functions of the device (device/device.h). */
fg_status gpu_open(void **state, fg_error *err);
void gpu_close(void *state);
uint64_t gpu_room(void *state);
fg_status gpu_allocate(void *state, uint64_t count, fg_real **memory, fg_error *err);
void gpu_release(void *state, fg_real *memory);
void *gpu_stage(void *state, uint64_t bytes, fg_error *err);
fg_status gpu_put(void *state, const float *from, uint64_t count, fg_real *to, fg_error *err);
fg_status gpu_get(void *state, const fg_real *from, uint64_t count, float *to, fg_error *err);
fg_status gpu_load(void *state, fg_dtype dtype, const void *from, uint64_t count, fg_dtype as, fg_real *to,
                   fg_error *err);
bool gpu_takes_stored(fg_dtype dtype);

static inline unsigned blocks_of(uint64_t count, uint64_t each) {
    return (unsigned)((count + each - 1) / each);
}

#endif
