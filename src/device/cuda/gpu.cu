#include "gpu.cuh"

#include <cstring>

#include "stored.cuh"

static const double RESERVED = 1.0 / 16; /* of the GPU's memory, for activations and for other ranks */

static gpu own;

gpu *this_gpu(void) {
    return &own;
}

/* ---- errors ---- */

fg_status raise_error(const gpu *c, cudaError_t error, const char *doing, fg_error *err) {
    if (error != cudaErrorMemoryAllocation)
        return c->host->fail(err, FG_ERR_SYSTEM, "the GPU failed while %s: %s", doing,
                             cudaGetErrorString(error));
    size_t left = 0, total = 0;
    cudaMemGetInfo(&left, &total);
    c->host->fail(err, FG_ERR_MEMORY, "out of the GPU's memory while %s: %zu of %zu MiB are free",
                  doing, left >> 20, total >> 20);
    return c->host->hint(err, "use fewer ranks for each GPU, fewer tokens (--prompt, --token-ids), or "
                              "--device cpu");
}

void note_error(gpu *c, cudaError_t error) {
    if (error != cudaSuccess && c->failed == cudaSuccess) c->failed = error;
}

#define CARD_TRY(call, doing)                                                                                \
    do {                                                                                                     \
        cudaError_t error_ = (call);                                                                         \
        if (error_ != cudaSuccess) return raise_error(c, error_, doing, err);                                \
    } while (0)

/* ---- opening ---- */

static cudaError_t make_slots(slot *slots, int count, size_t bytes, char *pinned, char *there) {
    cudaError_t error = cudaSuccess;
    for (int i = 0; i < count && error == cudaSuccess; i++) {
        slots[i].pinned = pinned + i * bytes;
        slots[i].there = there + i * bytes;
        error = cudaEventCreateWithFlags(&slots[i].copied, cudaEventDisableTiming);
        if (error == cudaSuccess) error = cudaEventCreateWithFlags(&slots[i].used, cudaEventDisableTiming);
    }
    return error;
}

/* Once something is to be computed. */
static fg_status fit_gpu(gpu *c, fg_error *err) {
    const size_t large = (size_t)LARGE_SLOTS * LARGE_BYTES, small = (size_t)SMALL_SLOTS * SMALL_BYTES;
    if (c->opened) return FG_OK;
    c->opened = true;
    CARD_TRY(cudaStreamCreateWithFlags(&c->work, cudaStreamNonBlocking), "preparing it");
    CARD_TRY(cudaStreamCreateWithFlags(&c->copy, cudaStreamNonBlocking), "preparing it");
    CARD_TRY(cudaMallocHost(&c->pinned, large + small + BACK_BYTES), "reserving memory for transfers");
    CARD_TRY(cudaMalloc(&c->there, large + small), "reserving memory for transfers");
    CARD_TRY(make_slots(c->large, LARGE_SLOTS, LARGE_BYTES, c->pinned, c->there), "preparing it");
    CARD_TRY(make_slots(c->small, SMALL_SLOTS, SMALL_BYTES, c->pinned + large, c->there + large),
             "preparing it");
    c->back = c->pinned + large + small;
    return FG_OK;
}

static void free_slots(slot *slots, int count) {
    for (int i = 0; i < count; i++) {
        if (slots[i].copied) cudaEventDestroy(slots[i].copied);
        if (slots[i].used) cudaEventDestroy(slots[i].used);
    }
}

fg_status gpu_open(void **state, fg_error *err) {
    (void)err;
    own.users++;
    *state = &own;
    return FG_OK;
}

void gpu_close(void *state) {
    gpu *c = (gpu *)state;
    if (!c || --c->users > 0) return;
    const fg_cuda_host *host = c->host;
    if (c->opened) cudaDeviceSynchronize();
    free_slots(c->large, LARGE_SLOTS);
    free_slots(c->small, SMALL_SLOTS);
    cudaFree(c->partial);
    cudaFree(c->there);
    cudaFreeHost(c->pinned);
    if (c->work) cudaStreamDestroy(c->work);
    if (c->copy) cudaStreamDestroy(c->copy);
    *c = gpu();
    c->host = host;
}

/* ---- memory ---- */

uint64_t gpu_room(void *state) {
    size_t left = 0, total = 0;
    (void)state;
    if (cudaMemGetInfo(&left, &total) != cudaSuccess) return 0;
    size_t reserved = (size_t)((double)total * RESERVED);
    return left > reserved ? left - reserved : 0;
}

fg_status gpu_allocate(void *state, uint64_t count, fg_real **memory, fg_error *err) {
    gpu *c = (gpu *)state;
    *memory = NULL;
    if (count > SIZE_MAX / sizeof(float))
        return c->host->fail(err, FG_ERR_MEMORY, "%llu numbers do not fit into memory",
                             (unsigned long long)count);
    FG_CALL(fit_gpu(c, err));
    CARD_TRY(cudaMalloc(memory, (count ? count : 1) * sizeof(float)), "reserving memory");
    return FG_OK;
}

void gpu_release(void *state, fg_real *memory) {
    (void)state;
    if (memory) cudaFree(memory);
}

float *fit_partial(gpu *c, size_t count) {
    if (count <= c->partial_count) return c->partial;
    cudaStreamSynchronize(c->work);
    cudaFree(c->partial);
    c->partial = NULL;
    c->partial_count = 0;
    cudaError_t error = cudaMalloc(&c->partial, count * sizeof(float));
    note_error(c, error);
    if (error == cudaSuccess) c->partial_count = count;
    return c->partial;
}

/* ---- to the GPU ---- */

/* The next slot, once its pinned memory is free. */
static slot *take_slot(gpu *c, slot *slots, unsigned count, unsigned *next) {
    slot *s = &slots[(*next)++ % count];
    note_error(c, cudaEventSynchronize(s->copied));
    return s;
}

/* On the stream of the kernels: no event need order the two. */
static void send(gpu *c, slot *s, void *to, size_t size) {
    note_error(c, cudaMemcpyAsync(to, s->pinned, size, cudaMemcpyHostToDevice, c->work));
    note_error(c, cudaEventRecord(s->copied, c->work));
}

const void *send_small(gpu *c, const void *bytes, size_t size) {
    slot *s = take_slot(c, c->small, SMALL_SLOTS, &c->next_small);
    memcpy(s->pinned, bytes, size);
    send(c, s, s->there, size);
    return s->there;
}

template <class stored> static __global__ void upcast_kernel(const stored *from, uint64_t count, float *to) {
    uint64_t step = (uint64_t)gridDim.x * blockDim.x;
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step)
        to[i] = number_of(from[i]);
}

/* From the slot to where the numbers belong: a copy, or a cast. */
static void start_cast(gpu *c, fg_dtype dtype, const slot *s, uint64_t count, fg_dtype as, float *to) {
    unsigned blocks = blocks_of(count, 1024);
    size_t size = count * c->host->dtype_size(dtype);
    if (as == dtype)
        note_error(c, cudaMemcpyAsync(to, s->there, size, cudaMemcpyDeviceToDevice, c->work));
    else if (dtype == FG_BF16)
        upcast_kernel<<<blocks, 256, 0, c->work>>>((const bfloat16_bits *)s->there, count, to);
    else if (dtype == FG_F16)
        upcast_kernel<<<blocks, 256, 0, c->work>>>((const half_bits *)s->there, count, to);
    else
        upcast_kernel<<<blocks, 256, 0, c->work>>>((const double *)s->there, count, to);
    note_error(c, cudaGetLastError());
}

static bool gpu_casts(fg_dtype dtype) {
    return dtype == FG_BF16 || dtype == FG_F16 || dtype == FG_F32 || dtype == FG_F64;
}

/* What the slot holds, beside the kernels that run. */
static void send_beside(gpu *c, fg_dtype dtype, slot *s, uint64_t count, fg_dtype as, float *to) {
    size_t size = count * c->host->dtype_size(dtype);
    note_error(c, cudaStreamWaitEvent(c->copy, s->used, 0));
    note_error(c, cudaMemcpyAsync(s->there, s->pinned, size, cudaMemcpyHostToDevice, c->copy));
    note_error(c, cudaEventRecord(s->copied, c->copy));
    note_error(c, cudaStreamWaitEvent(c->work, s->copied, 0));
    start_cast(c, dtype, s, count, as, to);
    note_error(c, cudaEventRecord(s->used, c->work));
}

void *gpu_stage(void *state, uint64_t bytes, fg_error *err) {
    gpu *c = (gpu *)state;
    if (bytes > LARGE_BYTES) {
        c->host->fail(err, FG_ERR_BUG, "%llu bytes are more than one transfer takes",
                      (unsigned long long)bytes);
        return NULL;
    }
    if (fit_gpu(c, err) != FG_OK) return NULL;
    c->staged = bytes <= SMALL_BYTES ? take_slot(c, c->small, SMALL_SLOTS, &c->next_small)
                                     : take_slot(c, c->large, LARGE_SLOTS, &c->next_large);
    return c->staged->pinned;
}

/* At most what a slot holds; what the GPU does not cast, as float32 too. */
static void load_part(gpu *c, fg_dtype dtype, const void *from, uint64_t count, fg_dtype as, float *to) {
    size_t size = count * c->host->dtype_size(dtype);
    bool staged = c->staged && from == c->staged->pinned;
    slot *s = staged ? c->staged : NULL;
    c->staged = NULL;
    if (!gpu_casts(dtype)) {
        s = take_slot(c, c->large, LARGE_SLOTS, &c->next_large);
        c->host->cast_to_f32(dtype, from, (float *)s->pinned, count);
        return send_beside(c, FG_F32, s, count, FG_F32, to);
    }
    if (!s) {
        bool few = size <= SMALL_BYTES;
        s = few ? take_slot(c, c->small, SMALL_SLOTS, &c->next_small)
                : take_slot(c, c->large, LARGE_SLOTS, &c->next_large);
        memcpy(s->pinned, from, size);
    }
    if (s >= c->large && s < c->large + LARGE_SLOTS) return send_beside(c, dtype, s, count, as, to);
    if (as == dtype) return send(c, s, to, size);
    send(c, s, s->there, size);
    start_cast(c, dtype, s, count, as, to);
}

bool gpu_takes_stored(fg_dtype dtype) {
    return dtype == FG_BF16 || dtype == FG_F16;
}

fg_status gpu_load(void *state, fg_dtype dtype, const void *from, uint64_t count, fg_dtype as, fg_real *to,
                   fg_error *err) {
    gpu *c = (gpu *)state;
    size_t size = c->host->dtype_size(dtype), made = c->host->dtype_size(as),
           most = LARGE_BYTES / (gpu_casts(dtype) ? size : sizeof(float));
    FG_CALL(fit_gpu(c, err));
    for (uint64_t done = 0; done < count; done += most) {
        uint64_t part = count - done < most ? count - done : most;
        load_part(c, dtype, (const char *)from + done * size, part, as, (float *)((char *)to + done * made));
    }
    return FG_OK;
}

fg_status gpu_put(void *state, const float *from, uint64_t count, fg_real *to, fg_error *err) {
    return gpu_load(state, FG_F32, from, count, FG_F32, to, err);
}

/* ---- and back ---- */

fg_status gpu_get(void *state, const fg_real *from, uint64_t count, float *to, fg_error *err) {
    gpu *c = (gpu *)state;
    const uint64_t most = BACK_BYTES / sizeof(float);
    FG_CALL(fit_gpu(c, err));
    for (uint64_t done = 0; done < count; done += most) {
        uint64_t part = count - done < most ? count - done : most;
        note_error(c, cudaMemcpyAsync(c->back, from + done, part * sizeof(float), cudaMemcpyDeviceToHost,
                                      c->work));
        note_error(c, cudaStreamSynchronize(c->work));
        memcpy(to + done, c->back, part * sizeof(float));
    }
    if (c->failed != cudaSuccess) return raise_error(c, c->failed, "computing", err);
    return FG_OK;
}
