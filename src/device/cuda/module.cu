/* The device as the program sees it, and how the module is entered. */
#include <stdio.h>

#include "gpu.cuh"
#include "products.cuh"
#include "recurrences.cuh"
#include "rows.cuh"

static void gpu_processor(char *name, size_t size) {
    cudaDeviceProp properties;
    int gpu = 0;
    bool known =
        cudaGetDevice(&gpu) == cudaSuccess && cudaGetDeviceProperties(&properties, gpu) == cudaSuccess;
    snprintf(name, size, "%s", known ? properties.name : "a GPU");
}

static fg_device make_device(void) {
    fg_device d = {};
    d.name = "cuda";
    d.host_memory = false;
    d.heads_at_once = true;
    d.tokens_at_once = UINT64_MAX;
    d.panel_bytes = 256 << 20; /* 4096 rows of most matrices: enough blocks for all of a GPU */
    d.load_bytes = LARGE_BYTES;
    d.processor = gpu_processor;
    d.open = gpu_open;
    d.close = gpu_close;
    d.room = gpu_room;
    d.allocate = gpu_allocate;
    d.release = gpu_release;
    d.put = gpu_put;
    d.get = gpu_get;
    d.stage = gpu_stage;
    d.load = gpu_load;
    d.takes_stored = gpu_takes_stored;
    d.linear = gpu_linear;
    d.attend = gpu_attend;
    d.softmax = gpu_softmax;
    d.rms_norm = gpu_rms_norm;
    d.layer_norm = gpu_layer_norm;
    d.rotate = gpu_rotate;
    d.activate = gpu_activate;
    d.multiply = gpu_multiply;
    d.add = gpu_add;
    d.scale = gpu_scale;
    d.shift = gpu_shift;
    d.cap = gpu_cap;
    d.clear = gpu_clear;
    d.gather = gpu_gather;
    d.scatter = gpu_scatter;
    d.convolve = gpu_convolve;
    d.repeat_heads = gpu_repeat_heads;
    d.selective_scan = gpu_selective_scan;
    d.delta_rule = gpu_delta_rule;
    return d;
}

static fg_status no_gpu(const fg_cuda_host *host, cudaError_t error, fg_error *err) {
    bool driver = error == cudaErrorInsufficientDriver || error == cudaErrorStubLibrary;
    if (driver)
        host->fail(err, FG_ERR_USAGE,
                   "option --device cuda: there is no NVIDIA driver here, or one older than CUDA %d.%d needs",
                   CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    else
        host->fail(err, FG_ERR_USAGE, "option --device cuda: no usable GPU here: %s",
                   error ? cudaGetErrorString(error) : "none is found");
    return host->hint(err, "look at what nvidia-smi shows, and at CUDA_VISIBLE_DEVICES; or use --device cpu");
}

extern "C" __attribute__((visibility("default"))) fg_status
fg_cuda_module(int version, const fg_cuda_host *host, int local_rank, const fg_device **device,
               fg_error *err) {
    static fg_device made;
    int gpus = 0;
    if (version != FG_CUDA_VERSION) {
        host->fail(err, FG_ERR_USAGE, "option --device cuda: the CUDA module is of another fgconv");
        return host->hint(err, "install fgconv and its module from one build, or use --device cpu");
    }
    cudaError_t error = cudaGetDeviceCount(&gpus);
    if (error != cudaSuccess || gpus < 1) return no_gpu(host, error, err);
    error = cudaSetDevice(local_rank % gpus);
    if (error == cudaSuccess) error = cudaFree(NULL); /* makes the context */
    this_gpu()->host = host;
    if (error == cudaErrorMemoryAllocation) return raise_error(this_gpu(), error, "opening it", err);
    if (error != cudaSuccess) return no_gpu(host, error, err);
    made = make_device();
    *device = &made;
    return FG_OK;
}
